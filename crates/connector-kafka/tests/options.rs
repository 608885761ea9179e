//! What a pipeline file may say to the `kafka` sink.

mod support;

use serde_json::{Value, json};
use sluicebox_core::{BuiltSink, CheckContext, Delivery, SinkSpec};
use sluicebox_testkit::NoFiles;
use support::{context, options, spec};

fn problems(extra: Value) -> Vec<String> {
    let cx = CheckContext { files: &NoFiles, sources: &[] };
    let problems = spec(options("127.0.0.1:9092", "orders", extra)).check(&cx);
    problems.into_iter().map(|problem| problem.path).collect()
}

#[test]
fn every_option_is_checked_where_it_stands() {
    assert!(problems(json!({})).is_empty());
    for (extra, path) in [
        (json!({ "brokers": ["kafka.example.com:9092"] }), "brokers[0]"),
        (json!({ "topic": "{{ meta.type }}" }), "topic"),
        (json!({ "key": "{{ event. }}" }), "key"),
        (json!({ "headers": { "a": "{{" } }), "headers.a"),
        (json!({ "librdkafka": { "acks": 1 } }), "librdkafka.acks"),
        (json!({ "position_topic": "a b" }), "position_topic"),
        (json!({ "position_topic": "orders" }), "position_topic"),
        (json!({ "dead_letter_topic": "" }), "dead_letter_topic"),
        (json!({ "transactional_id": "" }), "transactional_id"),
        (json!({ "max_message_bytes": "10B" }), "max_message_bytes"),
        (json!({ "timeout": "1ms" }), "timeout"),
        (json!({ "timeout": "1h" }), "timeout"),
        (json!({ "sasl": { "mechanism": "plain", "username": "", "password": "x" } }), "sasl.username"),
        (json!({ "tls": { "certificate_file": "c.pem" } }), "tls"),
    ] {
        assert_eq!(problems(extra.clone()), [path], "{extra}");
    }
}

#[test]
fn unknown_options_are_refused() {
    for extra in [json!({ "acks": 1 }), json!({ "partitioner": "round" }), json!({ "compression": "brotli" })]
    {
        let options = options("127.0.0.1:9092", "orders", extra.clone());
        assert!(serde_json::from_value::<sluicebox_connector_kafka::KafkaSpec>(options).is_err(), "{extra}");
    }
}

#[tokio::test]
async fn the_delivery_picks_the_shape() {
    let built = |delivery| spec(options("127.0.0.1:1", "orders", json!({}))).build(context_of(delivery));
    assert!(matches!(built(Delivery::AtLeastOnce).await, Ok(BuiltSink::Plain(_))));
    assert!(matches!(built(Delivery::ExactlyOnce).await, Ok(BuiltSink::Transactional(_))));
    let support = spec(options("127.0.0.1:1", "orders", json!({}))).delivery();
    assert_eq!((support.default, support.exactly_once), (Delivery::AtLeastOnce, true));
}

fn context_of(delivery: Delivery) -> &'static sluicebox_core::Context {
    Box::leak(Box::new(context("orders", delivery)))
}
