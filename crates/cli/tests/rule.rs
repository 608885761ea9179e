//! `rule`: scripts and conditions over JSON lines, and the prompt in a terminal.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use insta::assert_snapshot;
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use sluicebox_testkit::{Finished, Sandbox, wait_for};

const PRICES: &str =
    "{\"price\": 1.10, \"n\":1}\n{ \"price\":2,\"big\":18446744073709551616}\n\n{\"price\":30}";

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"))
}

fn start(sandbox: &Sandbox, arguments: &[&str]) -> Child {
    let mut command = sandbox.command("rule");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Runs the filter over this input.
fn filter_in(sandbox: &Sandbox, arguments: &[&str], input: &str) -> Finished {
    let mut child = start(sandbox, arguments);
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_owned());
    // What does not read its input, because it is wrong usage, closes it.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Finished {
        code: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

fn filter(arguments: &[&str], input: &str) -> Finished {
    filter_in(&sandbox(), arguments, input)
}

#[test]
fn a_script_changes_every_event_in_order() {
    let finished = filter(&["-e", "event.total = event.price * 2;"], PRICES).expect(0);
    assert_snapshot!(finished.stdout, @r#"
    {"price":1.10,"n":1,"total":2.2}
    {"price":2,"big":18446744073709551616,"total":4}
    {"price":30,"total":60}
    "#);
    assert_eq!(finished.stderr, "");
}

#[test]
fn what_is_left_alone_keeps_its_bytes() {
    let lines = PRICES.replace("\n\n", "\n") + "\n";
    assert_eq!(filter(&["-e", "true"], PRICES).expect(0).stdout, lines);
    assert_eq!(filter(&["-e", ""], &PRICES.replace('\n', "\r\n")).expect(0).stdout, lines);
    assert_eq!(filter(&["-e", "true"], "").expect(0).stdout, "");
}

#[test]
fn a_condition_is_a_filter_and_comes_before_the_script() {
    let finished = filter(&["--when", "event.price > 1.5"], PRICES).expect(0);
    assert_eq!(finished.stdout.lines().count(), 2);
    let arguments =
        ["--condition", "event.price > 1.5", "-e", "if event.price < 2 { throw \"no\" } event.price == 30"];
    assert_eq!(filter(&arguments, PRICES).expect(0).stdout, "{\"price\":30}\n");
}

#[test]
fn script_and_events_come_from_files_too() {
    let sandbox = sandbox();
    sandbox.write("rules/double.rhai", "event.price *= 2;\n");
    sandbox.write("events.jsonl", PRICES);
    let expected = "{\"price\":60}";
    let piped = filter_in(&sandbox, &["rules/double.rhai"], PRICES).expect(0);
    assert_eq!(piped.stdout.lines().last(), Some(expected));
    assert_eq!(sandbox.run("rule rules/double.rhai --events events.jsonl").expect(0).stdout, piped.stdout);
    let named = filter_in(&sandbox, &["-e", "event.price *= 2;", "events.jsonl"], "").expect(0);
    assert_eq!(named.stdout, piped.stdout);
    let dashed = filter_in(&sandbox, &["-e", "event.price *= 2;", "-"], PRICES).expect(0);
    assert_eq!(dashed.stdout, piped.stdout);
}

#[test]
fn outputs_children_and_drops() {
    let script = "if event.price > 20 { to(\"large\") } emit(#{ copy_of: event.price }); event.price != 2";
    let all = filter(&["-e", script], PRICES).expect(0);
    assert_snapshot!(all.stdout, @r#"
    {"copy_of":1.1}
    {"price": 1.10, "n":1}
    {"copy_of":2}
    {"copy_of":30}
    {"price":30}
    "#);
    let large = filter(&["-e", script, "--output", "large"], PRICES).expect(0);
    assert_eq!(large.stdout, "{\"price\":30}\n");
    let main = filter(&["-e", script, "--output", "main"], PRICES).expect(0);
    assert_eq!(main.stdout.lines().count(), 4);
    let refused = filter(&["-e", script, "--output", "larg"], PRICES).expect(2);
    assert_eq!(refused.stderr, "error: the rule has no output `larg`\nhelp: there is main, large\n");
}

#[test]
fn an_envelope_that_was_written_can_be_read() {
    let event =
        r#"{"id":"1042","type":"payment.pending","createdAt":"2026-06-12T10:00:00.000Z","data":{"n": 1.10}}"#;
    let first = filter(&["-e", "to(\"big\");", "--envelope"], event).expect(0);
    let envelope = &first.json_lines()[0];
    assert_eq!(envelope["meta"]["id"], "opentrain:opentrain:1042");
    assert_eq!(envelope["meta"]["type"], "payment.pending");
    assert_eq!(envelope["meta"]["time"], "2026-06-12T10:00:00.000Z");
    assert_eq!(envelope["output"], "big");
    assert!(
        first.stdout.ends_with(&format!(",\"output\":\"big\",\"event\":{event}}}\n")),
        "{}",
        first.stdout
    );
    let second =
        filter(&["--when", "meta.type == \"payment.pending\"", "--envelope"], &first.stdout).expect(0);
    assert_eq!(second.json_lines()[0]["meta"], envelope["meta"]);
    assert_eq!(second.json_lines()[0].get("output"), None);
    let bare = filter(&["-e", "event.data.n"], &second.stdout).expect(1);
    assert!(bare.stderr.contains("the script's last value is a number"), "{}", bare.stderr);
}

#[test]
fn an_event_that_fails_shows_its_place_and_the_others_go_on() {
    let sandbox = sandbox();
    sandbox.write("price.rhai", "if !(\"n\" in event) { throw \"no n\"; }\nevent.len = event.n.len();\n");
    let input = "{\"n\":\"ab\"}\n{\"m\":1}\n{\"n\":\"abc\"}\n{}\n";
    let finished = filter_in(&sandbox, &["price.rhai"], input).expect(1);
    assert_eq!(finished.stdout, "{\"n\":\"ab\",\"len\":2}\n{\"n\":\"abc\",\"len\":3}\n");
    assert_snapshot!(finished.stderr, @r#"
    error: line 2: no n
     --> price.rhai:1:22
      |
    1 | if !("n" in event) { throw "no n"; }
      |                      ^^^^^
    error: line 4: no n (price.rhai:1:22)
    error: 2 of 4 events failed
    "#);
}

#[test]
fn events_that_are_given_up_and_conditions_that_fail() {
    let finished = filter(&["-e", "if event.price > 2 { dead_letter(\"too dear\") }"], PRICES).expect(1);
    assert_eq!(finished.stdout.lines().count(), 2);
    assert_snapshot!(finished.stderr, @r#"
    error: line 4: given up: too dear
     --> -e:1:22
      |
    1 | if event.price > 2 { dead_letter("too dear") }
      |                      ^^^^^^^^^^^
    error: 1 of 3 events failed
    "#);
    let finished = filter(&["--when", "event.price"], "{\"price\":1}").expect(1);
    assert!(
        finished.stderr.contains("line 1: expected true or false, found an integer"),
        "{}",
        finished.stderr
    );
    assert!(finished.stderr.contains(" --> --when:1:"), "{}", finished.stderr);
}

#[test]
fn lines_that_are_no_events_are_told_and_passed_over() {
    let finished = filter(&["-e", "event.ok = true;"], "[1]\n{\"a\":\n{\"a\":1}\nnull\n").expect(1);
    assert_eq!(finished.stdout, "{\"a\":1,\"ok\":true}\n");
    assert_snapshot!(finished.stderr, @r#"
    error: line 1 is no event: not a JSON object
    error: line 2 is no event: not JSON: EOF while parsing a value at column 5
    error: line 4 is no event: not a JSON object
    error: 3 of 4 events failed
    "#);
}

#[test]
fn log_lines_go_to_stderr() {
    let finished = filter(&["-e", "log(`price ${event.price}`);"], "{\"price\":5}").expect(0);
    assert_eq!(finished.stdout, "{\"price\":5}\n");
    assert!(finished.stderr.contains("rule: price 5 (id: lines:lines:1)"), "{}", finished.stderr);
}

#[test]
fn machines_are_told_in_json() {
    let input = "{}\nx\n";
    let finished = filter(&["-e", "event.n.len();", "--log-format", "json"], input).expect(1);
    let log = finished.log();
    assert_eq!(
        (&log[0]["input_line"], &log[0]["reason"], &log[0]["line"]),
        (&1.into(), &"script".into(), &1.into())
    );
    assert_eq!(log[1]["input_line"], 2);
    assert_eq!(log[2]["message"], "2 of 2 events failed");
    let finished = filter(&["-e", "event.n.", "--log-format", "json"], input).expect(78);
    assert_eq!(finished.log()[0]["file"], "-e");
}

#[test]
fn a_rule_that_does_not_compile_reads_nothing() {
    let finished = filter(&["-e", "let a = 1;\nevent.a = a +;", "--when", "event.a == ;"], PRICES).expect(78);
    assert_eq!(finished.stdout, "");
    assert_snapshot!(finished.stderr, @r#"
    error: unexpected ';'
     --> --when:1:12
      |
    1 | event.a == ;
      |            ^

    error: unexpected ';'
     --> -e:2:14
      |
    2 | event.a = a +;
      |              ^
    "#);
}

#[test]
fn wrong_usage_is_2() {
    let sandbox = sandbox();
    sandbox.write("a.rhai", "true");
    for (arguments, expected) in [
        (&[] as &[&str], "there is no rule to run"),
        (&["events.jsonl"], "there is no rule to run"),
        (&["a.rhai", "-e", "true"], "a script is given twice"),
        (&["gone.rhai"], "cannot read the script gone.rhai: not found"),
        (&["a.rhai", "--events", "gone.jsonl"], "cannot read the events gone.jsonl: not found"),
        (&["a.rhai", "gone.jsonl"], "unexpected argument"),
    ] {
        let finished = filter_in(&sandbox, arguments, "").expect(2);
        assert!(finished.stderr.contains(expected), "{arguments:?}: {}", finished.stderr);
    }
}

#[test]
fn each_event_is_answered_before_the_next_one_comes() {
    let mut child = start(&sandbox(), &["-e", "event.n += 1;"]);
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for number in 0..3 {
        writeln!(input, "{{\"n\":{number}}}").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, format!("{{\"n\":{}}}\n", number + 1));
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn many_lines_pass_through_little_memory() {
    const LINES: usize = 60_000;
    const MEBIBYTES: usize = 100;
    let mut child = start(&sandbox(), &["-e", "event.n % 2 == 0"]);
    let mut input = child.stdin.take().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let padding = "x".repeat(4000);
    let writer = std::thread::spawn(move || {
        for number in 0..LINES {
            writeln!(input, "{{\"n\":{number},\"padding\":\"{padding}\"}}").unwrap();
        }
        input
    });
    let mut numbers = (0..LINES).step_by(2);
    let mut lines = output.lines();
    for line in lines.by_ref().take(LINES / 2) {
        let expected = format!("{{\"n\":{},", numbers.next().unwrap());
        assert!(line.unwrap().starts_with(&expected));
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kibibytes: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kibibytes < MEBIBYTES << 10, "{LINES} lines of 4 KB took {kibibytes} KiB");
    drop(writer.join().unwrap());
    assert!(lines.next().is_none());
    assert!(child.wait().unwrap().success());
}

#[test]
fn nobody_reading_on_ends_it_quietly() {
    let mut child = start(&sandbox(), &["-e", "true"]);
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        // Until it has ended.
        while input.write_all(b"{\"a\":\"some text to fill the pipe\"}\n").is_ok() {}
    });
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    drop(output);
    let finished = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(
        (finished.status.code(), String::from_utf8(finished.stderr).unwrap()),
        (Some(0), String::new())
    );
}

/// The command in a terminal of its own.
struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<String>>,
}

impl Terminal {
    fn start(command: &mut Command) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave: OwnedFd = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let child = command.env("TERM", "xterm").stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        // Only the child may hold the other end, for its end to be seen.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        drop(slave);
        let keyboard = File::from(master);
        let screen = Arc::new(Mutex::new(String::new()));
        let (mut reader, shown) = (keyboard.try_clone().unwrap(), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                shown.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        Self { child, keyboard, screen }
    }

    /// Waits until the screen shows this from some place on, and behind it the prompt.
    fn shows(&self, from: usize, expected: &str) {
        wait_for(&format!("{expected:?} and a prompt"), || {
            let screen = self.screen.lock().unwrap();
            let (_, after) = screen[from..].split_once(expected)?;
            after.contains("/2> ").then_some(())
        });
    }

    /// Types, and waits for an answer.
    fn types(&mut self, keys: &str, expected: &str) {
        let before = self.screen.lock().unwrap().len();
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.shows(before, expected);
    }

    fn ends(mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
fn the_prompt_edits_completes_and_remembers() {
    let sandbox = sandbox();
    sandbox.write("events.jsonl", "{\"data\":{\"amountUsd\":7.25}}\n{\"data\":{}}\n");
    let mut terminal = Terminal::start(&mut sandbox.command("rule events.jsonl --history kept/history"));
    terminal.shows(0, "kept/history");
    terminal.types("event.da\t.am\t * 2\r", "14.5");
    terminal.types("nonsense\u{3}", "nonsense");
    terminal.types("event.data.ok = true;\r", "+     \"ok\": true");
    terminal.types("if true {\rlog(`in${1 + 1}`); }\r", "rule: in2");
    terminal.types(":next\r", "lines:lines:2");
    terminal.ends("\u{4}");
    let history = sandbox.read("kept/history");
    for kept in ["event.data.amountUsd * 2\n", "event.data.ok = true;\n", ":next\n"] {
        assert!(history.contains(kept), "{kept} in {history}");
    }
    assert!(!history.contains("nonsense"), "{history}");
}

#[test]
fn a_script_file_begins_the_prompt_at_a_terminal() {
    let sandbox = sandbox();
    sandbox.write("mark.rhai", "event.marked = meta.source;\n");
    let terminal = Terminal::start(&mut sandbox.command("rule mark.rhai --history off"));
    terminal.shows(0, "+   \"marked\": \"opentrain\"");
    terminal.ends(":quit\r");
}
