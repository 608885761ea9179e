//! The `amqp` sink against a real RabbitMQ.

mod support;

use lapin::ExchangeKind;
use lapin::types::AMQPValue;
use serde_json::json;
use sluicebox_core::ErrorClass;
use sluicebox_services::RabbitMq;
use support::{Aside, event, events, probe_sink, sink, unique};

fn ids(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|n| format!("e-{n}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_confirmed_in_order_with_every_property() {
    let Some(server) = RabbitMq::shared() else { return };
    let aside = Aside::new(&server.url()).await;
    let (exchange, queue) = (unique("properties"), unique("properties"));
    aside.queue(&queue, &[("x-max-priority", AMQPValue::LongLongInt(9))]).await;
    aside.exchange(&exchange, ExchangeKind::Topic).await;
    aside.bind(&queue, &exchange, "orders.#").await;
    let mut sink = sink(json!({
        "url": server.url(),
        "exchange": exchange,
        "routing_key": "orders.{{ event.n }}",
        "headers": { "source": "{{ meta.source }}", "n": "{{ event.n }}" },
        "priority": 4,
        "expiration": "10m",
    }))
    .await;
    let written = sink.write(&events(0..500)).await.unwrap();
    assert!(written.rejected.is_empty(), "{:?}", written.rejected);
    let first = aside.take(&queue).await.unwrap();
    assert_eq!(first.data, b"{\"n\":0}");
    assert_eq!(first.routing_key.as_str(), "orders.0");
    let properties = &first.properties;
    assert_eq!(properties.message_id().as_ref().unwrap().as_str(), "e-0");
    assert_eq!(properties.kind().as_ref().unwrap().as_str(), "order.created");
    assert_eq!(properties.content_type().as_ref().unwrap().as_str(), "application/json");
    assert_eq!(properties.expiration().as_ref().unwrap().as_str(), "600000");
    assert_eq!((*properties.delivery_mode(), *properties.priority()), (Some(2), Some(4)));
    assert_eq!(*properties.timestamp(), Some(1_781_258_404));
    let headers = properties.headers().as_ref().unwrap().inner();
    assert_eq!(headers["source"], AMQPValue::LongString("feed".into()));
    assert_eq!(headers["n"], AMQPValue::LongString("0".into()));
    assert_eq!(aside.take_ids(&queue).await, ids(1..500));
    sink.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unroutable_event_is_a_dead_letter_where_the_key_depends_on_it() {
    let Some(server) = RabbitMq::shared() else { return };
    let aside = Aside::new(&server.url()).await;
    let (exchange, queue) = (unique("unroutable"), unique("unroutable"));
    aside.queue(&queue, &[]).await;
    aside.exchange(&exchange, ExchangeKind::Direct).await;
    aside.bind(&queue, &exchange, "known").await;
    let options = json!({ "url": server.url(), "exchange": exchange, "routing_key": "{{ event.to }}" });
    let mut sink = sink(options).await;
    let batch: Vec<_> = (0..40)
        .map(|n| {
            event(&format!("e-{n}"), "k", &json!({ "to": if n % 4 == 1 { "unknown" } else { "known" } }))
        })
        .collect();
    let written = sink.write(&batch).await.unwrap();
    let rejected: Vec<_> = written.rejected.iter().map(|rejected| rejected.index).collect();
    assert_eq!(rejected, (0..40).filter(|n| n % 4 == 1).collect::<Vec<_>>());
    let error = &written.rejected[0].error;
    assert_eq!(error.class(), ErrorClass::Permanent);
    assert!(error.to_string().contains("312 NO_ROUTE"), "{error}");
    assert_eq!(aside.take_ids(&queue).await.len(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_key_without_a_queue_pauses_and_writes_once_one_is_bound() {
    let Some(server) = RabbitMq::shared() else { return };
    let aside = Aside::new(&server.url()).await;
    let (exchange, queue) = (unique("unbound"), unique("unbound"));
    aside.exchange(&exchange, ExchangeKind::Direct).await;
    let mut sink = sink(json!({ "url": server.url(), "exchange": exchange, "routing_key": "orders" })).await;
    let error = sink.write(&events(0..5)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Config);
    assert!(error.to_string().contains("to no queue"), "{error}");
    assert!(error.help().unwrap().contains("bind a queue"));
    aside.queue(&queue, &[]).await;
    aside.bind(&queue, &exchange, "orders").await;
    assert!(sink.write(&events(0..5)).await.unwrap().rejected.is_empty());
    assert_eq!(aside.take_ids(&queue).await, ids(0..5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_and_the_key_waits() {
    let Some(server) = RabbitMq::shared() else { return };
    let aside = Aside::new(&server.url()).await;
    let (full, roomy) = (unique("full"), unique("full-not"));
    let limits = [
        ("x-max-length", AMQPValue::LongLongInt(1)),
        ("x-overflow", AMQPValue::LongString("reject-publish".into())),
    ];
    aside.queue(&full, &limits).await;
    aside.queue(&roomy, &[]).await;
    let mut sink = sink(json!({ "url": server.url(), "routing_key": "test-{{ event.to }}" })).await;
    let to = |id: &str, key: &str, queue: &str| {
        event(id, key, &json!({ "to": queue.strip_prefix("test-").unwrap() }))
    };
    let batch = [
        to("e-0", "a", &full),
        to("e-1", "a", &full),
        to("e-2", "b", &roomy),
        to("e-3", "a", &roomy),
        to("e-4", "c", &full),
    ];
    let written = sink.write(&batch).await.unwrap();
    let rejected: Vec<_> =
        written.rejected.iter().map(|rejected| (rejected.index, rejected.error.class())).collect();
    let transient = ErrorClass::Transient;
    assert_eq!(rejected, [(1, transient), (3, transient), (4, transient)]);
    assert!(written.rejected[0].error.to_string().contains("nack"), "{:?}", written.rejected[0].error);
    assert_eq!(sink.write(&batch[1..2]).await.unwrap_err().class(), transient);
    assert_eq!(aside.take_ids(&full).await, ["e-0"]);
    assert!(sink.write(&batch[1..2]).await.unwrap().rejected.is_empty());
    assert_eq!(aside.take_ids(&full).await, ["e-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn exchange_queue_and_bindings_are_declared_and_left_alone_if_they_differ() {
    let Some(server) = RabbitMq::shared() else { return };
    let (exchange, queue) = (unique("declared"), unique("declared"));
    let options = json!({
        "url": server.url(),
        "exchange": exchange,
        "routing_key": "orders.new",
        "declare": {
            "exchange": { "type": "topic" },
            "queue": { "name": queue, "arguments": { "x-delivery-limit": 5 } },
            "bind": ["orders.#"],
        },
    });
    let mut first = sink(options.clone()).await;
    assert!(first.write(&events(0..20)).await.unwrap().rejected.is_empty());
    let mut second = sink(options.clone()).await;
    assert!(second.write(&events(20..40)).await.unwrap().rejected.is_empty());
    assert_eq!(Aside::new(&server.url()).await.take_ids(&queue).await, ids(0..40));
    let shown = server.ctl(&["list_queues", "name", "type"]);
    let line = shown.lines().find(|line| line.contains(&queue)).unwrap();
    assert!(line.contains("quorum"), "{line}");
    let mut other = options;
    other["declare"]["queue"] = json!({ "name": queue, "type": "classic" });
    let error = sink(other).await.write(&events(0..1)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Config);
    assert!(error.chain().contains("inequivalent"), "{}", error.chain());
    assert!(error.help().unwrap().contains("other properties"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_refuses_is_said_in_the_right_class() {
    let Some(server) = RabbitMq::shared() else { return };
    let password = server.url().replace(server.password(), "wrong-password");
    let vhost = server.url().replace("%2f", "nowhere");
    let cases = [
        (json!({ "url": password, "routing_key": "q" }), ErrorClass::Auth, "ACCESS_REFUSED"),
        (json!({ "url": vhost, "routing_key": "q" }), ErrorClass::Config, "vhost nowhere not found"),
        (
            json!({ "url": server.url(), "exchange": unique("missing"), "routing_key": "q" }),
            ErrorClass::Config,
            "NOT_FOUND",
        ),
        (json!({ "url": "amqp://127.0.0.1:1", "routing_key": "q" }), ErrorClass::Transient, "refused"),
    ];
    for (options, class, text) in cases {
        let error = sink(options.clone()).await.write(&events(0..3)).await.unwrap_err();
        assert_eq!(error.class(), class, "{}", error.chain());
        assert!(error.chain().contains(text), "{}", error.chain());
        assert!(!error.chain().contains("wrong-password"));
        assert!(!probe_sink(options).await.is_fine());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_is_a_dead_letter_and_the_others_are_written() {
    let Some(server) = RabbitMq::shared() else { return };
    let aside = Aside::new(&server.url()).await;
    let queue = unique("large");
    aside.queue(&queue, &[]).await;
    let mut sink = sink(json!({ "url": server.url(), "routing_key": queue })).await;
    // The limit that RabbitMQ 3 has unless it is told otherwise.
    let huge = "x".repeat(134_217_728);
    let mut batch = events(0..3);
    batch.insert(1, event("huge", "other", &json!({ "text": huge })));
    let written = sink.write(&batch).await.unwrap();
    let guilty = written.rejected.iter().find(|rejected| rejected.index == 1).unwrap();
    assert_eq!((guilty.error.class(), guilty.error.reason()), (ErrorClass::Permanent, "too_large"));
    let again: Vec<_> = written
        .rejected
        .iter()
        .filter(|rejected| rejected.index != 1)
        .inspect(|rejected| assert_eq!(rejected.error.class(), ErrorClass::Transient))
        .map(|rejected| batch[rejected.index].clone())
        .collect();
    assert!(sink.write(&again).await.unwrap().rejected.is_empty());
    let mut found = aside.take_ids(&queue).await;
    found.dedup();
    for id in ids(0..3) {
        assert!(found.contains(&id), "{id} is missing in {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_verified() {
    let Some(server) = RabbitMq::shared() else { return };
    let aside = Aside::new(&server.url()).await;
    let queue = unique("tls");
    aside.queue(&queue, &[]).await;
    let options =
        |tls: serde_json::Value| json!({ "url": server.tls_url(), "routing_key": queue, "tls": tls });
    let folder = server.ca_file().parent().unwrap().to_owned();
    let own = json!({
        "ca_file": server.ca_file(),
        "certificate_file": folder.join("client.pem"),
        "key_file": folder.join("client.key"),
    });
    for (number, tls) in
        [json!({ "ca_file": server.ca_file() }), own, json!({ "insecure_skip_verify": true })]
            .iter()
            .enumerate()
    {
        let mut sink = sink(options(tls.clone())).await;
        assert!(sink.write(&events(number..number + 1)).await.unwrap().rejected.is_empty(), "{tls}");
        assert!(probe_sink(options(tls.clone())).await.is_fine(), "{tls}");
    }
    assert_eq!(aside.take_ids(&queue).await, ids(0..3));
    // The machine does not know the authority that signed.
    let error = sink(options(json!({}))).await.write(&events(0..1)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Config, "{}", error.chain());
    let mut elsewhere = options(json!({ "ca_file": server.ca_file() }));
    elsewhere["url"] = json!(server.tls_url().replace("amqps", "amqp"));
    let error = sink(elsewhere).await.write(&events(0..1)).await.unwrap_err();
    assert!(error.class().is_retryable() || error.class() == ErrorClass::Config, "{}", error.chain());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_says_what_is_there_and_makes_nothing() {
    let Some(server) = RabbitMq::shared() else { return };
    let aside = Aside::new(&server.url()).await;
    let (exchange, queue) = (unique("probe"), unique("probe"));
    aside.exchange(&exchange, ExchangeKind::Fanout).await;
    aside.queue(&queue, &[]).await;
    let found = probe_sink(json!({ "url": server.url(), "exchange": exchange, "routing_key": "" })).await;
    assert!(found.is_fine(), "{found:?}");
    let found = probe_sink(json!({ "url": server.url(), "routing_key": queue })).await;
    assert!(found.is_fine(), "{found:?}");
    let missing = unique("probe-missing");
    let mut options = json!({ "url": server.url(), "exchange": missing, "routing_key": "r" });
    assert!(!probe_sink(options.clone()).await.is_fine());
    options["declare"] = json!({ "exchange": {} });
    assert!(probe_sink(options.clone()).await.is_fine());
    options.as_object_mut().unwrap().remove("declare");
    assert!(!probe_sink(options).await.is_fine(), "the probe has made it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_was_given_up_is_not_repeated_by_the_next() {
    let Some(server) = RabbitMq::shared() else { return };
    let aside = Aside::new(&server.url()).await;
    let queue = unique("given-up");
    aside.queue(&queue, &[]).await;
    let mut sink = sink(json!({ "url": server.url(), "routing_key": queue })).await;
    assert!(sink.write(&events(0..1)).await.unwrap().rejected.is_empty());
    let batch = events(1..200);
    {
        let writing = sink.write(&batch);
        tokio::pin!(writing);
        // Everything is handed over in the first poll; nobody waits for the rest.
        assert!(futures::poll!(&mut writing).is_pending());
    }
    assert!(sink.write(&batch).await.unwrap().rejected.is_empty());
    assert_eq!(aside.take_ids(&queue).await, ids(0..200));
    assert!(sink.write(&batch).await.unwrap().rejected.is_empty());
    assert_eq!(aside.take_ids(&queue).await, ids(1..200));
}
