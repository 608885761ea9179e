//! What a script remembers, over several events of one memory.

use std::time::Duration;

use bytes::Bytes;
use sluicebox_core::{Event, Memory, Meta, Timestamp};

use super::*;
use crate::{Emitted, Expression, Library, Script, Surroundings};

fn declaration(kind: StateKind) -> StateDeclaration {
    StateDeclaration { kind, key: None, ttl: None, max_keys: 100, max_items: None }
}

fn declare(names: &[(&str, StateDeclaration)]) -> State {
    State::declare(names.iter().map(|(name, it)| ((*name).to_owned(), it.clone())).collect()).unwrap()
}

fn keyed(kind: StateKind, key: &str) -> StateDeclaration {
    StateDeclaration { key: Some(key.into()), ..declaration(kind) }
}

/// `seen` by `event.user`, `total` for all, `latest` by `meta.key`, `topics` by an expression.
fn usual() -> State {
    declare(&[
        ("seen", keyed(StateKind::Counter, "event.user.id")),
        ("total", declaration(StateKind::Counter)),
        ("latest", keyed(StateKind::Value, "meta.key")),
        ("topics", keyed(StateKind::Set, "event.user.id ?? \"nobody\"")),
    ])
}

fn compile(text: &str, state: &State) -> Result<Script, Problem> {
    Script::compile_within(&text.into(), &Surroundings { state: Some(state), ..Surroundings::default() })
}

fn event_at(milliseconds: i64, json: &str) -> Event {
    let time = Timestamp::from_millis(milliseconds);
    let meta = Meta { time, key: "k".into(), ..Meta::new("feed", "a", "1") };
    Event::parse(&Bytes::copy_from_slice(json.as_bytes()), meta).unwrap()
}

/// A script with its memory.
struct Running {
    script: Script,
    memory: Memory,
}

impl Running {
    fn new(text: &str, state: &State) -> Self {
        Self { script: compile(text, state).unwrap(), memory: Memory::new(state.max_entries()) }
    }

    /// The event as it left, `dropped`, or why not.
    fn run_at(&mut self, milliseconds: i64, json: &str) -> String {
        let event = event_at(milliseconds, json);
        let outcome = match self.script.run_remembering(&event, &mut self.memory) {
            Ok(outcome) => outcome,
            Err(error) => return error.to_string(),
        };
        if let Some(letter) = outcome.dead_letter {
            return format!("given up: {}", letter.message);
        }
        let Some(emission) = outcome.emitted.into_iter().next() else { return "dropped".to_owned() };
        match emission.event {
            Emitted::Unchanged => json.to_owned(),
            Emitted::Changed(json) | Emitted::Child(json) => String::from_utf8(json.to_vec()).unwrap(),
        }
    }

    fn run(&mut self, json: &str) -> String {
        self.run_at(0, json)
    }

    fn keys(&self) -> Vec<String> {
        self.memory.starting_with("").map(|(key, _)| key.replace(Memory::GROUP_END, "|")).collect()
    }
}

/// What one event gives.
fn once(text: &str, json: &str) -> String {
    Running::new(text, &usual()).run(json)
}

#[test]
fn a_counter_counts_by_its_declared_key_or_by_the_one_that_is_given() {
    let mut running = Running::new(
        "event.n = state.add(\"seen\", 1); event.all = state.add(\"total\"); event.b = state.add(\"seen\", \"b\", 10);",
        &usual(),
    );
    let a = r#"{"user":{"id":"a"}}"#;
    assert_eq!(running.run(a), r#"{"user":{"id":"a"},"all":1,"b":10,"n":1}"#);
    assert_eq!(running.run(a), r#"{"user":{"id":"a"},"all":2,"b":20,"n":2}"#);
    assert_eq!(running.run(r#"{"user":{"id":"b"}}"#), r#"{"user":{"id":"b"},"all":3,"b":31,"n":21}"#);
    assert_eq!(running.run(r#"{"user":{"id":7}}"#), r#"{"user":{"id":7},"all":4,"b":41,"n":1}"#);
    assert_eq!(running.keys(), ["c:seen|7", "c:seen|a", "c:seen|b", "c:total|"]);
}

#[test]
fn a_value_is_any_json_and_comes_back_as_it_was() {
    let text = r#"event.before = state.get("latest"); state.set("latest", event.v);"#;
    let mut running = Running::new(text, &usual());
    for (given, before) in [
        (r#"{"b":[1,2.5,"x",null]}"#, "null"),
        ("5", r#"{"b":[1,2.5,"x",null]}"#),
        ("null", "5"),
        ("\"a\"", "null"),
        ("true", "\"a\""),
    ] {
        let left = running.run(&format!(r#"{{"v":{given}}}"#));
        assert_eq!(left, format!(r#"{{"v":{given},"before":{before}}}"#));
    }
    assert_eq!(
        once(
            r#"state.set("latest", "x", 1); event.g = [state.get("latest"), state.get("latest", "x"), state.remove("latest", "x"), state.remove("latest", "x")];"#,
            "{}"
        ),
        r#"{"g":[null,1,true,false]}"#
    );
}

#[test]
fn a_set_tells_what_is_new_and_keeps_kinds_apart() {
    let text = r#"
        event.fresh = [1, "1", 1, #{ b: 2, a: 1 }, #{ a: 1, b: 2 }, "ü\n"].map(|item| item);
        for i in 0..6 { event.fresh[i] = state.add("topics", event.fresh[i]); }
        event.len = state.len("topics");
        event.has = [state.contains("topics", "1"), state.contains("topics", 2), state.contains("topics", "x", 1)];
        event.gone = [state.remove("topics", 1), state.remove("topics", 1)];
        event.left = state.get("topics");
    "#;
    let left = once(text, "{}");
    let expected = [
        r#""fresh":[true,true,false,true,false,true]"#,
        r#""len":4"#,
        r#""has":[true,false,false]"#,
        r#""gone":[true,false]"#,
        r#""left":["1","ü\n",{"a":1,"b":2}]"#,
    ];
    for part in expected {
        assert!(left.contains(part), "{left} has no {part}");
    }
}

#[test]
fn what_was_not_written_for_long_enough_is_forgotten_in_the_time_of_the_events() {
    let state = declare(&[(
        "seen",
        StateDeclaration { ttl: Some(Duration::from_secs(1)), ..keyed(StateKind::Counter, "event.u") },
    )]);
    let mut running = Running::new("event.n = state.add(\"seen\");", &state);
    let told = |text: String| text.rsplit(':').next().unwrap().trim_end_matches('}').to_owned();
    let counts: Vec<String> =
        [(0, "a"), (900, "a"), (1800, "b"), (1899, "a"), (100, "a"), (2900, "b"), (5000, "a")]
            .map(|(at, user)| told(running.run_at(at, &format!(r#"{{"u":"{user}"}}"#))))
            .into();
    assert_eq!(
        counts,
        ["1", "2", "1", "3", "4", "1", "1"],
        "each write lets it live on; time never goes back"
    );
    assert_eq!(running.keys(), ["c:seen|a"]);
}

#[test]
fn bounds_hold_for_each_name_and_each_set() {
    let state = declare(&[
        ("seen", StateDeclaration { max_keys: 2, ..keyed(StateKind::Counter, "event.u") }),
        ("other", StateDeclaration { max_keys: 100, ..keyed(StateKind::Counter, "event.u") }),
        ("tags", StateDeclaration { max_keys: 5, max_items: Some(2), ..keyed(StateKind::Set, "event.s") }),
    ]);
    let text = r#"event.n = [state.add("seen"), state.add("other"), state.add("tags", event.u), state.len("tags")];"#;
    let mut running = Running::new(text, &state);
    let mut gave = |user: &str, set: &str| {
        running.run(&format!(r#"{{"u":"{user}","s":"{set}"}}"#)).split("\"n\":").nth(1).unwrap().to_owned()
    };
    assert_eq!(gave("a", "x"), "[1,1,true,1]}");
    assert_eq!(gave("b", "x"), "[1,1,true,2]}");
    assert_eq!(gave("a", "x"), "[2,2,false,2]}");
    assert_eq!(gave("c", "x"), "[1,1,true,2]}", "`b` goes, which was added least recently");
    assert_eq!(gave("b", "x"), "[1,2,true,2]}", "of `seen` too, and not of `other`");
    for set in ["y", "z", "w", "v"] {
        gave("a", set);
    }
    assert_eq!(
        running.keys(),
        [
            "c:other|a",
            "c:other|b",
            "c:other|c",
            "c:seen|a",
            "c:seen|b",
            "s:tags|v|\"a\"",
            "s:tags|w|\"a\"",
            "s:tags|x|\"b\"",
            "s:tags|y|\"a\"",
            "s:tags|z|\"a\""
        ]
    );
}

#[test]
fn an_event_that_becomes_a_dead_letter_changes_nothing() {
    let text = r#"
        state.add("total"); state.add("topics", event.n); state.set("latest", event.n);
        if event.n == 2 { event.nope.len() }
        if event.n == 3 { dead_letter("no") }
        if event.n == 4 { loop {} }
        if event.n == 5 { event.f = || 1; }
        if event.n == 6 { to("a" + "b") }
        if event.n == 7 { drop() }
        event.total = state.get("total");
    "#
    .replace("to(\"a\" + \"b\")", "emit(#{ n: state })");
    let mut running = Running::new(&text, &usual());
    let mut gave: Vec<String> = Vec::new();
    for n in 1..=8 {
        gave.push(running.run_at(n * 1000, &format!(r#"{{"n":{n}}}"#)));
        if (2..=6).contains(&n) {
            assert_eq!(
                running.memory.time(),
                Some(Timestamp::from_millis(1000)),
                "{n}: not even the time goes on"
            );
        }
    }
    assert_eq!(gave[0], r#"{"n":1,"total":1}"#);
    assert_eq!(gave[2], "given up: no");
    assert_eq!(gave[6], "dropped", "an event that is dropped counts");
    assert_eq!(gave[7], r#"{"n":8,"total":3}"#);
    for (index, says) in
        [(1, "no function fits"), (3, "operations"), (4, "cannot be written"), (5, "cannot be written")]
    {
        assert!(gave[index].contains(says), "{}", gave[index]);
    }
    assert_eq!(
        running.keys(),
        ["c:total|", "s:topics|nobody|1", "s:topics|nobody|7", "s:topics|nobody|8", "v:latest|k"]
    );
}

#[test]
fn a_loop_that_fills_the_state_is_ended_and_leaves_nothing() {
    for text in [
        "let i = 0; loop { i += 1; state.add(\"total\", \"key \" + i, 1); }",
        "let i = 0; loop { i += 1; state.add(\"topics\", \"item \" + i); }",
        "let v = []; v.pad(9000, 1); loop { state.set(\"latest\", v); state.get(\"latest\"); }",
        "let i = 0; let t = \"x\".repeat(60000); loop { i += 1; state.set(\"latest\", \"k\" + i, t + i); }",
    ] {
        let state = declare(&[
            ("total", StateDeclaration { max_keys: 1_000_000, ..declaration(StateKind::Counter) }),
            ("topics", declaration(StateKind::Set)),
            ("latest", StateDeclaration { max_keys: 1_000_000, ..declaration(StateKind::Value) }),
        ]);
        let mut running = Running::new(text, &state);
        let told = running.run("{}");
        assert!(told.starts_with("the rule was stopped"), "{text}: {told}");
        assert_eq!(running.keys(), [""; 0], "{text}");
    }
}

#[test]
fn keys_come_from_the_event_as_it_was() {
    let text =
        r#"event.user = #{ id: "other" }; event.n = state.add("seen"); event.t = state.len("topics");"#;
    let mut running = Running::new(text, &usual());
    running.run(r#"{"user":{"id":"a"}}"#);
    assert_eq!(running.keys(), ["c:seen|a"]);
    let without_event = Running::new("state.add(\"seen\"); state.add(\"topics\", meta.id); true", &usual());
    let mut running = without_event;
    assert_eq!(running.run(r#"{ "user":{"id":"a"} }"#), r#"{ "user":{"id":"a"} }"#, "not a byte is changed");
    assert_eq!(running.keys(), ["c:seen|a", "s:topics|a|\"1\""]);
}

#[test]
fn functions_and_other_names_reach_the_state_too() {
    let library = Library::compile(&"fn note(state, who) { state.add(\"seen\", who, 1) }".into()).unwrap();
    let state = usual();
    let surroundings = Surroundings { library: Some(&library), state: Some(&state), arguments: None };
    let text = "fn again(it) { it.add(\"seen\") } event.a = note(state, \"x\"); event.b = again(state); let s = state; event.c = s.add(\"seen\");";
    let script = Script::compile_within(&text.into(), &surroundings).unwrap();
    let mut running = Running { script, memory: Memory::new(9) };
    assert_eq!(running.run(r#"{"user":{"id":"x"}}"#), r#"{"user":{"id":"x"},"a":1,"b":2,"c":3}"#);
}

#[test]
fn what_cannot_work_is_told_before_any_event() {
    for (text, place, says) in [
        (r#"state.add("sen", 1);"#, (1, 11), "`sen` is not declared under `state:` | did you mean `seen`?"),
        (
            r#"state.add("x", 1);"#,
            (1, 11),
            "`x` is not declared under `state:` | declared are `latest`, `seen`, `topics`, `total`",
        ),
        (
            "\n  if true { state.add(\"latest\", 1) }",
            (2, 19),
            "`latest` is a value, which has no `add`; it has `get`, `set`, `remove` | ",
        ),
        (
            r#"state.contains("seen", 1);"#,
            (1, 7),
            "`seen` is a counter, which has no `contains`; it has `get`, `set`, `add`, `remove` | ",
        ),
        (
            r#"state.set("seen");"#,
            (1, 7),
            "`seen` is a counter: write `state.set(\"seen\", value)` or `state.set(\"seen\", key, value)` | ",
        ),
        (
            r#"state.put("seen", 1);"#,
            (1, 7),
            "`state` has no function `put` | it has `get`, `set`, `add`, `contains`, `len`, `remove`",
        ),
        ("event.n = state.seen;", (1, 17), "`state` has no field `seen` | write `state.get(\"seen\")`"),
        ("state = 1;", (1, 1), "`state` is read-only | "),
        ("let state = 1;", (1, 5), "`state` is the declared state here | give the variable another name"),
    ] {
        let problem = compile(text, &usual()).unwrap_err();
        let told = format!("{} | {}", problem.message, problem.help.unwrap_or_default());
        assert_eq!((told.as_str(), problem.inside), (says, Some(place)), "{text}");
    }
}

#[test]
fn without_a_declaration_there_is_no_state() {
    let problem = Script::compile(&"let a = 1;\nstate.add(\"seen\");".into()).unwrap_err();
    assert_eq!(problem.inside, Some((2, 1)));
    assert!(problem.message.contains("none is declared") && problem.help.unwrap().contains("state: {"));
    let problem = Expression::compile(&"state.get(\"seen\") > 1".into()).unwrap_err();
    assert!(problem.message.contains("none is declared"));
    assert!(Script::compile(&"let state = 1; event.n = state;".into()).is_ok(), "the word is free");
}

#[test]
fn what_goes_wrong_with_an_event_says_so() {
    let long = format!(r#"{{"user":{{"id":"{}"}}}}"#, "x".repeat(1025));
    let large = format!(r#"{{"v":"{}"}}"#, "x".repeat(65536));
    for (text, json, says) in [
        ("state.add(\"seen\");", "{}", "the key of `seen` is missing: give a default with `??`"),
        (
            "state.add(\"seen\");",
            r#"{"user":"a"}"#,
            "the key of `seen` leads through something that is no map",
        ),
        (
            "state.add(\"seen\");",
            r#"{"user":{"id":[]}}"#,
            "the key of `seen` must be text or a number, found an array",
        ),
        ("state.add(\"seen\");", &long, "the key of `seen` is longer than 1024 bytes"),
        (
            "state.add(\"seen\");",
            "{\"user\":{\"id\":\"a\\u001f\"}}",
            "the key of `seen` holds the character U+001F",
        ),
        ("state.add(\"topics\", 1);", r#"{"user":5}"#, "the key of `topics` failed: "),
        (
            "state.add(\"seen\", \"a\", 1.5);",
            "{}",
            "the counter `seen` counts in whole numbers, found a number with a fraction",
        ),
        (
            "state.set(\"total\", 9223372036854775807); state.add(\"total\");",
            "{}",
            "the counter `total` would leave the range",
        ),
        ("state.set(\"latest\", event.v);", &large, "the value for `latest` is larger than 65536 bytes"),
        ("state.set(\"latest\", || 1);", "{}", "the value for `latest` cannot be kept: a value of type Fn"),
        (
            "state.add(\"topics\", \"x\".repeat(2000));",
            "{}",
            "the item for `topics` is larger than 1024 bytes",
        ),
        ("state.add(\"topics\", event.nope);", "{}", "the item for `topics` is missing"),
        (
            "let n = \"sen\"; state.add(n);",
            "{}",
            "`sen` is not declared under `state:`: did you mean `seen`?",
        ),
        (
            "state.get(5);",
            "{}",
            "no function fits `get (state, integer)`; there is `state.get(name) or state.get(name, key)`",
        ),
        ("state.add(\"total\"); event.s = state;", "{}", "cannot be written as JSON"),
        ("fn f() { state.add(\"total\") } f()", "{}", "`state` is not known here"),
    ] {
        let told = once(text, json);
        assert!(told.contains(says), "{text}\n  says {told}\n  and not {says}");
    }
    assert_eq!(
        once("if \"user\" in event { state.add(\"seen\"); }", "{}"),
        "{}",
        "a key that nobody asks for may be missing"
    );
}

#[test]
fn what_is_wrong_with_a_declaration_is_told_all_at_once() {
    let wrong = [
        ("a b", declaration(StateKind::Counter)),
        ("key", keyed(StateKind::Counter, "event.")),
        ("drops", keyed(StateKind::Counter, "drop()")),
        ("ttl", StateDeclaration { ttl: Some(Duration::ZERO), ..declaration(StateKind::Value) }),
        ("keys", StateDeclaration { max_keys: 0, ..declaration(StateKind::Value) }),
        ("items", StateDeclaration { max_items: Some(5), ..declaration(StateKind::Value) }),
        ("many", StateDeclaration { max_items: Some(10_001), ..declaration(StateKind::Set) }),
    ];
    let names = wrong.map(|(name, it)| (name.to_owned(), it)).into();
    let mut told: Vec<String> = State::declare(names)
        .unwrap_err()
        .into_iter()
        .map(|problem| format!("{}: {}", problem.path, problem.message))
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            "a b: expected a name of letters, digits, `_` and `-`, found `a b`",
            "drops.key: `drop` can be used in a `rhai` script only",
            "items.max_items: a value has no items",
            "key.key: expecting name of a property",
            "keys.max_keys: expected 1 to 1000000, found 0",
            "many.max_items: expected 1 to 10000, found 10001",
            "ttl.ttl: expected a duration above zero",
        ]
    );
}

#[test]
fn a_count_that_was_saved_goes_on_under_another_script() {
    let mut first = Running::new("state.add(\"seen\");", &usual());
    first.run(r#"{"user":{"id":"a"}}"#);
    let saved: Vec<_> =
        first.memory.take_changes().into_iter().map(|change| (change.key, change.after.unwrap())).collect();
    let mut second = Running::new("event.n = state.add(\"seen\", 5);", &usual());
    second.memory = Memory::restored(100, saved.clone());
    assert_eq!(second.run(r#"{"user":{"id":"a"}}"#), r#"{"user":{"id":"a"},"n":6}"#);
    let other_kind = declare(&[("seen", keyed(StateKind::Value, "event.user.id"))]);
    let mut third = Running::new("event.n = state.get(\"seen\");", &other_kind);
    third.memory = Memory::restored(100, saved);
    assert_eq!(
        third.run(r#"{"user":{"id":"a"}}"#),
        r#"{"user":{"id":"a"},"n":null}"#,
        "another kind begins afresh"
    );
}
