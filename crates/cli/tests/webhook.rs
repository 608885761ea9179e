//! The `webhook` source: what `check` promises, what `--once` cannot mean, and a delivery on its way.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod webhook_sender;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use insta::assert_snapshot;
use sha2::Sha256;
use sluicebox_testkit::{Process, Sandbox, get, wait_for};
use webhook_sender::Sender;

fn sandbox(more: &str) -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write(
        "p.yaml",
        &format!(
            "sources:\n  hooks: {{ type: webhook, listen: \"127.0.0.1:0\", path: /hooks, scheme: opentrain, \
             secrets: [whsec_test], max_body: 1KiB, inbox: 2KiB }}\nsinks:\n  \
             rows: {{ type: sqlite, inputs: [hooks], path: rows.db, table: events }}\n{more}"
        ),
    );
    sandbox
}

/// Where it listens, by its log.
fn port(process: &mut Process) -> u16 {
    let line = process.wait_for_log("webhooks are taken at http://127.0.0.1:");
    let (_, rest) = line.split_once("http://127.0.0.1:").unwrap();
    rest.split_once('/').unwrap().0.parse().unwrap()
}

#[test]
fn check_prints_what_a_pushed_source_promises() {
    let finished = sandbox("").run("check p.yaml").expect(0);
    assert_snapshot!(finished.stdout, @r"
    p.yaml: p is fine
      hooks → rows  at_least_once  `hooks` is pushed by its sender, who may send again; repeats are known by the id of the delivery
    ");
    let sandbox = sandbox("");
    sandbox.write("p.yaml", &sandbox.read("p.yaml").replace("table: events", "delivery: exactly_once"));
    let refused = sandbox.run("check p.yaml").expect(78);
    assert!(refused.stderr.contains("cannot be exactly once: `hooks` is pushed"), "{}", refused.stderr);
}

#[test]
fn options_that_cannot_be_are_told_at_their_place() {
    let sandbox = sandbox("");
    let wrong = "listen: localhost, path: hooks, scheme: standard, secrets: [\"whsec_!\"]";
    sandbox.write(
        "p.yaml",
        &format!("sources:\n  hooks: {{ type: webhook, {wrong} }}\nsinks: {{ o: {{ type: stdout, inputs: [hooks] }} }}\n"),
    );
    let said = sandbox.run("check p.yaml").expect(78).stderr;
    for part in
        ["expected an address and a port, found `localhost`", "begins with `/`", "not `whsec_` and base64"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn alone_it_cannot_run_once() {
    let finished = sandbox("").run("run --once p.yaml --admin off").expect(78);
    assert!(finished.stderr.contains("`--once` would have no end"), "{}", finished.stderr);
}

#[test]
fn beside_another_source_it_runs_once_and_hands_on_what_lies_in_the_inbox() {
    let sandbox =
        sandbox("  slow: { type: blackhole, inputs: [hooks], delay: 1h, batch: { max_events: 1 } }\n");
    let whole = sandbox.read("p.yaml").replace("rows.db", "unused.db");
    sandbox.write("p.yaml", &whole);
    let mut process = sandbox.start("run p.yaml --admin off");
    let sender = Sender::new(port(&mut process), "/hooks", "whsec_test");
    assert_eq!(sender.post("d-1", r#"{"n":1}"#), Some(200));
    assert_eq!(sender.post("d-2", r#"{"n":2}"#), Some(200));
    process.kill();
    process.finish();
    // A sink that is new begins where the slow one has left the cursor.
    let source = whole.split_once("sinks:").unwrap().0;
    sandbox.write(
        "p.yaml",
        &format!(
            "{source}  made: {{ type: generate, count: 3 }}\nsinks:\n  \
             rows: {{ type: sqlite, inputs: [hooks, made], path: rows.db, table: events }}\n"
        ),
    );
    sandbox.run("run --once p.yaml --admin off").expect(0);
    let found = sandbox.rows("rows.db", "SELECT _event_id FROM events ORDER BY 1");
    let made = ["generate:made:1", "generate:made:2", "generate:made:3"];
    assert_eq!(found, [&made[..], &["webhook:hooks:d-1", "webhook:hooks:d-2"]].concat());
}

#[test]
fn a_delivery_lands_once_and_leaves_the_inbox_and_a_bad_one_is_a_dead_letter() {
    let sandbox = sandbox("");
    let mut process = sandbox.start("run p.yaml --admin off");
    let sender = Sender::new(port(&mut process), "/hooks", "whsec_test");
    let body = r#"{ "id":"7", "type":"payment.created","createdAt":"2026-06-12T10:00:00.000Z" }"#;
    assert_eq!(sender.post("d-1", body), Some(200));
    assert_eq!(sender.post("d-1", body), Some(200), "a retry is welcome");
    assert_eq!(sender.post("d-2", "[1]"), Some(200), "it is signed: what is in it is our matter");
    let stranger = Sender::new(port(&mut process), "/hooks", "whsec_other");
    assert_eq!(stranger.post("d-3", body), Some(401));
    let found = "SELECT _event_id || ' ' || _type || ' ' || _event_time || ' ' || event FROM events";
    let rows = wait_for("the row", || Some(sandbox.rows("rows.db", found)).filter(|rows| !rows.is_empty()));
    assert_eq!(rows, [format!("webhook:hooks:d-1 payment.created 2026-06-12T10:00:00.000Z {body}")]);
    let letters =
        wait_for("the letter", || Some(sandbox.dead_letters()).filter(|letters| !letters.is_empty()));
    assert_eq!(letters[0]["meta"]["id"], "webhook:hooks:d-2");
    wait_for("an empty inbox", || {
        let left = sandbox.rows(".sluicebox/p/inbox/hooks.db", "SELECT id FROM deliveries");
        left.is_empty().then_some(())
    });
    process.terminate();
    let said = process.finish().expect(0).stderr;
    assert_eq!(sandbox.cursors()[0]["cursor"], "2");
    assert!(said.contains("a webhook was refused: the signature does not match"), "{said}");
    let kept = std::fs::read(sandbox.path(".sluicebox/p/inbox/hooks.db")).unwrap();
    for place in [said.as_bytes(), &kept] {
        assert!(!place.windows(10).any(|part| part == b"whsec_test"), "the secret is nowhere");
    }
}

#[test]
fn a_full_inbox_asks_for_patience_and_has_room_once_every_sink_has_what_it_held() {
    let sandbox =
        sandbox("  slow: { type: blackhole, inputs: [hooks], delay: 1h, batch: { max_events: 1 } }\n");
    let mut process = sandbox.start("run p.yaml --admin 127.0.0.1:0");
    let sender = Sender::new(port(&mut process), "/hooks", "whsec_test");
    let body = |number: usize| format!(r#"{{"id":"{number}","filling":"{}"}}"#, "x".repeat(300));
    let taken =
        (0..10).take_while(|number| sender.post(&format!("d-{number}"), &body(*number)) == Some(200)).count();
    assert!((2..8).contains(&taken), "2 KiB take a few: {taken}");
    assert_eq!(sender.post("d-next", &body(taken)), Some(503));
    let admin = process.admin();
    assert_eq!(gauge(&admin, "inbox_limit_bytes"), 2048);
    assert!((1500..=2048).contains(&gauge(&admin, "inbox_bytes")), "it is nearly full");
    process.kill();
    process.finish();
    let all = sandbox.read("p.yaml");
    sandbox.write("p.yaml", all.split_once("  slow:").unwrap().0);
    let mut process = sandbox.start("run p.yaml --admin 127.0.0.1:0");
    let sender = Sender::new(port(&mut process), "/hooks", "whsec_test");
    wait_for("room", || (sender.post("d-next", &body(taken)) == Some(200)).then_some(()));
    let expected: Vec<String> = (0..=taken).map(body).collect();
    wait_for("all of them", || {
        (sandbox.rows("rows.db", "SELECT event FROM events ORDER BY rowid") == expected).then_some(())
    });
    let admin = process.admin();
    wait_for("an empty inbox", || (gauge(&admin, "inbox_bytes") == 0).then_some(()));
}

/// A gauge of the source, by its admin server.
fn gauge(admin: &str, name: &str) -> u64 {
    let metrics = get(&format!("{admin}/metrics")).unwrap().body;
    let line = metrics.lines().find(|line| line.starts_with(&format!("sluicebox_{name}{{"))).unwrap();
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

/// Signs a body as Zenzap does, and posts it packed.
fn post_as_zenzap(port: u16, id: &str, body: &str) -> u16 {
    let milliseconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let mut mac = Hmac::<Sha256>::new_from_slice(b"zs_secret").unwrap();
    mac.update(format!("{milliseconds}.{body}").as_bytes());
    let signature =
        mac.finalize().into_bytes().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(body.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let head = format!(
        "POST /hooks/zenzap HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Encoding: gzip\r\n\
         X-Zenzap-Event: message.created\r\nX-Zenzap-Timestamp: {milliseconds}\r\nX-Zenzap-Signature: {signature}\r\n\
         X-Zenzap-Delivery-Id: {id}\r\nContent-Length: {}\r\n\r\n",
        packed.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(&[head.as_bytes(), &packed].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_bot_in_webhook_mode_brings_what_polling_would_have() {
    let mut sandbox = sandbox("");
    let zenzap = sandbox.emulate_with_variables("zenzap --events 0");
    sandbox.write(
        "p.yaml",
        "sources:\n  chat:\n    type: zenzap_updates\n    base_url: ${ZENZAP_URL}\n    \
         auth: { api_key: { key: \"${ZENZAP_KEY}\", secret: \"${ZENZAP_SECRET}\" } }\n    drop_own: true\n    \
         webhook: { listen: \"127.0.0.1:0\", path: /hooks/zenzap, secrets: [zs_secret] }\n\
         sinks:\n  rows: { type: sqlite, inputs: [chat], path: rows.db, table: events }\n",
    );
    let routes = sandbox.run("check p.yaml").expect(0).stdout;
    assert!(routes.contains("at_least_once  `chat` is pushed by its sender"), "{routes}");
    let mut process = sandbox.start("run p.yaml --admin off");
    let port = port(&mut process);
    let message = |number: u32, sender: &str| {
        format!(
            r#"{{"id":"evt_{number}","type":"message.created","eventVersion":1,"timestamp":1699564800000,"data":{{"message":{{"id":"m{number}","topicId":"t1","senderId":"{sender}"}}}}}}"#
        )
    };
    assert_eq!(post_as_zenzap(port, "d-1", &message(1, "u@dana")), 200);
    assert_eq!(post_as_zenzap(port, "d-1", &message(1, "u@dana")), 200);
    assert_eq!(post_as_zenzap(port, "d-2", &message(2, zenzap.text("client_id"))), 200);
    assert_eq!(post_as_zenzap(port, "d-3", &message(3, "dana")), 200);
    let found =
        "SELECT _event_id || ' ' || _type || ' ' || _event_time || ' ' || event FROM events ORDER BY rowid";
    let row = |number: u32, sender: &str| {
        let event = message(number, sender)
            .replace(r#""id":"evt"#, r#""updateId":"evt"#)
            .replace(r#""type":"#, r#""eventType":"#)
            .replace(r#""timestamp":"#, r#""createdAt":"#);
        format!("zenzap:chat:evt_{number} message.created 2023-11-09T21:20:00.000Z {event}")
    };
    let expected = [row(1, "u@dana"), row(3, "dana")];
    let rows = wait_for("both rows", || Some(sandbox.rows("rows.db", found)).filter(|rows| rows.len() >= 2));
    assert_eq!(rows, expected, "once, in order, without the bot's own message");
    process.terminate();
    process.finish().expect(0);
}

#[test]
fn a_full_disk_is_503_until_there_is_room_and_loses_nothing() {
    let sandbox = sandbox("");
    let mut process = sandbox.start("run p.yaml --admin off");
    let sender = Sender::new(port(&mut process), "/hooks", "whsec_test");
    assert_eq!(sender.post("d-1", r#"{"n":1}"#), Some(200));
    let rows = || sandbox.rows("rows.db", "SELECT _event_id FROM events ORDER BY rowid");
    wait_for("the first row", || (rows().len() == 1).then_some(()));
    process.limit_file_size(Some(1024));
    assert_eq!(sender.post("d-2", r#"{"n":2}"#), Some(503));
    process.wait_for_log("a webhook was refused: cannot write to the inbox");
    process.limit_file_size(None);
    wait_for("room", || (sender.post("d-2", r#"{"n":2}"#) == Some(200)).then_some(()));
    wait_for("both rows", || (rows() == ["webhook:hooks:d-1", "webhook:hooks:d-2"]).then_some(()));
}

#[test]
fn an_inbox_that_is_not_the_one_that_was_here_pauses_until_somebody_decides() {
    let sandbox = sandbox("");
    let mut process = sandbox.start("run p.yaml --admin off");
    let sender = Sender::new(port(&mut process), "/hooks", "whsec_test");
    assert_eq!(sender.post("d-1", r#"{"n":1}"#), Some(200));
    let rows = || sandbox.rows("rows.db", "SELECT _event_id FROM events ORDER BY rowid");
    wait_for("the row", || (rows().len() == 1).then_some(()));
    process.terminate();
    process.finish().expect(0);
    std::fs::remove_dir_all(sandbox.path(".sluicebox/p/inbox")).unwrap();
    let mut process = sandbox.start("run p.yaml --admin off");
    let sender = Sender::new(port(&mut process), "/hooks", "whsec_test");
    process.wait_for_log("it is not the one that was here before");
    assert_eq!(sender.post("d-2", r#"{"n":2}"#), Some(200), "what comes is kept all the same");
    process.terminate();
    process.finish().expect(0);
    sandbox.run("cursor reset p hooks --yes").expect(0);
    let _process = sandbox.start("run p.yaml --admin off");
    wait_for("what was kept", || (rows() == ["webhook:hooks:d-1", "webhook:hooks:d-2"]).then_some(()));
}

#[test]
fn accounts_share_an_address_and_each_has_its_secret_its_inbox_and_its_cursor() {
    let sandbox = sandbox("");
    sandbox.write(
        "p.yaml",
        "sources:\n  shops:\n    type: webhook\n    listen: \"127.0.0.1:0\"\n    path: /hooks/${account.id}\n    \
         scheme: opentrain\n    secrets: [\"${account.secret}\"]\n    accounts:\n      \
         - { id: north, secret: whsec_n }\n      - { id: south, secret: whsec_s }\n\
         sinks:\n  rows: { type: sqlite, inputs: [shops], path: rows.db, table: events }\n",
    );
    let mut process = sandbox.start("run p.yaml --admin off");
    let port = port(&mut process);
    process.wait_for_log("pipeline started");
    let sender = |path: &str, secret: &str| Sender::new(port, path, secret);
    assert_eq!(sender("/hooks/north", "whsec_n").post("d-1", r#"{"n":1}"#), Some(200));
    assert_eq!(sender("/hooks/south", "whsec_n").post("d-1", r#"{"n":2}"#), Some(401));
    assert_eq!(sender("/hooks/south", "whsec_s").post("d-1", r#"{"n":3}"#), Some(200));
    assert_eq!(sender("/hooks/west", "whsec_s").post("d-1", r#"{"n":4}"#), Some(404));
    let found = "SELECT _event_id || ' ' || event FROM events ORDER BY 1";
    let rows = wait_for("both rows", || Some(sandbox.rows("rows.db", found)).filter(|rows| rows.len() == 2));
    assert_eq!(rows, [r#"webhook:north:d-1 {"n":1}"#, r#"webhook:south:d-1 {"n":3}"#]);
    process.terminate();
    process.finish().expect(0);
    let cursors = sandbox.cursors();
    assert_eq!(cursors.iter().map(|it| &it["cursor"]).collect::<Vec<_>>(), ["1", "1"]);
}
