//! The verb `tap`: a running pipeline is watched at a component, or an event followed through it.

use sluicebox_testkit::{Process, Sandbox, get, wait_for};

const PIPELINE: &str = "
sources:
  market: { type: opentrain_updates, base_url: \"${OPENTRAIN_URL}\", token: \"${OPENTRAIN_TOKEN}\", interval: 1s, rate: unlimited }
transforms:
  marked: { type: rhai, inputs: [market], source: \"event.link = \\\"https://files.example/a?signature=abc\\\"; event.data.seen = true;\" }
sinks:
  none: { type: blackhole, inputs: [marked] }
";

/// A pipeline that has caught up with three events, and the address of its admin server.
fn running(sandbox: &mut Sandbox) -> (Process, String) {
    sandbox.write("market.yaml", PIPELINE);
    let mut process = sandbox.start("run market.yaml --admin 127.0.0.1:0");
    let line = process.wait_for_log("the admin server listens on ");
    let address = line.split("http://").nth(1).expect("an address").to_owned();
    process.wait_for_log("caught up");
    (process, address)
}

#[test]
fn an_event_is_followed_through_a_running_pipeline() {
    let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    let market = sandbox.emulate_with_variables("opentrain --events 3");
    let (process, admin) = running(&mut sandbox);
    let newest = wait_for("the cursor", || {
        let shown = get(&format!("http://{admin}/api/v1/pipelines"))?.json();
        shown[0]["partitions"][0]["cursor"].as_str().and_then(|cursor| cursor.parse::<u64>().ok())
    });
    let id = format!("opentrain:market:{}", newest + 1);
    let mut tap = sandbox.start(&format!("tap --trace {id} --admin {admin} --limit 3"));
    wait_for("the reader", || {
        market.control("POST", "append?n=1", "");
        (!tap.stdout().is_empty() || tap.has_ended()).then_some(())
    });
    let followed = tap.finish();
    let text = followed.expect(0).stdout;
    let heads: Vec<&str> = text.lines().filter(|line| line.contains(&id)).collect();
    assert_eq!(heads.len(), 3, "{text}");
    assert!(heads[0].ends_with(&format!("market  {id}  came from the source")), "{text}");
    assert!(heads[1].ends_with(&format!("marked  {id}  went on")), "{text}");
    assert!(heads[2].ends_with(&format!("none  {id}  is durable")), "{text}");
    assert!(text.contains("+     \"seen\": true"), "{text}");
    assert!(text.contains("https://files.example/a?…") && !text.contains("signature=abc"), "{text}");
    process.terminate();
    process.finish().expect(0);
}

#[test]
fn a_component_is_watched_as_json_lines() {
    let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    let market = sandbox.emulate_with_variables("opentrain --events 3");
    let (process, admin) = running(&mut sandbox);
    let mut tap = sandbox.start(&format!("tap none --admin {admin} --limit 2 --format json --raw --rate 0"));
    wait_for("two steps", || {
        market.control("POST", "append?n=1", "");
        tap.has_ended().then_some(())
    });
    let watched = tap.finish().expect(0);
    for line in watched.stdout.lines() {
        let step: serde_json::Value = serde_json::from_str(line).expect("JSON lines");
        assert_eq!((&step["component"], &step["step"]), (&"none".into(), &"delivered".into()), "{line}");
        assert_eq!(step["before"]["link"], "https://files.example/a?signature=abc");
    }
    assert_eq!(watched.stdout.lines().count(), 2);
    process.terminate();
    process.finish().expect(0);
}

#[test]
fn what_cannot_be_watched_is_told() {
    let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    let _market = sandbox.emulate_with_variables("opentrain --events 3");
    let nobody = sandbox.run("tap none --admin 127.0.0.1:9");
    assert_eq!(nobody.code, 1);
    assert!(nobody.stderr.contains("is a pipeline running there?"), "{}", nobody.stderr);
    assert_eq!(sandbox.run("tap").code, 2);
    let (process, admin) = running(&mut sandbox);
    let unknown = sandbox.run(&format!("tap nowhere --admin {admin}"));
    assert_eq!(unknown.code, 1);
    assert!(
        unknown.stderr.contains("no component `nowhere`; there is market, marked, none"),
        "{}",
        unknown.stderr
    );
    let other = sandbox.run(&format!("tap none --pipeline other --admin {admin}"));
    assert!(other.stderr.contains("no pipeline `other` runs here"), "{}", other.stderr);
    process.terminate();
    process.finish().expect(0);
}
