//! Every function is documented, every example is run, and what goes wrong says so.

use bytes::Bytes;
use rhai::{Dynamic, Scope};
use sluicebox_core::{Event, Located, Meta};

use super::{LEFT_OUT, families, functions};
use crate::{Emitted, Expression, Script, State, StateDeclaration, StateKind, Surroundings};
use crate::{budget, language, view, write};

fn event(json: &'static str) -> Event {
    Event::parse(&Bytes::from_static(json.as_bytes()), Meta::new("source", "account", "id")).unwrap()
}

/// The value of a text that may have statements, as JSON, or what went wrong.
fn value(text: &str) -> Result<String, String> {
    let engine = language::engine();
    let ast = engine.compile_with_scope(&view::names(), text).map_err(|error| error.to_string())?;
    let value = budget::within(|| engine.eval_ast_with_scope::<Dynamic>(&mut Scope::new(), &ast));
    let json = write::json(&value.map_err(|error| error.to_string())?).map_err(|error| error.to_string())?;
    String::from_utf8(json).map_err(|error| error.to_string())
}

/// The state that the examples speak of.
fn declared() -> State {
    let declaration = |kind| StateDeclaration { kind, key: None, ttl: None, max_keys: 10, max_items: None };
    let names = [("seen", StateKind::Counter), ("latest", StateKind::Value), ("topics", StateKind::Set)];
    State::declare(names.map(|(name, kind)| (name.to_owned(), declaration(kind))).into()).unwrap()
}

/// What a script decides for an event, as JSON.
fn decided(text: &str) -> String {
    let original = r#"{"n":5}"#;
    let surroundings = Surroundings { state: Some(&declared()), ..Surroundings::default() };
    let outcome = Script::compile_within(&text.into(), &surroundings).unwrap().run(&event(original)).unwrap();
    let mut said = serde_json::json!({ "events": [] });
    for emission in outcome.emitted {
        let json = match emission.event {
            Emitted::Unchanged => original.to_owned(),
            Emitted::Changed(json) | Emitted::Child(json) => String::from_utf8(json.to_vec()).unwrap(),
        };
        let output = emission.output.unwrap_or("events".into());
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        match said[output.as_str()].as_array_mut() {
            Some(list) => list.push(json),
            None => said[output.as_str()] = vec![json].into(),
        }
    }
    if let Some(letter) = outcome.dead_letter {
        said["dead_letter"] = letter.message.into();
    }
    if !outcome.log.is_empty() {
        said["log"] = outcome.log.into();
    }
    said.to_string()
}

#[test]
fn every_example_gives_what_the_reference_says() {
    let mut wrong = Vec::new();
    for family in families() {
        for function in family.functions {
            let (example, gives) = (function.example, function.gives);
            let is_script = matches!(family.name, "script" | "state");
            let found = if is_script { Ok(decided(example)) } else { value(example) };
            if found.as_deref() != Ok(gives) {
                wrong.push(format!(
                    "{}.{}: {example}\n  says  {gives}\n  gives {found:?}",
                    family.name, function.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_example_is_one_that_a_user_may_write() {
    for family in families().iter().filter(|family| !matches!(family.name, "script" | "state")) {
        for function in family.functions {
            let example = Located::unplaced(function.example);
            if function.example.starts_with("let ") {
                Script::compile(&example).unwrap();
            } else {
                Expression::compile(&example)
                    .unwrap_or_else(|problem| panic!("{}: {problem:?}", function.example));
            }
            assert!(function.example.contains(function.name), "{} is not in its example", function.name);
        }
    }
}

#[test]
fn every_function_that_exists_is_documented_or_left_out_on_purpose() {
    let mut exist =
        language::engine().collect_fn_metadata(None, |info| Some(info.metadata.name.to_string()), true);
    exist.retain(|name| name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_'));
    exist.retain(|name| !name.contains('$'));
    exist.sort();
    exist.dedup();
    assert!(exist.len() > 200, "only {} functions were found", exist.len());
    let is_documented = |name: &str| functions().any(|function| function.name == name);
    let is_left_out = |name: &str| LEFT_OUT.iter().any(|(left_out, _)| *left_out == name);
    let unknown: Vec<&String> =
        exist.iter().filter(|name| !is_documented(name) && !is_left_out(name)).collect();
    assert!(unknown.is_empty(), "neither documented nor left out: {unknown:?}");
    // `type_of` is a word of the language itself.
    let gone = |name: &&str| {
        let name = name.strip_prefix("state.").unwrap_or(name);
        name != "type_of" && !exist.iter().any(|exists| exists == name)
    };
    let names = functions().map(|function| function.name).chain(LEFT_OUT.iter().map(|(name, _)| *name));
    let gone: Vec<&str> = names.filter(gone).collect();
    assert!(gone.is_empty(), "documented or left out, but they do not exist: {gone:?}");
    let both: Vec<_> = LEFT_OUT.iter().filter(|(name, _)| is_documented(name)).collect();
    assert!(both.is_empty(), "left out and documented: {both:?}");
}

#[test]
fn summaries_are_sentences_and_no_signature_stands_twice() {
    let mut signatures = std::collections::HashSet::new();
    for family in families() {
        for function in family.functions {
            assert!(function.summary.trim_end_matches(')').ends_with('.'), "{}", function.signature);
            assert!(function.signature.starts_with(function.name), "{}", function.signature);
            assert!(signatures.insert(function.signature), "{} stands twice", function.signature);
        }
    }
}

#[test]
fn what_goes_wrong_names_the_function_what_it_expected_and_what_it_got() {
    for (text, says) in [
        (
            r#"parse_time("yesterday")"#,
            r#"`parse_time` expected a time like "2026-06-12T10:00:00Z" or a date, found "yesterday""#,
        ),
        (r#"parse_time("12", "%Y-%m")"#, r#"`parse_time` expected a time in the format "%Y-%m", found "12""#),
        (
            r#"in_zone("2026-06-12T10:00:00Z", "Mars/Base")"#,
            r#"`in_zone` expected a time zone like "Europe/Berlin", found "Mars/Base""#,
        ),
        (
            r#"add_duration("2026-06-12T10:00:00Z", "soon")"#,
            r#"`add_duration` expected a duration like "1h30m", found "soon""#,
        ),
        (r#"format_time("2026-06-12T10:00:00Z", "%!")"#, r#"`format_time` cannot use the format "%!""#),
        (r#""a".regex_match("(")"#, r#"`regex_match` cannot use the pattern "(": unclosed group"#),
        (
            r#""a".regex_match("(a{100}){100}{100}")"#,
            r#"`regex_match` cannot use the pattern "(a{100}){100}{100}": "#,
        ),
        (r#"parse_number("12x")"#, r#"`parse_number` expected a number, found "12x""#),
        ("parse_number([])", "`parse_number` expected text or a number, found an array"),
        (r#"decimal("1,5")"#, r#"`decimal` expected a number of up to 28 digits, found "1,5""#),
        ("decimal(1e300)", "`decimal` expected a number of up to 28 digits, found 1e300"),
        ("round(1.5, 99)", "`round` expected 0 to 28 digits, found 99"),
        ("clamp(1, 5, 2)", "`clamp` expected a lowest below the highest, found 5 and 2"),
        (r#"base64_decode("***")"#, r#"`base64_decode` expected base64, found "***""#),
        (r#"parse_url("shop")"#, r#"`parse_url` expected an absolute URL, found "shop""#),
        (r#"parse_json("{")"#, r#"`parse_json` expected JSON, found "{""#),
        (r#"#{}.get_path("a..b")"#, "`get_path` expected a path like"),
        (r#"#{ a: 1 }.set_path("a.b", 1)"#, "`set_path` expected maps"),
        (r#"[1, "x"].sum()"#, r#"`sum` expected numbers only, found "x""#),
        (r#"[1, "x"].max()"#, r#"`max` expected numbers only or texts only, found "x""#),
        ("[[]].join(\",\")", "`join` expected text or a number, found an array"),
        ("[1].chunk(0)", "`chunk` expected a length of 1 or more"),
        (r#""a".pad_start(5, "")"#, "`pad_start` expected a text to fill up with"),
        (r#"bucket("a", 0)"#, "`bucket` expected a count of 1 or more, found 0"),
    ] {
        let error = value(text).unwrap_err();
        assert!(error.contains(says), "{text}\n  says {error}\n  and not {says}");
    }
}

#[test]
fn nothing_grows_over_the_limits_and_no_number_stops_the_process() {
    let large = "let t = \"a\"; for i in 0..19 { t += t }";
    for text in [
        "\"a\".pad_start(9000000000000000000, \"x\")",
        "\"a\".repeat(9000000000000000000)",
        "\"\".repeat(9000000000000000000) + \"a\".repeat(1048577)",
        &format!("{large}; t.replace(\"a\", t)"),
        &format!("{large}; t.regex_replace(\"a\", t)"),
        &format!("{large}; t.regex_replace(\"(?s).*\", \"$0\".repeat(1000))"),
        &format!("{large}; [t, t, t].join(t)"),
        &format!("{large}; t.split(\"\")"),
        &format!("{large}; t.regex_find_all(\"a\")"),
        &format!("{large}; url_encode(t.replace(\"a\", \"ü\"))"),
        "decimal(\"79228162514264337593543950335\") * 10",
        "decimal(1) / 0.0",
        "[9223372036854775807, 1].sum()",
        "from_unix_millis(9223372036854775807)",
        "from_unix_seconds(9223372036854775807)",
        "from_unix_seconds(0.0 / 0.0)",
        "add_duration(\"2026-06-12T10:00:00Z\", \"99999999w\")",
        "\"a\".regex_match(\"x\".repeat(5000))",
        "#{}.set_path(\"a.\".repeat(100) + \"a\", 1)",
        &format!("{large}; t.to_chars()"),
        &format!("{large}; t.split('a')"),
        &format!("{large}; t.split(\"a\", 900000)"),
        &format!("{large}; t.split('a', 900000)"),
        &format!("{large}; t.split_rev(\"a\")"),
        &format!("{large}; t.split_rev('a')"),
        &format!("{large}; t.split_rev(\"a\", 900000)"),
        &format!("{large}; t.split_rev('a', 900000)"),
        &format!("{large}; t.replace(\"a\", \"a \").split()"),
        &format!("{large}; t.replace(\"aa\", \"a\\n\").lines()"),
        &format!("{large}; t.regex_split(\"a\")"),
        &format!("{large}; format_time(\"2026-06-12T10:00:00Z\", t.replace(\"a\", \"%Y\"))"),
        &format!("{large}; parse_time(\"2026\", t.replace(\"a\", \"%Y\"))"),
        &format!("{large}; parse_json(\"[\" + t.replace(\"a\", \"1,\") + \"1]\")"),
        &format!("{large}; to_query(#{{ a: t.replace(\"a\", \"/\"), b: t, c: t }})"),
        "let q = \"\"; for i in 0..10001 { q += `${i}&`; } parse_query(q)",
        &format!("{large}; let a = []; a.pad(5, 0); for i in 0..5 {{ a[i] = t + i; }} a.unique()"),
        &format!("{large}; let a = []; a.pad(5, 0); for i in 0..5 {{ a[i] = t + i; }} a.unique_by(|it| it)"),
        &format!("{large}; let m = #{{}}; for i in 0..100 {{ m[`k${{i}}`] = t; }} m.to_json()"),
        &format!("{large}; let m = #{{}}; for i in 0..100 {{ m[`k${{i}}`] = t; }} m.to_string()"),
        &format!("{large}; let m = #{{}}; for i in 0..100 {{ m[`k${{i}}`] = t; }} `${{m}}`"),
        &format!("{large}; let m = #{{}}; for i in 0..100 {{ m[`k${{i}}`] = t; }} \"\" + m"),
        &format!("{large}; let m = #{{}}; for i in 0..100 {{ m[`k${{i}}`] = t; }} [m].join(\"\")"),
        "\"a\".regex_match(\"(a)\".repeat(65))",
    ] {
        let text = text.to_owned();
        assert!(value(&text).is_err(), "{text} gave {:?}", value(&text).map(|json| json.len()));
    }
}

#[test]
fn money_is_exact_beside_every_kind_of_number() {
    for (text, gives) in [
        ("decimal(\"0.1\") + decimal(\"0.2\") == decimal(\"0.3\")", "true"),
        ("0.1 + 0.2", "0.30000000000000004"),
        ("decimal(0.1) + 0.2", "0.3"),
        ("0.1 + decimal(0.2) == 0.3", "true"),
        ("decimal(\"19.99\") * 3", "59.97"),
        ("1.19 * decimal(\"100\")", "119.00"),
        ("decimal(\"10\") / 4", "2.50"),
        ("decimal(\"1.50\")", "1.50"),
        ("#{ total: decimal(\"12345678901234567890.12\") }", "{\"total\":12345678901234567890.12}"),
        (
            "[decimal(2) > 1.5, 1.5 >= decimal(2), decimal(2) != 2.0, decimal(2) < 1e300]",
            "[true,false,false,true]",
        ),
        ("[max(decimal(2), 1.5), min(decimal(2), 1.5)]", "[2,1.5]"),
        ("decimal(\"-1234.5\").format_number(2)", "\"-1,234.50\""),
        ("decimal(\"1e3\")", "1000"),
        ("[decimal(\"2.5\").round(), decimal(\"3.5\").round(), decimal(7).abs()]", "[2,4,7]"),
    ] {
        assert_eq!(value(text).as_deref(), Ok(gives), "{text}");
    }
}

#[test]
fn a_field_with_a_decimal_is_written_with_its_digits() {
    let script = Script::compile(&"event.total = decimal(event.net) * 1.19;".into()).unwrap();
    let outcome = script.run(&event(r#"{"net":0.10,"other":1.10}"#)).unwrap();
    let Emitted::Changed(json) = &outcome.emitted[0].event else { panic!("unchanged") };
    assert_eq!(json, r#"{"net":0.10,"other":1.10,"total":0.119}"#);
}

#[test]
fn texts_are_values() {
    for (text, gives) in [
        ("let t = \" a \"; t.trim(); t", "\" a \""),
        ("let m = #{ t: \"a-b\" }; m.t = m.t.replace(\"-\", '+'); m.t", "\"a+b\""),
        ("let t = \"abc\"; t.truncate(1) + t", "\"aabc\""),
        ("const T = \" a \"; T.trim()", "\"a\""),
        ("\"aXbX\".replace('X', \"--\")", "\"a--b--\""),
        ("\"abc\".replace(\"\", \"x\")", "\"abc\""),
        (
            "[snake_case(\"ID\"), snake_case(\"userID2Name\"), snake_case(\"__a--b__\")]",
            "[\"id\",\"user_id2_name\",\"a_b\"]",
        ),
    ] {
        assert_eq!(value(text).as_deref(), Ok(gives), "{text}");
    }
}
