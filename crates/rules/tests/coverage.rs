//! Coverage: every branch is seen once it is reached, and observed rules do and say what they always do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use bytes::Bytes;
use sluicebox_core::{Event, Located, Meta};
use sluicebox_rules::{Condition, Coverage, Script, Way};

fn event(json: &str) -> Event {
    Event::parse(&Bytes::copy_from_slice(json.as_bytes()), Meta::new("s", "a", "s:a:1")).unwrap()
}

fn file(text: &str) -> Located {
    Located::whole_file(text, "rules/r.rhai")
}

/// `line:column way` of what was not reached by the events, and how much there is.
fn missed(text: &str, events: &[&str]) -> (Vec<String>, usize) {
    let coverage = Coverage::new();
    let script = coverage.during(|| Script::compile(&file(text)).unwrap());
    let plain = Script::compile(&file(text)).unwrap();
    for json in events {
        let event = event(json);
        assert_eq!(format!("{:?}", script.run(&event)), format!("{:?}", plain.run(&event)), "{text}: {json}");
    }
    let points = coverage.points();
    let missed = points.iter().filter(|point| !point.reached);
    let shown = missed.map(|point| format!("{}:{} {:?}", point.line, point.column, point.way));
    (shown.collect(), points.len())
}

#[test]
fn both_ways_of_every_if_are_seen() {
    let text = "if event.a == 1 { event.b = 1; }\nlet x = if event.c == 1 { 1 } else if event.c == 2 { 2 } else { 3 };\n\
                if event.d == 1 { event.x = x; } else { event.y = x; }\n";
    let all = [
        "1:1 NoBranch",
        "1:17 Branch",
        "2:25 Branch",
        "2:52 Branch",
        "2:63 Branch",
        "3:17 Branch",
        "3:39 Branch",
    ];
    assert_eq!(missed(text, &[]), (all.map(str::to_owned).to_vec(), 7));
    let (left, _) = missed(text, &[r#"{"a":1,"c":2}"#]);
    assert_eq!(left, ["1:1 NoBranch", "2:25 Branch", "2:63 Branch", "3:17 Branch"]);
    let (left, _) = missed(text, &[r#"{"a":1,"c":2}"#, r#"{"a":2,"c":1,"d":1}"#, r#"{"c":3}"#]);
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn loops_cases_functions_and_catches_are_seen() {
    let text = "fn f(n) { if n > 1 { return 7; } n }\n\
                for x in event.list ?? [] { event.sum = f(x); }\n\
                switch event.kind { \"a\" => { event.k = 1; } \"b\" if event.n > 1 => { event.k = 2; } _ => { event.k = 3; } }\n\
                try { event.z = event.text.len(); } catch { event.z = 0; }\n\
                let n = 0; while n < (event.times ?? 0) { n += 1; }\n";
    let (left, all) = missed(text, &[]);
    assert_eq!((left.len(), all), (8, 8), "{left:?}");
    let (left, _) = missed(text, &[r#"{"list":[2],"kind":"a","text":"x","times":1}"#]);
    assert_eq!(left, ["1:11 NoBranch", "3:67 Branch", "3:89 Branch", "4:43 Branch"]);
    let (left, _) = missed(
        text,
        &[r#"{"list":[1,2],"kind":"b","n":2,"times":1}"#, r#"{"kind":"a","text":"x"}"#, r#"{"kind":"c"}"#],
    );
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn errors_of_an_observed_script_name_the_same_places() {
    let text = "if event.a == 1 { event.b = 1; throw \"here\"; }\nif true { let x = event.nothing.len(); }";
    missed(text, &[r#"{"a":1}"#, r#"{"a":2}"#]);
    let coverage = Coverage::new();
    let script = coverage.during(|| Script::compile(&file(text)).unwrap());
    let error = script.run(&event(r#"{"a":1}"#)).unwrap_err();
    assert_eq!((error.details().line, error.details().column), (Some(1), Some(32)));
}

#[test]
fn both_answers_of_a_condition_are_seen_however_it_runs() {
    for text in ["event.a == 1", "event.a == 1 && event.b.len() > 1 || false"] {
        let coverage = Coverage::new();
        let condition = coverage.during(|| Condition::compile(&file(text)).unwrap());
        let ways = || -> Vec<(Way, bool)> {
            coverage.points().iter().map(|point| (point.way, point.reached)).collect()
        };
        assert_eq!(ways(), [(Way::True, false), (Way::False, false)]);
        condition.matches(&event(r#"{"a":2}"#)).unwrap();
        assert_eq!(ways(), [(Way::True, false), (Way::False, true)]);
        condition.matches(&event(r#"{"a":1,"b":"xx"}"#)).unwrap();
        assert_eq!(ways(), [(Way::True, true), (Way::False, true)]);
    }
    let coverage = Coverage::new();
    coverage.during(|| Condition::compile(&file("true")).unwrap());
    Condition::compile(&file("event.a")).unwrap();
    assert!(coverage.points().is_empty());
}

#[test]
fn nobody_can_call_what_marks_a_branch() {
    let text = file("sluicebox_reached(0);");
    assert!(Script::compile(&text).is_err() || Script::compile(&text).unwrap().run(&event("{}")).is_err());
}
