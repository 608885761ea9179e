//! The example's program runs the example's pipeline, and refuses or gives up what it must.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::path::Path;
use std::process::{Command, Output};

fn custom_sink(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_custom-sink"));
    command.args(arguments).current_dir(folder).env_remove("CSV_FILE").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn pipeline() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("pipeline.yaml")).unwrap()
}

/// A folder with a pipeline file in it.
fn folder_with(pipeline: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pipeline.yaml"), pipeline).unwrap();
    folder
}

const RUN: [&str; 5] = ["run", "--once", "--admin", "off", "pipeline.yaml"];

#[test]
fn events_become_lines_and_a_second_run_adds_none() {
    let folder = folder_with(&pipeline());
    let lines: Vec<String> = (1..=10).map(|tens| format!("{},\"a 3\"\" bolt\",0.5\n", tens * 10)).collect();
    let expected = lines.concat();
    for _ in 0..2 {
        let output = custom_sink(folder.path(), &RUN);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(std::fs::read_to_string(folder.path().join("orders.csv")).unwrap(), expected);
    }
}

#[test]
fn an_event_that_cannot_be_a_line_is_a_dead_letter() {
    let folder = folder_with(&pipeline().replace("/price", "/tags"));
    let output = custom_sink(folder.path(), &RUN);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_to_string(folder.path().join("orders.csv")).unwrap(), "");
    let letters = text(&custom_sink(folder.path(), &["dlq", "list"]).stdout);
    assert_eq!(letters.lines().count(), 10, "{letters}");
    assert!(letters.lines().all(|line| line.contains("`/tags` is no single value")), "{letters}");
}

#[test]
fn the_verbs_know_the_sink() {
    let folder = folder_with(&pipeline());
    let checked = custom_sink(folder.path(), &["check", "pipeline.yaml"]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    assert!(text(&checked.stdout).contains("a line cannot be committed together with the cursor"));
    let listed = text(&custom_sink(folder.path(), &["list", "sinks"]).stdout);
    assert!(listed.contains("csv") && listed.contains("sqlite"), "{listed}");

    let wrong = folder_with(&pipeline().replace("/price", "price"));
    let checked = custom_sink(wrong.path(), &["check", "pipeline.yaml"]);
    assert_eq!(checked.status.code(), Some(78));
    assert!(text(&checked.stderr).contains("pipeline.yaml:23"), "{}", text(&checked.stderr));
}

#[test]
fn the_sink_says_whether_it_could_write() {
    let check = ["check", "--connect", "pipeline.yaml"];
    let folder = folder_with(&pipeline());
    let checked = custom_sink(folder.path(), &check);
    assert!(checked.status.success() && text(&checked.stdout).contains("✓ table   folder  . is there"));
    let missing = folder_with(&pipeline().replace("orders.csv", "nowhere/orders.csv"));
    let checked = custom_sink(missing.path(), &check);
    assert_eq!(checked.status.code(), Some(1));
    let shown = text(&checked.stdout);
    assert!(shown.contains("✗ table   folder  cannot use the folder nowhere: No such file"), "{shown}");
    assert!(shown.contains("help: make the folder"), "{shown}");
}
