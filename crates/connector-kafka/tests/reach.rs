//! Reaching a broker: TLS, logging in, refusals, and what `check --connect` says.

mod support;

use serde_json::{Value, json};
use sluicebox_core::{Delivery, ErrorClass, Probe, SinkSpec, Standing};
use sluicebox_services::Kafka;
use support::{
    committed, context, create_topic, events, exact, numbers, options, plain, spec, topic, unique,
};

fn ca(kafka: &Kafka) -> Value {
    json!({ "ca_file": kafka.ca_file() })
}

fn login(kafka: &Kafka, mechanism: &str) -> Value {
    json!({
        "tls": ca(kafka),
        "sasl": { "mechanism": mechanism, "username": kafka.user(), "password": kafka.password() },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_and_every_mechanism_work() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = topic(&kafka, "secure", 1).await;
    let ways = [
        (kafka.tls_bootstrap(), json!({ "tls": ca(&kafka) })),
        (kafka.tls_bootstrap(), json!({ "tls": { "insecure_skip_verify": true } })),
        (kafka.sasl_bootstrap(), login(&kafka, "plain")),
        (kafka.sasl_bootstrap(), login(&kafka, "scram_sha_256")),
        (kafka.sasl_bootstrap(), login(&kafka, "scram_sha_512")),
    ];
    for (at, (bootstrap, extra)) in ways.iter().enumerate() {
        let mut sink = plain(options(bootstrap, &topic, extra.clone())).await;
        sink.write(&events(at..at + 1)).await.unwrap();
        sink.close().await.unwrap();
    }
    assert_eq!(numbers(&committed(&kafka.bootstrap(), &topic).await), [0, 1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_nobody_and_a_wrong_password_are_pauses() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = topic(&kafka, "refused", 1).await;
    let untrusted = options(&kafka.tls_bootstrap(), &topic, json!({ "tls": {} }));
    let mut wrong = login(&kafka, "scram_sha_256");
    wrong["sasl"]["password"] = "hunter2".into();
    let refused = options(&kafka.sasl_bootstrap(), &topic, wrong);
    for (options, class, subject) in
        [(untrusted, ErrorClass::Config, "tls"), (refused, ErrorClass::Auth, "sasl")]
    {
        let error = plain(options.clone()).await.write(&events(0..1)).await.unwrap_err();
        assert_eq!(error.class(), class, "{}", error.chain());
        assert!(error.help().unwrap().contains(subject), "{:?}", error.help());
        assert!(!error.chain().contains("hunter2"));

        let mut sink = exact(&unique("refused"), options.clone()).await;
        let shard = sluicebox_core::Shard { pipeline: "p".into(), sink: "s".into(), epoch: 0 };
        let error = sink.open(&shard).await.unwrap_err();
        assert_eq!(error.class(), class, "{}", error.chain());

        let probe = spec(options).probe(&context("orders", Delivery::AtLeastOnce)).await;
        let Standing::Wrong(error) = &probe.findings()[0].standing else { panic!("{probe:?}") };
        assert_eq!((probe.findings().len(), error.class()), (1, class), "{}", error.chain());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_user_may_not_do_is_a_pause() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = topic(&kafka, "forbidden", 1).await;
    // A rule for somebody else leaves our user out.
    kafka.acls(&["--add", "--allow-principal", "User:other", "--operation", "All", "--topic", &topic]);
    let options = options(&kafka.sasl_bootstrap(), &topic, login(&kafka, "scram_sha_512"));
    let error = plain(options.clone()).await.write(&events(0..3)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Auth, "{}", error.chain());
    assert!(error.help().unwrap().contains("Write"), "{:?}", error.help());
    let probe = spec(options).probe(&context("orders", Delivery::AtLeastOnce)).await;
    assert!(!probe.is_fine(), "{probe:?}");
}

/// Each finding as a line.
fn lines(probe: &Probe) -> Vec<String> {
    let line = |finding: &sluicebox_core::Finding| match &finding.standing {
        Standing::Fine(found) => format!("{}: {found}", finding.subject),
        Standing::Doubtful { message, .. } => format!("{}? {message}", finding.subject),
        Standing::Wrong(error) => format!("{}! {}", finding.subject, error.chain()),
    };
    probe.findings().iter().map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_says_what_is_there_and_what_is_missing() {
    let Some(kafka) = Kafka::shared() else { return };
    let (pipeline, positions, letters) =
        (unique("probe"), unique("probe-positions"), unique("probe-letters"));
    let name = unique("probe-topic");
    let own = json!({ "position_topic": positions, "dead_letter_topic": letters });
    let spec = || spec(options(&kafka.bootstrap(), &name, own.clone()));
    let cx = context(&pipeline, Delivery::ExactlyOnce);
    let before = lines(&spec().probe(&cx).await);
    assert_eq!(before[0], "brokers: 1 broker, no TLS");
    assert!(before[1].starts_with(&format!("topic! there is no topic `{name}`")), "{before:?}");
    assert_eq!(before[2], format!("position topic: `{positions}` is made at the first start"));
    assert_eq!(before[3], format!("dead letter topic: `{letters}` is made at the first start"));

    create_topic(&kafka.bootstrap(), &name, 2, &[("max.message.bytes", "50000")]).await;
    let mut sink = exact(&pipeline, options(&kafka.bootstrap(), &name, own.clone())).await;
    let shard = sluicebox_core::Shard { pipeline: pipeline.as_str().into(), sink: "broker".into(), epoch: 3 };
    sink.open(&shard).await.unwrap();
    let probe = spec().probe(&cx).await;
    assert!(probe.is_fine());
    assert_eq!(
        lines(&probe),
        [
            "brokers: 1 broker, no TLS".to_owned(),
            format!("topic: `{name}`, 2 partitions with 1 replica"),
            "topic? it takes requests of 50000 bytes, less than `max_message_bytes`".to_owned(),
            format!("position topic: `{positions}` knows 0 partitions of this sink, epoch 3"),
            format!("dead letter topic: `{letters}`, 1 partition with 1 replica"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_not_there_is_said_within_seconds() {
    let options = options("127.0.0.1:1", "orders", json!({}));
    let probe = spec(options).probe(&context("orders", Delivery::AtLeastOnce)).await;
    let Standing::Wrong(error) = &probe.findings()[0].standing else { panic!("{probe:?}") };
    assert!(error.class().is_retryable());
    assert!(error.to_string().contains("refused"), "{error}");
}
