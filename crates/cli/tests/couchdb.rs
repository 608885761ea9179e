//! `couchdb_changes` in the real program against a real server that speaks CouchDB's protocol: changes, updates and
//! deletions, each once in SQLite, over restarts and kills, from the saved position on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use serde_json::{Value, json};
use sluicebox_services::PouchDb;
use sluicebox_testkit::{Sandbox, request, wait_for};

/// A database of its own and a pipeline that reads it.
struct Scene {
    server: PouchDb,
    sandbox: Sandbox,
    _folder: tempfile::TempDir,
}

impl Scene {
    /// None when services are to be skipped.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let server = PouchDb::private(folder.path())?;
        let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
        let scene = Self { server, sandbox, _folder: folder };
        scene.put("", &json!({}));
        // The server holds a long poll for ever, whatever `timeout` says.
        scene.sandbox.write(
            "p.yaml",
            &format!(
                "sources:\n  orders:\n    type: couchdb_changes\n    url: {}/orders\n    feed: normal\n    timeout: 1s\n    \
                 limit: 7\n    interval: 1s\n    rate: unlimited\n\
                 sinks:\n  rows: {{ type: sqlite, inputs: [orders], path: rows.db, table: changes, batch: {{ max_events: 5 }} }}\n",
                scene.server.url()
            ),
        );
        Some(scene)
    }

    fn url(&self, document: &str) -> String {
        format!("{}/orders{document}", self.server.url())
    }

    /// Writes a document and returns its revision.
    fn put(&self, document: &str, body: &Value) -> String {
        let answer =
            request("PUT", &self.url(document), &["Content-Type: application/json"], &body.to_string())
                .unwrap();
        assert_eq!(answer.status, 201, "{}", answer.body);
        text(&serde_json::from_str(&answer.body).unwrap(), "rev")
    }

    fn delete(&self, document: &str, revision: &str) {
        let answer = request("DELETE", &self.url(&format!("{document}?rev={revision}")), &[], "").unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// What arrived, in order.
    fn changes(&self) -> Vec<Value> {
        let rows = self.sandbox.rows("rows.db", "SELECT event FROM changes ORDER BY rowid");
        rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect()
    }

    fn once(&self) {
        self.sandbox.run("run --once --admin off p.yaml").expect(0);
    }

    /// The position as the server counts it.
    fn position(&self) -> String {
        text(&self.sandbox.cursors()[0], "cursor")
    }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

/// Which document, and what stands in it.
fn document(change: &Value) -> (String, Option<i64>) {
    (text(change, "id"), change["doc"]["total"].as_i64())
}

#[test]
fn changes_updates_and_deletions_arrive_once_from_the_saved_position_on() {
    let Some(scene) = Scene::new() else { return };
    for number in 0..20 {
        scene.put(&format!("/order-{number:02}"), &json!({ "total": number }));
    }
    scene.once();
    let first: Vec<_> = scene.changes().iter().map(document).collect();
    let expected: Vec<_> = (0..20).map(|number| (format!("order-{number:02}"), Some(number))).collect();
    assert_eq!(first, expected, "three pages, in the order of the writes");
    assert_eq!(scene.position(), "20");
    scene.once();
    assert_eq!(scene.changes().len(), 20, "nothing comes again");

    let body = scene.changes()[3]["doc"].clone();
    let revision = scene.put("/order-03", &json!({ "_rev": body["_rev"], "total": 33 }));
    let latest = scene.put("/order-03", &json!({ "_rev": revision, "total": 34 }));
    scene.delete("/order-04", &text(&scene.changes()[4]["doc"], "_rev"));
    scene.once();
    let later = scene.changes()[20..].to_vec();
    assert_eq!(document(&later[0]), ("order-03".to_owned(), Some(34)), "the latest of two changes");
    assert_eq!(later[0]["changes"][0]["rev"], latest.as_str());
    assert_eq!((text(&later[1], "id"), later[1]["deleted"].as_bool()), ("order-04".to_owned(), Some(true)));
    assert_eq!((later.len(), scene.position()), (2, "23".to_owned()));
    let ids = scene.sandbox.rows("rows.db", "SELECT _event_id FROM changes ORDER BY rowid");
    assert_eq!(ids[20], format!("couchdb_changes:orders:order-03/{latest}"));
    assert!(scene.sandbox.dead_letters().is_empty());
}

#[test]
fn kills_while_documents_are_written_lose_nothing_and_double_nothing() {
    let Some(scene) = Scene::new() else { return };
    let mut written = 0;
    for _ in 0..4 {
        let process = scene.sandbox.start("run --admin off p.yaml");
        let before = scene.changes().len();
        for _ in 0..50 {
            scene.put(&format!("/order-{written:04}"), &json!({ "total": written }));
            written += 1;
        }
        wait_for("some rows", || (scene.changes().len() > before).then_some(()));
        process.kill();
        process.finish();
    }
    scene.once();
    let arrived: Vec<_> = scene.changes().iter().map(document).collect();
    let expected: Vec<_> = (0..written).map(|number| (format!("order-{number:04}"), Some(number))).collect();
    assert_eq!(arrived, expected);
}

#[test]
fn a_database_that_is_not_there_pauses_and_says_what_to_check() {
    let Some(scene) = Scene::new() else { return };
    let pipeline = std::fs::read_to_string(scene.sandbox.path("p.yaml")).unwrap();
    scene.sandbox.write("p.yaml", &pipeline.replace("/orders", "/nothing"));
    let ended = scene.sandbox.run("run --once --admin off p.yaml").expect(1);
    assert!(ended.stderr.contains("check `url`"), "{}", ended.stderr);
}
