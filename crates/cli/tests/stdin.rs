//! Standard input as a source, with the real binary: until it ends, and what a kill means.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::fs::File;
use std::io::Write;
use std::process::Stdio;

use sluicebox_testkit::{Sandbox, wait_for};

fn sandbox(more: &str) -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write(
        "p.yaml",
        &format!(
            "sources:\n  input: {{ type: stdin }}\n{more}\
             sinks:\n  rows: {{ type: sqlite, inputs: [input], path: rows.db, table: events, columns: \
             {{ id: meta.id, n: event.n }} }}\n"
        ),
    );
    sandbox
}

fn numbers(sandbox: &Sandbox) -> Vec<String> {
    sandbox.rows("rows.db", "SELECT n FROM events ORDER BY rowid")
}

#[test]
fn a_run_ends_with_its_input_and_the_next_one_reads_another() {
    let sandbox = sandbox("");
    let checked = sandbox.run("check p.yaml").expect(0).stdout;
    assert!(checked.contains("cannot be read again"), "{checked}");
    let lines: Vec<String> = (0..5000).map(|number| format!("{{\"n\":\"{number}\"}}")).collect();
    sandbox.write("lines.jsonl", &format!("{}\nno object\n{{\"n\":\"last\"}}", lines.join("\n")));
    for round in 1..=2 {
        let input = File::open(sandbox.path("lines.jsonl")).unwrap();
        let ended = sandbox.command("run --admin off p.yaml").stdin(input).output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        let rows = numbers(&sandbox);
        assert_eq!(
            (rows.len(), rows.last().unwrap().as_str()),
            (round * 5001, "last"),
            "the same lines, another run"
        );
        assert_eq!(sandbox.dead_letters().len(), round);
    }
    let ids = sandbox.rows("rows.db", "SELECT DISTINCT id FROM events");
    assert_eq!(ids.len(), 10_002);
}

#[test]
fn lines_are_delivered_while_the_input_is_open_and_a_kill_does_not_bring_them_back() {
    let sandbox = sandbox("");
    let start = || {
        let mut command = sandbox.command("run --admin off p.yaml");
        command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut killed = start();
    let mut input = killed.stdin.take().unwrap();
    input.write_all(b"{\"n\":\"1\"}\n{\"n\":\"2\"}\n{\"n\":").unwrap();
    input.flush().unwrap();
    wait_for("two rows", || (numbers(&sandbox).len() == 2).then_some(()));
    killed.kill().unwrap();
    killed.wait().unwrap();
    drop(input);
    let mut next = start();
    let mut input = next.stdin.take().unwrap();
    input.write_all(b"{\"n\":\"3\"}").unwrap();
    drop(input);
    assert!(next.wait().unwrap().success());
    assert_eq!(numbers(&sandbox), ["1", "2", "3"]);
}

#[test]
fn one_input_has_one_reader() {
    let sandbox = sandbox("  other: { type: stdin }\n");
    let refused = sandbox.run("check p.yaml").expect(78);
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(said.contains("`input` and `other` would take the same input from each other"), "{said}");
}
