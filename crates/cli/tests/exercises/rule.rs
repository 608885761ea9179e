//! Rules run as a reader would run them, by the verb `rule`, and what came of an event in the words of the guide.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use sluicebox_testkit::{Finished, Sandbox};

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A script.
    Script,
    /// A condition.
    Condition,
    /// An expression, whose value is asked for.
    Value,
}

/// Runs the command in a folder.
pub(crate) fn run_in(folder: &Path, arguments: &[&str]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicebox"));
    let command = command.current_dir(folder).args(arguments).env("NO_COLOR", "1").stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Finished {
        code: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// What becomes of an event, one line each: an event, `OUTPUT: EVENT`, `yes`, `no`, `dropped`, `log: TEXT`,
/// `error: MESSAGE`, `dead letter: REASON`, `help: TEXT`.
pub(crate) fn outcome(kind: Kind, text: &str, event: &str) -> Vec<String> {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write("events.jsonl", event);
    let text = match kind {
        Kind::Script | Kind::Condition => text.to_owned(),
        Kind::Value => format!("replace(#{{ value: {} }});", text.trim()),
    };
    let flag = if kind == Kind::Condition { "--when" } else { "-e" };
    let finished = run_in(&sandbox.path(""), &["rule", flag, &text, "--envelope", "events.jsonl"]);
    let (written, told) = (finished.stdout.lines().map(written), told(&finished.stderr));
    let mut lines: Vec<String> = match kind {
        Kind::Condition => written.map(|_| "yes".to_owned()).collect(),
        Kind::Script => written.collect(),
        Kind::Value => written.map(|event| value(&event)).collect(),
    };
    if lines.is_empty() && !told.iter().any(|line| !line.starts_with("log: ")) {
        lines.push(if kind == Kind::Condition { "no" } else { "dropped" }.to_owned());
    }
    lines.extend(told);
    lines
}

/// An envelope as its event, byte for byte, behind the name of its output if that has one.
fn written(envelope: &str) -> String {
    let (_, event) = envelope.split_once(",\"event\":").unwrap();
    let event = event.strip_suffix('}').unwrap();
    match &serde_json::from_str::<Value>(envelope).unwrap()["output"] {
        Value::String(output) => format!("{output}: {event}"),
        _ => event.to_owned(),
    }
}

/// The value in `{"value":…}`; a missing one as rules write it.
fn value(event: &str) -> String {
    match event.strip_prefix("{\"value\":").and_then(|rest| rest.strip_suffix('}')) {
        Some("null") => "()".to_owned(),
        Some(value) => value.to_owned(),
        None => panic!("no value in {event}"),
    }
}

/// What was said on stderr of one event.
fn told(stderr: &str) -> Vec<String> {
    let line = |line: &str| {
        if let Some(message) = line.strip_prefix("error: ") {
            let message = message.strip_prefix("line 1: ").unwrap_or(message);
            return match message.strip_prefix("given up: ") {
                Some(reason) => Some(format!("dead letter: {reason}")),
                None if message.ends_with(" events failed") => None,
                None => Some(format!("error: {message}")),
            };
        }
        if let Some((_, log)) = line.split_once("rule: ") {
            return log.split_once(" (id: ").map(|(text, _)| format!("log: {text}"));
        }
        line.split_once("= help: ").map(|(_, help)| format!("help: {help}"))
    };
    stderr.lines().filter_map(line).collect()
}
