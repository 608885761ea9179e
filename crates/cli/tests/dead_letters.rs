//! Dead letters from both ends: a sink of the pipeline takes them, and people replay or drop what the state keeps.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

use serde_json::Value;
use sluicebox_testkit::{Sandbox, Stub, wait_for};

const ONCE: &str = "run --once --log-format json --admin off p.yaml";
const PIPELINE: &str = "
transforms:
  rule: { type: rhai, inputs: [feed], file: rule.rhai }
sinks:
  rows: { type: sqlite, inputs: [rule], path: rows.db, table: events }
";
const BROKEN: &str = "event.total = event.data.price * 2;\nevent.seen = true;\n";
const MENDED: &str = "event.total = (event.data.price ?? 0) * 2;\nevent.seen = true;\n";

/// Twelve events, of which every third has no price: multiplying it is an error.
fn events() -> Vec<String> {
    let data = |id: usize| if id.is_multiple_of(3) { "{}".to_owned() } else { format!("{{\"price\":{id}}}") };
    (1..=12).map(|id| Stub::event(id, &data(id))).collect()
}

fn sandbox(rule: &str, rest: &str) -> (Sandbox, Stub) {
    let stub = Stub::feed(events());
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write("rule.rhai", rule);
    sandbox.pipe(&stub, 5, rest);
    (sandbox, stub)
}

/// The ids of the events in the table, in the order of their arrival.
fn rows(sandbox: &Sandbox) -> Vec<String> {
    sandbox.rows("rows.db", "SELECT json_extract(event, '$.id') FROM events ORDER BY rowid")
}

fn numbers(ids: impl IntoIterator<Item = u64>) -> Vec<String> {
    ids.into_iter().map(|id| id.to_string()).collect()
}

#[test]
fn letters_are_replayed_through_the_mended_rule_once_and_from_where_they_were_given_up() {
    let (sandbox, _stub) = sandbox(BROKEN, PIPELINE);
    sandbox.run(ONCE).expect(0);
    assert_eq!(sandbox.dead_letters().len(), 4);
    assert_eq!(rows(&sandbox), numbers([1, 2, 4, 5, 7, 8, 10, 11]));

    sandbox.write("rule.rhai", MENDED);
    let said = sandbox.run("dlq replay").expect(0).stdout;
    assert_eq!(said, "p: 4 dead letters will be replayed by the next `sluicebox run`\n");
    assert_eq!(sandbox.dead_letters().len(), 4, "a letter is kept until its event is durable");
    sandbox.run(ONCE).expect(0);
    assert_eq!(rows(&sandbox), numbers([1, 2, 4, 5, 7, 8, 10, 11, 3, 6, 9, 12]));
    assert_eq!(sandbox.dead_letters(), [] as [Value; 0]);
    let totals =
        sandbox.rows("rows.db", "SELECT json_extract(event, '$.total') || '' FROM events WHERE rowid > 8");
    assert_eq!(totals, ["0", "0", "0", "0"]);

    sandbox.run(ONCE).expect(0);
    assert_eq!(rows(&sandbox).len(), 12, "a replay is over when it is done");
    assert_eq!(sandbox.run("dlq replay").expect(0).stdout, "there are no dead letters\n");
}

#[test]
fn a_letter_that_fails_again_is_one_letter_with_its_past() {
    let (sandbox, _stub) = sandbox(BROKEN, PIPELINE);
    sandbox.run(ONCE).expect(0);
    let first = sandbox.dead_letters();
    let id = first[0]["id"].as_str().unwrap().to_owned();
    sandbox.run(&format!("dlq replay {id}")).expect(0);
    sandbox.run(ONCE).expect(0);
    let letters = sandbox.dead_letters();
    assert_eq!(letters.len(), 4);
    let again = letters.iter().find(|letter| letter["meta"]["id"] == first[0]["meta"]["id"]).unwrap();
    assert_ne!(again["id"], first[0]["id"]);
    assert_eq!((again["attempts"].as_u64(), again["reason"].as_str()), (Some(2), Some("script")));
    let past = &again["meta"]["replay"];
    assert_eq!(past["failures"].as_array().unwrap().len(), 1);
    assert_eq!(past["failures"][0]["component"], "rule");
    assert_eq!(past["failures"][0]["time"], first[0]["time"]);

    // And a third time, now by name of its new id; then mended.
    sandbox.run(&format!("dlq replay {}", again["id"].as_str().unwrap())).expect(0);
    sandbox.run(ONCE).expect(0);
    let letters = sandbox.dead_letters();
    let again = letters.iter().find(|letter| letter["meta"]["id"] == first[0]["meta"]["id"]).unwrap();
    assert_eq!(again["attempts"].as_u64(), Some(3));
    sandbox.write("rule.rhai", MENDED);
    sandbox.run("dlq replay").expect(0);
    sandbox.run(ONCE).expect(0);
    assert_eq!((sandbox.dead_letters().len(), rows(&sandbox).len()), (0, 12));
}

#[test]
fn a_running_instance_replays_and_drops_at_once() {
    // The feed's rule is mended for the running instance, whose letters come from an earlier run.
    let (sandbox, _stub) = sandbox(BROKEN, PIPELINE);
    sandbox.run(ONCE).expect(0);
    sandbox.write("rule.rhai", MENDED);
    let mut running = sandbox.start("run --log-format json --admin off p.yaml");
    running.wait_for_log("\"started\"");
    let letters = sandbox.dead_letters();
    let id = |at: usize| letters[at]["id"].as_str().unwrap();
    let said = sandbox.run(&format!("dlq replay {} {}", id(0), id(1))).expect(0).stdout;
    assert!(said.contains("2 dead letters replayed"), "{said}");
    assert_eq!(rows(&sandbox), numbers([1, 2, 4, 5, 7, 8, 10, 11, 3, 6]));
    let said = sandbox.run(&format!("dlq drop --yes {}", id(2))).expect(0).stdout;
    assert_eq!(said, "p: 1 dead letter forgotten\n");
    assert_eq!(sandbox.dead_letters().len(), 1);
    running.terminate();
    running.finish().expect(0);
    assert_eq!(rows(&sandbox).len(), 10, "what is dropped does not come back");
}

#[test]
fn a_drop_is_confirmed_and_unknown_ids_change_nothing() {
    let (sandbox, _stub) = sandbox(BROKEN, PIPELINE);
    sandbox.run(ONCE).expect(0);
    let refused = sandbox.run("dlq drop").expect(1);
    assert!(refused.stderr.contains("nothing was changed"), "{}", refused.stderr);
    let unknown = sandbox.run("dlq drop --yes 000000000-0000").expect(2);
    assert!(unknown.stderr.contains("no dead letter has the id 000000000-0000"), "{}", unknown.stderr);
    assert_eq!(sandbox.dead_letters().len(), 4);
    assert_eq!(sandbox.run("dlq drop --yes --pipeline p").expect(0).stdout, "p: 4 dead letters forgotten\n");
    assert_eq!(sandbox.dead_letters(), [] as [Value; 0]);
    // What is gone cannot be replayed, and the state is whole.
    assert_eq!(sandbox.run("dlq replay").expect(0).stdout, "there are no dead letters\n");
    sandbox.run(ONCE).expect(0);
}

#[test]
fn a_kill_in_the_middle_of_a_replay_neither_loses_nor_doubles_a_letter() {
    let (sandbox, _stub) = sandbox(BROKEN, PIPELINE);
    sandbox.run(ONCE).expect(0);
    sandbox.write("rule.rhai", MENDED);
    sandbox.run("dlq replay").expect(0);
    for _ in 0..3 {
        let mut running = sandbox.start("run --log-format json --admin off p.yaml");
        running.wait_for_log("\"started\"");
        running.kill();
        running.finish();
    }
    sandbox.run(ONCE).expect(0);
    let mut found = rows(&sandbox);
    found.sort_by_key(|id| id.parse::<u64>().unwrap());
    assert_eq!(found, numbers(1..=12));
    assert_eq!(sandbox.dead_letters(), [] as [Value; 0]);
}

#[test]
fn a_letter_of_a_component_that_is_gone_stays_a_letter() {
    let (sandbox, stub) = sandbox(BROKEN, PIPELINE);
    sandbox.run(ONCE).expect(0);
    sandbox.pipe(&stub, 5, &PIPELINE.replace("rule:", "other:").replace("[rule]", "[other]"));
    sandbox.run("dlq replay").expect(0);
    let log = sandbox.run(ONCE).expect(0);
    assert!(
        log.stderr.contains("cannot be replayed: this pipeline has no component `rule`"),
        "{}",
        log.stderr
    );
    let letters = sandbox.dead_letters();
    assert_eq!(letters.len(), 4);
    assert_eq!((&letters[0]["component"], &letters[0]["attempts"]), (&"rule".into(), &1.into()));
    assert!(letters[0]["error"]["help"].as_str().unwrap().contains("no component `rule`"));
}

#[test]
fn letters_go_to_a_sink_of_the_pipeline() {
    let rest = PIPELINE.replace("file: rule.rhai", "file: rule.rhai, dead_letter: bad")
        + "  bad: { type: file, path: bad.jsonl }\n";
    let (sandbox, _stub) = sandbox(BROKEN, &rest);
    sandbox.run(ONCE).expect(0);
    assert_eq!(rows(&sandbox).len(), 8);
    let letters: Vec<Value> =
        sandbox.read("bad.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<_> = letters.iter().map(|letter| letter["event"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["3", "6", "9", "12"]);
    assert_eq!(letters[0]["error"]["file"], "rule.rhai");
    assert_eq!(letters[0]["error"]["line"], 1);
    assert_eq!(sandbox.dead_letters(), [] as [Value; 0]);
    assert_eq!(sandbox.cursors()[0]["cursor"], "12");
}

#[test]
fn a_sink_that_waits_holds_the_cursor_of_its_letters() {
    let rest = PIPELINE.replace("file: rule.rhai", "file: rule.rhai, dead_letter: bad")
        + "  bad: { type: file, path: blocked/bad.jsonl, delivery: exactly_once }\n";
    let (sandbox, _stub) = sandbox(BROKEN, &rest);
    // A file where the folder should be.
    sandbox.write("blocked", "");
    let failed = sandbox.run(ONCE);
    assert_ne!(failed.code, 0);
    std::fs::remove_file(sandbox.path("blocked")).unwrap();
    sandbox.run(ONCE).expect(0);
    wait_for("the letters", || sandbox.path("blocked/bad.jsonl").exists().then_some(()));
    assert_eq!(sandbox.read("blocked/bad.jsonl").lines().count(), 4);
    assert_eq!(rows(&sandbox).len(), 8);
}

#[test]
fn a_letter_that_is_asked_for_twice_is_replayed_once() {
    let (sandbox, _stub) = sandbox(BROKEN, PIPELINE);
    sandbox.run(ONCE).expect(0);
    sandbox.write("rule.rhai", MENDED);
    sandbox.run("dlq replay").expect(0);
    sandbox.run("dlq replay").expect(0);
    sandbox.run(ONCE).expect(0);
    assert_eq!(rows(&sandbox), numbers([1, 2, 4, 5, 7, 8, 10, 11, 3, 6, 9, 12]));
    assert_eq!(sandbox.dead_letters(), [] as [Value; 0]);
}

#[test]
fn a_list_of_requests_that_was_lost_loses_no_letter() {
    let (sandbox, _stub) = sandbox(BROKEN, PIPELINE);
    sandbox.run(ONCE).expect(0);
    sandbox.run("dlq replay").expect(0);
    // They fail again, and are letters with new ids.
    sandbox.run(ONCE).expect(0);
    assert_eq!(sandbox.dead_letters().len(), 4);
    std::fs::remove_file(sandbox.path(".sluicebox/p/requests.jsonl")).unwrap();
    sandbox.write("rule.rhai", MENDED);
    sandbox.run("dlq replay").expect(0);
    sandbox.run(ONCE).expect(0);
    assert_eq!(rows(&sandbox), numbers([1, 2, 4, 5, 7, 8, 10, 11, 3, 6, 9, 12]));
    assert_eq!(sandbox.dead_letters(), [] as [Value; 0]);
}

#[test]
fn letters_of_two_sources_with_equal_ids_are_two_letters() {
    let (one, two) = (Stub::feed(events()), Stub::feed(events()));
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write("rule.rhai", BROKEN);
    let source = |name: &str, stub: &Stub| {
        format!(
            "  {name}: {{ type: opentrain_updates, base_url: \"{}\", rate: unlimited, limit: 5, \
             token: \"${{account.token}}\", accounts: [{{ id: a, token: ot_pat_x }}] }}\n",
            stub.url()
        )
    };
    let rest = PIPELINE.replace("[feed]", "[one, two]");
    sandbox.write("p.yaml", &format!("sources:\n{}{}{rest}", source("one", &one), source("two", &two)));
    sandbox.run(ONCE).expect(0);
    assert_eq!(rows(&sandbox).len(), 16);
    assert_eq!(sandbox.dead_letters().len(), 8);
}
