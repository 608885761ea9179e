//! The `amqp` sink and source while the broker dies, freezes, blocks, or throws everyone out.

mod support;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lapin::BasicProperties;
use serde_json::json;
use sluicebox_core::{ErrorClass, Event, Sink};
use sluicebox_services::RabbitMq;
use support::{Aside, PATIENCE, events, page, sink, source, unique};
use tokio::sync::Mutex;

/// One broker at a time: each takes a good part of a small machine.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Writes a batch as the engine does: again after a retryable failure, and only what was not written.
async fn write_whole(sink: &mut dyn Sink, batch: &[Event]) -> usize {
    let deadline = Instant::now() + PATIENCE;
    let mut left = batch.to_vec();
    let mut failures = 0;
    let mut last = String::new();
    while !left.is_empty() {
        assert!(Instant::now() < deadline, "the batch was never written: {last}");
        match sink.write(&left).await {
            Ok(written) => {
                let rejected: HashSet<usize> =
                    written.rejected.iter().map(|rejected| rejected.index).collect();
                for rejected in &written.rejected {
                    assert!(rejected.error.class().is_retryable(), "{}", rejected.error.chain());
                }
                let mut index = 0;
                left.retain(|_| {
                    index += 1;
                    rejected.contains(&(index - 1))
                });
                failures += usize::from(!left.is_empty());
            }
            Err(error) => {
                assert!(error.class().is_retryable(), "{}", error.chain());
                failures += 1;
                last = error.chain();
            }
        }
        if !left.is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    failures
}

/// Nothing is missing, and whatever comes for the first time comes in order; returns how many came again.
fn assert_complete(found: &[String], expected: usize) -> usize {
    let mut seen = HashSet::new();
    let first: Vec<&String> = found.iter().filter(|id| seen.insert(id.as_str())).collect();
    let all: Vec<String> = (0..expected).map(|n| format!("e-{n}")).collect();
    let missing: Vec<&String> = all.iter().filter(|id| !seen.contains(id.as_str())).collect();
    assert!(missing.is_empty(), "{} of {expected} are missing: {missing:?}", missing.len());
    assert_eq!(first, all.iter().collect::<Vec<_>>());
    found.len() - expected
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_outlives_brokers_that_are_killed_and_connections_that_are_cut() {
    const BATCH: usize = 20;
    const ROUNDS: usize = 4;
    let _turn = ONE_AT_A_TIME.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = RabbitMq::private(folder.path()) else { return };
    let server = Arc::new(server);
    let queue = unique("outages");
    // A quorum queue of RabbitMQ 3.10 does not always answer again after its only node was killed.
    let declare = json!({ "queue": { "name": queue, "type": "classic" } });
    let mut sink = sink(json!({ "url": server.url(), "routing_key": queue, "declare": declare })).await;
    let (mut written, mut outages) = (0, 0);
    for round in 0..ROUNDS {
        let other = Arc::clone(&server);
        let outage = tokio::task::spawn_blocking(move || {
            if round % 2 == 0 {
                other.ctl(&["close_all_connections", "a test"]);
            } else {
                other.kill();
                other.start();
            }
        });
        let mut is_over = false;
        while !is_over {
            // The last batch begins after the outage.
            is_over = outage.is_finished();
            outages += write_whole(&mut *sink, &events(written..written + BATCH)).await;
            written += BATCH;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        outage.await.unwrap();
    }
    let found = Aside::new(&server.url()).await.take_ids(&queue).await;
    let repeated = assert_complete(&found, written);
    assert!(outages >= ROUNDS, "{outages} outages were noticed");
    assert!(repeated <= outages * BATCH, "{repeated} repeated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_sink_waits_says_so_and_goes_on_without_repeating() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = RabbitMq::private(folder.path()) else { return };
    let queue = unique("blocked");
    let declare = json!({ "queue": { "name": queue, "type": "classic" } });
    let mut sink = sink(json!({ "url": server.url(), "routing_key": queue, "declare": declare })).await;
    write_whole(&mut *sink, &events(0..10)).await;
    server.ctl(&["set_vm_memory_high_watermark", "0"]);
    let batch = events(10..20);
    // The broker says that it blocks when it is next published to.
    let error = sink.write(&batch).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient);
    assert!(error.to_string().contains("takes nothing"), "{error}");
    assert!(error.to_string().contains("memory"), "{error}");
    assert!(sink.write(&batch).await.is_err());
    server.ctl(&["set_vm_memory_high_watermark", "0.9"]);
    write_whole(&mut *sink, &batch).await;
    write_whole(&mut *sink, &events(20..30)).await;
    let found = Aside::new(&server.url()).await.take_ids(&queue).await;
    assert_eq!(assert_complete(&found, 30), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_answers_nothing_is_noticed_by_its_heartbeat() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = RabbitMq::private(folder.path()) else { return };
    let queue = unique("frozen");
    let declare = json!({ "queue": { "name": queue, "type": "classic" } });
    let options = json!({
        "url": server.url(), "routing_key": queue, "declare": declare, "heartbeat": "1s"
    });
    let mut sink = sink(options).await;
    write_whole(&mut *sink, &events(0..10)).await;
    server.freeze();
    let batch = events(10..20);
    let error = tokio::time::timeout(PATIENCE, sink.write(&batch)).await.unwrap().unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient, "{}", error.chain());
    // Nobody answers a new connection either.
    let error = tokio::time::timeout(PATIENCE, sink.write(&batch)).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("no answer"), "{}", error.chain());
    server.thaw();
    write_whole(&mut *sink, &batch).await;
    let found = Aside::new(&server.url()).await.take_ids(&queue).await;
    assert!(assert_complete(&found, 20) <= 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_connects_anew_and_gets_again_what_was_not_acknowledged() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = RabbitMq::private(folder.path()) else { return };
    let queue = unique("source");
    let declare = json!({ "queue": {} });
    let mut source = source(json!({ "url": server.url(), "queue": queue, "declare": declare })).await;
    assert!(source.next().await.unwrap().unwrap().is_empty());
    let aside = Aside::new(&server.url()).await;
    for n in 0..20 {
        let properties = BasicProperties::default().with_delivery_mode(2);
        // Every two messages say the same.
        aside.publish(&queue, properties, &format!("{{\"n\":{}}}", n / 2)).await;
    }
    let mut committer = source.committer().unwrap();
    let mut before = Vec::new();
    let mut cursor = None;
    while before.len() < 20 {
        let batch = page(&mut *source).await;
        before.extend(batch.events.iter().map(|event| event.meta().id.clone()));
        if cursor.is_none() {
            cursor = batch.cursor.map(|cursor| (cursor, before.len()));
        }
    }
    let unique_ids: HashSet<_> = before.iter().collect();
    assert_eq!(unique_ids.len(), 20);
    let (cursor, acknowledged) = cursor.unwrap();
    committer.commit(&cursor).await.unwrap();
    server.stop();
    assert!(source.next().await.is_err());
    server.start();
    let mut after = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while after.len() < 20 - acknowledged {
        assert!(Instant::now() < deadline, "{after:?}");
        match source.next().await {
            Ok(batch) => {
                after.extend(batch.unwrap().events.iter().map(|event| event.meta().id.clone()));
            }
            Err(error) => {
                assert!(error.class().is_retryable(), "{}", error.chain());
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    assert_eq!(after, before[acknowledged..]);
    // A cursor of the session that is gone acknowledges nothing of this one.
    committer.commit(&cursor).await.unwrap();
    drop((source, committer));
    let aside = Aside::new(&server.url()).await;
    let left = u32::try_from(20 - acknowledged).unwrap();
    support::wait_for("what is left is back in the queue", async || aside.ready(&queue).await == left).await;
}
