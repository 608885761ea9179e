//! The `kafka` sink at least once, against a real broker.

mod support;

use serde_json::json;
use sluicebox_core::ErrorClass;
use sluicebox_services::Kafka;
use support::{committed, create_topic, event, events, numbers, options, plain, topic, unique};

#[tokio::test(flavor = "multi_thread")]
async fn records_keep_every_byte_and_their_order() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = topic(&kafka, "plain", 3).await;
    let headers = json!({ "headers": { "id": "{{ meta.id }}", "kind": "order" }, "timestamp": "event_time" });
    let mut sink = plain(options(&kafka.bootstrap(), &topic, headers)).await;
    for batch in 0..5 {
        let written = sink.write(&events(batch * 100..batch * 100 + 100)).await.unwrap();
        assert!(written.rejected.is_empty(), "{:?}", written.rejected);
    }
    let odd = r#"{ "n": 500, "price": 1.10, "price":18446744073709551616 }"#;
    let event = event(500, "key-x", odd);
    sink.write(std::slice::from_ref(&event)).await.unwrap();
    sink.close().await.unwrap();

    let seen = committed(&kafka.bootstrap(), &topic).await;
    assert_eq!(numbers(&seen), (0..=500).collect::<Vec<_>>());
    for key in ["key-0", "key-1", "key-2"] {
        let of_key: Vec<_> = seen.iter().filter(|it| it.key.as_deref() == Some(key)).collect();
        assert!(of_key.is_sorted_by_key(|it| it.number()), "{key}");
        assert!(of_key.iter().all(|it| it.partition == of_key[0].partition), "{key}");
    }
    let last = seen.iter().find(|it| it.number() == 500).unwrap();
    assert_eq!((last.value.as_str(), last.key.as_deref()), (odd, Some("key-x")));
    assert_eq!(last.time, Some(event.meta().time.as_millis()));
    let headers: Vec<_> = last.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(headers, [("id", "feed:a:500"), ("kind", "order")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_picks_the_partition_that_the_java_client_would_pick() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = topic(&kafka, "murmur", 7).await;
    let mut sink = plain(options(&kafka.bootstrap(), &topic, json!({}))).await;
    // Keys with their hashes as Apache Kafka's own test of `Utils.murmur2` has them.
    let known: [(&str, i32); 5] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("abc", 479_470_107),
    ];
    let batch: Vec<_> = known.iter().enumerate().map(|(at, (key, _))| event(at, key, r#"{"n":1}"#)).collect();
    sink.write(&batch).await.unwrap();
    for seen in committed(&kafka.bootstrap(), &topic).await {
        let (_, hash) = known.iter().find(|(key, _)| Some(*key) == seen.key.as_deref()).unwrap();
        assert_eq!(seen.partition, (hash & i32::MAX) % 7, "{:?}", seen.key);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_without_a_key_are_spread() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = topic(&kafka, "keyless", 2).await;
    let mut sink = plain(options(&kafka.bootstrap(), &topic, json!({ "key": "" }))).await;
    let batch = events(0..50);
    sink.write(&batch).await.unwrap();
    let seen = committed(&kafka.bootstrap(), &topic).await;
    assert_eq!(seen.len(), 50);
    let of_event = batch[0].meta().time.as_millis();
    assert!(seen.iter().all(|it| it.key.is_none() && it.time.unwrap() > of_event));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_too_large_record_takes_no_other_with_it() {
    let Some(kafka) = Kafka::shared() else { return };
    let bootstrap = kafka.bootstrap();
    let name = unique("small");
    create_topic(&bootstrap, &name, 1, &[("max.message.bytes", "20000")]).await;
    let uncompressed = json!({ "compression": "none", "max_message_bytes": "100KB" });
    let mut sink = plain(options(&bootstrap, &name, uncompressed)).await;
    let large = |number: usize, bytes: usize| {
        event(number, "big", &format!(r#"{{"n":{number},"text":"{}"}}"#, "x".repeat(bytes)))
    };
    // Together they are larger than the topic takes, alone only the second and the third are not.
    let mut batch = vec![large(0, 8000), large(1, 200_000), large(2, 50_000), large(3, 8000), large(4, 8000)];
    let mut given_up = Vec::new();
    for _ in 0..10 {
        let rejected = match sink.write(&batch).await {
            Ok(written) => written.rejected,
            Err(error) => {
                assert!(error.class().is_retryable(), "{error}");
                continue;
            }
        };
        let mut again = Vec::new();
        for refusal in rejected {
            let event = batch[refusal.index].clone();
            if refusal.error.class().is_retryable() {
                again.push((refusal.index, event));
            } else {
                assert_eq!(
                    (refusal.error.class(), refusal.error.reason()),
                    (ErrorClass::Permanent, "too_large")
                );
                given_up.push(event.meta().id.to_string());
            }
        }
        again.sort_by_key(|(index, _)| *index);
        batch = again.into_iter().map(|(_, event)| event).collect();
        if batch.is_empty() {
            break;
        }
    }
    given_up.sort();
    assert_eq!(given_up, ["feed:a:1", "feed:a:2"]);
    let mut seen = numbers(&committed(&bootstrap, &name).await);
    seen.dedup();
    assert_eq!(seen, [0, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_topic_is_a_pause_or_a_dead_letter() {
    let Some(kafka) = Kafka::shared() else { return };
    let mut fixed = plain(options(&kafka.bootstrap(), &unique("nowhere"), json!({}))).await;
    let error = fixed.write(&events(0..3)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Config, "{}", error.chain());
    assert!(error.help().unwrap().contains("kafka-topics.sh"), "{:?}", error.help());

    let prefix = unique("where");
    create_topic(&kafka.bootstrap(), &format!("{prefix}.even"), 1, &[]).await;
    let template = format!("{prefix}.{{{{ event.kind }}}}");
    let mut templated = plain(options(&kafka.bootstrap(), &template, json!({}))).await;
    let batch = [
        event(0, "a", r#"{"n":0,"kind":"even"}"#),
        event(1, "a", r#"{"n":1,"kind":"odd"}"#),
        event(2, "a", r#"{"n":2,"kind":"even"}"#),
        event(3, "a", r#"{"n":3,"kind":"no/topic"}"#),
        event(4, "a", r#"{"n":4}"#),
    ];
    let written = templated.write(&batch).await.unwrap();
    let mut rejected: Vec<_> = written.rejected.iter().map(|it| (it.index, it.error.class())).collect();
    rejected.sort_by_key(|(index, _)| *index);
    let permanent = ErrorClass::Permanent;
    assert_eq!(rejected, [(1, permanent), (3, permanent), (4, permanent)]);
    assert_eq!(numbers(&committed(&kafka.bootstrap(), &format!("{prefix}.even")).await), [0, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_is_waited_for_and_nothing_is_written_twice() {
    let folder = tempfile::tempdir().unwrap();
    let Some(kafka) = Kafka::private(folder.path(), 1) else { return };
    let bootstrap = kafka.bootstrap();
    let topic = topic(&kafka, "restart", 2).await;
    let mut sink = plain(options(&bootstrap, &topic, json!({ "timeout": "2s" }))).await;
    sink.write(&events(0..100)).await.unwrap();
    kafka.kill(0);
    for _ in 0..2 {
        let error = sink.write(&events(100..200)).await.unwrap_err();
        assert!(error.class().is_retryable(), "{}", error.chain());
        assert!(error.to_string().contains("have not acknowledged 100 records"), "{error}");
    }
    kafka.start(0);
    let mut attempts = 0;
    while let Err(error) = sink.write(&events(100..200)).await {
        attempts += 1;
        assert!(error.class().is_retryable() && attempts < 30, "{}", error.chain());
    }
    sink.write(&events(200..300)).await.unwrap();
    assert_eq!(numbers(&committed(&bootstrap, &topic).await), (0..300).collect::<Vec<_>>());
}
