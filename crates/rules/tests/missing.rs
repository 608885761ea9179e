//! A missing field is `()` at any depth: what that means in conditions and expressions.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use bytes::Bytes;
use sluicebox_core::{Event, Located, LookupStatus, Meta, Reason, Timestamp};
use sluicebox_rules::{Condition, Expression, RuleError};

fn event(json: &str) -> Event {
    let meta = Meta {
        event_type: "payment.pending".into(),
        time: Timestamp::parse("2026-06-12T10:00:00Z").unwrap(),
        received: Timestamp::parse("2026-06-12T10:00:01Z").unwrap(),
        lookups: [("contract".into(), LookupStatus::NotFound)].into(),
        ..Meta::new("marketplace", "acme", "opentrain:acme:7")
    };
    Event::parse(&Bytes::copy_from_slice(json.as_bytes()), meta).unwrap()
}

const EVENT: &str = r#"{"type":"payment.pending","n":5,"x":1.5,"yes":true,"empty":null,"default":3,
    "big":18446744073709551615,"list":[1,{"a":2}],"a":{"b":{"c":"deep"}},"text":"Hello","n":6}"#;

fn matches(condition: &str) -> Result<bool, RuleError> {
    Condition::compile(&condition.into())
        .unwrap_or_else(|p| panic!("{condition}: {p:?}"))
        .matches(&event(EVENT))
}

#[test]
fn nothing_equals_or_orders_with_a_missing_value_at_any_depth() {
    for value in [
        "event.nope",
        "event.nope.a",
        "event.nope.a.b.c",
        "event.empty",
        "event.empty.x",
        "event.a.nope.c",
        "event[\"nope\"][\"a\"]",
        "event.nope[0]",
        "meta.lookups.nope.status",
        "event?.nope?.a",
    ] {
        for other in ["5", "1.5", "\"x\"", "true", "()", "event.other", "[1]", "#{}", "event.empty", "'c'"] {
            for operator in ["==", "<", "<=", ">", ">="] {
                assert_eq!(
                    matches(&format!("{value} {operator} {other}")),
                    Ok(false),
                    "{value} {operator} {other}"
                );
                assert_eq!(
                    matches(&format!("{other} {operator} {value}")),
                    Ok(false),
                    "{other} {operator} {value}"
                );
            }
            assert_eq!(matches(&format!("{value} != {other}")), Ok(true), "{value} != {other}");
            assert_eq!(matches(&format!("{other} != {value}")), Ok(true), "{other} != {value}");
        }
        assert_eq!(matches(&format!("({value} ?? 7) == 7")), Ok(true), "{value}");
    }
}

#[test]
fn what_is_there_compares_as_usual() {
    for condition in [
        "event.n == 6",
        "event.n != 5",
        "event.n > 5 && event.n <= 6.0",
        "event.x == 1.5",
        "event.yes",
        "!(event.text == \"hello\")",
        "event.text.to_lower() == \"hello\"",
        "event.text.starts_with(\"He\")",
        "event.a.b.c == \"deep\"",
        "event.list[1].a == 2",
        "\"n\" in event",
        "!(\"nope\" in event)",
        "!(\"x\" in event.nope.a)",
        "\"b\" in event.a && !(\"x\" in event.a)",
        "\"x\" !in event.nope",
        "event.type in [\"payment.pending\", \"x\"]",
        "event[\"default\"] == 3",
        "event.big > 1.8e19",
        "meta.type.starts_with(\"payment.\") || meta.type == \"contract.created\"",
        "meta.id == \"opentrain:acme:7\" && meta.account == \"acme\" && meta.source == \"marketplace\"",
        "meta.time == \"2026-06-12T10:00:00.000Z\" && meta.received > meta.time && meta.key == \"acme\"",
        "meta.lookups.contract.status == \"not_found\"",
        "!(event.nope in [1, 2])",
        "event.text.contains(\"ell\")",
        "true",
        "event.n % 2 == 0",
        "event.list.len() == 2 && event.list.len == 2",
        "event.text == \"Hello\"",
        "event.n > \"a\" == false",
    ] {
        assert_eq!(matches(condition), Ok(true), "{condition}");
    }
}

#[test]
fn a_method_on_a_missing_value_is_an_error_with_its_place() {
    let place = Located { file: "p.yaml".into(), line: 10, column: 11, block: false, text: String::new() };
    for (text, column) in [
        ("event.nope.starts_with(\"x\")", 22),
        ("true && event.empty.len() > 1", 31),
        ("event?.nope.to_lower() == \"\"", 23),
        ("event.a.nope.b.contains(1)", 26),
    ] {
        let condition = Condition::compile(&Located { text: text.into(), ..place.clone() }).unwrap();
        let error = condition.matches(&event(EVENT)).unwrap_err();
        let details = error.details();
        assert_eq!(
            (details.file.as_deref(), details.line, details.column),
            (Some("p.yaml"), Some(10), Some(column)),
            "{text} {error:?}"
        );
        assert!(details.help.as_ref().unwrap().contains("??"), "{error:?}");
        assert_eq!(error.reason(), Reason::Script);
    }
}

#[test]
fn wrong_types_and_undecided_conditions_are_errors() {
    for condition in [
        "event.text",
        "event.nope",
        "event.n",
        "event.nope && true",
        "event.text - 1 == 2",
        "event.text.b == 1",
        "event.list[9] == 1",
        "event.n.a.b == 1",
        "!event.nope",
    ] {
        let error = matches(condition).unwrap_err();
        assert!(!error.details().message.is_empty());
    }
}

#[test]
fn conditions_that_cannot_compile_say_where() {
    for (text, place, hint) in [
        ("event.default == 1", (1, 7), "[\"default\"]"),
        ("event.type = \"x\"", (1, 12), "`==`"),
        ("event.n == ", (1, 12), ""),
        ("evnt.n == 1", (1, 1), "event"),
        ("event.n ==\n  payment", (2, 3), "event.payment"),
        ("emit(event)", (1, 1), ""),
        ("\"text\"", (1, 1), ""),
        ("eval(\"1\")", (1, 1), ""),
        ("import \"x\" as y", (1, 1), ""),
        ("(event.n == 1", (1, 14), ""),
        ("event.match == 1", (1, 7), "[\"match\"]"),
    ] {
        let problem = Condition::compile(&text.into()).unwrap_err();
        assert_eq!(problem.inside, Some(place), "{text}: {problem:?}");
        let help = problem.help.unwrap_or_default();
        assert!(help.contains(hint), "{text}: {help}");
    }
    assert!(Condition::compile(&"  ".into()).is_err());
}

#[test]
fn expressions_give_json() {
    for (text, expected) in [
        ("event.nope.a", "null"),
        ("event.a", r#"{"b":{"c":"deep"}}"#),
        ("event.n + 1", "7"),
        ("event.x", "1.5"),
        ("[event.n, meta.key]", r#"[6,"acme"]"#),
        ("event.yes", "true"),
        ("`${event.n}-${event.nope}`", r#""6-""#),
        ("event.list.map(|x| type_of(x))", r#"["i64","map"]"#),
        ("if event.n > 5 { \"big\" } else { \"small\" }", r#""big""#),
        ("parse_json(\"{\\\"a\\\": [1]}\").a", "[1]"),
        ("event.a.to_json()", r#""{\"b\":{\"c\":\"deep\"}}""#),
    ] {
        let value = Expression::compile(&text.into())
            .unwrap_or_else(|p| panic!("{text} {p:?}"))
            .evaluate(&event(EVENT));
        assert_eq!(value.unwrap().to_string(), expected, "{text}");
    }
}

#[test]
fn an_event_that_no_tree_can_hold_fails_only_the_rules_that_look_at_it() {
    let meta = event("{}").meta().clone();
    for json in [r#"{"a":"\ud800"}"#, r#"{"a":1e400}"#] {
        let event = Event::from_validated(Bytes::from_static(json.as_bytes()), meta.clone());
        let error = Condition::compile(&"event.b == 1".into()).unwrap().matches(&event).unwrap_err();
        assert_eq!(error.reason(), Reason::Parse);
        assert_eq!(Condition::compile(&"meta.key == \"acme\"".into()).unwrap().matches(&event), Ok(true));
    }
}
