//! The `amqp` source against a real RabbitMQ.

mod support;

use std::time::Duration;

use lapin::BasicProperties;
use serde_json::json;
use sluicebox_core::{Cursor, ErrorClass, Reason};
use sluicebox_services::RabbitMq;
use support::{Aside, page, probe_source, source, unique, wait_for};

fn with_id(n: usize) -> BasicProperties {
    BasicProperties::default().with_message_id(format!("m-{n}").into()).with_delivery_mode(2)
}

async fn fill(aside: &Aside, queue: &str, numbers: std::ops::Range<usize>) {
    for n in numbers {
        aside.publish(queue, with_id(n), &format!("{{\"n\":{n}}}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_become_events_in_order_and_an_empty_queue_is_caught_up() {
    let Some(server) = RabbitMq::shared() else { return };
    let aside = Aside::new(&server.url()).await;
    let queue = unique("source");
    aside.queue(&queue, &[]).await;
    let properties = with_id(0).with_type("order.created".into()).with_timestamp(1_781_258_404);
    aside.publish(&queue, properties, r#"{ "n": 0.10 }"#).await;
    fill(&aside, &queue, 1..300).await;
    let mut source = source(json!({ "url": server.url(), "queue": queue })).await;
    let mut events = Vec::new();
    loop {
        let batch = source.next().await.unwrap().unwrap();
        if batch.caught_up {
            assert!(batch.is_empty());
            break;
        }
        assert!(batch.rejects.is_empty());
        events.extend(batch.events);
    }
    let ids: Vec<_> = events.iter().map(|event| event.meta().id.to_string()).collect();
    assert_eq!(ids, (0..300).map(|n| format!("m-{n}")).collect::<Vec<_>>());
    let first = &events[0];
    assert_eq!(first.json(), r#"{ "n": 0.10 }"#);
    assert_eq!(first.meta().event_type, "order.created");
    assert_eq!(first.meta().time.to_string(), "2026-06-12T10:00:04.000Z");
    assert_eq!(first.meta().key, queue.as_str());
    assert_eq!(events[1].meta().event_type, queue.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_committed_is_acknowledged_even_after_the_source_is_gone() {
    let Some(server) = RabbitMq::shared() else { return };
    let aside = Aside::new(&server.url()).await;
    let queue = unique("commit");
    aside.queue(&queue, &[]).await;
    fill(&aside, &queue, 0..30).await;
    let options = json!({ "url": server.url(), "queue": queue, "prefetch_count": 10 });
    let mut first = source(options.clone()).await;
    let mut committer = first.committer().unwrap();
    let mut taken = 0;
    let mut cursors = Vec::new();
    while taken < 10 {
        let batch = page(&mut *first).await;
        taken += batch.len();
        cursors.push((batch.cursor.unwrap(), taken));
    }
    // The broker sends no more than `prefetch_count` ahead of the acknowledgement.
    assert_eq!(taken, 10);
    let quiet = first.next().await.unwrap().unwrap();
    assert!(quiet.is_empty() && !quiet.caught_up);
    assert_eq!(quiet.cursor.as_ref(), cursors.last().map(|(cursor, _)| cursor));
    assert_eq!(aside.ready(&queue).await, 20);
    drop(first);
    committer.commit(&cursors.last().unwrap().0).await.unwrap();
    committer.commit(&cursors[0].0).await.unwrap();
    drop(committer);
    wait_for("the rest is back", async || aside.ready(&queue).await == 20).await;
    let mut second = source(options).await;
    let batch = page(&mut *second).await;
    assert_eq!(batch.events[0].meta().id, "m-10");
    // A cursor of an earlier session acknowledges nothing of this one.
    let mut committer = second.committer().unwrap();
    committer.commit(&cursors.last().unwrap().0).await.unwrap();
    committer.commit(&Cursor::from("something else")).await.unwrap();
    drop((second, committer));
    wait_for("nothing was acknowledged", async || aside.ready(&queue).await == 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_starts_over_gets_the_same_events_again() {
    let Some(server) = RabbitMq::shared() else { return };
    let aside = Aside::new(&server.url()).await;
    let queue = unique("over");
    aside.queue(&queue, &[]).await;
    for _ in 0..5 {
        aside.publish(&queue, BasicProperties::default(), r#"{"same":true}"#).await;
    }
    let mut source = source(json!({ "url": server.url(), "queue": queue })).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut found = Vec::new();
        while found.len() < 5 {
            found.extend(page(&mut *source).await.events.iter().map(|event| event.meta().id.clone()));
        }
        ids.push(found);
        source.open(Some(&Cursor::from("saved"))).await.unwrap();
    }
    assert_eq!(ids[0], ids[1]);
    let different: std::collections::HashSet<_> = ids[0].iter().collect();
    assert_eq!(different.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_object_is_rejected_and_the_page_goes_on() {
    let Some(server) = RabbitMq::shared() else { return };
    let aside = Aside::new(&server.url()).await;
    let queue = unique("bodies");
    aside.queue(&queue, &[]).await;
    for (n, body) in [r#"{"n":0}"#, "not json", "[1]", "", r#"{"n":4}"#].iter().enumerate() {
        aside.publish(&queue, with_id(n), body).await;
    }
    let mut source = source(json!({ "url": server.url(), "queue": queue })).await;
    let mut committer = source.committer().unwrap();
    let (mut events, mut rejects, mut cursor) = (Vec::new(), Vec::new(), None);
    while events.len() + rejects.len() < 5 {
        let batch = page(&mut *source).await;
        events.extend(batch.events.iter().map(|event| event.meta().id.to_string()));
        rejects.extend(batch.rejects);
        cursor = batch.cursor;
    }
    assert_eq!(events, ["m-0", "m-4"]);
    assert_eq!(rejects.len(), 3);
    assert!(rejects.iter().all(|reject| reject.reason == Reason::Parse));
    assert_eq!(rejects[0].event.json(), "not json");
    committer.commit(&cursor.unwrap()).await.unwrap();
    drop((source, committer));
    wait_for("everything is acknowledged", async || {
        server.ctl(&["list_queues", "name", "messages"]).contains(&format!("{queue}\t0"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_is_given_up_loses_nothing() {
    let Some(server) = RabbitMq::shared() else { return };
    let aside = Aside::new(&server.url()).await;
    let queue = unique("given-up");
    aside.queue(&queue, &[]).await;
    let mut source = source(json!({ "url": server.url(), "queue": queue })).await;
    assert!(source.next().await.unwrap().unwrap().caught_up);
    fill(&aside, &queue, 0..200).await;
    let mut ids = Vec::new();
    let mut given_up = 0;
    while ids.len() < 200 {
        let patience = Duration::from_micros(200 * (given_up % 30));
        match tokio::time::timeout(patience, source.next()).await {
            Ok(batch) => {
                ids.extend(batch.unwrap().unwrap().events.iter().map(|event| event.meta().id.to_string()));
            }
            Err(_) => given_up += 1,
        }
    }
    assert!(given_up > 0);
    assert_eq!(ids, (0..200).map(|n| format!("m-{n}")).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_not_there_or_goes_away_is_said() {
    let Some(server) = RabbitMq::shared() else { return };
    let aside = Aside::new(&server.url()).await;
    let queue = unique("missing");
    let options = json!({ "url": server.url(), "queue": queue });
    assert!(!probe_source(options.clone()).await.is_fine());
    let mut source = source(options.clone()).await;
    let error = source.next().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Config);
    assert!(error.help().unwrap().contains("declare"), "{:?}", error.help());
    aside.queue(&queue, &[]).await;
    assert!(probe_source(options).await.is_fine());
    assert!(source.next().await.unwrap().unwrap().caught_up);
    aside
        .channel
        .queue_delete(queue.as_str().into(), lapin::options::QueueDeleteOptions::default())
        .await
        .unwrap();
    assert_eq!(source.next().await.unwrap_err().class(), ErrorClass::Transient);
    assert_eq!(source.next().await.unwrap_err().class(), ErrorClass::Config);
}
