//! The example's program runs the example's pipeline, goes on where it stood, and says what is wrong.

use std::path::Path;
use std::process::{Command, Output};

const RUN: [&str; 5] = ["run", "--once", "--admin", "off", "pipeline.yaml"];

fn custom_source(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_custom-source"));
    command.args(arguments).current_dir(folder).env_remove("SPOOL").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with the pipeline in it, and an empty spool.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipeline.yaml");
    std::fs::copy(pipeline, folder.path().join("pipeline.yaml")).unwrap();
    std::fs::create_dir(folder.path().join("spool")).unwrap();
    folder
}

fn put(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join("spool").join(name), text).unwrap();
}

#[test]
fn files_become_rows_once_and_what_is_no_event_a_dead_letter() {
    let folder = folder();
    put(folder.path(), "0001.json", r#"{"order":1,"paid":true}"#);
    put(folder.path(), "0002.json", r#"{"order":2,"paid":false}"#);
    put(folder.path(), "0003.json", "no event");
    let cursor = || text(&custom_source(folder.path(), &["cursor", "show"]).stdout);
    for last in ["0003.json", "0003.json", "0004.json"] {
        if last == "0004.json" {
            put(folder.path(), last, r#"{"order":4,"paid":true}"#);
        }
        let output = custom_source(folder.path(), &RUN);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(cursor().contains(last), "{}", cursor());
    }
    let letters = text(&custom_source(folder.path(), &["dlq", "list"]).stdout);
    assert_eq!(letters.lines().filter(|line| line.contains("parse")).count(), 1, "{letters}");
}

#[test]
fn the_verbs_know_the_source() {
    let folder = folder();
    let checked = custom_source(folder.path(), &["check", "pipeline.yaml"]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    assert!(text(&checked.stdout).contains("exactly_once"), "{}", text(&checked.stdout));
    let explained = text(&custom_source(folder.path(), &["explain", "spool"]).stdout);
    assert!(explained.contains("Names must grow"), "{explained}");
    let wrong =
        std::fs::read_to_string(folder.path().join("pipeline.yaml")).unwrap().replace("folder:", "fodler:");
    std::fs::write(folder.path().join("pipeline.yaml"), wrong).unwrap();
    let checked = custom_source(folder.path(), &["check", "pipeline.yaml"]);
    assert_eq!(checked.status.code(), Some(78));
    assert!(text(&checked.stderr).contains("`folder`"), "{}", text(&checked.stderr));
}
