//! Dead letters whose page is not safe yet: another sink is stuck, so after a restart the feed brings the event again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use sluicebox_testkit::{Process, Reply, Sandbox, Stub, wait_for};

const RUN: &str = "run --log-format json --admin off p.yaml";
const ONCE: &str = "run --once --log-format json --admin off p.yaml";
const MENDED: &str = "event.total = (event.data.price ?? 0) * 2;\n";
/// Of the second page; the third event has no price.
const REFUSED: &str = "/picky/7";

/// A feed of twelve events, a table, and two destinations over HTTP, of which tests close one or the other.
struct Scene {
    sandbox: Sandbox,
    api: Stub,
    /// Beginnings of paths that are answered with 503 (`/stuck`) or 422 (anything else).
    closed: Arc<Mutex<BTreeSet<&'static str>>>,
    _feed: Stub,
}

impl Scene {
    fn new(rule: &str) -> Self {
        let data = |id: usize| if id == 3 { "{}".to_owned() } else { format!("{{\"price\":{id}}}") };
        let feed = Stub::feed((1..=12).map(|id| Stub::event(id, &data(id))).collect());
        let closed: Arc<Mutex<BTreeSet<&'static str>>> = Arc::default();
        let asked = Arc::clone(&closed);
        let api = Stub::new(move |path| {
            let status = match asked.lock().unwrap().iter().find(|prefix| path.starts_with(**prefix)) {
                None => 200,
                Some(&"/stuck") => 503,
                Some(_) => 422,
            };
            Reply::Json(status, "{}".to_owned())
        });
        let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
        sandbox.write("rule.rhai", rule);
        let sink = |name: &str| {
            format!(
                "  {name}: {{ type: http, inputs: [rule], url: \"{}/{name}/{{{{ event.id }}}}\", concurrency: 1 }}\n",
                api.url()
            )
        };
        let rest = format!(
            "transforms:\n  rule: {{ type: rhai, inputs: [feed], file: rule.rhai }}\nsinks:\n  \
             rows: {{ type: sqlite, inputs: [rule], path: rows.db, table: events }}\n{}{}",
            sink("stuck"),
            sink("picky")
        );
        sandbox.pipe(&feed, 5, &rest);
        Self { sandbox, api, closed, _feed: feed }
    }

    fn close(&self, prefix: &'static str) {
        self.closed.lock().unwrap().insert(prefix);
    }

    fn open(&self, prefix: &'static str) {
        self.closed.lock().unwrap().remove(prefix);
    }

    fn letters(&self) -> Vec<Value> {
        self.sandbox.dead_letters()
    }

    /// Begins a run and waits for a letter of this event; the page stays open as long as `/stuck` is closed.
    fn begin_until_letter(&self, id: &str) -> Process {
        self.close("/stuck");
        let process = self.sandbox.start(RUN);
        wait_for("the letter", || (self.letters().first()?["event"]["id"] == id).then_some(()));
        process
    }

    fn posts(&self, path: &str) -> usize {
        self.api.requests().iter().filter(|request| *request == path).count()
    }

    fn rows(&self) -> Vec<u64> {
        let found = self.sandbox.rows("rows.db", "SELECT json_extract(event, '$.id') FROM events");
        let mut found: Vec<u64> = found.iter().map(|id| id.parse().unwrap()).collect();
        found.sort_unstable();
        found
    }
}

fn kill(process: Process) {
    process.kill();
    process.finish();
}

#[test]
fn an_event_that_comes_again_after_a_restart_takes_its_letter_back() {
    let scene = Scene::new("event.total = event.data.price * 2;\n");
    kill(scene.begin_until_letter("3"));
    assert!(scene.sandbox.cursors().first().is_none_or(|row| row["cursor"].is_null()), "its page is open");
    scene.open("/stuck");
    scene.sandbox.write("rule.rhai", MENDED);
    scene.sandbox.run("dlq replay").expect(0);
    scene.sandbox.run(ONCE).expect(0);
    scene.sandbox.run(ONCE).expect(0);
    assert_eq!(scene.rows(), (1..=12).collect::<Vec<_>>(), "once by the feed, and not a second time");
    assert_eq!((scene.posts("/picky/3"), scene.posts("/stuck/3")), (1, 1));
    assert_eq!(scene.letters(), [] as [Value; 0]);
}

#[test]
fn an_event_that_fails_again_after_a_restart_is_one_letter() {
    let scene = Scene::new("event.total = event.data.price * 2;\n");
    for _ in 0..3 {
        kill(scene.begin_until_letter("3"));
    }
    scene.open("/stuck");
    scene.sandbox.run(ONCE).expect(0);
    assert_eq!(scene.letters().len(), 1);
    scene.sandbox.write("rule.rhai", MENDED);
    scene.sandbox.run("dlq replay").expect(0);
    scene.sandbox.run(ONCE).expect(0);
    assert_eq!(scene.rows(), (1..=12).collect::<Vec<_>>());
    assert_eq!(scene.letters(), [] as [Value; 0]);
}

#[test]
fn a_replay_waits_until_the_page_of_its_letter_is_saved() {
    for dies in [false, true] {
        let scene = Scene::new(MENDED);
        scene.close(REFUSED);
        let mut process = scene.begin_until_letter("7");
        assert_eq!(scene.posts(REFUSED), 1);
        scene.open(REFUSED);
        // Nobody waits for it here: it is asked for as another process would.
        let id = scene.letters()[0]["id"].as_str().unwrap().to_owned();
        let asking = scene.sandbox.start(&format!("dlq replay {id}"));
        process.wait_for_log("is replayed once its page is delivered everywhere");
        assert_eq!(scene.posts(REFUSED), 1, "it is not replayed yet");
        if dies {
            kill(process);
            scene.open("/stuck");
            asking.finish().expect(0);
            scene.sandbox.run(ONCE).expect(0);
        } else {
            scene.open("/stuck");
            assert!(asking.finish().expect(0).stdout.contains("1 dead letter replayed"));
            process.terminate();
            process.finish().expect(0);
        }
        assert_eq!(scene.posts(REFUSED), 2, "refused once, taken once");
        assert_eq!(scene.rows(), (1..=12).collect::<Vec<_>>());
        assert_eq!(scene.letters(), [] as [Value; 0]);
    }
}
