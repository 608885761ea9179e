//! `new`: a pipeline to start from, of any components.

use std::path::Path;

use serde_json::Value;
use sluicebox_config::{Inputs, Variables};
use sluicebox_runtime::Folder;
use sluicebox_testkit::Sandbox;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write("tables/customers.csv", "id,name\nc1,Ann\n");
    sandbox
}

/// The names of a kind.
fn types(sandbox: &Sandbox, kind: &str) -> Vec<String> {
    let list: Vec<Value> =
        serde_json::from_str(&sandbox.run(&format!("list {kind} --format json")).expect(0).stdout)
            .expect("JSON");
    list.iter().map(|entry| entry["type"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_draft_of_any_component_passes_check() {
    let sandbox = sandbox();
    let sources = types(&sandbox, "sources").into_iter().map(|name| format!("{name}/blackhole"));
    let transforms =
        types(&sandbox, "transforms").into_iter().map(|name| format!("generate/{name}/blackhole"));
    let sinks = types(&sandbox, "sinks").into_iter().map(|name| format!("generate/{name}"));
    for shape in sources.chain(transforms).chain(sinks) {
        let draft = sandbox.run(&format!("new {shape}")).expect(0);
        sandbox.write("pipeline.yaml", &draft.stdout);
        let checked = sandbox.run("check --allow-missing-secrets pipeline.yaml");
        assert_eq!(checked.code, 0, "{shape}\n{}\n{}", draft.stdout, checked.stderr);
    }
}

#[test]
fn what_is_commented_out_can_be_put_in() {
    struct Nothing;
    impl Variables for Nothing {
        fn get(&self, _name: &str) -> Option<String> {
            None
        }
        fn file(&self, _path: &str) -> Result<String, String> {
            Err("not found".to_owned())
        }
    }
    let (sandbox, registry) = (sandbox(), sluicebox_bundle::registry());
    let draft = sandbox
        .run("new opentrain_updates,kafka/http_lookup,window,rhai/kafka,file,postgres")
        .expect(0)
        .stdout;
    let lines: Vec<&str> = draft.lines().collect();
    let mut tried = 0;
    for (number, line) in lines.iter().enumerate() {
        let Some(option) = line.strip_prefix("    # ") else { continue };
        let mut with = lines.clone();
        let put_in = format!("    {option}");
        with[number] = &put_in;
        let files = Folder::of(&sandbox.path("pipeline.yaml"));
        let inputs = Inputs { variables: &Nothing, files: &files, allow_missing_secrets: true };
        let loaded = sluicebox_config::load(Path::new("pipeline.yaml"), &with.join("\n"), &registry, &inputs);
        // What it needs beside it may be missing; that it is an option at its place is known.
        for problem in loaded.err().into_iter().flat_map(|report| report.problems) {
            let unread = ["unknown", "indentation", "YAML"].iter().any(|word| problem.message.contains(word));
            assert!(!unread, "{option}: {}", problem.message);
        }
        tried += 1;
    }
    assert!(tried > 40, "{tried}");
}

#[test]
fn what_is_to_be_done_and_what_is_no_shape_is_said() {
    let sandbox = sandbox();
    let draft = sandbox.run("new opentrain_updates/filter/file").expect(0);
    assert!(draft.stderr.starts_with("before it runs:\n  line "), "{}", draft.stderr);
    assert!(draft.stderr.contains("`OPENTRAIN_TOKEN` is not set"), "{}", draft.stderr);
    assert_eq!(sandbox.run("new generate/blackhole").expect(0).stderr, "");
    let both = sandbox.run("new kafka//kafka").expect(0).stdout;
    assert!(
        both.contains("  kafka:\n") && both.contains("  kafka_sink:\n    type: kafka\n    inputs: [kafka]\n"),
        "{both}"
    );
    for (shape, said) in [
        (
            "generate",
            "error: expected SOURCE/TRANSFORM,…/SINK, found generate\nhelp: for example: sluicebox new opentrain_updates/filter,rhai/sqlite\n",
        ),
        ("generat/stdout", "error: there is no source generat\nhelp: did you mean generate?\n"),
        ("generate/fliter/stdout", "error: there is no transform fliter\nhelp: did you mean filter?\n"),
        ("generate/", "error: a pipeline needs a sink\nhelp: `sluicebox list sinks` shows all\n"),
    ] {
        assert_eq!(sandbox.run(&format!("new {shape}")).expect(2).stderr, said);
    }
}
