//! `matrix_sync` in the real program, against a homeserver as the specification has it: holes in timelines, kills in the
//! middle of them, a server that refuses, and in the end every event once and in order in SQLite.

mod synapse;

use std::thread;

use sluicebox_testkit::{Homeserver, Reply, Sandbox, Stub, wait_for};

const ROOMS: [&str; 2] = ["!build:example.org", "!ops:example.org"];

/// A homeserver that listens, and a pipeline that reads it.
struct Scene {
    house: Homeserver,
    sandbox: Sandbox,
    stub: Stub,
}

impl Scene {
    /// `more` are further options of the source.
    fn new(more: &str) -> Self {
        let house = Homeserver::default();
        let served = house.clone();
        let stub = Stub::new(move |target| {
            let answer = served.answer_held(target);
            Reply::Json(answer.status, answer.body)
        });
        let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
        sandbox.set("MATRIX_TOKEN", "syt_hunter2");
        let url = stub.url();
        let source = format!(
            "type: matrix_sync, base_url: {url}, token: \"${{MATRIX_TOKEN}}\", timeout: 1s, rate: unlimited{more}"
        );
        sandbox.write(
            "chat.yaml",
            &format!(
                "sources:\n  chat: {{ {source} }}\nsinks:\n  rows: {{ type: sqlite, inputs: [chat], path: rows.db, \
                 table: events, batch: {{ max_events: 20 }} }}\n"
            ),
        );
        for room in ROOMS {
            house.join(room);
        }
        Self { house, sandbox, stub }
    }

    fn say(&self, room: &str, count: usize) {
        for number in 0..count {
            self.house.say(room, &number.to_string());
        }
    }

    /// The ids of a room's events as they arrived.
    fn arrived(&self, room: &str) -> Vec<String> {
        let query = format!(
            "SELECT json_extract(event, '$.event_id') FROM events WHERE json_extract(event, '$.room_id') = '{room}' \
             ORDER BY rowid"
        );
        self.sandbox.rows("rows.db", &query)
    }

    #[track_caller]
    fn assert_everything_once(&self) {
        for room in ROOMS {
            assert_eq!(self.arrived(room), self.house.ids(room), "{room}");
        }
    }
}

#[test]
fn holes_are_filled_over_kills_and_refusals_and_every_event_is_there_once() {
    let scene = Scene::new(", limit: 5");
    scene.say(ROOMS[0], 120);
    for round in 1..=5_usize {
        let run = scene.sandbox.start("run chat.yaml --admin off");
        let before = scene.house.count("/messages");
        // The first round reads the history, the others what was missed: more than a timeline holds.
        wait_for("pages of rooms", || (scene.house.count("/messages") >= before + 3 * round).then_some(()));
        run.kill();
        drop(run.finish());
        scene.house.fail("/messages", 429, r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1}"#);
        scene.house.fail("/sync", 502, "<html>bad gateway</html>");
        for room in ROOMS {
            scene.say(room, 60 + round);
        }
    }
    let finished = scene.sandbox.run("run chat.yaml --once --admin off").expect(0);
    assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
    scene.assert_everything_once();
    assert!(scene.sandbox.dead_letters().is_empty());
    let happened: usize = ROOMS.iter().map(|room| scene.house.ids(room).len()).sum();
    assert_eq!(scene.sandbox.cursors()[0]["cursor"], format!("s{happened}"));
}

#[test]
fn news_arrives_while_it_runs_from_busy_rooms_and_quiet_ones() {
    let scene = Scene::new(", limit: 3, start: now");
    let old: Vec<usize> = ROOMS.map(|room| scene.house.ids(room).len()).into();
    let run = scene.sandbox.start("run chat.yaml --admin off");
    wait_for("a held sync", || (scene.house.count("since=") > 0).then_some(()));
    let house = scene.house.clone();
    let writer = thread::spawn(move || {
        for round in 0..40 {
            for number in 0..=(round % 9) {
                house.say(ROOMS[0], &format!("{round}.{number}"));
            }
            house.say(ROOMS[1], &round.to_string());
        }
    });
    writer.join().expect("the writer ends");
    for (room, old) in ROOMS.into_iter().zip(old) {
        let expected = scene.house.ids(room)[old..].to_vec();
        wait_for("all that was said", || (scene.arrived(room) == expected).then_some(()));
    }
    run.terminate();
    run.finish().expect(0);
}

#[test]
fn a_refused_token_pauses_with_the_place_kept() {
    let scene = Scene::new("");
    scene.sandbox.run("run chat.yaml --once --admin off").expect(0);
    let place = scene.sandbox.cursors()[0]["cursor"].clone();
    let refusal = r#"{"errcode":"M_UNKNOWN_TOKEN","error":"syt_hunter2 has expired","soft_logout":true}"#;
    scene.house.fail("/sync", 401, refusal);
    let finished = scene.sandbox.run("run chat.yaml --once --admin off --log-format json").expect(1);
    let log = finished.log();
    let paused = log.iter().find(|line| line["event"] == "paused").expect("it pauses");
    let message = paused["message"].as_str().expect("a message");
    assert!(message.contains("the access token has expired (status 401, M_UNKNOWN_TOKEN"), "{message}");
    assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
    assert_eq!(scene.sandbox.cursors()[0]["cursor"], place);
    scene.say(ROOMS[0], 3);
    scene.sandbox.run("run chat.yaml --once --admin off").expect(0);
    scene.assert_everything_once();
}

#[test]
fn check_says_whom_it_talks_to_and_asks_whose_token_it_is() {
    let scene = Scene::new(", rooms: [\"!build:example.org\", \"!secret:example.org\"]");
    let finished = scene.sandbox.run("check chat.yaml").expect(0);
    let told = format!("chat (matrix_sync) talks to {}", scene.stub.url());
    assert!(finished.stdout.contains(&told), "{}", finished.stdout);
    assert!(finished.stdout.contains("chat → rows  exactly_once"), "{}", finished.stdout);
    let finished = scene.sandbox.run("check --connect chat.yaml").expect(1);
    let said = finished.stdout;
    assert!(said.contains("the token is that of @bot:example.org, device READER"), "{said}");
    assert!(said.contains("the account is not in !secret:example.org"), "{said}");
    assert_eq!(scene.house.count("/sync"), 0);
}
