//! Native rules against interpreted ones, over random rules and random events: the same value, the same error, the
//! same bytes.
//!
//! A few thousand cases run with the other tests; `cargo xtask rules-fuzz` runs a million. `SLUICEBOX_RULE_CASES` sets
//! how many, `SLUICEBOX_RULE_SEED` where chance begins. A case is one rule on one event.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test tells its figures and fails by panicking"
)]

mod chance;
mod conditions;
mod events;
mod scripts;

use bytes::Bytes;
use chance::Chance;
use sluicebox_core::{Event, Located, LookupStatus, Meta};
use sluicebox_rules::{Condition, Script, Tier};

/// Events that each rule is tried on.
const EVENTS: usize = 12;

fn number(variable: &str, usual: u64) -> u64 {
    #[allow(clippy::disallowed_methods, reason = "how many cases a test runs is asked for by its caller")]
    std::env::var(variable).ok().map_or(usual, |text| text.parse().unwrap())
}

fn meta() -> Meta {
    Meta {
        event_type: "payment.paid".into(),
        lookups: [("x".into(), LookupStatus::Ok)].into(),
        ..Meta::new("feed", "a", "feed:a:1")
    }
}

fn event(chance: &mut Chance) -> Event {
    let text = events::event(chance);
    Event::parse(&Bytes::from(text), meta()).unwrap()
}

/// What a run came to.
#[derive(Default)]
struct Tally {
    cases: u64,
    native: u64,
    failed: u64,
}

impl Tally {
    fn show(&self, what: &str) {
        println!(
            "{what}: {} cases, 0 differences; {} decided natively, {} errors",
            self.cases, self.native, self.failed
        );
    }
}

#[test]
fn conditions_are_judged_as_the_interpreter_does() {
    let cases = number("SLUICEBOX_RULE_CASES", 6_000);
    let mut chance = Chance::new(number("SLUICEBOX_RULE_SEED", 1));
    let mut tally = Tally::default();
    while tally.cases < cases {
        let text = conditions::condition(&mut chance, 0);
        let place = Located::whole_file(text.clone(), "rule");
        // What has no native form reads a part of the event at most, which must not show either.
        let Ok(lowered) = Condition::compile(&place) else { continue };
        if lowered.tier() != Tier::Native && !chance.once_in(6) {
            continue;
        }
        let interpreted = lowered.clone().interpreted();
        for _ in 0..EVENTS {
            let event = event(&mut chance);
            let (native, expected) = (lowered.native_answer(&event), interpreted.matches(&event));
            let json = String::from_utf8_lossy(&event.json()).into_owned();
            assert_eq!(lowered.matches(&event), expected, "{text}\n{json}");
            tally.cases += 1;
            tally.native += u64::from(native.is_some());
            tally.failed += u64::from(expected.is_err());
        }
    }
    tally.show("conditions");
    assert!(tally.native * 5 > tally.cases, "hardly anything is decided natively");
}

/// What the random cases found before: a rule and an event each.
#[test]
fn what_differed_once_does_not_any_more() {
    for (condition, json) in [
        ("event.a == 1", r#"{"a":1,"b":{"c":1e400}}"#),
        ("event.a == \"b\" && event.c == 1", r#"{"a":"x","c":-1E+999}"#),
    ] {
        let lowered = Condition::compile(&condition.into()).unwrap();
        let event = Event::from_validated(Bytes::from(json), meta());
        assert_eq!(lowered.matches(&event), lowered.clone().interpreted().matches(&event), "{condition}");
    }
    for (script, json) in [
        ("#{ b: 1, a: 2 }", r#"{"a":2,"b":1.10}"#),
        ("event.b.a = event.b.b;", r#"{"b":{"a":{"x":1},"b":{}}}"#),
        ("event.a = 2; event.c.c = event.c.n;", r#"{"a":1,"c":{"c":[1],"n":null,"c":null}}"#),
        ("event.c = #{ x: 1 }; event.c.x += 0;", r#"{"c":{"x":1,"y":2}}"#),
        ("event.n = event.text; #{ a: event.b }", r#"{ "a":1.0, "text":"x", "b":1.0 }"#),
    ] {
        let lowered = Script::compile(&script.into()).unwrap();
        let event = Event::from_validated(Bytes::from(json), meta());
        let expected = lowered.clone().interpreted().run(&event);
        assert_eq!(lowered.run(&event), expected, "{script}");
        assert_eq!(lowered.without_native().run(&event), expected, "{script}");
    }
}

#[test]
fn nesting_near_the_limit_is_judged_as_the_interpreter_does() {
    let lowered = Condition::compile(&"event.b == 1".into()).unwrap();
    let interpreted = lowered.clone().interpreted();
    for levels in 100..140 {
        let text = format!("{{\"a\":{}{},\"b\":1}}", "[".repeat(levels), "]".repeat(levels));
        let event = Event::from_validated(Bytes::from(text), meta());
        assert_eq!(lowered.matches(&event), interpreted.matches(&event), "{levels}");
    }
}

#[test]
fn scripts_change_events_as_the_interpreter_does() {
    let cases = number("SLUICEBOX_RULE_CASES", 6_000);
    let mut chance = Chance::new(number("SLUICEBOX_RULE_SEED", 1));
    let mut tally = Tally::default();
    while tally.cases < cases {
        let text = scripts::script(&mut chance);
        let Ok(lowered) = Script::compile(&Located::whole_file(text.clone(), "rule")) else { continue };
        // What has no native form may read only the fields that it names, which must not show either.
        if lowered.tier() != Tier::Native && !chance.once_in(4) {
            continue;
        }
        let (projected, interpreted) = (lowered.clone().without_native(), lowered.clone().interpreted());
        for _ in 0..EVENTS {
            let event = event(&mut chance);
            let (native, expected) = (lowered.native_outcome(&event), interpreted.run(&event));
            let json = String::from_utf8_lossy(&event.json()).into_owned();
            assert_eq!(lowered.run(&event), expected, "{text}\n{json}");
            assert_eq!(projected.run(&event), expected, "only what it names: {text}\n{json}");
            tally.cases += 1;
            tally.native += u64::from(native.is_some());
            tally.failed += u64::from(expected.is_err());
        }
    }
    tally.show("scripts");
    assert!(tally.native * 5 > tally.cases, "hardly anything is decided natively");
}
