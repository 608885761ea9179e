//! `team-chat-to-amqp`: messages read back with pika, compared with the feed.

use serde_json::{Value, json};
use sluicebox_emulator::Api;
use sluicebox_services::{Message, RabbitMq};

use crate::scene::{SAMPLE, Scene, events};

/// The pipeline with an exchange and a queue of its own.
struct Publishing {
    scene: Scene,
    server: RabbitMq,
    queue: String,
}

impl Publishing {
    fn new(events: u64) -> Option<Self> {
        let server = RabbitMq::shared()?;
        let mut scene = Scene::new("team-chat-to-amqp", Api::Zenzap, events);
        let queue = scene.unique_name();
        scene.sandbox.set("AMQP_URL", server.url());
        scene.sandbox.set("AMQP_EXCHANGE", &queue);
        scene.sandbox.set("AMQP_QUEUE", &queue);
        Some(Self { scene, server, queue })
    }

    fn drain(&self) -> Vec<Message> {
        self.server.pika_drain(&self.queue)
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        self.server.ctl(&["delete_queue", &self.queue]);
    }
}

/// The update without the signed links of its attachments, told independently of the rule.
fn without_links(update: &Value) -> Value {
    let mut update = update.clone();
    for place in ["/data/message/attachments", "/data/attachments"] {
        if let Some(attachments) = update.pointer_mut(place).and_then(Value::as_array_mut) {
            attachments.retain(Value::is_object);
            for attachment in attachments.iter_mut().filter_map(Value::as_object_mut) {
                attachment.remove("url");
            }
        }
    }
    update
}

fn body(message: &Message) -> Value {
    serde_json::from_slice(&message.body).unwrap()
}

fn assert_is(message: &Message, update: &Value, exchange: &str) {
    assert_eq!(body(message), without_links(update));
    let event_type = update["eventType"].as_str().unwrap();
    assert_eq!((message.routing_key.as_str(), message.kind.as_deref()), (event_type, Some(event_type)));
    let id = format!("zenzap:team_chat:{}", update["updateId"].as_str().unwrap());
    assert_eq!(message.message_id, Some(id));
    assert_eq!((message.exchange.as_str(), message.delivery_mode), (exchange, Some(2)));
    assert_eq!(message.content_type.as_deref(), Some("application/json"));
    assert_eq!(message.timestamp, update["createdAt"].as_i64().map(|time| time / 1000));
    assert_eq!(message.headers["source"], "team_chat");
    if let Some(topic) = update.pointer("/data/message/topicId") {
        assert_eq!(&message.headers["topic"], topic);
    }
}

#[test]
fn the_team_chat_lands_in_a_quorum_queue_in_order() {
    let Some(publishing) = Publishing::new(1500) else { return };
    let scene = &publishing.scene;
    scene.check();
    let mut known = 0;
    for appended in [0, 200] {
        scene.feed.append(0, appended);
        scene.run();
        let updates = events(&scene.truth()).split_off(known);
        let messages = publishing.drain();
        assert_eq!(messages.len(), updates.len());
        for (message, update) in messages.iter().zip(&updates) {
            assert_is(message, update, &publishing.queue);
        }
        let text = |message: &Message| String::from_utf8(message.body.clone()).unwrap();
        assert!(messages.iter().all(|message| !text(message).contains("storage.example")), "no signed link");
        known += updates.len();
    }
    let queues = publishing.server.ctl(&["list_queues", "name", "type"]);
    assert!(queues.contains(&format!("{}\tquorum", publishing.queue)), "{queues}");
}

#[test]
fn the_queue_holds_what_lies_beside_the_pipeline() {
    let Some(publishing) = Publishing::new(SAMPLE) else { return };
    publishing.scene.run();
    publishing.scene.assert_lies_beside("sample/updates.jsonl", &publishing.scene.truth());
    let line = |message: Message| {
        let shown = json!({
            "routing_key": message.routing_key, "message_id": message.message_id, "headers": message.headers,
            "body": body(&message),
        });
        shown.to_string() + "\n"
    };
    let lines: String = publishing.drain().into_iter().map(line).collect();
    publishing.scene.assert_lies_beside("expected/messages.jsonl", &lines);
}
