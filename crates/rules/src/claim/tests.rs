//! What expressions claim.

use sluicebox_core::Effect;

use super::*;

/// `Read` and `Compared` as short text.
fn shown(claim: &Claim) -> String {
    let list = |parts: &[Claim], by: &str| {
        let parts: Vec<String> = parts.iter().map(shown).filter(|part| !part.is_empty()).collect();
        if parts.len() > 1 { format!("({})", parts.join(by)) } else { parts.concat() }
    };
    let path = |read: &Read| {
        let root = if read.is_meta { "meta" } else { "event" };
        let step = |step: &PathStep| step.name.as_ref().map_or("[]".to_owned(), |name| format!(".{name}"));
        let steps: String = read.steps.iter().map(step).collect();
        format!("{root}{steps}{}", if read.has_default { "?" } else { "" })
    };
    match claim {
        Claim::All(parts) => list(parts, " & "),
        Claim::Any(parts) => list(parts, " | "),
        Claim::Parts(parts) => list(parts, " "),
        Claim::Not(part) => format!("!{}", shown(part)),
        Claim::Constant(value) => value.to_string(),
        Claim::Read(read) => path(read),
        Claim::Compared(Compared { read, by, with }) => {
            let with: Vec<String> = with.iter().map(|literal| literal.value.to_string()).collect();
            format!("{} {by:?} {}", path(read), with.join(","))
        }
        Claim::Asked { of, name } => format!("{} in {}", name.value, path(of)),
    }
}

fn claim(text: &str) -> Claim {
    Claim::of_expression(text).unwrap()
}

#[test]
fn paths_are_told_as_far_as_they_are_written_out() {
    for (text, expected) in [
        ("event", "event"),
        ("event.data.contractId", "event.data.contractId"),
        ("event?.data?.contractId", "event.data.contractId"),
        (r#"event["a-b"].c["d"][0].e[1][2]"#, "event.a-b.c.d[].e[][]"),
        ("event.a[event.b.c].d", "(event.a event.b.c)"),
        ("event[meta.key]", "(event meta.key)"),
        ("event.text.len() + 1", "event.text"),
        (r#"meta.type.split(".")[0] in ["a", "b"]"#, "meta.type"),
        ("event.a.b(event.c).d", "(event.a event.c)"),
        ("(event.a ?? event.b).c", "(event.a? event.b)"),
        ("event.a ?? event.b ?? 1", "(event.a? event.b?)"),
        ("`x ${event.a} y`", "event.a"),
        ("#{a: event.a, b: [event.b]}", "(event.a event.b)"),
        ("parse_json(event.a).b", "event.a"),
        ("if event.a { event.b } else { 1 }", ""),
        ("event.items.filter(|item| item.x == 1)", "event.items"),
        ("1 + 2", ""),
    ] {
        assert_eq!(shown(&claim(text)), expected, "{text}");
    }
}

#[test]
fn comparisons_with_literals_are_told() {
    for (text, expected) in [
        (r#"event.a == "x""#, r#"event.a Equal "x""#),
        (r#""x" != event.a"#, r#"event.a NotEqual "x""#),
        ("event.a >= 1.5", "event.a Ordered 1.5"),
        ("-1 < event.a", "event.a Ordered -1"),
        ("event.a == ()", "event.a Equal null"),
        ("event.a == event.b", "(event.a event.b)"),
        ("event.a == 'x'", "event.a"),
        (r#"meta.type in ["a", "b"]"#, r#"meta.type OneOf "a","b""#),
        (r#"meta.type in ["a", event.b]"#, "(event.b meta.type)"),
        (r#""x" in event.data"#, r#""x" in event.data"#),
        (r#"!("x" in event.data)"#, r#"!"x" in event.data"#),
        ("is_missing(event.data.x)", r#""x" in event.data"#),
        (r#"event.data.contains("x")"#, r#""x" in event.data"#),
        (r#"meta.type.starts_with("a.")"#, r#"meta.type StartsWith "a.""#),
        (r#"(event.a ?? "") == "x""#, "event.a?"),
    ] {
        assert_eq!(shown(&claim(text)), expected, "{text}");
    }
}

#[test]
fn what_is_joined_stays_joined() {
    let text = r#"meta.type == "a" && (event.b == 1 || !event.c) && event.d"#;
    assert_eq!(shown(&claim(text)), r#"(meta.type Equal "a" & (event.b Equal 1 | !event.c) & event.d)"#);
}

#[test]
fn places_are_those_of_the_text() {
    let places = |claim: &Claim| match claim {
        Claim::Compared(Compared { read, with, .. }) => {
            let steps: Vec<_> = read.steps.iter().map(|step| step.place).collect();
            (steps, with[0].place)
        }
        other => panic!("{other:?}"),
    };
    let text = "event\n  .data[\"x\"] == 1";
    assert_eq!(places(&claim(text)), (vec![(2, 4), (2, 9)], (2, 17)));
    let Claim::Parts(parts) = Claim::of_template("a {{ meta.id }}\n ü {{ event.x == 1 }}").unwrap() else {
        panic!("a template has parts")
    };
    assert_eq!(places(&parts[1]), (vec![(2, 13)], (2, 18)));
    assert!(Claim::of_template("{{ event.x").is_err());
    assert!(Claim::of_expression("event.").is_err());
}

/// What a script does to the shape of events: `?`, or the fields that it puts in.
fn effect(text: &str) -> String {
    let flow = Flow::of_script(&Located::whole_file(text, ""), &crate::Surroundings::default()).unwrap();
    match flow.effect {
        Effect::Unknown => "?".to_owned(),
        Effect::None => String::new(),
        Effect::Writes(fields) => fields.iter().map(|path| path.join(".")).collect::<Vec<_>>().join(" "),
        Effect::Adds(field) => field,
    }
}

#[test]
fn what_a_script_does_to_the_shape_of_events_is_told_where_it_can_be() {
    for (text, expected) in [
        ("event.total = event.a * 2; event.data.x = 1;", "data.x total"),
        ("event.a += 1; event.list.push(1); event.items[0].n = 2;", "a items list"),
        ("if event.a == 1 { event.b = 1 } else { to(\"large\") }", "b"),
        ("event.a == 1 && event.b > 2", ""),
        ("event.remove(\"a\"); event", ""),
        ("event = event.omit([\"a\"]); event = event.set_path(\"x.y[0].z\", 1);", "x.y"),
        ("event.mixin(#{ a: 1, b: 2 }); if event.a == 2 { return false; }", "a b"),
        ("let copy = event; copy.a = 1; event.b = copy.a;", "b"),
        ("let list = event.list; list.push(1);", ""),
        ("[1].filter(|it| { event.n = it; true }); drop()", "n"),
        ("log(event); let n = event.a.len();", ""),
        ("#{ a: 1 }", "?"),
        ("event.list", "?"),
        ("replace(#{ a: 1 });", "?"),
        ("emit(#{ a: 1 });", "?"),
        ("if event.a == 1 { return #{ b: 1 }; }", "?"),
        ("event = parse_json(event.a);", "?"),
        ("event[event.a] = 1;", "?"),
        ("event.mixin(event.data);", "?"),
        ("let event = #{};", "?"),
        ("switch event.a { 1 => event.b = 1, _ => false }", "b"),
        ("switch event.a { 1 => #{ b: 1 }, _ => false }", "?"),
    ] {
        assert_eq!(effect(text), expected, "{text}");
    }
}

#[test]
fn arguments_of_a_pack_are_written_out() {
    let arguments = serde_json::json!({ "into": "data.total", "field": "n", "missing": null });
    let surroundings = crate::Surroundings { arguments: arguments.as_object(), ..Default::default() };
    let effect = |text: &str| Flow::of_script(&Located::whole_file(text, ""), &surroundings).unwrap().effect;
    let writes = |path: &[&str]| {
        Effect::Writes([path.iter().map(|name| (*name).to_owned()).collect()].into_iter().collect())
    };
    assert_eq!(effect("event = event.set_path(args.into, 1);"), writes(&["data", "total"]));
    assert_eq!(effect("event = event.set_path(args.missing ?? args.field, 1);"), writes(&["n"]));
    assert_eq!(effect("event[args.field] = 1;"), writes(&["n"]));
    assert_eq!(effect("event[args.nope] = 1;"), Effect::Unknown);
}
