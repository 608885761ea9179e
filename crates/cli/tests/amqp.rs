//! The `amqp` source with the real program and a real RabbitMQ: what it has acknowledged is durable, whatever happens.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

use std::collections::HashSet;
use std::time::Duration;

use sluicebox_services::RabbitMq;
use sluicebox_testkit::{Process, Sandbox, Stub, wait_for};

const EVENTS: usize = 2000;

/// A queue that holds the events 1 to [`EVENTS`], put there by the sink, and a pipeline `q.yaml` that reads it.
struct Scene {
    rabbitmq: RabbitMq,
    sandbox: Sandbox,
    queue: String,
    _stub: Stub,
}

impl Scene {
    fn new(name: &str, sinks: &str) -> Option<Self> {
        let rabbitmq = RabbitMq::shared()?;
        let queue = format!("{name}_{}", std::process::id());
        let stub = Stub::feed((1..=EVENTS).map(|id| Stub::event(id, &format!("{{\"n\":{id}}}"))).collect());
        let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
        sandbox.set("URL", rabbitmq.url());
        let declare = format!("declare: {{ queue: {{ name: {queue}, type: classic }} }}");
        let sink = format!("type: amqp, url: \"${{URL}}\", routing_key: {queue}, {declare}");
        sandbox.pipe(&stub, 200, &format!("sinks:\n  out: {{ inputs: [feed], {sink} }}\n"));
        sandbox.run("run --once -q --admin off p.yaml").expect(0);
        let source = format!("type: amqp, url: \"${{URL}}\", queue: {queue}, prefetch_count: 300");
        sandbox.write("q.yaml", &format!("sources:\n  q: {{ {source} }}\nsinks:\n{sinks}"));
        Some(Self { rabbitmq, sandbox, queue, _stub: stub })
    }

    fn begin(&self) -> Process {
        self.sandbox.start("run --log-format json --admin off q.yaml")
    }

    /// The `_event_id`s in the order of their arrival.
    fn rows(&self) -> Vec<String> {
        self.sandbox.rows("rows.db", "SELECT _event_id FROM events ORDER BY rowid")
    }

    /// What the broker still holds for somebody.
    fn left(&self) -> usize {
        self.rabbitmq.pika_drain(&self.queue).len()
    }
}

fn ids() -> Vec<String> {
    (1..=EVENTS).map(|id| format!("opentrain:feed:{id}")).collect()
}

const ROWS: &str =
    "  rows: { type: sqlite, inputs: [q], path: rows.db, table: events, batch: { max_events: 50 } }\n";

#[test]
fn a_queue_is_emptied_in_order_and_everything_acknowledged_is_durable() {
    let Some(scene) = Scene::new("emptied", ROWS) else { return };
    let ended = scene.sandbox.run("run --once --log-format json --admin off q.yaml").expect(0);
    assert_eq!(scene.rows(), ids(), "{}", ended.stderr);
    assert_eq!(scene.left(), 0, "the last acknowledgement came before the end");
}

#[test]
fn kills_lose_nothing_and_repeat_at_most_what_was_not_acknowledged() {
    let Some(scene) = Scene::new("killed", ROWS) else { return };
    let kills = 4;
    for life in 1..=kills {
        let process = scene.begin();
        wait_for("rows of this life", || (scene.rows().len() > life * 150).then_some(()));
        process.kill();
        process.finish();
    }
    scene.sandbox.run("run --once -q --admin off q.yaml").expect(0);
    let rows = scene.rows();
    let mut seen = HashSet::new();
    let first: Vec<String> = rows.iter().filter(|id| seen.insert(*id)).cloned().collect();
    assert_eq!(first.len(), EVENTS, "nothing is lost");
    // A page is written whole before it is acknowledged, and at most `prefetch_count` messages are on their way.
    assert!(rows.len() - EVENTS <= kills * 300, "{} repeated", rows.len() - EVENTS);
    assert_eq!(scene.left(), 0);
}

#[test]
fn nothing_is_acknowledged_while_the_sink_cannot_write() {
    let blocked = "  rows: { type: http, inputs: [q], url: \"http://127.0.0.1:9/x\" }\n";
    let Some(scene) = Scene::new("blocked", blocked) else { return };
    let mut process = scene.begin();
    process.wait_for_log("\"retry\"");
    std::thread::sleep(Duration::from_millis(500));
    process.kill();
    process.finish();
    wait_for("the broker to take everything back", || {
        let listed = scene.rabbitmq.ctl(&["list_queues", "-q", "name", "messages_ready"]);
        let line = listed.lines().find(|line| line.starts_with(&format!("{}\t", scene.queue)))?;
        line.ends_with(&format!("\t{EVENTS}")).then_some(())
    });
    assert_eq!(scene.left(), EVENTS);
}
