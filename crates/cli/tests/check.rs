//! `check`: every problem of a file at once, in rustc's style, and what each route guarantees.

use insta::assert_snapshot;
use sluicebox_testkit::Sandbox;

fn sandbox(pipeline: &str) -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write("p.yaml", pipeline);
    sandbox
}

/// What `check` says about a broken file.
fn complaints(pipeline: &str) -> String {
    let finished = sandbox(pipeline).run("check p.yaml").expect(78);
    assert_eq!(finished.stdout, "", "only what is fine goes to stdout");
    finished.stderr
}

#[test]
fn a_sound_file_shows_the_guarantee_of_every_route() {
    let sandbox = sandbox(
        "sources: { made: { type: generate } }\nsinks:\n  \
         rows: { type: sqlite, inputs: [made], path: a.db }\n  \
         lines: { type: file, inputs: [made], path: \"a/{{ meta.type }}.jsonl\" }\n",
    );
    let finished = sandbox.run("check p.yaml").expect(0);
    assert_snapshot!(finished.stdout, @r#"
    p.yaml: p is fine
      made → rows   exactly_once   rows and position share one SQLite transaction
      made → lines  at_least_once  where exactly once is asked for, the checkpoint holds the length of every file
    "#);
    assert_eq!(finished.stderr, "");
}

#[test]
fn names_that_are_nearly_right_get_the_right_one() {
    assert_snapshot!(complaints("sources: { made: { type: generat } }\nsinks:\n  lines:\n    type: file\n    inputs: [mode]\n    pth: a.jsonl\n"), @r#"
    error: unknown source type `generat`
     --> p.yaml:1:26
      |
    1 | sources: { made: { type: generat } }
      |                          ^^^^^^^
      |
      = help: did you mean `generate`?

    error: unknown input `mode`
     --> p.yaml:5:14
      |
    5 |     inputs: [mode]
      |              ^^^^
      |
      = help: did you mean `made`?

    error: unknown key `pth`
     --> p.yaml:6:5
      |
    6 |     pth: a.jsonl
      |     ^^^
      |
      = help: did you mean `path`?

    3 problems
    "#);
}

#[test]
fn values_of_the_wrong_kind_or_out_of_range() {
    assert_snapshot!(complaints("sources:\n  market:\n    type: opentrain_updates\n    token: x\n    limit: 500\n    interval: 15 parsecs\nsinks:\n  none: { type: blackhole, inputs: [market], batch: { max_events: many } }\n"), @r#"
    error: expected an integer from 1 to 200, found `500`
     --> p.yaml:5:12
      |
    5 |     limit: 500
      |            ^^^

    error: expected a duration like `250ms`, `15s`, `5m` or `1h`, found `15 parsecs`
     --> p.yaml:6:15
      |
    6 |     interval: 15 parsecs
      |               ^^^^^^^^^^

    error: expected an integer from 1 to 100000, found `many`
     --> p.yaml:8:67
      |
    8 |   none: { type: blackhole, inputs: [market], batch: { max_events: many } }
      |                                                                   ^^^^

    3 problems
    "#);
}

#[test]
fn an_expression_that_does_not_compile_has_its_place_in_the_file() {
    assert_snapshot!(complaints("sources: { made: { type: generate } }\ntransforms:\n  some:\n    type: filter\n    inputs: [made]\n    when: event.a == \"b\" &&\nsinks:\n  none: { type: blackhole, inputs: [some] }\n"), @r#"
    error: script is incomplete
     --> p.yaml:6:11
      |
    6 |     when: event.a == "b" &&
      |           ^^^^^^^^^^^^^^^^^

    1 problem
    "#);
}

#[test]
fn a_script_that_does_not_compile_has_its_place_in_its_file() {
    let sandbox = sandbox(
        "sources: { made: { type: generate } }\ntransforms:\n  rule: { type: rhai, inputs: [made], file: rule.rhai }\n\
         sinks:\n  none: { type: blackhole, inputs: [rule] }\n",
    );
    sandbox.write("rule.rhai", "let a = 1;\nevent.a = a +;\n");
    assert_snapshot!(sandbox.run("check p.yaml").expect(78).stderr, @r#"
    error: unexpected ';'
     --> rule.rhai:2:14
      |
    2 | event.a = a +;
      |              ^

    1 problem
    "#);
}

#[test]
fn a_cycle_and_yaml_that_is_none() {
    assert_snapshot!(complaints("sources: { made: { type: generate } }\ntransforms:\n  a: { type: filter, inputs: [made, b], when: true }\n  b: { type: filter, inputs: [a], when: true }\nsinks:\n  none: { type: blackhole, inputs: [b] }\n"), @r#"
    error: events would run in a circle: a → b → a
     --> p.yaml:3:30
      |
    3 |   a: { type: filter, inputs: [made, b], when: true }
      |                              ^^^^^^^^^

    1 problem
    "#);
    assert_snapshot!(complaints("sources: { made: { type: generate }\n"), @r#"
    error: this is no valid YAML: unclosed bracket '{'
     --> p.yaml:1:10
      |
    1 | sources: { made: { type: generate }
      |          ^

    1 problem
    "#);
}

#[test]
fn an_unset_variable_is_a_problem_unless_secrets_may_be_missing() {
    let mut sandbox = sandbox(
        "sources: { market: { type: opentrain_updates, token: \"${SLUICEBOX_TEST_TOKEN}\" } }\n\
         sinks: { none: { type: blackhole, inputs: [market] } }\n",
    );
    assert_snapshot!(sandbox.run("check p.yaml").expect(78).stderr, @r#"
    error: the variable `SLUICEBOX_TEST_TOKEN` is not set
     --> p.yaml:1:55
      |
    1 | sources: { market: { type: opentrain_updates, token: "${SLUICEBOX_TEST_TOKEN}" } }
      |                                                       ^^^^^^^^^^^^^^^^^^^^^^^

    1 problem
    "#);
    sandbox.run("check --allow-missing-secrets p.yaml").expect(0);
    sandbox.set("SLUICEBOX_TEST_TOKEN", "ot_pat_planted");
    let finished = sandbox.run("check p.yaml").expect(0);
    assert!(!format!("{}{}", finished.stdout, finished.stderr).contains("planted"));
}

#[test]
fn a_rule_that_asks_for_what_no_event_has_is_warned_of_and_refused_where_the_file_is_strict() {
    let pipeline = "sources: { market: { type: opentrain_updates, token: x } }\ntransforms:\n  due:\n    type: filter\n    \
        inputs: [market]\n    when: meta.type == \"payment.pendng\"\n  hired:\n    type: filter\n    inputs: [market]\n    \
        when: meta.type == \"contract.created\" && event.data.contractid != \"\"\nsinks:\n  none: { type: blackhole, inputs: \
        [due] }\n  lines: { type: file, inputs: [hired], path: \"a/{{ event.data.invoiceId }}.jsonl\" }\n";
    let sandbox = sandbox(pipeline);
    let finished = sandbox.run("check p.yaml").expect(0);
    assert_snapshot!(finished.stderr, @r#"
    warning: no known event type of OpenTrain is `payment.pendng`: this never holds
     --> p.yaml:6:24
      |
    6 |     when: meta.type == "payment.pendng"
      |                        ^^^^^^^^^^^^^^^^
      |
      = help: did you mean `payment.pending`?

    warning: no event of type `contract.created` is known to have `event.data.contractid`
      --> p.yaml:10:57
       |
    10 |     when: meta.type == "contract.created" && event.data.contractid != ""
       |                                                         ^^^^^^^^^^
       |
       = help: did you mean `contractId`?

    warning: no event of type `contract.created` is known to have `event.data.invoiceId`
      --> p.yaml:13:64
       |
    13 |   lines: { type: file, inputs: [hired], path: "a/{{ event.data.invoiceId }}.jsonl" }
       |                                                                ^^^^^^^^^
       |
       = help: `event.data.invoiceId` is a field of `payment.pending`
    "#);
    sandbox.write("p.yaml", &format!("catalogue: {{ strict: true }}\n{pipeline}"));
    let refused = sandbox.run("check p.yaml").expect(78).stderr;
    assert_eq!(refused.matches("error: ").count(), 3, "{refused}");
    let report = sandbox.run("check --format json p.yaml").expect(78).stdout;
    assert!(report.contains("did you mean `payment.pending`?"), "{report}");
}

#[test]
fn json_holds_problems_and_routes_of_all_files() {
    let sandbox =
        sandbox("sources: { made: { type: generate } }\nsinks: { n: { type: blackhole, inputs: [made] } }\n");
    sandbox.write(
        "folder/bad.yaml",
        "sources: { made: { type: generate } }\nsinks: { n: { type: blackhole } }\n",
    );
    sandbox.write("folder/bad.test.yaml", "not: [a pipeline");
    let finished = sandbox.run("check --format json p.yaml folder").expect(78);
    let report: serde_json::Value = serde_json::from_str(&finished.stdout).expect("JSON");
    let problem = &report["problems"][0];
    assert_eq!(report["problems"].as_array().map(Vec::len), Some(2), "{report}");
    assert_eq!((&problem["file"], &problem["line"]), (&"folder/bad.yaml".into(), &1.into()));
    assert!(["column", "path", "message", "help"].iter().all(|key| problem.get(key).is_some()), "{problem}");
    let route = &report["routes"][0];
    assert_eq!((&route["source"], &route["sink"]), (&"made".into(), &"n".into()));
    assert_eq!(route["guarantee"], "at_least_once");
    assert!(route["why"].is_string());
}

#[test]
fn what_does_not_exist_is_wrong_usage() {
    let sandbox = sandbox("");
    let finished = sandbox.run("check nothing.yaml").expect(2);
    assert_eq!(finished.stderr, "error: nothing.yaml does not exist\n");
    sandbox.run("check").expect(2);
    sandbox.run("chekc p.yaml").expect(2);
}

#[test]
fn wrong_arguments_of_a_pack_are_shown_where_they_stand() {
    assert_snapshot!(complaints("sources: { made: { type: generate } }\ntransforms:\n  rule:\n    type: rhai\n    inputs: [made]\n    pack: money/convert\n    with: { feild: a, into: b, rates: 2 }\nsinks:\n  none: { type: blackhole, inputs: [rule] }\n"), @r#"
    error: `money/convert` has no parameter `feild`
     --> p.yaml:7:20
      |
    7 |     with: { feild: a, into: b, rates: 2 }
      |                    ^
      |
      = help: did you mean `field`?

    error: expected a map, found `2`
     --> p.yaml:7:39
      |
    7 |     with: { feild: a, into: b, rates: 2 }
      |                                       ^

    2 problems
    "#);
}

#[test]
fn a_fault_in_a_script_of_a_pack_has_its_place_in_its_file() {
    let sandbox = sandbox(
        "sources: { made: { type: generate } }\ntransforms:\n  rule: { type: rhai, inputs: [made], pack: own/one }\n\
         sinks:\n  none: { type: blackhole, inputs: [rule] }\n",
    );
    let pack = "name: own\nsummary: x\nscripts:\n  one:\n    file: one.rhai\n    summary: x\n    examples:\n      \
                - { name: it goes on, event: { a: 1 }, expect: { main: [{ a: 2 }] } }\n";
    sandbox.write("plugins/rhai/own/pack.yaml", pack);
    sandbox.write("plugins/rhai/own/one.rhai", "let a = 1;\nevent.a = a +;\n");
    assert_snapshot!(sandbox.run("check p.yaml").expect(78).stderr, @r#"
    error: unexpected ';'
     --> plugins/rhai/own/one.rhai:2:14
      |
    2 | event.a = a +;
      |              ^

    1 problem
    "#);
    sandbox.write("plugins/rhai/own/one.rhai", "event.b = 1;");
    let wrong = sandbox.run("check p.yaml").expect(78).stderr;
    assert!(wrong.contains("plugins/rhai/own/pack.yaml:8:"), "{wrong}");
    assert!(wrong.contains(r#"gives {"main":[{"a":1,"b":1}]}, expected {"main":[{"a":2}]}"#), "{wrong}");
    sandbox.write("plugins/rhai/own/one.rhai", "event.a += 1;");
    assert_eq!(sandbox.run("check p.yaml").expect(0).stderr, "");
}

#[test]
fn a_mistake_in_a_script_has_its_place_in_the_pipeline_file_or_in_its_own() {
    let sandbox = sandbox(
        "sources: { market: { type: opentrain_updates, token: t } }\ntransforms:\n  one:\n    type: rhai\n    \
         inputs: [market]\n    source: |\n      event.total = 1;\n      event.id.trim();\n      \
         if meta.type == \"payment.pending\" { event.x = event.data.contractid; }\n  \
         two: { type: rhai, inputs: [one], file: two.rhai }\n\
         sinks:\n  none: { type: blackhole, inputs: [two], when: event.totl > 1 }\n",
    );
    sandbox
        .write("two.rhai", "event.twice = event.total * 2;\nif meta.type == \"payment.pendng\" { drop() }\n");
    assert_snapshot!(sandbox.run("check p.yaml").expect(0).stderr, @r#"
    warning: `trim` gives a new value, and it is thrown away: this changes nothing
     --> p.yaml:8:16
      |
    8 |       event.id.trim();
      |                ^^^^
      |
      = help: assign it: `event.id = event.id.trim();`

    warning: no event of type `payment.pending` is known to have `event.data.contractid`
     --> p.yaml:9:64
      |
    9 |       if meta.type == "payment.pending" { event.x = event.data.contractid; }
      |                                                                ^^^^^^^^^^
      |
      = help: did you mean `contractId`?

    warning: no event of OpenTrain is known to have `event.totl`
      --> p.yaml:12:55
       |
    12 |   none: { type: blackhole, inputs: [two], when: event.totl > 1 }
       |                                                       ^^^^
       |
       = help: did you mean `total`?

    warning: no known event type of OpenTrain is `payment.pendng`: this never holds
     --> two.rhai:2:17
      |
    2 | if meta.type == "payment.pendng" { drop() }
      |                 ^^^^^^^^^^^^^^^^
      |
      = help: did you mean `payment.pending`?
    "#);
}

#[test]
fn nobody_needs_to_read_what_a_route_never_sends() {
    let pipeline = |unmatched: &str| {
        format!(
            "sources: {{ made: {{ type: generate }} }}\ntransforms:\n  judge:\n    type: route\n    inputs: [made]\n    \
             routes: [{{ large: event.n > 1 }}]\n    unmatched: {unmatched}\nsinks:\n  none: {{ type: blackhole, \
             inputs: [judge.large] }}\n"
        )
    };
    assert_eq!(sandbox(&pipeline("drop")).run("check p.yaml").expect(0).stderr, "");
    let warned = sandbox(&pipeline("main")).run("check p.yaml").expect(0).stderr;
    assert!(warned.contains("nobody reads the main output of `judge`"), "{warned}");
}
