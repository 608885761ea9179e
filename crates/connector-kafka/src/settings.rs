//! The escape hatch: librdkafka's own settings by name, except those that our options or our promise depend on.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use sluicebox_core::Problem;

use crate::options::Setting;

/// Settings that an option of the component stands for, with that option.
const OPTIONS: [(&str, &str); 23] = [
    ("bootstrap.servers", "brokers"),
    ("metadata.broker.list", "brokers"),
    ("security.protocol", "tls` and `sasl"),
    ("ssl.ca.location", "tls.ca_file"),
    ("ssl.certificate.location", "tls.certificate_file"),
    ("ssl.key.location", "tls.key_file"),
    ("enable.ssl.certificate.verification", "tls.insecure_skip_verify"),
    ("ssl.endpoint.identification.algorithm", "tls.insecure_skip_verify"),
    ("sasl.mechanism", "sasl.mechanism"),
    ("sasl.mechanisms", "sasl.mechanism"),
    ("sasl.username", "sasl.username"),
    ("sasl.password", "sasl.password"),
    ("compression.codec", "compression"),
    ("compression.type", "compression"),
    ("partitioner", "partitioner"),
    ("message.max.bytes", "max_message_bytes"),
    ("batch.size", "batch.max_bytes"),
    ("batch.num.messages", "batch.max_events"),
    ("socket.timeout.ms", "timeout"),
    ("request.timeout.ms", "timeout"),
    ("transactional.id", "transactional_id"),
    ("group.id", "group"),
    ("auto.offset.reset", "start"),
];

/// Settings that the promise depends on, or that lead out of it: a different value could lose, repeat or reorder events.
const PROMISE: [&str; 31] = [
    "enable.idempotence",
    "acks",
    "request.required.acks",
    "retries",
    "message.send.max.retries",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "queuing.strategy",
    "enable.gapless.guarantee",
    "transaction.timeout.ms",
    "queue.buffering.max.messages",
    "topic.metadata.propagation.max.ms",
    "isolation.level",
    "enable.auto.commit",
    "auto.commit.enable",
    "auto.commit.interval.ms",
    "enable.auto.offset.store",
    "offset.store.method",
    "enable.partition.eof",
    "partition.assignment.strategy",
    "group.protocol",
    "allow.auto.create.topics",
    "delivery.report.only.error",
    "produce.offset.report",
    "client.id",
    "log.queue",
    "plugin.library.paths",
    "test.mock.num.brokers",
    "sasl.kerberos.kinit.cmd",
];

/// Everything wrong with the settings under `librdkafka:`. Their values are not repeated: they may be secrets.
pub(crate) fn check(settings: &BTreeMap<String, Setting>) -> Vec<Problem> {
    let problem = |(name, setting): (&String, &Setting)| {
        let path = format!("librdkafka.{name}");
        if let Some((_, option)) = OPTIONS.iter().find(|(known, _)| known == name) {
            let message = format!("`{name}` is what the option `{option}` is for");
            return Some(Problem::new(path, message));
        }
        if PROMISE.contains(&name.as_str()) {
            let message = format!("`{name}` is not for changing: what this component promises depends on it");
            return Some(Problem::new(path, message));
        }
        let mut alone = ClientConfig::new();
        alone.set(name, setting.as_str());
        match alone.create_native_config() {
            Ok(_) => None,
            Err(KafkaError::ClientConfig(_, description, ..)) if description.contains("No such") => {
                let message = format!("librdkafka has no setting `{name}`");
                Some(Problem::new(path, message).with_help("its CONFIGURATION.md lists them all"))
            }
            Err(_) => Some(Problem::new(path, format!("librdkafka does not take this value for `{name}`"))),
        }
    };
    settings.iter().filter_map(problem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn messages(settings: serde_json::Value) -> Vec<String> {
        let settings = serde_json::from_value(settings).unwrap();
        check(&settings).into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
    }

    #[test]
    fn what_the_promise_depends_on_is_refused() {
        for name in PROMISE.iter().chain(OPTIONS.iter().map(|(name, _)| name)) {
            assert_eq!(messages(json!({ *name: "1" })).len(), 1, "{name}");
        }
        assert_eq!(
            messages(json!({ "acks": 0 })),
            ["librdkafka.acks: `acks` is not for changing: what this component promises depends on it"]
        );
    }

    #[test]
    fn names_and_values_are_asked_of_librdkafka() {
        assert!(messages(json!({ "linger.ms": 20, "socket.keepalive.enable": true })).is_empty());
        assert_eq!(
            messages(json!({ "linger.msec": 20 })),
            ["librdkafka.linger.msec: librdkafka has no setting `linger.msec`"]
        );
        let said = messages(json!({ "broker.address.family": "hunter2" }));
        assert_eq!(said.len(), 1);
        assert!(!said[0].contains("hunter2"), "{}", said[0]);
    }
}
