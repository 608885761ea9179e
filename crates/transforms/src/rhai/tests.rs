//! Scripts as file, inline text and pack; what becomes of events; what `check` says.

use std::collections::BTreeMap;

use serde_json::json;
use sluicebox_core::{CheckContext, TransformOutcome};

use sluicebox_core::Problem;

use crate::testing::{Files, apply, build, check, context, event, parse};

const EVENT: &str = r#"{ "n": 1.10, "list": [{"a":1},{"a":2}] }"#;

async fn run(script: &str) -> Vec<(usize, String)> {
    let transform = build("rhai", &json!({ "source": script }), &context()).await;
    let tell = |outcome| match outcome {
        TransformOutcome::Emit(output, event) => {
            let json = String::from_utf8(event.json().to_vec()).unwrap();
            format!("{} {} {json}", output.as_deref().unwrap_or("-"), event.meta().id)
        }
        TransformOutcome::Discard(reason) => reason.as_str().to_owned(),
        TransformOutcome::Absorb => "absorbed".to_owned(),
        TransformOutcome::DeadLetter(event, reason, error) => {
            assert_eq!(event.json(), EVENT);
            format!("{} {}", reason.as_str(), error.message)
        }
    };
    let outcomes = apply(&*transform, vec![event("x", "a", EVENT)]).await;
    outcomes.into_iter().map(|(index, outcome)| (index, tell(outcome))).collect()
}

fn expected(texts: &[&str]) -> Vec<(usize, String)> {
    texts.iter().map(|text| (0, (*text).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn every_outcome_reaches_its_output() {
    assert_eq!(run("event.n > 1").await, expected(&[&format!("- x {EVENT}")]));
    assert_eq!(run("event.n > 2").await, expected(&["filtered"]));
    assert_eq!(run("event.remove(\"list\");").await, expected(&[r#"- x {"n":1.10}"#]));
    assert_eq!(
        run("emit(#{ first: true }); to(\"big\"); event.list").await,
        expected(&[r#"- x/main/0 {"first":true}"#, r#"big x/big/0 {"a":1}"#, r#"big x/big/1 {"a":2}"#])
    );
    assert_eq!(run("dead_letter(\"no\")").await, expected(&["explicit no"]));
    assert!(run("event.nope.len()").await[0].1.starts_with("script no function fits"));
}

#[tokio::test(start_paused = true)]
async fn one_failing_event_touches_no_other() {
    let transform = build("rhai", &json!({ "source": "event.n += 1;" }), &context()).await;
    let batch = vec![event("1", "a", r#"{"n":1}"#), event("2", "a", "{}"), event("3", "a", r#"{"n":3}"#)];
    let outcomes = apply(&*transform, batch).await;
    let kinds: Vec<bool> =
        outcomes.iter().map(|(_, outcome)| matches!(outcome, TransformOutcome::Emit(..))).collect();
    assert_eq!(kinds, [true, false, true]);
}

#[test]
fn scripts_are_checked_where_they_stand() {
    let files =
        Files(BTreeMap::from([("good.rhai", "to(\"b\"); to(\"a\");"), ("bad.rhai", "true;\n  let = 1;")]));
    assert_eq!(check("rhai", &json!({ "file": "good.rhai" }), &files), []);
    let problems = check("rhai", &json!({ "file": "bad.rhai" }), &files);
    assert_eq!((problems[0].path.as_str(), problems[0].inside), ("file", Some((2, 7))));
    let problems = check("rhai", &json!({ "source": "true;\n  event.default = 1;" }), &files);
    assert_eq!((problems[0].path.as_str(), problems[0].inside), ("source", Some((2, 9))));
    for options in
        [json!({}), json!({ "file": "good.rhai", "source": "true" }), json!({ "file": "gone.rhai" })]
    {
        assert_eq!(check("rhai", &options, &files).len(), 1, "{options}");
    }
    let cx = CheckContext { files: &files, sources: &[] };
    assert_eq!(parse("rhai", &json!({ "file": "good.rhai" })).outputs(&cx), ["a", "b"]);
    assert!(parse("rhai", &json!({ "file": "bad.rhai" })).outputs(&cx).is_empty());
}

const PACK: &str = "\
name: tags
summary: Tags.
functions: shared.rhai
scripts:
  add:
    file: add.rhai
    summary: Adds a tag.
    parameters:
      tag: { type: text, required: true, doc: The tag. }
      upper: { type: boolean, default: false, doc: In capitals. }
    examples:
      - name: a tag is added
        with: { tag: a, upper: true }
        event: { id: 1 }
        expect: { main: [{ id: 1, tag: A }] }
";

fn pack(yaml: &'static str, shared: &'static str, add: &'static str) -> Files {
    Files(BTreeMap::from([
        ("plugins/rhai/tags/pack.yaml", yaml),
        ("plugins/rhai/tags/shared.rhai", shared),
        ("plugins/rhai/tags/add.rhai", add),
    ]))
}

const SHARED: &str = "fn spelt(tag, upper) {\n  if upper { tag.to_upper() } else { tag }\n}";
const ADD: &str = "event.tag = spelt(args.tag, args.upper);";

/// `path file:line:column message (help)` of every problem.
fn told(options: &serde_json::Value, files: &Files) -> Vec<String> {
    let told = |problem: Problem| {
        let file = problem.file.map_or_else(String::new, |file| file.path);
        let (line, column) = problem.inside.unwrap_or_default();
        let help = problem.help.map_or_else(String::new, |help| format!(" ({help})"));
        format!("{} {file}:{line}:{column} {}{help}", problem.path, problem.message)
    };
    check("rhai", options, files).into_iter().map(told).collect()
}

#[tokio::test(start_paused = true)]
async fn a_script_is_a_file_a_text_or_one_of_a_pack() {
    let files = Files(BTreeMap::from([("a.rhai", "event.n = 1;")]));
    let inline = json!({ "source": "event.n = 1;" });
    let shipped = json!({ "pack": "money/to_minor", "with": { "field": "n" } });
    for (options, expected) in
        [(json!({ "file": "a.rhai" }), r#"{"n":1}"#), (inline, r#"{"n":1}"#), (shipped, r#"{"n":150}"#)]
    {
        let transform = parse("rhai", &options).build(&context(), &files).await.unwrap();
        let outcomes = apply(&*transform, vec![event("x", "a", r#"{"n":1.5}"#)]).await;
        let TransformOutcome::Emit(None, event) = &outcomes[0].1 else { panic!("{:?}", outcomes[0].1) };
        assert_eq!(event.json(), expected, "{options}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pack_beside_the_pipeline_is_run_with_its_arguments() {
    let options = json!({ "pack": "tags/add", "with": { "tag": "x" } });
    let files = pack(PACK, SHARED, ADD);
    assert_eq!(told(&options, &files), [""; 0]);
    let transform = parse("rhai", &options).build(&context(), &files).await.unwrap();
    let outcomes = apply(&*transform, vec![event("x", "a", "{}")]).await;
    assert!(
        matches!(&outcomes[0].1, TransformOutcome::Emit(None, event) if event.json() == r#"{"tag":"x"}"#)
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_while_running_names_the_file_of_the_pack_that_it_is_in() {
    let options = json!({ "pack": "tags/add", "with": { "tag": "x" } });
    let place = async |files: Files| {
        let transform = parse("rhai", &options).build(&context(), &files).await.unwrap();
        let mut outcomes = apply(&*transform, vec![event("x", "a", "{}")]).await;
        let (_, TransformOutcome::DeadLetter(_, _, error)) = outcomes.remove(0) else { panic!("it fails") };
        (error.file.unwrap(), error.line.unwrap(), error.column.unwrap())
    };
    let in_script = pack(PACK, SHARED, "let a = 1;\nif true { a; }\nevent.tag = event.nope.trim();");
    assert_eq!(place(in_script).await, ("plugins/rhai/tags/add.rhai".to_owned(), 3, 24));
    let in_function = pack(PACK, "fn spelt(tag, upper) {\n  ().trim()\n}", ADD);
    assert_eq!(place(in_function).await, ("plugins/rhai/tags/shared.rhai".to_owned(), 2, 6));
}

#[test]
fn what_is_wrong_with_a_pack_is_told_in_its_files() {
    let options = json!({ "pack": "tags/add", "with": { "tag": "x" } });
    assert_eq!(
        told(&options, &pack(PACK, SHARED, "event.tag = ;")),
        ["pack plugins/rhai/tags/add.rhai:1:13 unexpected ';'"]
    );
    assert_eq!(
        told(&options, &pack(PACK, "let a = 1;", ADD)),
        ["pack plugins/rhai/tags/shared.rhai:1:1 expected functions (`fn name(…) { … }`) and nothing else"]
    );
    assert_eq!(
        told(&options, &pack(PACK, SHARED, "let a = 1;\nargs.tag = a;")),
        ["pack plugins/rhai/tags/add.rhai:2:1 `args` is read-only"]
    );
    assert_eq!(
        told(&options, &pack(PACK, SHARED, "event.tag = args.tag;")),
        [
            "pack plugins/rhai/tags/pack.yaml:12:7 the example `a tag is added` gives {\"main\":[{\"id\":1,\"tag\":\"a\"}]}, \
             expected {\"main\":[{\"id\":1,\"tag\":\"A\"}]}"
        ]
    );
    assert_eq!(
        told(&options, &pack("name: tags\nsummary: x\nscript: {}\n", SHARED, ADD)),
        ["pack plugins/rhai/tags/pack.yaml:3:1 unknown key `script` (did you mean `scripts`?)"]
    );
    let other: &'static str = PACK.replace("name: tags", "name: tag").leak();
    assert_eq!(
        told(&options, &pack(other, SHARED, ADD)),
        ["pack plugins/rhai/tags/pack.yaml:1:1 the pack calls itself `tag`, and its folder `tags`"]
    );
    let away: &'static str = PACK.replace("file: add.rhai", "file: ../add.rhai").leak();
    assert_eq!(
        told(&options, &pack(away, SHARED, ADD)),
        ["pack plugins/rhai/tags/pack.yaml:1:1 `../add.rhai` is not in the folder of the pack"]
    );
}

#[test]
fn wrong_names_and_arguments_get_the_right_ones() {
    let files = pack(PACK, SHARED, ADD);
    for (options, expected) in [
        (
            json!({ "pack": "tags/ad" }),
            "pack :0:0 the pack `tags` has no script `ad` (did you mean `tags/add`?)",
        ),
        (json!({ "pack": "mony/convert" }), "pack :0:0 there is no pack `mony` (did you mean `money`?)"),
        (
            json!({ "pack": "../x/add" }),
            "pack :0:0 expected a pack and one of its scripts, found `../x/add` (like `money/convert`; \
             `sluicebox list` shows the packs that ship)",
        ),
        (
            json!({ "pack": "tags/add", "with": { "tag": "x", "uper": true } }),
            "with.uper :0:0 `tags/add` has no parameter `uper` (did you mean `upper`?)",
        ),
        (json!({ "pack": "tags/add" }), "pack :0:0 `tags/add` needs the argument `tag` (`tag`: The tag.)"),
        (
            json!({ "file": "a.rhai", "with": { "tag": "x" } }),
            "with :0:0 only a script of a pack takes arguments (write the values into the script, or make a pack of \
             it)",
        ),
        (
            json!({ "source": "true", "pack": "tags/add" }),
            "pack :0:0 `source` and `pack` exclude each other (keep one of them)",
        ),
    ] {
        assert_eq!(told(&options, &files), [expected], "{options}");
    }
}
