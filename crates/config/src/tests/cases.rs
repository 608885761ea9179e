//! Tests of a pipeline as they are written down: what they become, and what is reported where.

use std::path::Path;

use serde_json::json;

use crate::testing::{Outside, shown};
use crate::{FaultWord, Given, GivenPage, Inputs, Place, Reply, TestCase, load_tests};

const PIPELINE: &str = "sources:
  feed: {type: queue}
  more: {type: hook}
transforms:
  thing: {type: lookup, inputs: feed, url: 'https://a/{{ event.a }}/{{ event.b }}'}
  sorted: {type: script, inputs: thing, outputs: [big]}
sinks:
  rows: {type: plain, inputs: [sorted, sorted.big, more]}
";

fn inside(tests: &str) -> String {
    format!("{PIPELINE}tests:\n{tests}")
}

fn tests(text: &str) -> Vec<TestCase> {
    super::plan(&Outside::default(), &inside(text)).tests
}

fn problems(text: &str) -> Vec<String> {
    Outside::default().problems(&inside(text))
}

#[test]
fn a_test_of_the_pipeline_keeps_what_goes_in_and_comes_out() {
    let tests = tests(
        "  - name: all of it
    now: 2026-06-12T10:00:00Z
    variables: {TOKEN: '1'}
    sources:
      feed:
        pages:
          - [{id: '1', n: 1, t: yes}]
          - {status: 503, times: 2, retry_after: 30s}
          - {events: [], cursor: c7}
      more: [{a: null}]
    lookups:
      thing:
        x/y: [{fault: timeout}, {status: active}]
        z: {status: 404}
    sinks:
      rows: [{status: 400, event: '1'}]
    expect:
      sinks:
        rows: [{id: '1'}]
      dead_letters: []
      cursors: {feed: 17, more: null}
      metrics: {'sluicebox_retries_total{component=\"rows\"}': 2}
      took: {at_least: 1m}
",
    );
    let [test] = &tests[..] else { panic!("{tests:?}") };
    assert_eq!((test.name.as_str(), test.place), ("all of it", Place { line: 10, column: 11 }));
    let Given::Sources(sources) = &test.given else { panic!("{:?}", test.given) };
    let [GivenPage::Events(events, None), GivenPage::Fault(fault), GivenPage::Events(none, Some(cursor))] =
        &sources["feed"][..]
    else {
        panic!("{sources:?}")
    };
    assert_eq!(events[..], [json!({ "id": "1", "n": 1, "t": "yes" })]);
    assert_eq!((fault.status, fault.times, none.len(), cursor.as_str()), (Some(503), Some(2), 0, "c7"));
    let replies = &test.lookups["thing"];
    let [Reply::Fault(hang), Reply::Body(body)] = &replies["x/y"][..] else { panic!("{replies:?}") };
    assert_eq!((hang.fault, body), (Some(FaultWord::Timeout), &json!({ "status": "active" })));
    assert!(matches!(&replies["z"][..], [Reply::Fault(fault)] if fault.status == Some(404)));
    let expect = &test.expect;
    assert_eq!(expect.sinks["rows"].value[0].place, Place { line: 28, column: 16 });
    assert_eq!(expect.cursors["feed"].value.as_deref(), Some("17"));
    assert_eq!(expect.cursors["more"].value, None);
    let (selector, value) = &expect.metrics[0].value;
    assert_eq!(selector.name, "sluicebox_retries_total");
    assert_eq!((selector.labels[0].1.as_str(), *value), ("rows", 2.0));
    assert!(expect.dead_letters.is_some() && expect.error.is_none() && expect.took.is_some());
}

#[test]
fn a_test_of_one_transform_names_its_outputs() {
    let tests = tests(
        "  - {name: a, transform: sorted, input: [{n: 1}], expect: {outputs: {main: [], big: [{n: 1}]}}}\n",
    );
    assert!(matches!(&tests[0].given, Given::Transform(name, input) if name == "sorted" && input.len() == 1));
    assert_eq!(tests[0].expect.outputs.len(), 2);
}

#[test]
fn names_that_are_not_there_are_reported_with_the_nearest() {
    let text = "  - name: a
    sources: {fed: []}
    lookups: {sorted: {}}
    sinks: {row: [{status: 500}]}
    expect:
      sinks: {rws: []}
      cursors: {feet/x: '1'}
      dead_letters: [{component: sortet, reason: scrip}]
  - {name: a, transform: sort, input: [], expect: {}}
  - {name: b, transform: sorted, input: [{}], expect: {outputs: {bog: []}}}
";
    let expected = [
        "11:15 tests[0].sources.fed: `fed` is not a source of this pipeline (did you mean `feed`?)",
        "12:15 tests[0].lookups.sorted: `sorted` is not a look-up of this pipeline (there are: thing)",
        "13:13 tests[0].sinks.row: `row` is not a sink of this pipeline (did you mean `rows`?)",
        "15:15 tests[0].expect.sinks.rws: `rws` is not a sink of this pipeline (did you mean `rows`?)",
    ];
    let found = problems(text);
    assert!(found[0].contains("reason: expected `script`, `validation`,"), "{found:?}");
    let found = problems(&text.replace("reason: scrip", "reason: script"));
    assert_eq!(found[..4], expected);
    assert!(found[4].contains("`feet` is not a source"), "{found:?}");
    assert!(found[5].contains("`sortet` is not a component of this pipeline (did you mean `sorted`?)"));
    assert!(found[6].contains("expected a list of at least 1 items"), "{found:?}");
    assert!(found[7].contains("`bog` is not an output of `sorted` (did you mean `big`?)"));
}

#[test]
fn what_makes_no_sense_is_reported_at_its_place() {
    for (test, expected) in [
        ("{name: a}", "this test has neither `sources` nor `transform`"),
        ("{name: a, sources: {}, input: []}", "expected a list of at least 1 items, found 0"),
        ("{name: a, input: [{}]}", "`input` needs `transform`"),
        ("{name: a, transform: sorted}", "`input` is missing"),
        ("{name: a, sources: {feed: 7}}", "expected a list of events, found `7`"),
        ("{name: a, sources: {feed: [7]}}", "expected an event, which is a map, found `7`"),
        ("{name: a, sources: {feed: {page: []}}}", "expected a list of events, or `{ pages: [...] }`"),
        ("{name: a, sources: {feed: {pages: [{event: []}]}}}", "expected a page"),
        (
            "{name: a, sources: {feed: {pages: [{status: 500, fault: broken}]}}}",
            "either a `status` or a `fault`",
        ),
        ("{name: a, sources: {feed: {pages: [{status: 500, event: '1'}]}}}", "`event` means nothing here"),
        ("{name: a, sources: {}, expect: {outputs: {}}}", "`outputs` needs `transform`"),
        ("{name: a, transform: sorted, input: [{}], expect: {sinks: {}}}", "reaches no sink"),
        ("{name: a, sources: {}, expect: {metrics: {up: 1}}}", "this selects no metric"),
        ("{name: a, sources: {}, expect: {took: {}}}", "expected `at_least`, `at_most` or both"),
        ("{name: a, sources: {}, expekt: {}}", "unknown key `expekt` (did you mean `expect`?)"),
        ("{name: a, sources: {}, now: noon}", "expected a time like"),
        ("{sources: {}}", "`name` is missing"),
    ] {
        let found = problems(&format!("  - {test}\n"));
        assert!(found.len() == 1 && found[0].contains(expected), "{test}: {found:?}");
    }
    let twice = problems("  - {name: a, sources: {}}\n  - {name: a, sources: {}}\n");
    assert_eq!(twice, ["11:12 tests[1].name: two tests are called `a`"]);
    let map = Outside::default().problems(&format!("{PIPELINE}tests: {{a: 1}}\n"));
    assert_eq!(map, ["9:8 tests: expected a list of tests, each with a `name`, found a map"]);
}

#[test]
fn tests_beside_the_pipeline_are_held_against_it() {
    let outside = Outside::default();
    let plan = super::plan(&outside, PIPELINE);
    let inputs = Inputs { variables: &outside, files: &outside, allow_missing_secrets: false };
    let load = |text: &str| load_tests(Path::new("dir/p.test.yaml"), text, &plan, &inputs);
    let tests = load("tests:\n  - {name: a, sources: {feed: []}}\n").unwrap();
    assert_eq!((tests[0].file.as_str(), tests[0].place), ("dir/p.test.yaml", Place { line: 2, column: 12 }));
    let problems = |text| load(text).unwrap_err().problems.iter().map(shown).collect::<Vec<_>>();
    assert_eq!(
        problems("test: []\ntests:\n  - {name: a, sources: {fee: []}}\n"),
        [
            "1:1 test: unknown key `test` (did you mean `tests`?)",
            "3:25 tests[0].sources.fee: `fee` is not a source of this pipeline (did you mean `feed`?)"
        ]
    );
    assert_eq!(problems("- a\n"), ["1:1 : a file of tests is a map with `tests`, found a list"]);
}
