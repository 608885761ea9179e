//! `test`: tests of pipelines pass and fail as they should, with a diff that shows why.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::path::Path;

use insta::assert_snapshot;
use sluicebox_testkit::{Finished, Sandbox};

/// The sample of the manual, whole.
const PIPELINE: &str = r#"
sources:
  marketplace: { type: opentrain_updates, token: "${OPENTRAIN_TOKEN}" }
transforms:
  money: { type: filter, inputs: [marketplace], when: 'meta.type.starts_with("payment.")' }
  contract:
    type: http_lookup
    inputs: [money]
    url: https://app.opentrain.ai/api/public/v1/contracts/{{ event.data.contractId }}
    auth: { same_as: marketplace }
    select: contract
    into: contract
  slow: { type: throttle, inputs: [contract], rate: 1 }
  priced:
    type: rhai
    inputs: [slow]
    source: |
      if event.data.contractId == "bad" { throw "no price"; }
      event.priced = true;
      if event.contract.rateUsd > 5000 { to("huge"); }
sinks:
  alerts:
    type: slack
    inputs: [priced]
    when: event.contract.rateUsd > 1000
    webhook_url: ${SLACK_WEBHOOK}
    text: "New payment on *{{ event.contract.title }}*"
  rows: { type: sqlite, inputs: [priced, priced.huge], path: data/rows.db, table: rows }
"#;

/// A payment with a number and a contract.
fn payment(id: &str, contract: &str) -> String {
    format!(
        "{{ id: \"{id}\", type: payment.pending, createdAt: \"2026-06-12T10:00:00.000Z\", \
         data: {{ contractId: {contract} }} }}"
    )
}

fn sandbox(tests: &str) -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write("shop.yaml", PIPELINE);
    sandbox.write("shop.test.yaml", &format!("tests:\n{tests}"));
    sandbox
}

fn run(tests: &str) -> Finished {
    sandbox(tests).run("test shop.yaml")
}

/// What was printed, without the time.
fn report(finished: &Finished) -> String {
    let text = &finished.stdout;
    let (report, summary) = text.trim_end().rsplit_once('\n').unwrap_or(("", text));
    let (counts, _) = summary.split_once(" in ").unwrap();
    format!("{report}\n{counts}")
}

#[test]
fn the_sample_of_the_manual_passes() {
    let finished = run(r#"
  - name: big payments reach the channel
    sources:
      marketplace:
        - { id: "1042", type: payment.pending, createdAt: "2026-06-12T10:00:00.000Z", data: { invoiceId: i1, contractId: c1, milestoneId: m1 } }
    lookups:
      contract: { c1: { contract: { title: Labels, rateUsd: 2000 } } }
    expect:
      sinks:
        alerts: [ { text: "New payment on *Labels*" } ]
      cursors: { marketplace: "1042" }
      dead_letters: []
"#)
    .expect(0);
    assert_eq!(report(&finished), "shop.yaml\n  ok    big payments reach the channel\n1 passed, 0 failed");
    assert_eq!(finished.stderr, "");
}

#[test]
fn a_mismatch_shows_path_expected_and_got_at_its_place() {
    let tests = format!(
        r#"  - name: wrong in every way
    sources: {{ marketplace: [{}, {}] }}
    lookups: {{ contract: {{ c1: {{ contract: {{ title: Labels, rateUsd: 2000 }} }}, c2: {{ contract: {{ title: Boxes, rateUsd: 9 }} }} }} }}
    expect:
      sinks:
        alerts: [{{ text: New payment on *Label* }}, {{ text: another }}]
        rows:
          - {{ contains: {{ id: "1", priced: "yes" }}, meta: {{ type: payment.pending }} }}
      cursors: {{ marketplace: "3" }}
      metrics: {{ 'sluicebox_component_received_events_total{{component="money"}}': 3, sluicebox_nothing_total: 0 }}
      took: {{ at_least: 1h }}
"#,
        payment("1", "c1"),
        payment("2", "c2"),
    );
    let finished = run(&tests).expect(1);
    assert_snapshot!(report(&finished), @r#"
    shop.yaml
      FAIL  wrong in every way
            --> shop.test.yaml:7:18
            sinks.alerts[0].text
              expected  "New payment on *Label*"
              got       "New payment on *Labels*"
            --> shop.test.yaml:7:52
            sinks.alerts[1]: missing: expected 2, got 1
              expected  {"text":"another"}
            --> shop.test.yaml:9:13
            sinks.rows[0].priced
              expected  "yes"
              got       true
            --> shop.test.yaml:9:11
            sinks.rows[1]: unexpected: expected 1, got 2
              got
                {
                  "contract": {
                    "rateUsd": 9,
                    "title": "Boxes"
                  },
                  "createdAt": "2026-06-12T10:00:00.000Z",
                  "data": {
                    "contractId": "c2"
                  },
                  "id": "2",
                  "priced": true,
                  "type": "payment.pending"
                }
            --> shop.test.yaml:10:31
            cursors.marketplace
              expected  "3"
              got       "2"
            --> shop.test.yaml:11:82
            metrics.sluicebox_component_received_events_total{component="money"}
              expected  3
              got       2
            --> shop.test.yaml:11:110
            metrics.sluicebox_nothing_total: there is no such series
              expected  0
            --> shop.test.yaml:12:13
            took: expected at least 3600s, took 1s
    0 passed, 1 failed
    "#);
}

#[test]
fn a_dead_letter_that_nobody_expects_fails_the_test() {
    let tests = format!(
        "  - name: a\n    sources: {{ marketplace: [{}] }}\n    lookups: {{ contract: {{ bad: {{ contract: {{}} }} }} }}\n",
        payment("7", "bad")
    );
    let finished = run(&tests).expect(1);
    assert_snapshot!(report(&finished), @r#"
    shop.yaml
      FAIL  a
            --> shop.test.yaml:2:11
            dead_letters: unexpected dead letter
              got
                {
                  "column": 43,
                  "component": "priced",
                  "file": "shop.yaml",
                  "id": "opentrain:marketplace:7",
                  "line": 18,
                  "message": "no price",
                  "reason": "script"
                }
    0 passed, 1 failed
    "#);
    let expected = tests
        + "    expect: { dead_letters: [{ component: priced, id: \"7\", reason: script, line: 18 }] }\n";
    run(&expected).expect(0);
    run(&expected.replace("line: 18", "line: 19")).expect(1);
}

#[test]
fn a_question_without_an_answer_names_what_was_asked_for() {
    let tests = format!(
        "  - name: a\n    sources: {{ marketplace: [{}] }}\n    lookups: {{ contract: {{ c2: {{}} }} }}\n",
        payment("1", "c1")
    );
    let finished = run(&tests).expect(1);
    let said = "lookups: the look-up `contract` asked for `c1`, to which the test gives no answer (there are answers \
                for: c2)";
    assert!(finished.stdout.contains(said), "{}", finished.stdout);
}

#[test]
fn waiting_takes_no_time() {
    let payments: Vec<String> = (0..61).map(|number| payment(&number.to_string(), "c1")).collect();
    let tests = format!(
        "  - name: a minute of throttle\n    sources: {{ marketplace: [{}] }}\n    \
         lookups: {{ contract: {{ c1: [{{ status: 429, retry_after: 20s }}, {{ contract: {{ rateUsd: 1 }} }}] }} }}\n    \
         sinks: {{ rows: [{{ status: 503, times: 30 }}] }}\n    \
         expect: {{ took: {{ at_least: 15m, at_most: 1h }}, cursors: {{ marketplace: \"60\" }} }}\n",
        payments.join(", ")
    );
    let finished = run(&tests).expect(0);
    let seconds: f64 = finished.stdout.trim().rsplit(' ').nth(1).unwrap().parse().unwrap();
    assert!(seconds < 60.0, "a quarter of an hour by its own clock took {seconds} s");
}

#[test]
fn a_run_that_fails_is_expected_or_a_failure() {
    let test = |expect: &str| {
        format!(
            "  - name: a\n    sources: {{ marketplace: {{ pages: [[{}], {{ status: 401 }}] }} }}\n    \
             lookups: {{ contract: {{ c1: {{ contract: {{}} }} }} }}\n    expect: {{ {expect} }}\n",
            payment("1", "c1")
        )
    };
    run(&test("error: the source `marketplace` answered 401, cursors: { marketplace: \"1\" }")).expect(0);
    let finished = run(&test("dead_letters: []")).expect(1);
    let said = "the run failed: paused: marketplace/marketplace: the source `marketplace` answered 401, as the test says";
    assert!(finished.stdout.contains(said), "{}", finished.stdout);
    let wrong = run(&test("error: 403")).expect(1);
    assert!(wrong.stdout.contains("error: expected an error with `403`, got: paused:"), "{}", wrong.stdout);
}

#[test]
fn a_sink_that_never_takes_anything_ends_the_test() {
    let tests = format!(
        "  - name: a\n    sources: {{ marketplace: [{}] }}\n    lookups: {{ contract: {{ c1: {{ contract: {{}} }} }} }}\n    \
         sinks: {{ rows: [{{ fault: broken, times: 1000 }}, {{ fault: broken, times: 1000 }}, {{ fault: broken, times: 1000 }}, \
         {{ fault: broken, times: 1000 }}, {{ fault: broken, times: 1000 }}, {{ fault: broken, times: 1000 }}, \
         {{ fault: broken, times: 1000 }}, {{ fault: broken, times: 1000 }}, {{ fault: broken, times: 1000 }}, \
         {{ fault: broken, times: 1000 }}, {{ fault: broken, times: 1000 }}, {{ fault: broken, times: 1000 }}, \
         {{ fault: broken, times: 1000 }}, {{ fault: broken, times: 1000 }}] }}\n",
        payment("1", "c1")
    );
    let finished = run(&tests).expect(1);
    assert!(
        finished.stdout.contains("it did not end within 7 days by the clock of the test"),
        "{}",
        finished.stdout
    );
}

#[test]
fn one_transform_alone_is_given_events_and_shows_its_outputs() {
    let tests = r#"
  - name: dear ones have an output of their own
    transform: priced
    input:
      - { data: {}, contract: { rateUsd: 5001 } }
      - { meta: { id: mine, type: payment.sent, time: "2026-06-12T10:00:00Z" }, event: { data: {}, contract: { rateUsd: 5 } } }
    expect:
      outputs:
        huge: [{ data: {}, contract: { rateUsd: 5001 }, priced: true }]
        main: [{ contains: { priced: true }, meta: { id: mine, type: payment.sent } }]
  - name: the filter reads the type that the source says
    transform: money
    input: [{ id: "1", type: payment.pending }, { id: "2", type: proposal.received }]
    expect: { outputs: { main: [{ id: "1", type: payment.pending }] } }
  - name: a look-up alone
    transform: contract
    input: [{ id: "1", type: payment.pending, data: { contractId: a b } }]
    lookups: { contract: { a b: { contract: 7 } } }
    expect: { outputs: { main: [{ contains: { contract: 7 }, meta: { lookups: { contract: { status: ok } } } }] } }
"#;
    run(tests).expect(0);
}

#[test]
fn events_that_a_sink_refuses_are_dead_letters_and_the_rest_arrives() {
    let tests = format!(
        "  - name: a\n    sources: {{ marketplace: [{}, {}, {}] }}\n    lookups: {{ contract: {{ c1: {{ contract: {{}} }} }} }}\n    \
         sinks: {{ rows: [{{ fault: broken, times: 2 }}, {{ status: 422, event: \"2\" }}, {{ status: 503, event: \"3\" }}] }}\n    \
         expect:\n      sinks: {{ rows: [{{ contains: {{ id: \"1\" }} }}, {{ contains: {{ id: \"3\" }} }}] }}\n      \
         dead_letters: [{{ component: rows, id: \"2\", reason: rejected, message: \"answered 422\" }}]\n      \
         cursors: {{ marketplace: \"3\" }}\n      metrics: {{ 'sluicebox_dead_letter_events_total{{reason=\"rejected\"}}': 1 }}\n",
        payment("1", "c1"),
        payment("2", "c1"),
        payment("3", "c1"),
    );
    run(&tests).expect(0);
}

#[test]
fn what_is_wrong_with_a_test_has_a_caret_and_check_says_it_too() {
    let sandbox = sandbox("  - name: a\n    sources: { market: [] }\n    expect: { sink: {} }\n");
    let finished = sandbox.run("test shop.yaml").expect(78);
    assert_snapshot!(finished.stderr, @r#"
    error: `market` is not a source of this pipeline
     --> shop.test.yaml:3:16
      |
    3 |     sources: { market: [] }
      |                ^^^^^^
      |
      = help: there are: marketplace

    error: unknown key `sink`
     --> shop.test.yaml:4:15
      |
    4 |     expect: { sink: {} }
      |               ^^^^
      |
      = help: did you mean `sinks`?
    "#);
    let checked = sandbox.run("check --allow-missing-secrets shop.yaml").expect(78);
    assert!(checked.stderr.contains("unknown key `sink`"), "{}", checked.stderr);
}

#[test]
fn tests_in_the_file_itself_and_beside_it_run_together_and_by_name() {
    let sandbox = sandbox("  - { name: beside it, sources: {} }\n");
    sandbox.write("shop.yaml", &format!("{PIPELINE}tests:\n  - {{ name: inside it, sources: {{}} }}\n"));
    sandbox.write("bare.yaml", PIPELINE);
    let finished = sandbox.run("test shop.yaml bare.yaml").expect(0);
    assert_eq!(
        report(&finished),
        "bare.yaml: no tests\nshop.yaml\n  ok    inside it\n  ok    beside it\n2 passed, 0 failed"
    );
    let finished = sandbox.run("test . --name beside").expect(0);
    assert!(
        report(&finished).ends_with("shop.yaml\n  ok    beside it\n1 passed, 0 failed"),
        "{}",
        finished.stdout
    );
    sandbox.run("test . --name nowhere").expect(2);
    sandbox.run("test gone.yaml").expect(2);
    std::fs::create_dir(sandbox.path("empty")).unwrap();
    sandbox.run("test empty").expect(2);
}

#[test]
fn variables_come_from_the_test_and_never_from_the_machine() {
    let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.set("WHO", "the machine");
    sandbox.write(
        "p.yaml",
        "sources: { a: { type: generate } }\nsinks:\n  b:\n    type: slack\n    inputs: [a]\n    webhook_url: ${URL}\n    \
         text: \"${WHO:-nobody} {{ event.n }} ${GREETING}\"\ntests:\n  \
         - { name: default, sources: { a: [{ n: 1 }] }, expect: { sinks: { b: [{ text: nobody 1 missing }] } } }\n  \
         - { name: given, variables: { WHO: Ana, GREETING: hello }, sources: { a: [{ n: 1 }] }, \
         expect: { sinks: { b: [{ text: Ana 1 hello }] } } }\n",
    );
    sandbox.run("test p.yaml").expect(0);
}

#[test]
fn several_sources_have_no_order_between_them_and_accounts_have_pages_of_their_own() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write(
        "p.yaml",
        "sources:\n  a: { type: generate }\n  b:\n    type: opentrain_updates\n    token: ${account.token}\n    \
         accounts: [{ id: x, token: t1 }, { id: y, token: t2 }]\nsinks: { c: { type: blackhole, inputs: [a, b] } }\ntests:\n  \
         - name: all\n    sources:\n      a: [{ n: 1 }, { n: 2 }]\n      b/x: [{ id: \"7\", type: t }]\n      \
         b/y: { pages: [{ events: [{ id: \"9\", type: t }], cursor: end }] }\n    expect:\n      \
         sinks: { c: [{ id: \"9\", type: t }, { n: 2 }, { n: 1 }, { event: { id: \"7\", type: t }, meta: { account: x } }] }\n      \
         cursors: { a: \"2\", b/x: \"7\", b/y: end }\n",
    );
    sandbox.run("test p.yaml").expect(0);
}

#[test]
fn build_servers_get_junit() {
    let sandbox = sandbox(
        "  - { name: \"<good>\", sources: {} }\n  - { name: bad, sources: {}, expect: { sinks: { rows: [{}] } } }\n",
    );
    sandbox.run("test shop.yaml --junit report.xml").expect(1);
    let report = sandbox.read("report.xml");
    let without_times: Vec<&str> = report
        .split(" time=\"")
        .enumerate()
        .map(|(index, part)| if index == 0 { part } else { part.split_once('"').unwrap().1 })
        .collect();
    assert_snapshot!(without_times.concat(), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="sluicebox" tests="2" failures="1" errors="0">
      <testsuite name="shop.yaml" tests="2" failures="1" errors="0">
        <testcase name="&lt;good&gt;" classname="shop.yaml" file="shop.test.yaml" line="2"/>
        <testcase name="bad" classname="shop.yaml" file="shop.test.yaml" line="3">
          <failure message="sinks.rows[0] differs">        --&gt; shop.test.yaml:3:57
            sinks.rows[0]: missing: expected 1, got 0
              expected  {}
    </failure>
        </testcase>
      </testsuite>
    </testsuites>
    "#);
}

/// Look-ups of every kind, and a test of each.
const LOOK_UPS: &str = r#"
sources: { a: { type: generate } }
transforms:
  customer:
    type: sql_lookup
    inputs: [a]
    url: ${DATABASE_URL}
    query: SELECT name FROM customers WHERE country = $1 AND id = $2
    parameters: [event.country, event.id]
    on_error: dead_letter
  orders:
    type: sql_lookup
    inputs: [customer]
    url: ${DATABASE_URL}
    query: SELECT id, total FROM orders WHERE id = ANY($1)
    parameters: [event.id]
    batch: { key: id }
    rows: many
  parts:
    type: http_lookup
    inputs: [orders]
    url: https://api.example.com/parts?ids={{ keys }}&full=1
    batch: { by: event.part, items: parts }
  invoice:
    type: http_lookup
    inputs: [parts]
    url: https://api.example.com/of/{{ event.country }}/invoices
    find: { by: event.id, items: list, next: more }
sinks: { b: { type: blackhole, inputs: [invoice] } }
tests:
  - name: everything is found
    sources: { a: [{ country: de, id: 7, part: p1 }] }
    lookups:
      customer: { de/7: { name: Ana } }
      orders: { "7": { status: 200, body: [{ id: 7, total: 1 }, { id: 7, total: 2 }] } }
      parts: { p1: { parts: [{ id: p1, weight: 3 }] } }
      invoice: { de: [{ list: [{ id: 1 }], more: x }, { list: [{ id: 7, due: 9 }] }] }
    expect:
      sinks:
        b:
          - contains:
              customer: { name: Ana }
              orders: [{ total: 1 }, { total: 2 }]
              parts: { weight: 3 }
              invoice: { due: 9 }
  - name: a row that is not there, a database that stays away
    transform: customer
    input: [{ country: de, id: 7 }, { country: de, id: 8 }]
    lookups: { customer: { de/7: { status: 404 }, de/8: { fault: timeout } } }
    expect:
      outputs: { main: [] }
      dead_letters: [{ reason: lookup, message: not_found }, { reason: lookup, message: unavailable }]
      took: { at_least: 10s }
  - name: a question that has no answer
    transform: customer
    input: [{ country: fr, id: 1 }]
    expect: { dead_letters: [{ reason: lookup }] }
"#;

#[test]
fn look_ups_in_databases_and_of_many_keys_are_answered_too() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write("p.yaml", LOOK_UPS);
    let finished = sandbox.run("test p.yaml").expect(1);
    assert_snapshot!(report(&finished), @r#"
    p.yaml
      ok    everything is found
      ok    a row that is not there, a database that stays away
      FAIL  a question that has no answer
            --> p.yaml:54:11
            lookups: the look-up `customer` asked for `fr/1`, to which the test gives no answer
    2 passed, 1 failed
    "#);
}

#[test]
fn sinks_of_requests_show_where_they_go() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write(
        "p.yaml",
        r##"
sources: { a: { type: generate } }
sinks:
  b:
    type: http
    inputs: [a]
    url: https://api.example.com/things/{{ event.id }}
    method: PUT
    headers: { X-Kind: "{{ event.kind }}" }
    body: { json: "#{ of: event.id }" }
tests:
  - name: a request for each event
    sources: { a: [{ id: a b, kind: k }, { kind: k }] }
    expect:
      sinks:
        b:
          - contains: { kind: k }
            to: { method: PUT, url: "https://api.example.com/things/a%20b", headers: { x-kind: k }, body: { of: a b } }
      dead_letters: [{ component: b, id: "2", message: the value is empty }]
"##,
    );
    sandbox.run("test p.yaml").expect(0);
}

#[test]
fn coverage_names_what_no_test_reached() {
    let tests = "
  - name: a
    sources: { marketplace: [PAYMENT] }
    lookups: { contract: { c1: { contract: { title: Labels, rateUsd: 2000 } } } }
";
    let sandbox = sandbox(&tests.replace("PAYMENT", &payment("1", "c1")));
    let finished = sandbox.run("test shop.yaml --coverage").expect(0);
    assert_snapshot!(report(&finished), @r#"
    shop.yaml
      ok    a
    coverage of shop.yaml: 12 of 17
      shop.yaml:5:56   this condition is never false
      shop.yaml:18:41  this branch is never taken
      shop.yaml:20:40  this branch is never taken
      shop.yaml:25:11  this condition is never false
      contract         this look-up never fails
    1 passed, 0 failed
    "#);
    let rest = format!(
        "  - name: rest\n    sources: {{ marketplace: [{}, {}, {}] }}\n    \
         lookups: {{ contract: {{ bad: {{ status: 404 }}, c2: {{ contract: {{ rateUsd: 6000 }} }} }} }}\n    \
         expect: {{ dead_letters: [{{ component: priced }}] }}\n",
        payment("1", "bad"),
        payment("2", "c2"),
        "{ id: \"3\", type: proposal.received }",
    );
    sandbox
        .write("shop.test.yaml", &format!("tests:{}{rest}", tests.replace("PAYMENT", &payment("1", "c1"))));
    let finished = sandbox.run("test shop.yaml --coverage").expect(0);
    assert!(
        finished
            .stdout
            .contains("coverage of shop.yaml: 16 of 17\n  shop.yaml:25:11  this condition is never false\n"),
        "{}",
        finished.stdout
    );
}

#[test]
fn every_pipeline_of_the_repository_has_tests_that_pass() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    let pipelines = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines").canonicalize().unwrap();
    let finished = sandbox.run(&format!("test {} --coverage", pipelines.display())).expect(0);
    for folder in std::fs::read_dir(&pipelines).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
        let line = format!("{}/pipeline.yaml\n  ok", folder.path().display());
        assert!(finished.stdout.contains(&line), "{line} is missing:\n{}", finished.stdout);
    }
    for line in finished.stdout.lines().filter(|line| line.starts_with("coverage of ")) {
        let (reached, all) = line.rsplit_once(": ").unwrap().1.split_once(" of ").unwrap();
        assert_eq!(reached, all, "{}", finished.stdout);
    }
    assert_eq!(finished.stderr, "");
}

#[test]
fn the_examples_of_the_guide_pass() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/testing.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let blocks = guide.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    let examples =
        blocks.enumerate().map(|(number, block)| sandbox.write(&format!("example-{number}.yaml"), block));
    assert_eq!(examples.count(), 2);
    assert!(sandbox.run("test .").expect(0).stdout.contains("4 passed, 0 failed"));
}
