//! The `kafka` source against a real broker: order, ends, resuming, what is no event.
#![allow(clippy::unwrap_used, clippy::panic, reason = "whatever goes wrong here fails the test that asked")]

mod reading;
mod support;

use std::time::Duration;

use reading::{
    End, group_source, number, numbers_from, page, partitions, source_context, source_spec, to_the_end,
    write, write_tombstone, write_transaction, write_values,
};
use serde_json::{Value, json};
use sluicebox_core::{Cursor, ErrorClass, Reason, SourceSpec};
use sluicebox_services::Kafka;
use support::{create_topic, topic, unique};

#[tokio::test(flavor = "multi_thread")]
async fn each_partition_is_read_in_its_order_with_its_own_cursor() {
    let Some(kafka) = Kafka::shared() else { return };
    let (bootstrap, topic) = (kafka.bootstrap(), topic(&kafka, "two", 2).await);
    write(&bootstrap, &topic, 0, 0..3000);
    write(&bootstrap, &topic, 1, 10_000..10_500);
    let spec = source_spec(&bootstrap, &[&topic], json!({ "limit": 400 }));
    let mut source = group_source(&unique("two"), spec).await;
    let mut found = partitions(source.as_mut()).await;
    assert_eq!(found.keys().cloned().collect::<Vec<_>>(), [format!("{topic}/0"), format!("{topic}/1")]);

    let first = found.get_mut(&format!("{topic}/0")).unwrap();
    first.open(None).await.unwrap();
    let begin = page(first.as_mut()).await;
    assert_eq!((begin.len(), begin.cursor), (0, Some(Cursor::from("0"))), "where it begins is said first");
    let (mut numbers, mut cursor) = (Vec::new(), None);
    while numbers.len() < 3000 {
        let page = page(first.as_mut()).await;
        assert!(page.events.len() <= 400);
        numbers.extend(page.events.iter().map(number));
        cursor = page.cursor;
    }
    assert_eq!(numbers, (0..3000).collect::<Vec<_>>());
    assert_eq!(cursor, Some(Cursor::from("3000")));
    assert_eq!(numbers_from(first.as_mut(), Some("2990")).await.0, (2990..3000).collect::<Vec<_>>());
    let second = found.get_mut(&format!("{topic}/1")).unwrap();
    assert_eq!(numbers_from(second.as_mut(), None).await, ((10_000..10_500).collect(), "500".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_comes_behind_aborted_and_before_open_transactions() {
    let Some(kafka) = Kafka::shared() else { return };
    let bootstrap = kafka.bootstrap();
    let name = topic(&kafka, "aborted", 1).await;
    write_transaction(&bootstrap, &name, 0..5, End::Commit);
    write_transaction(&bootstrap, &name, 5..9, End::Abort);
    let mut source = group_source(&unique("aborted"), source_spec(&bootstrap, &[&name], json!({}))).await;
    let mut found = partitions(source.as_mut()).await;
    let only = found.get_mut(&format!("{name}/0")).unwrap();
    assert_eq!(numbers_from(only.as_mut(), None).await.0, [0, 1, 2, 3, 4]);
    // Nothing but an aborted transaction is left: the end comes all the same.
    assert!(numbers_from(only.as_mut(), Some("6")).await.0.is_empty());
    drop((found, source));

    let open = write_transaction(&bootstrap, &name, 20..25, End::Leave);
    write(&bootstrap, &name, 0, 30..33);
    let mut source = group_source(&unique("open"), source_spec(&bootstrap, &[&name], json!({}))).await;
    let mut found = partitions(source.as_mut()).await;
    let only = found.get_mut(&format!("{name}/0")).unwrap();
    assert_eq!(
        numbers_from(only.as_mut(), None).await.0,
        [0, 1, 2, 3, 4],
        "what is open holds up what follows"
    );
    rdkafka::producer::Producer::commit_transaction(&open, support::PATIENCE).unwrap();
    let (events, ..) = to_the_end(only.as_mut()).await;
    assert_eq!(events.iter().map(number).collect::<Vec<_>>(), [20, 21, 22, 23, 24, 30, 31, 32]);

    let all = source_spec(&bootstrap, &[&name], json!({ "isolation": "read_uncommitted" }));
    let mut source = group_source(&unique("all"), all).await;
    let mut found = partitions(source.as_mut()).await;
    let only = found.get_mut(&format!("{name}/0")).unwrap();
    assert_eq!(numbers_from(only.as_mut(), None).await.0.len(), 5 + 4 + 5 + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_goes_on_from_the_checkpoint_or_the_group_whichever_is_further() {
    let Some(kafka) = Kafka::shared() else { return };
    let (bootstrap, name) = (kafka.bootstrap(), topic(&kafka, "resume", 1).await);
    write(&bootstrap, &name, 0, 0..100);
    let pipeline = unique("resume");
    let partition = format!("{name}/0");
    let spec = || source_spec(&bootstrap, &[&name], json!({}));

    let mut source = group_source(&pipeline, spec()).await;
    let mut found = partitions(source.as_mut()).await;
    let only = found.get_mut(&partition).unwrap();
    assert_eq!(numbers_from(only.as_mut(), Some("90")).await, ((90..100).collect(), "100".to_owned()));
    let mut committer = only.committer().unwrap();
    committer.commit(&Cursor::from("40")).await.unwrap();
    drop((found, committer, source));

    // The group alone, then a checkpoint behind it, then one before it.
    for (saved, expected) in [(None, 40..100), (Some("30"), 40..100), (Some("70"), 70..100)] {
        let mut source = group_source(&pipeline, spec()).await;
        let mut found = partitions(source.as_mut()).await;
        let only = found.get_mut(&partition).unwrap();
        assert_eq!(numbers_from(only.as_mut(), saved).await.0, expected.collect::<Vec<_>>(), "{saved:?}");
    }

    let mut source = group_source(&pipeline, spec()).await;
    let mut found = partitions(source.as_mut()).await;
    let only = found.get_mut(&partition).unwrap();
    let error = only.open(Some(&Cursor::from("first"))).await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Config, "cursor_rejected"));
}

#[tokio::test(flavor = "multi_thread")]
async fn now_and_a_time_pass_over_what_was_before_and_nothing_that_comes_later() {
    let Some(kafka) = Kafka::shared() else { return };
    let (bootstrap, name) = (kafka.bootstrap(), topic(&kafka, "now", 1).await);
    write(&bootstrap, &name, 0, 0..10);
    let pipeline = unique("now");
    let partition = format!("{name}/0");
    let spec = || source_spec(&bootstrap, &[&name], json!({ "start": "now" }));
    let mut source = group_source(&pipeline, spec()).await;
    let mut found = partitions(source.as_mut()).await;
    let only = found.get_mut(&partition).unwrap();
    assert_eq!(numbers_from(only.as_mut(), None).await, (vec![], "10".to_owned()));
    only.committer().unwrap().commit(&Cursor::from("10")).await.unwrap();
    write(&bootstrap, &name, 0, 10..13);
    let (events, ..) = to_the_end(only.as_mut()).await;
    assert_eq!(events.iter().map(number).collect::<Vec<_>>(), [10, 11, 12]);
    // Nothing of it became durable: it starts over where it began, not at the present end.
    assert_eq!(numbers_from(only.as_mut(), None).await.0, [10, 11, 12]);
    drop((found, source));

    // A partition that joins a topic which the group reads already is read whole.
    kafka.topics(&["--alter", "--topic", &name, "--partitions", "2"]);
    write(&bootstrap, &name, 1, 100..105);
    let mut source = group_source(&pipeline, spec()).await;
    let mut found = partitions(source.as_mut()).await;
    let added = found.get_mut(&format!("{name}/1")).unwrap();
    assert_eq!(numbers_from(added.as_mut(), None).await.0, (100..105).collect::<Vec<_>>());

    let past = source_spec(&bootstrap, &[&name], json!({ "start": { "time": "2020-01-01T00:00:00Z" } }));
    let mut source = group_source(&unique("past"), past).await;
    let mut found = partitions(source.as_mut()).await;
    assert_eq!(numbers_from(found.get_mut(&partition).unwrap().as_mut(), None).await.0.len(), 13);
    let future = source_spec(&bootstrap, &[&name], json!({ "start": { "time": "2999-01-01T00:00:00Z" } }));
    let mut source = group_source(&unique("future"), future).await;
    let mut found = partitions(source.as_mut()).await;
    assert!(numbers_from(found.get_mut(&partition).unwrap().as_mut(), None).await.0.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_event_is_rejected_and_the_page_goes_on() {
    let Some(kafka) = Kafka::shared() else { return };
    let (bootstrap, name) = (kafka.bootstrap(), topic(&kafka, "bad", 1).await);
    write_values(&bootstrap, &name, 0, ["{\"n\":1}", "[2]", "{\"n\":", "\u{0}\u{0}\u{0}\u{1}avro"]);
    write_tombstone(&bootstrap, &name, 0);
    write(&bootstrap, &name, 0, [6]);
    let spec = source_spec(&bootstrap, &[&name], json!({ "include": ["offset", "key"] }));
    let mut source = group_source(&unique("bad"), spec).await;
    let mut found = partitions(source.as_mut()).await;
    let only = found.get_mut(&format!("{name}/0")).unwrap();
    only.open(None).await.unwrap();
    let (events, rejects, cursor) = to_the_end(only.as_mut()).await;
    let texts: Vec<_> =
        events.iter().map(|event| String::from_utf8(event.json().to_vec()).unwrap()).collect();
    assert_eq!(
        texts,
        [r#"{"n":1,"_kafka":{"key":"key-0","offset":0}}"#, r#"{"n":6,"_kafka":{"key":"key-0","offset":5}}"#]
    );
    assert_eq!(cursor, Some(Cursor::from("6")));
    assert_eq!(rejects.len(), 4);
    assert!(rejects.iter().all(|reject| reject.reason == Reason::Parse));
    assert_eq!(rejects[3].event.meta().id, format!("kafka:feed:{name}/0/4").as_str());
    assert!(rejects[3].error.message.contains("tombstone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_offset_pauses_or_is_a_gap() {
    let Some(kafka) = Kafka::shared() else { return };
    let (bootstrap, name) = (kafka.bootstrap(), topic(&kafka, "expired", 1).await);
    write(&bootstrap, &name, 0, 0..50);
    delete_before(&bootstrap, &name, 20).await;
    let partition = format!("{name}/0");
    let mut source = group_source(&unique("stop"), source_spec(&bootstrap, &[&name], json!({}))).await;
    let mut found = partitions(source.as_mut()).await;
    let only = found.get_mut(&partition).unwrap();
    only.open(Some(&Cursor::from("10"))).await.unwrap();
    let error = only.next().await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Permanent, "offset_expired"), "{error}");
    assert!(error.to_string().contains("offset 10 of"), "{error}");

    let pipeline = unique("reset");
    let reset = source_spec(&bootstrap, &[&name], json!({ "on_offset_expired": "reset" }));
    let mut source = group_source(&pipeline, reset).await;
    let mut found = partitions(source.as_mut()).await;
    let only = found.get_mut(&partition).unwrap();
    // Behind the end too: the topic was made anew.
    for (saved, low) in [("10", 20), ("5000", 20)] {
        only.open(Some(&Cursor::from(saved))).await.unwrap();
        let mut first = page(only.as_mut()).await;
        while first.gap.is_none() {
            assert!(first.is_empty());
            first = page(only.as_mut()).await;
        }
        let gap = first.gap.unwrap();
        assert_eq!((gap.lost_cursor, first.cursor), (Some(Cursor::from(saved)), Some(Cursor::from("20"))));
        let (events, ..) = to_the_end(only.as_mut()).await;
        assert_eq!(events.iter().map(number).collect::<Vec<_>>(), (low..50).collect::<Vec<_>>());
    }
}

/// Deletes the records before an offset, as retention does.
async fn delete_before(bootstrap: &str, topic: &str, offset: i64) {
    use rdkafka::admin::{AdminClient, AdminOptions};
    let admin: AdminClient<rdkafka::client::DefaultClientContext> =
        rdkafka::ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    list.add_partition_offset(topic, 0, rdkafka::Offset::Offset(offset)).unwrap();
    let deleted = admin.delete_records(&list, &AdminOptions::new()).await.unwrap();
    assert!(deleted.elements().iter().all(|element| element.error().is_ok()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_not_there_is_told_and_a_pattern_finds_it_later() {
    let Some(kafka) = Kafka::shared() else { return };
    let bootstrap = kafka.bootstrap();
    let name = unique("later");
    let mut source = group_source(&unique("missing"), source_spec(&bootstrap, &[&name], json!({}))).await;
    let Err(error) = source.discover().await else { panic!("there is no topic") };
    assert_eq!(error.class(), ErrorClass::Config, "{error}");
    assert!(error.help().unwrap().contains("kafka-topics.sh"), "{error}");

    let soon =
        json!({ "librdkafka": { "topic.metadata.refresh.interval.ms": 500, "session.timeout.ms": 6000 } });
    let pattern = source_spec(&bootstrap, &[&format!("^{name}.*")], soon);
    let mut source = group_source(&unique("pattern"), pattern).await;
    create_topic(&bootstrap, &name, 1, &[]).await;
    write(&bootstrap, &name, 0, 0..5);
    let found = tokio::time::timeout(support::PATIENCE, async {
        loop {
            if let sluicebox_core::Discovered::Partition(name, source) = source.discover().await.unwrap() {
                return (name, source);
            }
        }
    });
    let (partition, mut only) = found.await.unwrap();
    assert_eq!(partition, format!("{name}/0").as_str());
    assert_eq!(numbers_from(only.as_mut(), None).await.0, [0, 1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_says_what_is_missing_and_joins_nothing() {
    let Some(kafka) = Kafka::shared() else { return };
    let (bootstrap, name) = (kafka.bootstrap(), topic(&kafka, "probe", 3).await);
    let cx = source_context(&unique("probe"));
    let probe = source_spec(&bootstrap, &[&name, "^x"], json!({})).probe(&cx).await;
    let shown = format!("{:?}", probe.findings());
    assert!(probe.is_fine(), "{shown}");
    assert!(
        shown.contains("has 3 partitions") && shown.contains(&format!("sluicebox-{}-feed", cx.pipeline)),
        "{shown}"
    );

    let probe = source_spec(&bootstrap, &[&unique("none")], json!({})).probe(&cx).await;
    assert!(!probe.is_fine() && format!("{probe:?}").contains("there is no topic"), "{probe:?}");

    let secure = |password: &str| {
        let options = json!({
            "tls": { "ca_file": kafka.ca_file() },
            "sasl": { "mechanism": "scram_sha_256", "username": kafka.user(), "password": password },
        });
        source_spec(&kafka.sasl_bootstrap(), &[&name], options)
    };
    let probe = secure(kafka.password()).probe(&cx).await;
    assert!(probe.is_fine(), "{probe:?}");
    let probe = secure("wrong").probe(&cx).await;
    let shown = format!("{probe:?}");
    assert!(!probe.is_fine() && shown.contains("Auth") && !shown.contains("wrong\""), "{shown}");
}

#[test]
fn options_are_checked_before_anything_is_asked() {
    let files = NoFiles;
    let cx = sluicebox_core::CheckContext { files: &files, sources: &[] };
    let problems = |extra: Value| {
        let spec = source_spec("localhost:9092", &["orders"], extra);
        spec.check(&cx).into_iter().map(|problem| problem.path).collect::<Vec<_>>()
    };
    assert!(problems(json!({ "start": { "time": "2026-06-12T10:00:00Z" } })).is_empty());
    assert_eq!(problems(json!({ "topics": [] })), ["topics"]);
    assert_eq!(problems(json!({ "topics": ["a b", "^a b", "ok", "ok"] })), ["topics[0]", "topics[3]"]);
    assert_eq!(problems(json!({ "start": { "time": "yesterday" } })), ["start.time"]);
    assert_eq!(
        problems(json!({ "group": "", "limit": 0, "page_bytes": "1B" })),
        ["group", "limit", "page_bytes"]
    );
    assert_eq!(
        problems(json!({ "librdkafka": { "auto.offset.reset": "latest" } })),
        ["librdkafka.auto.offset.reset"]
    );
}

struct NoFiles;

impl sluicebox_core::ScriptFiles for NoFiles {
    fn read(&self, path: &str) -> Result<String, String> {
        Err(format!("{path} is not there"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_is_given_up_loses_nothing() {
    let Some(kafka) = Kafka::shared() else { return };
    let (bootstrap, name) = (kafka.bootstrap(), topic(&kafka, "cancel", 1).await);
    let mut source = group_source(&unique("cancel"), source_spec(&bootstrap, &[&name], json!({}))).await;
    let mut found = partitions(source.as_mut()).await;
    let only = found.get_mut(&format!("{name}/0")).unwrap();
    numbers_from(only.as_mut(), None).await;
    let writing = tokio::task::spawn_blocking({
        let (bootstrap, name) = (bootstrap.clone(), name.clone());
        move || (0..20).for_each(|round| write(&bootstrap, &name, 0, round * 50..(round + 1) * 50))
    });
    let mut numbers = Vec::new();
    while numbers.len() < 1000 {
        // Given up at once, again and again: whatever it had taken by then it must have given.
        if let Ok(page) = tokio::time::timeout(Duration::from_micros(200), only.next()).await {
            numbers.extend(page.unwrap().unwrap().read().events.iter().map(number));
        }
    }
    writing.await.unwrap();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
}
