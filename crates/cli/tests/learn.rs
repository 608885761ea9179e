//! `schema learn`: from sample events to a schema that `check` holds rules to.

use serde_json::Value;
use sluicebox_emulator::{Api, events};
use sluicebox_testkit::Sandbox;

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"))
}

/// Events of an API, one a line.
fn lines(api: Api, count: u64) -> String {
    let events = events(api, 7, 0, 0..count);
    events.iter().map(|event| String::from_utf8_lossy(event).into_owned() + "\n").collect()
}

const PIPELINE: &str = "sources:
  feed:
    type: generate
    schema: feed.json
transforms:
  paid:
    type: rhai
    inputs: [feed]
    source: |
      if event.type == \"payment.pending\" { event.invoice = event.data.invoiceid; }
      if event.type == \"payment.pendng\" { drop() }
sinks:
  none: { type: blackhole, inputs: [paid], when: event.invoice != 1 && event.invoce != 1 }
";

#[test]
fn what_is_learnt_from_samples_finds_mistakes_in_rules() {
    let sandbox = sandbox();
    sandbox.write("events.jsonl", &lines(Api::OpenTrain, 2000));
    let learnt = sandbox.run("schema learn events.jsonl --source feed -o feed.json").expect(0);
    assert!(learnt.stderr.contains("declare it: sources.feed.schema: feed.json"), "{}", learnt.stderr);
    sandbox.write("p.yaml", PIPELINE);
    let told = sandbox.run("check p.yaml").expect(0).stderr;
    for expected in [
        "known to have `event.data.invoiceid`",
        "did you mean `invoiceId`?",
        "no known event type of `feed` is `payment.pendng`: this never holds",
        "did you mean `payment.pending`?",
        "known to have `event.invoce`",
        "did you mean `invoice`?",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert_eq!(told.matches("warning").count(), 3, "{told}");
    sandbox.write("p.yaml", &format!("catalogue: {{ strict: true }}\n{PIPELINE}"));
    sandbox.run("check p.yaml").expect(78);
}

#[test]
fn a_second_run_adds_to_the_file() {
    let sandbox = sandbox();
    sandbox.write("a.jsonl", "{\"type\":\"a\",\"id\":1}\n");
    sandbox.write(
        "b.jsonl",
        "{\"meta\":{\"source\":\"x\"},\"event\":{\"type\":\"a\",\"id\":\"i\"}}\n{\"type\":\"b\"}\n",
    );
    sandbox.run("schema learn a.jsonl -o s.json").expect(0);
    sandbox.run("schema learn b.jsonl --source x -o s.json").expect(0);
    let schema: Value = serde_json::from_str(&sandbox.read("s.json")).expect("JSON");
    assert_eq!(schema["$defs"]["a"]["properties"]["id"]["type"], serde_json::json!(["integer", "string"]));
    assert_eq!(schema["anyOf"].as_array().map(Vec::len), Some(2));
    let printed = sandbox.run("schema learn a.jsonl").expect(0).stdout;
    let printed: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(printed["properties"]["type"], serde_json::json!({ "const": "a" }));
}

#[test]
fn lines_that_are_no_events_are_told_and_passed_over() {
    let sandbox = sandbox();
    sandbox.write("a.jsonl", "{\"id\":1}\n[1]\n\n{\"id\":\n");
    let learnt = sandbox.run("schema learn a.jsonl -o s.json").expect(1);
    assert!(learnt.stderr.contains("a.jsonl:2: no event: expected a JSON object"), "{}", learnt.stderr);
    assert!(learnt.stderr.contains("a.jsonl:4: no event: "), "{}", learnt.stderr);
    assert!(sandbox.read("s.json").contains("\"id\""));
    sandbox.write("empty.jsonl", "\n");
    sandbox.run("schema learn empty.jsonl").expect(1);
    sandbox.run("schema learn nothing.jsonl").expect(2);
    sandbox.write("s.json", "[]");
    let refused = sandbox.run("schema learn a.jsonl -o s.json").expect(1).stderr;
    assert!(refused.contains("cannot add to s.json: it is no JSON Schema"), "{refused}");
    assert_eq!(sandbox.read("s.json"), "[]");
}

#[test]
fn schemas_that_cannot_be_read_are_told_where_they_stand() {
    let sandbox = sandbox();
    let check = |schema: &str| {
        let pipeline = format!(
            "sources:\n  feed:\n    type: generate\n    schema: {schema}\nsinks:\n  none: {{ type: blackhole, \
             inputs: [feed], when: event.nmae == 1 }}\n"
        );
        sandbox.write("p.yaml", &pipeline);
        sandbox.run("check p.yaml")
    };
    assert!(check("gone.json").expect(78).stderr.contains("cannot read gone.json: not found"));
    sandbox.write("wrong.json", "{\n  \"type\": ,\n}");
    let told = check("wrong.json").expect(78).stderr;
    assert!(told.contains("this is no JSON") && told.contains("wrong.json:2:11"), "{told}");
    sandbox.write("wrong.json", "{ \"properties\": { \"a\": 7 } }");
    let told = check("[wrong.json]").expect(78).stderr;
    assert!(told.contains("wrong.json is no JSON Schema: expected a schema at `/properties/a`"), "{told}");
    let told = check("{ type: object, properties: { name: { type: string } } }").expect(0).stderr;
    assert!(told.contains("known to have `event.nmae`") && told.contains("did you mean `name`?"), "{told}");
    let told = check("[{ properties: { name: {} } }, { properties: { nmae: {} } }]").expect(0).stderr;
    assert_eq!(told, "");
}
