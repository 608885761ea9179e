//! The limit of memory, in a program that has the counting allocator.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use bytes::Bytes;
use sluicebox_core::{Event, Located, Meta, Reason};
use sluicebox_rules::{Condition, Expression, RuleError, Script, Template, TemplateKind};

#[global_allocator]
static HEAP: sluicebox_heap::Counting = sluicebox_heap::Counting::system();

const STOPPED: &str = "the rule was stopped: it would hold more than 32 MiB";

fn event(json: impl Into<Bytes>) -> Event {
    Event::parse(&json.into(), Meta::new("s", "a", "a:1")).unwrap()
}

/// An event with so many bytes of JSON that a tree takes many times as much.
fn dense(bytes: usize) -> Event {
    let list = "{},".repeat(bytes / 3);
    event(format!("{{\"n\":1,\"list\":[{list}1]}}"))
}

fn run(script: &str, event: &Event) -> Result<usize, RuleError> {
    let script = Script::compile(&Located::whole_file(script, "r.rhai")).unwrap();
    script.run(event).map(|outcome| outcome.emitted.len())
}

/// Rhai does not measure what `map[key] = value` and `list[index] = value` put in: without the limit of memory these
/// end, if at all, with gigabytes held.
#[test]
fn what_grows_by_assignment_ends_at_the_limit_of_memory() {
    let copies = "let a = []; a.pad(2000, #{ n: 1 });\n";
    for (script, place) in [
        ("let m = #{}; for i in 0..9999 {\n  m[`k${i}`] = a; }", (3, 3)),
        ("let l = []; l.pad(9999, 0); for i in 0..9999 {\n  l[i] = a; }", (3, 3)),
        ("event.m = #{}; for i in 0..9999 {\n  event.m[`k${i}`] = a; }", (3, 3)),
        ("for i in 0..9999 {\n  emit(#{ a: a }); }", (3, 3)),
        (
            "fn f(a, n) { if n > 0 {\n  let b = [a]; f(b, n - 1) } }\nlet x = []; x.pad(14, 0); for i in 0..14 { x[i] = a; }\n f(x, 14)",
            (0, 0),
        ),
    ] {
        let script = format!("{copies}{script}");
        let error = run(&script, &event("{}")).expect_err(&script);
        assert_eq!(error.details().message, STOPPED, "{script}");
        assert_eq!(error.reason(), Reason::Script);
        assert!(error.details().help.is_some() && error.details().file.as_deref() == Some("r.rhai"));
        let found = (error.details().line.unwrap(), error.details().column.unwrap());
        assert!(place == (0, 0) || found.0 == place.0, "{script}: {found:?}");
    }
}

#[test]
fn what_there_is_no_room_for_is_not_copied() {
    let most = "let a = []; a.pad(2000, #{ n: 1 }); let m = #{}; for i in 0..11 { m[`k${i}`] = a; } \
        let l = #{}; for i in 0..10 { l[`k${i}`] = a; } let b = a; let c = a;
";
    assert_eq!(run(&format!("{most} event.n = 1;"), &event("{}")).unwrap(), 1);
    let error = run(&format!("{most} let n = m;"), &event("{}")).unwrap_err();
    assert_eq!(error.details().message, STOPPED);
    assert_eq!((error.details().line, error.details().column), (Some(2), Some(10)));
}

#[test]
fn an_event_that_is_too_large_for_a_tree_is_refused_while_it_is_read() {
    let large = dense(6 << 20);
    let says = "the event is too large for a rule: it would hold more than 32 MiB";
    let text = |text: &str| Located::unplaced(text);
    let refused = [
        run("event.n = 2;", &large).unwrap_err(),
        Condition::compile(&text("event.list.len() == 1")).unwrap().matches(&large).unwrap_err(),
        Expression::compile(&text("event.list.len()")).unwrap().evaluate(&large).unwrap_err(),
        Template::compile(&text("{{ event.list.len() }}"), TemplateKind::Text)
            .unwrap()
            .render(&large)
            .unwrap_err(),
    ];
    for error in refused {
        assert_eq!((error.details().message.as_str(), error.reason()), (says, Reason::Script));
    }
    assert!(Condition::compile(&text("meta.id == \"a:1\"")).unwrap().matches(&large).unwrap());
    let inside = event(format!("{{\"text\":\"[{}1]\"}}", "{},".repeat(2_000_000)));
    for script in ["event.text.parse_json()", "event.text.parse_json(1)", "event.text.is_json()"] {
        assert_eq!(run(script, &inside).unwrap_err().details().message, STOPPED, "{script}");
    }
}

/// Every event has the whole limit, whatever the one before left in a cache and whatever it freed.
#[test]
fn the_next_event_starts_afresh() {
    let fills = "let a = []; a.pad(2000, #{ n: 1 }); let m = #{}; for i in 0..9999 { m[`k${i}`] = a; }";
    let honest =
        "let a = []; a.pad(2000, #{ n: 1 }); let m = #{}; for i in 0..10 { m[`k${i}`] = a; } event.n = 1;";
    for number in 0..6 {
        assert_eq!(run(fills, &event("{}")).unwrap_err().details().message, STOPPED);
        assert_eq!(run(honest, &event("{}")).unwrap(), 1);
        let patterns = format!(
            "for i in 0..4 {{ \"aaaa\".regex_find(`(a${{i}}){{{number}}}\\w*\\w*x`); }} event.n = 1;"
        );
        assert_eq!(run(&patterns, &event("{}")).unwrap(), 1);
    }
}

#[test]
fn patterns_that_are_kept_stay_within_bounds() {
    let before = sluicebox_heap::held();
    for number in 0..100 {
        let groups = "(\\w)".repeat(8);
        let script = format!("\"äbc\".repeat(50).regex_captures(`${{{number}}}?{groups}x`); true");
        run(&script, &event("{}")).unwrap();
    }
    let kept = sluicebox_heap::held() - before;
    assert!((1 << 20..48 << 20).contains(&kept), "{kept} bytes");
}

/// A function that calls itself through its variable is held by itself.
#[test]
fn functions_that_hold_themselves_are_freed_with_the_event() {
    let list = "let list = []; list.pad(1000, 0);";
    for script in [
        format!(
            "{list} let f = |n| n; f = |n| if n > 0 {{ list.len(); f.call(n - 1) }} else {{ n }}; event.n = 1;"
        ),
        format!("{list} list.push(|| list); event.n = 1;"),
        format!("{list} let m = #{{ list: list }}; let f = || m; m.f = f; m.g = [f]; event.n = 1;"),
        format!("{list} list.push(|| list); throw 1;"),
        format!("{list} list.push(|| event); event.f = || event.len(); event.n = 1;"),
    ] {
        // The first events of a thread fill what is kept for the later ones.
        let compiled = Script::compile(&Located::unplaced(script.as_str())).unwrap();
        let many = |times| (0..times).for_each(|_| drop(compiled.run(&event("{}"))));
        many(3);
        let before = sluicebox_heap::held();
        many(20);
        let left = sluicebox_heap::held() - before;
        assert!(left < 16_000, "{script} leaves {left} bytes");
    }
}
