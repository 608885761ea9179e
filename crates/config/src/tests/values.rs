//! Values: kinds, ranges, forms, and places inside texts.

use super::{assert_problems, plan, with_source, with_transform};
use crate::testing::{Outside, shown};

#[test]
fn scalars_reach_text_fields_verbatim_and_other_fields_typed() {
    let text = with_source(
        "tags: [show, 010, 1_000, no, yes, 1e3, 'null']\norganisation: 010\nlimit: 010\nstart: {cursor: 1042}\n\
         interval: 5m",
    );
    let became =
        r#"Some("010") 10 Cursor("1042") 5m None ["show", "010", "1_000", "no", "yes", "1e3", "null"]"#;
    assert_problems(&text, &[&format!("5:11 sources.a.tags: {became}")]);
}

#[test]
fn every_problem_is_reported_at_once_with_its_place() {
    let text = with_source(
        "limit: 500\nlimt: 3\nstart: begining\ninterval: 15\ntags: x\ndrop_own: yes\nauth: {baerer: x}\n\
         when: 'x == BAD'\nprefetch: maybe",
    );
    assert_problems(
        &text,
        &[
            "5:12 sources.a.limit: expected an integer from 1 to 200, found `500`",
            "6:5 sources.a.limt: unknown key `limt` (did you mean `limit`?)",
            "7:12 sources.a.start: expected `beginning`, `now` or `{cursor: …}`, found `begining` (did you mean \
             `beginning`?)",
            "8:15 sources.a.interval: expected a duration like `250ms`, `15s`, `5m` or `1h`, found `15`",
            "9:11 sources.a.tags: expected a list, found `x`",
            "10:15 sources.a.drop_own: expected `true` or `false`, found `yes`",
            "11:12 sources.a.auth.baerer: unknown key `baerer`: expected `bearer`, `api_key` or `same_as` (did you \
             mean `bearer`?)",
            "12:17 sources.a.when: BAD is bad in `x == BAD`",
            "13:15 sources.a.prefetch: expected `true` or `false`, found `maybe`",
        ],
    );
}

#[test]
fn forms_lists_and_empty_values_are_explained() {
    let nothing = "(leave the key out to get the default, or give it a value)";
    assert_problems(
        &with_source(
            "start: cursor\nlimit:\norganisation: [a]\ntags: [{a: b}, ~]\naccount: ''\ndead_letter: alerts",
        ),
        &[
            "5:12 sources.a.start: expected `beginning`, `now` or `{cursor: …}`, found `cursor` (`cursor` needs a \
             value: `{cursor: …}`)",
            &format!("6:5 sources.a.limit: expected an integer from 1 to 200, found nothing {nothing}"),
            "7:19 sources.a.organisation: expected a text, found a list",
            "8:12 sources.a.tags[0]: expected a text, found a map",
            &format!("8:20 sources.a.tags[1]: expected a text, found nothing {nothing}"),
            "9:14 sources.a.account: expected a text that is not empty, found an empty text",
            "10:18 sources.a.dead_letter: there is no sink `alerts` (`store`, `drop`, or the name of a sink)",
        ],
    );
    assert_problems(
        &with_source("auth:\n  bearer: x\n  api_key: {key: a, secret: b}\nstart: {curser: x}"),
        &[
            "7:7 sources.a.auth: only one of `bearer`, `api_key` or `same_as` can be given",
            "8:13 sources.a.start.curser: unknown key `curser` (did you mean `cursor`?)",
        ],
    );
}

#[test]
fn a_component_says_what_is_wrong_with_its_own_values() {
    assert_problems(
        &with_source("auth: {same_as: b}\ndrop_own: true\nlimit: 1"),
        &["2:3 sources.a: drop_own needs a limit above 1", "5:21 sources.a.auth.same_as: no source `b`"],
    );
    let sink =
        "sources:\n  a: {type: feed, token: x}\nsinks:\n  z:\n    type: exact\n    inputs: a\n    rate: ";
    assert_problems(&format!("{sink}7\n"), &["7:11 sinks.z.rate: not 7"]);
    assert_problems(
        &format!("{sink}none\n"),
        &["7:11 sinks.z.rate: expected an integer of at least 1 or `unlimited`, found `none`"],
    );
    plan(&Outside::default(), &format!("{sink}unlimited\n    columns: {{id: event.id}}\n"));
    assert_problems(
        &format!("{sink}8\n    columns: {{a.b: event.id, a: 'BAD'}}\n"),
        &["8:34 sinks.z.columns.a: BAD is bad in `BAD`"],
    );
}

#[test]
fn places_inside_scripts_are_places_of_the_file() {
    for (lines, expected) in [
        ("source: |\n  let a = 1;\n\n  let b = BAD;\n", "10:15"),
        ("source: |\n\n  let b = BAD;\n", "9:15"),
        ("source: |2\n\n    let b = BAD ${x};\n", "9:17"),
        ("source: \"é BAD\"", "7:16"),
        ("source: é BAD", "7:15"),
        ("source: |\n  ok\nwhen: |\n  a\n   BAD", "11:8"),
    ] {
        let problems =
            Outside::new(&[("TOKEN", "t")]).problems(&with_transform(&format!("type: script\n{lines}")));
        assert_eq!(problems.len(), 1, "{lines}: {problems:?}");
        assert!(problems[0].starts_with(&format!("{expected} transforms.t.")), "{lines}: {problems:?}");
    }
}

#[test]
fn a_problem_in_a_script_file_names_that_file() {
    let outside = Outside::new(&[("TOKEN", "t")]).file("rules/a.rhai", "x\n  BAD\n");
    let text = with_transform("type: script\nfile: rules/a.rhai");
    let problems = outside.load(&text).err().unwrap();
    assert_eq!(problems[0].file, "dir/rules/a.rhai");
    assert_eq!((problems[0].line, problems[0].column), (2, 3));
    assert_eq!(&problems[0].source[problems[0].range.clone()], "BAD");
    let missing = Outside::new(&[("TOKEN", "t")]).problems(&text);
    assert_eq!(missing, ["7:11 transforms.t.file: `rules/a.rhai` not found"]);
}

#[test]
fn conditions_and_scripts_are_not_interpolated_templates_are() {
    let outside = Outside::new(&[("TOKEN", "t0ps3cret"), ("BASE", "https://x")]);
    plan(&outside, &with_transform("type: script\nsource: \"`${unset}`\"\nwhen: \"`${unset}` == 1\""));
    plan(&outside, &with_transform("type: lookup\nurl: ${BASE}/{{ event.id }}"));
    assert_eq!(
        outside.problems(&with_transform("type: lookup\nurl: ${UNSET}/{{ event.id }}")),
        ["7:10 transforms.t.url: the variable `UNSET` is not set"]
    );
}

#[test]
fn a_folded_script_is_warned_of() {
    let plan = plan(&Outside::new(&[("TOKEN", "t")]), &with_transform("type: script\nsource: >\n  a;\n  b"));
    let warnings: Vec<String> = plan.warnings.iter().map(shown).collect();
    let expected = "7:5 transforms.t.source: places inside a folded text (`>`) cannot be named (use a literal block (`|`))";
    assert_eq!(warnings, [expected]);
}

#[test]
fn what_is_missing_is_named() {
    assert_problems(
        &with_transform("type: filter\nretry: {initial: 2m, max: 1m}"),
        &[
            "4:3 transforms.t: `when` is missing: it is the condition of `filter`",
            "7:12 transforms.t.retry: the first wait (`initial: 2m`) is longer than the longest (`max: 1m`)",
        ],
    );
    assert_problems(
        "sources:\n  a:\n    type: feed\nsinks:\n  z:\n    type: plain\n",
        &[
            "2:3 sources.a: `token` is missing (`token`: The token to ask with.)",
            "2:3 sources.a: nobody reads `a`: its events would go nowhere (name it in the `inputs` of a transform or \
             a sink)",
            "5:3 sinks.z: `inputs` is missing (`inputs`: what it reads: names of sources and transforms, \
             `name.output`, globs like `chat_*`)",
        ],
    );
}

#[test]
fn true_and_false_are_conditions() {
    let plan = plan(&Outside::new(&[("TOKEN", "t")]), &with_transform("type: filter\nwhen: true"));
    let when = plan.transforms[0].when.as_ref().unwrap();
    assert_eq!((when.text.as_str(), when.line, when.column), ("true", 7, 11));
    assert_eq!(when.file, "dir/p.yaml");
    assert!(plan.transforms[0].when_discards);
}
