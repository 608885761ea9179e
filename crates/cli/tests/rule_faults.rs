//! Rules that fail, run away or explode: each ends by itself, its event becomes a dead letter that names file, line and
//! column, and the worker lives on.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

use std::time::{Duration, Instant};

use serde_json::Value;
use sluicebox_testkit::{Sandbox, Stub};

const ONCE: &str = "run --once --log-format json --admin off p.yaml";

/// What strikes the event whose `data.kind` is the first word: the code, where in it the fault lies, and what is said.
const FAULTS: [(&str, &str, &str, &str); 13] = [
    ("loop", "loop { n += 1; }", "+= 1", "stopped after 100000 operations"),
    ("while", "while true {}", "{}", "stopped after 100000 operations"),
    ("recursion", "down(0);", "down", "deeper than 16 levels"),
    ("text", "let s = \"x\"; loop { s += s; }", "+= s", "is over the limit"),
    ("array", "let a = [1]; loop { a += a; }", "+= a", "is over the limit"),
    ("map", "let m = #{}; for i in 0..20000 { m[`k${i}`] = i; }", "m[", "stopped after 100000 operations"),
    ("nested", "let m = #{}; loop { m = #{ a: m, b: m }; }", "m }", "is over the limit"),
    ("missing", "let x = event.data.gone.len();", "len()", "no function fits `len (())`"),
    ("inside", "event.data.gone.deeper = 1;", "deeper", "cannot be set inside a missing or null value"),
    ("type", "let x = event.data.kind - 1;", "- 1", "no function fits"),
    ("zero", "let x = 1 / 0;", "/ 0", "by zero"),
    ("throw", "throw \"enough\";", "throw", "enough"),
    ("unfit", "let x = event.data.kind.keys();", "keys()", "no function fits"),
];

/// A feed in which each fault strikes once, with healthy events around it.
fn events() -> Vec<String> {
    let mut kinds = vec!["healthy"];
    kinds.extend(FAULTS.iter().flat_map(|(kind, ..)| [*kind, "healthy"]));
    let numbered = (1..).zip(kinds);
    numbered.map(|(id, kind)| Stub::event(id, &format!("{{\"kind\":\"{kind}\"}}"))).collect()
}

fn script() -> String {
    let arms =
        FAULTS.iter().map(|(kind, code, ..)| format!("if event.data.kind == \"{kind}\" {{ {code} }}\n"));
    format!("fn down(n) {{ down(n + 1) }}\nlet n = 0;\n{}event.seen = true;\n", arms.collect::<String>())
}

fn id(event: &str) -> String {
    serde_json::from_str::<Value>(event).unwrap()["id"].as_str().unwrap().to_owned()
}

/// Each fault is one dead letter with its place in `file`; every healthy event has passed, in order.
fn assert_places(sandbox: &Sandbox, file: &str) {
    let healthy = events().into_iter().filter(|event| event.contains("healthy"));
    let expected: Vec<String> = healthy.map(|event| id(&event)).collect();
    let written: Vec<String> = sandbox.read("out.jsonl").lines().map(id).collect();
    assert_eq!(written, expected, "the worker lives on");
    assert!(sandbox.read("out.jsonl").lines().all(|line| line.contains("\"seen\":true")));
    let letters = sandbox.dead_letters();
    assert_eq!(letters.len(), FAULTS.len(), "{letters:#?}");
    let text = sandbox.read(file);
    let listed = sandbox.run("dlq list").expect(0).stdout;
    for (kind, code, part, says) in FAULTS {
        let letter = letters.iter().find(|letter| letter["event"]["data"]["kind"] == kind).unwrap();
        assert_eq!((letter["reason"].as_str(), letter["component"].as_str()), (Some("script"), Some("rule")));
        let error = &letter["error"];
        assert!(error["message"].as_str().unwrap().contains(says), "{kind}: {error}");
        assert_eq!(error["file"], file, "{kind}");
        let line = text.lines().position(|line| line.contains(code)).unwrap();
        assert_eq!(error["line"].as_u64(), Some(line as u64 + 1), "{kind}: {error}");
        let line_text = text.lines().nth(line).unwrap();
        let start = line_text.find(code).unwrap();
        let column = usize::try_from(error["column"].as_u64().unwrap()).unwrap();
        let expected = start + code.find(part).unwrap() + 1;
        assert_eq!(column, expected, "{kind}: {line_text:?}");
        let place = format!(
            " rule script opentrain:feed:{} {file}:{}:{column} ",
            id(&letter["event"].to_string()),
            line + 1
        );
        assert!(listed.contains(&place), "{place}\n{listed}");
    }
}

#[test]
fn faults_of_a_script_in_the_pipeline_name_their_place_in_the_yaml() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    let source = script().replace('\n', "\n      ");
    sandbox.pipe(
        &Stub::feed(events()),
        3,
        &format!(
            "transforms:\n  rule:\n    type: rhai\n    inputs: [feed]\n    source: |\n      {source}\n\
             sinks:\n  out: {{ type: file, inputs: [rule], path: out.jsonl }}\n"
        ),
    );
    let started = Instant::now();
    sandbox.run(ONCE).expect(0);
    assert!(started.elapsed() < Duration::from_secs(30), "every fault ends soon: {:?}", started.elapsed());
    assert_places(&sandbox, "p.yaml");
}

#[test]
fn faults_of_a_script_in_a_file_name_their_place_in_it() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write("rules/rule.rhai", &script());
    sandbox.pipe(
        &Stub::feed(events()),
        3,
        "transforms:\n  rule: { type: rhai, inputs: [feed], file: rules/rule.rhai }\n\
         sinks:\n  out: { type: file, inputs: [rule], path: out.jsonl }\n",
    );
    sandbox.run(ONCE).expect(0);
    assert_places(&sandbox, "rules/rule.rhai");
}

/// Conditions and templates are rules too.
#[test]
fn faults_of_conditions_columns_and_paths_name_their_place() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    let stub = Stub::feed(vec![
        Stub::event(1, "{\"n\":1}"),
        Stub::event(2, "{\"n\":\"two\",\"t\":\"x\"}"),
        Stub::event(3, "{\"n\":3}"),
    ]);
    sandbox.pipe(
        &stub,
        10,
        "transforms:\n  large:\n    type: filter\n    inputs: [feed]\n    when: event.data.n.len() > 1\n\
         sinks:\n  all: { type: file, inputs: [feed], path: all.jsonl }\n  \
         kept: { type: file, inputs: [large], path: large.jsonl }\n  \
         some:\n    type: file\n    inputs: [feed]\n    when: event.data.n - 1 > 0\n    path: some.jsonl\n  \
         paths: { type: file, inputs: [feed], path: \"t/{{ event.data.t.len() }}.jsonl\" }\n  \
         rows:\n    type: sqlite\n    inputs: [feed]\n    path: rows.db\n    table: events\n    columns:\n      \
         n: event.data.n\n      t: event.data.t.len()\n",
    );
    sandbox.run(ONCE).expect(0);
    assert_eq!(sandbox.read("all.jsonl").lines().count(), 3, "other ways are not touched");
    assert_eq!((sandbox.read("large.jsonl").lines().map(id).collect::<Vec<_>>()), ["2"]);
    assert_eq!((sandbox.read("some.jsonl").lines().map(id).collect::<Vec<_>>()), ["3"]);
    assert_eq!(sandbox.read("t/1.jsonl").lines().map(id).collect::<Vec<_>>(), ["2"]);
    assert_eq!(sandbox.rows("rows.db", "SELECT n || '' FROM events"), ["two"]);
    let listed = sandbox.run("dlq list").expect(0).stdout;
    let text = sandbox.read("p.yaml");
    for (component, number, code, part) in [
        ("large", 1, "when: event.data.n.len() > 1", "len()"),
        ("large", 3, "when: event.data.n.len() > 1", "len()"),
        ("some", 2, "when: event.data.n - 1", "- 1"),
        ("paths", 1, "t/{{ event.data.t.len()", "len()"),
        ("rows", 1, "t: event.data.t.len()", "len()"),
        ("rows", 3, "t: event.data.t.len()", "len()"),
    ] {
        let line = text.lines().position(|line| line.contains(code)).unwrap();
        let start = text.lines().nth(line).unwrap().find(code).unwrap();
        let who = format!(" {component} script opentrain:feed:{number} ");
        let found =
            listed.lines().find(|listed| listed.contains(&who)).unwrap_or_else(|| panic!("{who}\n{listed}"));
        let column = start + code.find(part).unwrap() + 1;
        let place = format!(" p.yaml:{}:{column} ", line + 1);
        assert!(found.contains(&place), "{place}: {found}");
    }
    assert_eq!(listed.lines().count(), 7, "{listed}");
}
