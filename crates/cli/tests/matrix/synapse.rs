//! `matrix_sync` in the real program against Synapse, the homeserver that most accounts live on: what the specification
//! leaves open, as a real server does it.

use serde_json::{Value, json};
use sluicebox_services::Synapse;
use sluicebox_testkit::{Sandbox, request, wait_for};

/// Somebody with an account.
struct Account {
    url: String,
    token: String,
    /// Numbers of what was said, so that nothing is taken for a repetition.
    said: std::cell::Cell<u32>,
}

impl Account {
    fn new(url: &str, name: &str) -> Self {
        let body = json!({ "auth": { "type": "m.login.dummy" }, "username": name, "password": "a password" });
        let mut account = Self { url: url.to_owned(), token: String::new(), said: std::cell::Cell::new(0) };
        let token = account.ask("POST", "register", &body)["access_token"].as_str().map(str::to_owned);
        account.token = token.expect("a token");
        account
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("{}/_matrix/client/v3/{path}", self.url);
        let authorization = format!("Authorization: Bearer {}", self.token);
        let headers: &[&str] = if self.token.is_empty() { &[] } else { &[&authorization] };
        let answer = request(method, &url, headers, &body.to_string()).expect("Synapse answers");
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        answer.json()
    }

    fn create(&self) -> String {
        let created = self.ask("POST", "createRoom", &json!({ "preset": "public_chat" }));
        created["room_id"].as_str().expect("a room").to_owned()
    }

    fn join(&self, room: &str) {
        self.ask("POST", &format!("join/{room}"), &json!({}));
    }

    fn leave(&self, room: &str) {
        self.ask("POST", &format!("rooms/{room}/leave"), &json!({}));
    }

    /// Says so many things and returns the ids of the events.
    fn say(&self, room: &str, count: usize) -> Vec<String> {
        let say = |_| {
            let number = self.said.replace(self.said.get() + 1);
            let body = json!({ "msgtype": "m.text", "body": format!("\"{number}\"\n") });
            let path = format!("rooms/{room}/send/m.room.message/{number}");
            self.ask("PUT", &path, &body)["event_id"].as_str().expect("an id").to_owned()
        };
        (0..count).map(say).collect()
    }
}

/// A homeserver, somebody who talks, somebody who is read, and the pipeline that reads.
struct Scene {
    sandbox: Sandbox,
    talker: Account,
    reader: Account,
    _synapse: Synapse,
    _folder: tempfile::TempDir,
}

impl Scene {
    /// None when services are to be skipped.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let synapse = Synapse::private(folder.path())?;
        let url = synapse.url();
        let (talker, reader) = (Account::new(&url, "talker"), Account::new(&url, "reader"));
        let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
        sandbox.set("MATRIX_TOKEN", reader.token.clone());
        sandbox.write(
            "chat.yaml",
            &format!(
                "sources:\n  chat:\n    type: matrix_sync\n    base_url: {url}\n    token: ${{MATRIX_TOKEN}}\n    \
                 timeout: 1s\n    limit: 5\n    rate: unlimited\n\
                 sinks:\n  rows: {{ type: sqlite, inputs: [chat], path: rows.db, table: events }}\n"
            ),
        );
        Some(Self { sandbox, talker, reader, _synapse: synapse, _folder: folder })
    }

    fn once(&self) {
        self.sandbox.run("run chat.yaml --once --admin off").expect(0);
    }

    /// The ids of the messages of a room as they arrived.
    fn messages(&self, room: &str) -> Vec<String> {
        self.arrived(&format!("_type = 'm.room.message' AND json_extract(event, '$.room_id') = '{room}'"))
    }

    fn arrived(&self, condition: &str) -> Vec<String> {
        let column = "json_extract(event, '$.event_id')";
        self.sandbox.rows("rows.db", &format!("SELECT {column} FROM events WHERE {condition} ORDER BY rowid"))
    }

    #[track_caller]
    fn assert_each_once(&self) {
        let mut ids = self.arrived("true");
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "an event is there twice");
    }
}

#[test]
fn history_and_holes_arrive_once_and_in_order_over_kills() {
    let Some(scene) = Scene::new() else { return };
    let (talker, reader) = (&scene.talker, &scene.reader);
    let rooms = [talker.create(), talker.create()];
    let mut said = rooms.each_ref().map(|room| {
        reader.join(room);
        talker.say(room, 12)
    });
    for round in 0..4 {
        let before = scene.arrived("true").len();
        let run = scene.sandbox.start("run chat.yaml --admin off");
        wait_for("something arrives", || (scene.arrived("true").len() > before).then_some(()));
        said[round % 2].extend(talker.say(&rooms[round % 2], 3));
        run.kill();
        drop(run.finish());
        for (room, said) in rooms.iter().zip(&mut said) {
            said.extend(talker.say(room, 7 + round));
        }
    }
    scene.once();
    for (room, said) in rooms.iter().zip(&said) {
        assert_eq!(&scene.messages(room), said, "{room}");
        let first = format!("_type = 'm.room.create' AND json_extract(event, '$.room_id') = '{room}'");
        assert_eq!(scene.arrived(&first).len(), 1, "the history begins with the room");
    }
    scene.assert_each_once();
}

#[test]
fn rooms_are_left_and_joined_again_and_one_that_is_forgotten_is_a_gap() {
    let Some(scene) = Scene::new() else { return };
    let (talker, reader) = (&scene.talker, &scene.reader);
    let room = talker.create();
    reader.join(&room);
    let mut heard = talker.say(&room, 2);
    scene.once();
    heard.extend(talker.say(&room, 9));
    reader.leave(&room);
    talker.say(&room, 9);
    scene.once();
    assert_eq!(scene.messages(&room), heard, "what is said after it was left is not heard");
    reader.join(&room);
    heard.extend(talker.say(&room, 1));
    scene.once();
    assert_eq!(scene.messages(&room).last(), heard.last());
    scene.assert_each_once();
    talker.say(&room, 9);
    reader.leave(&room);
    reader.ask("POST", &format!("rooms/{room}/forget"), &json!({}));
    // What a kill leaves between a sync and the reading of a room.
    let place = json!({ "since": scene.sandbox.cursors()[0]["cursor"], "rooms": [room] });
    let mut command = scene.sandbox.command("cursor set chat chat --yes");
    assert!(command.arg(place.to_string()).status().expect("it runs").success());
    let finished = scene.sandbox.run("run chat.yaml --once --admin off --log-format json").expect(0);
    let gap = finished.log().into_iter().find(|line| line["event"] == "gap").expect("a gap is told");
    let message = gap["message"].as_str().expect("a message").to_owned();
    assert!(message.contains(&room) && message.contains("M_FORBIDDEN"), "{message}");
    scene.assert_each_once();
}

#[test]
fn a_token_that_was_logged_out_pauses() {
    let Some(scene) = Scene::new() else { return };
    scene.once();
    scene.reader.ask("POST", "logout", &json!({}));
    let finished = scene.sandbox.run("run chat.yaml --once --admin off").expect(1);
    assert!(finished.stderr.contains("M_UNKNOWN_TOKEN"), "{}", finished.stderr);
    assert!(!finished.stderr.contains(&scene.reader.token), "{}", finished.stderr);
}
