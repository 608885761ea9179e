//! The admin server: what it answers, whom it answers, and where it listens.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use sluicebox_testkit::{Process, Sandbox, get, request, wait_for};

const MARKET: &str = "
sources:
  market: { type: opentrain_updates, base_url: \"${OPENTRAIN_URL}\", token: \"${OPENTRAIN_TOKEN}\", interval: 1s, rate: unlimited }
sinks:
  none: { type: blackhole, inputs: [market] }
";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write("market.yaml", MARKET);
    sandbox
}

/// `http://ADDRESS` of the admin server of a process.
fn admin_of(process: &mut Process) -> String {
    let line = process.wait_for_log("the admin server listens on ");
    line.split("listens on ").nth(1).expect("an address").to_owned()
}

#[test]
fn it_shows_metrics_health_and_the_state_of_everything() {
    let mut sandbox = sandbox();
    let market = sandbox.emulate_with_variables("opentrain --events 42");
    let mut process = sandbox.start("run market.yaml --admin 127.0.0.1:0");
    let admin = admin_of(&mut process);
    process.wait_for_log("caught up");
    let ready = wait_for("readiness", || get(&format!("{admin}/health/ready")).filter(|it| it.status == 200));
    assert_eq!(ready.json()["ready"], true);
    assert_eq!(get(&format!("{admin}/health/live")).expect("an answer").status, 200);

    let sent = "sluicebox_component_sent_events_total{component=\"none\",kind=\"sink\",pipeline=\"market\",type=\"blackhole\"} 42";
    wait_for("42 events in the metrics", || {
        get(&format!("{admin}/metrics")).filter(|answer| answer.body.contains(sent))
    });
    let committed = wait_for("the committed cursor", || {
        let shown = get(&format!("{admin}/api/v1/pipelines"))?.json();
        let partition = shown[0]["partitions"][0].clone();
        (partition["cursor"].is_string() && partition["inflight_events"] == 0).then_some(shown)
    });
    assert_eq!((&committed[0]["name"], &committed[0]["state"]), (&"market".into(), &"running".into()));
    assert_eq!(committed[0]["error"], serde_json::Value::Null);
    let one = get(&format!("{admin}/api/v1/pipelines/market")).expect("an answer").json();
    assert_eq!(one["components"], committed[0]["components"]);
    assert_eq!(get(&format!("{admin}/api/v1/pipelines/other")).expect("an answer").status, 404);
    assert!(get(&format!("{admin}/")).expect("an answer").body.contains("/metrics"));

    market.control("POST", "revoke", "");
    market.control("POST", "append?n=1", "");
    let paused = wait_for("a pause", || get(&format!("{admin}/health/ready")).filter(|it| it.status == 503));
    let obstacle = &paused.json()["obstacles"][0];
    assert_eq!(
        (&obstacle["component"], &obstacle["reason"]),
        (&"market".into(), &"auth".into()),
        "{obstacle}"
    );
    assert!(!process.has_ended(), "without --once a paused source keeps the process up");
    process.terminate();
    process.finish().expect(0);
}

#[test]
fn a_failed_pipeline_beside_one_that_runs_is_named() {
    let mut sandbox = sandbox();
    let _market = sandbox.emulate_with_variables("opentrain --events 1");
    sandbox.write("broken.yaml", &MARKET.replace("market:", "other:").replace("[market]", "[other]"));
    sandbox.write(".sluicebox/broken/state.db", "no database");
    let mut process = sandbox.start("run market.yaml broken.yaml --admin 127.0.0.1:0");
    let admin = admin_of(&mut process);
    process.wait_for_log("caught up");
    let ready = wait_for("the failure", || {
        let answer = get(&format!("{admin}/health/ready"))?.json();
        (answer["obstacles"][0]["reason"] == "failed").then_some(answer)
    });
    assert_eq!(ready["obstacles"][0]["pipeline"], "broken");
    process.terminate();
    process.finish().expect(78);
}

#[test]
fn a_token_guards_everything_but_health() {
    let mut sandbox = sandbox();
    let _market = sandbox.emulate_with_variables("opentrain --events 1");
    sandbox.set("SLUICEBOX_ADMIN_TOKEN", "planted-admin-token");
    let mut process = sandbox.start("run market.yaml -vv --admin 0.0.0.0:0");
    let admin = admin_of(&mut process).replace("0.0.0.0", "127.0.0.1");
    for path in ["/", "/metrics", "/api/v1/pipelines"] {
        let url = format!("{admin}{path}");
        assert_eq!(get(&url).expect("an answer").status, 401, "{path}");
        let wrong = request("GET", &url, &["Authorization: Bearer planted-admin-toke"], "");
        assert_eq!(wrong.expect("an answer").status, 401, "{path}");
        let right = request("GET", &url, &["Authorization: Bearer planted-admin-token"], "");
        assert_eq!(right.expect("an answer").status, 200, "{path}");
    }
    assert_eq!(get(&format!("{admin}/health/live")).expect("an answer").status, 200);
    process.terminate();
    let finished = process.finish().expect(0);
    assert!(!finished.stderr.contains("planted-admin-token"));
}

#[test]
fn a_name_that_is_not_of_this_machine_is_refused() {
    let mut sandbox = sandbox();
    let _market = sandbox.emulate_with_variables("opentrain --events 1");
    let mut process = sandbox.start("run market.yaml --admin 127.0.0.1:0");
    let url = format!("{}/metrics", admin_of(&mut process));
    let status =
        |host: &str| request("GET", &url, &[&format!("Host: {host}")], "").expect("an answer").status;
    assert_eq!(status("rebound.example"), 403);
    assert_eq!(status("localhost:7575"), 200);
}

#[test]
fn a_client_that_says_nothing_does_not_keep_others_waiting() {
    let mut sandbox = sandbox();
    let _market = sandbox.emulate_with_variables("opentrain --events 1");
    let mut process = sandbox.start("run market.yaml --admin 127.0.0.1:0");
    let admin = admin_of(&mut process);
    let address = admin.trim_start_matches("http://");
    let mut silent = TcpStream::connect(address).expect("a connection");
    silent.write_all(b"GET / HTTP/1.1\r\n").expect("half a head");
    assert_eq!(get(&format!("{admin}/health/live")).expect("an answer").status, 200);
    // The server gives up on it: the connection ends.
    let mut rest = Vec::new();
    silent.read_to_end(&mut rest).expect("the end of the connection");
}

#[test]
fn an_address_that_is_asked_for_and_taken_is_an_error() {
    let mut sandbox = sandbox();
    let _market = sandbox.emulate_with_variables("opentrain --events 1");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address");
    let finished = sandbox.run(&format!("run --once market.yaml --admin {address}")).expect(1);
    assert!(finished.stderr.contains(&address.to_string()), "{}", finished.stderr);

    // The usual one: whoever holds it, a free one is taken.
    let _usual = TcpListener::bind("127.0.0.1:7575");
    let finished = sandbox.run("run --once market.yaml").expect(0);
    assert!(finished.stderr.contains("the admin address 127.0.0.1:7575 is taken"), "{}", finished.stderr);
}
