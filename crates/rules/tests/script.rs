//! Scripts: last values, effects, fidelity of what is left alone, and limits.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use bytes::Bytes;
use sluicebox_core::{Event, Located, Meta};
use sluicebox_rules::{Emission, Emitted, RuleError, Script, ScriptOutcome};

fn event(json: &str) -> Event {
    let meta = Meta { event_type: "t".into(), ..Meta::new("s", "a", "a:1") };
    Event::parse(&Bytes::copy_from_slice(json.as_bytes()), meta).unwrap()
}

const EVENT: &str =
    r#"{ "z": 1.10, "big": 18446744073709551616, "in": {"y": 1e2, "list": [{"a":1},{"a":2}]}, "a": 1 }"#;

fn run(script: &str) -> Result<ScriptOutcome, RuleError> {
    let script = Script::compile(&Located::whole_file(script, "r.rhai"))
        .unwrap_or_else(|problem| panic!("{script}: {problem:?}"));
    script.run(&event(EVENT))
}

fn emitted(script: &str) -> Vec<(Option<String>, String)> {
    let outcome = run(script).unwrap_or_else(|error| panic!("{script}: {error:?}"));
    assert_eq!(outcome.dead_letter, None);
    let show = |Emission { output, event }| {
        let text = match event {
            Emitted::Unchanged => "unchanged".to_owned(),
            Emitted::Changed(json) => String::from_utf8(json.to_vec()).unwrap(),
            Emitted::Child(json) => format!("child {}", String::from_utf8(json.to_vec()).unwrap()),
        };
        (output.map(|output| output.to_string()), text)
    };
    outcome.emitted.into_iter().map(show).collect()
}

fn one(script: &str) -> String {
    let mut all = emitted(script);
    assert_eq!(all.len(), 1, "{script}: {all:?}");
    let (output, text) = all.remove(0);
    assert_eq!(output, None);
    text
}

#[test]
fn an_event_that_is_left_alone_keeps_its_bytes() {
    for script in [
        "",
        "event",
        "true",
        "let x = event.a + 1;",
        "event.a = 1;",
        "replace(event)",
        "event.a = 2; event.a = 1; event",
        "for item in event.in.list { item.a = 5; }",
        "let e = event; e.a = 9;",
        "meta.id;",
        "event.big = event.big;",
        "()",
        "// nothing",
    ] {
        let script = script.replace("event.in", "event[\"in\"]");
        assert_eq!(one(&script), "unchanged", "{script}");
    }
}

#[test]
fn a_changed_event_keeps_the_bytes_of_what_was_left_alone() {
    assert_eq!(
        one("event.a = 2; event.n = meta.id;"),
        r#"{"z":1.10,"big":18446744073709551616,"in":{"y": 1e2, "list": [{"a":1},{"a":2}]},"a":2,"n":"a:1"}"#
    );
    assert_eq!(
        one("event[\"in\"].list[1].a += 3; event.remove(\"z\"); event"),
        r#"{"big":18446744073709551616,"in":{"y":1e2,"list":[{"a":1},{"a":5}]},"a":1}"#
    );
    assert_eq!(
        one("event.keys().len(); event = #{ only: [1.5, (), \"é\", 'c'] };"),
        r#"{"only":[1.5,null,"é","c"]}"#
    );
    assert_eq!(
        one("let e = event; e.a = 3; e.remove(\"in\"); e"),
        r#"{"z":1.10,"big":18446744073709551616,"a":3}"#
    );
}

#[test]
fn the_last_value_decides() {
    assert_eq!(one("#{ a: event.a, t: meta.type }"), r#"{"a":1,"t":"t"}"#);
    assert_eq!(one("#{ fixed: 1 }"), r#"{"fixed":1}"#);
    assert_eq!(one("replace(#{ b: 2 }); true"), r#"{"b":2}"#);
    assert_eq!(one("replace(event[\"in\"])"), r#"{"list":[{"a":1},{"a":2}],"y":100.0}"#);
    assert_eq!(one("if event.a > 5 { false } else { #{ c: 3 } }"), r#"{"c":3}"#);
    assert_eq!(one("return #{ d: 4 };"), r#"{"d":4}"#);
    for script in ["false", "[]", "drop()", "drop(); #{ a: 1 }", "event.a == 2", "return false;"] {
        assert_eq!(emitted(script), [], "{script}");
    }
    let children = ["child {\"a\":1}", "child {\"a\":2}"].map(|text| (None, text.to_owned()));
    assert_eq!(emitted("event[\"in\"].list"), children);
    assert_eq!(emitted("[#{a: 1}, #{a: 2}]"), children);
    assert_eq!(emitted("[1, 2].map(|n| #{ a: n })"), children);
}

#[test]
fn effects_add_route_and_suppress() {
    let text = |text: &str| text.to_owned();
    assert_eq!(
        emitted("emit(#{ x: 1 }); emit(#{ x: 2 });"),
        [(None, text("child {\"x\":1}")), (None, text("child {\"x\":2}")), (None, text("unchanged"))]
    );
    assert_eq!(emitted("emit(#{ x: 1 }); drop();"), [(None, text("child {\"x\":1}"))]);
    assert_eq!(
        emitted("if event.a == 1 { to(\"small\") } else { to(\"large\") }"),
        [(Some(text("small")), text("unchanged"))]
    );
    let script =
        Script::compile(&"fn f() { to(\"b\"); } to(\"a\"); [1].for_each(|| to(\"c\")); f()".into()).unwrap();
    assert_eq!(script.outputs(), ["a", "b", "c"]);
    let outcome = run("log(\"one\"); log(#{ two: 2 }); log(10.0) == 1.0").unwrap();
    assert_eq!(outcome.log, ["one", "{\"two\":2}"]);
}

#[test]
fn a_dead_letter_ends_the_script_with_its_reason_and_place() {
    let outcome =
        run("emit(#{});\nif event.a == 1 {\n  dead_letter(\"too small\");\n}\nevent.nope.trim();").unwrap();
    let dead_letter = outcome.dead_letter.unwrap();
    assert_eq!(outcome.emitted, []);
    assert_eq!(dead_letter.message, "too small");
    assert_eq!(
        (dead_letter.file.as_deref(), dead_letter.line, dead_letter.column),
        (Some("r.rhai"), Some(3), Some(3))
    );
    assert!(run("try { dead_letter(\"x\") } catch { }").unwrap().dead_letter.is_some());
}

#[test]
fn effects_of_one_run_do_not_reach_the_next() {
    run("emit(#{}); drop(); log(\"x\"); event.nope.trim()").unwrap_err();
    let outcome = run("true").unwrap();
    assert_eq!((outcome.emitted.len(), outcome.log.len()), (1, 0));
}

#[test]
fn other_last_values_are_errors_that_say_what_to_do() {
    for (script, found) in [
        ("5", "an integer"),
        ("event.a", "an integer"),
        ("\"x\"", "text"),
        ("event[\"in\"]", "a map of the event"),
        ("event.remove(\"in\")", "a map of the event"),
        ("[1]", "an array"),
        ("1.5", "a number"),
        ("|x| x", "a function"),
    ] {
        let error = run(&format!("let a = 1;\n{script}")).unwrap_err();
        let details = error.details();
        assert!(details.message.contains(found), "{script}: {details:?}");
        assert!(details.help.as_ref().unwrap().contains("end the line with `;`"));
        assert_eq!(details.line, Some(2), "{script}");
        if script != "|x| x" {
            assert!(run(&format!("{script};")).is_ok(), "{script}");
        }
    }
    assert!(run("event = 5;").unwrap_err().details().message.contains("must stay a map"));
    assert!(run("event.x = 0.0 / 0.0;").unwrap_err().details().message.contains("JSON"));
    assert!(run("event.x = |y| y;").unwrap_err().details().message.contains("JSON"));
}

#[test]
fn meta_is_read_only_and_missing_fields_cannot_hold_others() {
    for (script, line, message) in [
        ("meta.remove(\"id\");", 1, "read-only"),
        ("\nevent.nope.deeper = 1;", 2, "missing"),
        ("event.nope.a.b = 1;", 1, "missing"),
        ("event.nope.push(1);", 1, "push"),
        ("\n\nevent.a.b = 1;", 3, "b"),
        ("throw \"my message\"", 1, "my message"),
        ("let f = Fn(\"to\"); f.call(\"hidden\");", 1, "hidden"),
        ("fn inner() {\n let x = ();\n x.len() }\ninner();", 3, "len"),
        ("fn f() { event.a }\nf() == 1", 1, "event"),
        ("event.a / 0;", 1, "zero"),
        ("9223372036854775807 + event.a;", 1, "overflow"),
    ] {
        let error = run(script).expect_err(script);
        assert!(error.details().message.contains(message), "{script}: {error:?}");
        assert_eq!(error.details().line, Some(line), "{script}: {error:?}");
    }
    assert_eq!(
        one("event.nope = #{}; event.nope.a = 1; event.remove(\"in\");"),
        r#"{"z":1.10,"big":18446744073709551616,"a":1,"nope":{"a":1}}"#
    );
}

#[test]
fn scripts_that_cannot_compile_say_where() {
    for (script, place) in [
        ("let x = ;", (1, 9)),
        ("true;\n\n  event.default = 1;", (3, 9)),
        ("to(event.a)", (1, 1)),
        ("\nnope + 1", (2, 1)),
        ("eval(\"1\")", (1, 1)),
        ("import \"x\" as x;", (1, 1)),
        ("print(1)", (1, 1)),
        ("meta = 1;", (1, 1)),
        ("true;\n  meta.id = \"x\";", (2, 3)),
        ("meta.lookups.x += 1;", (1, 1)),
        ("state.x", (1, 1)),
    ] {
        let problem = Script::compile(&script.into()).map(|_| ()).expect_err(script);
        assert_eq!(problem.inside, Some(place), "{script}: {problem:?}");
    }
}

/// Everything here must end as an error (or honestly), on the small stack of a worker thread.
#[test]
fn torture_ends_in_errors_with_places() {
    let scripts = [
        ("\nloop { }", "operations"),
        ("let i = 0;\nwhile true { i += 1; }", "operations"),
        ("fn f(n) { f(n + 1) }\nf(0)", "deeper"),
        ("let s = \"x\";\nloop { s += s; }", "over the limit"),
        ("let s = \"x\";\nloop { s = `${s}${s}`; }", "over the limit"),
        ("let a = [1];\nloop { a += a; }", "over the limit"),
        ("let a = [];\nloop { a.push(1); }", ""),
        ("let a = [];\na.pad(100000000, 0);", "over the limit"),
        ("let s = \"\";\ns.pad(100000000, 'x');", "over the limit"),
        ("let m = #{};\nlet i = 0; loop { i += 1; m[i.to_string()] = i; }", ""),
        ("let a = [1];\nloop { a = [a, a]; }", "over the limit"),
        ("let a = [];\nloop { a = [a]; }", ""),
        ("let m = #{};\nloop { m = #{ m: m }; }", ""),
        ("let a = [];\nloop { a = [#{ x: a }]; }", ""),
        ("let m = #{};\nloop { m[\"x\"] = m; }", ""),
        ("let m = #{};\nloop { m.x = m; }", ""),
        ("let a = [];\na.pad(9000, 0); loop { a.sort(|x, y| 1); }", ""),
        ("let s = \"\";\ns.pad(900000, 'a'); loop { s.index_of(\"aaaaaaaaaaaaaaab\"); }", "CPU time"),
        ("loop { emit(#{ a: 1 }); }", ""),
        ("loop { log(\"x\"); }", "over the limit"),
        ("let f = |x| x;\nloop { let g = f; f = |x| g.call(x); }", ""),
        ("let a = [];\nfor i in 0..20000 { a = [[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]; }", ""),
        ("let s = \"abc\";\nloop { s.split(\"\"); }", "operations"),
        ("let n = 0; for i in 0..9223372036854775807 { n += 1; }", "operations"),
        ("let x = 2 ** 62; x *= 4;", "overflow"),
    ];
    for (script, expected) in scripts {
        let error = std::thread::Builder::new()
            .stack_size(2 << 20)
            .spawn(move || run(script).map(|outcome| outcome.emitted.len()).expect_err(script))
            .unwrap()
            .join()
            .unwrap();
        assert!(error.details().message.contains(expected), "{script}: {error:?}");
        assert_eq!(error.details().file.as_deref(), Some("r.rhai"));
        assert!(error.details().line.is_some_and(|line| line > 0) && error.details().column.is_some());
    }
}
