//! Kafka's error codes as what to do: which record is guilty, what passes by itself, what needs a person.

use std::fmt;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use sluicebox_core::{Error, ErrorClass};

/// What an error code asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A record, or the batch that it shared, is larger than the topic takes.
    TooLarge,
    /// There is no such topic.
    UnknownTopic,
    /// This record can never be written.
    Record,
    /// The credentials or the permissions do not suffice.
    Auth,
    /// The brokers will never take it like this.
    Config,
    /// Another producer with our transactional id has begun after us.
    Fenced,
    /// Passes by itself.
    Transient,
}

impl Fault {
    /// What a code asks for.
    pub(crate) fn of(code: RDKafkaErrorCode) -> Self {
        use RDKafkaErrorCode as C;
        match code {
            C::MessageSizeTooLarge | C::MessageBatchTooLarge | C::InvalidMessageSize => Self::TooLarge,
            C::UnknownTopic | C::UnknownTopicOrPartition | C::UnknownPartition | C::InvalidTopic => {
                Self::UnknownTopic
            }
            C::InvalidRecord | C::InvalidTimestamp | C::PolicyViolation => Self::Record,
            C::TopicAuthorizationFailed
            | C::ClusterAuthorizationFailed
            | C::GroupAuthorizationFailed
            | C::TransactionalIdAuthorizationFailed
            | C::SaslAuthenticationFailed
            | C::Authentication => Self::Auth,
            C::UnsupportedVersion
            | C::UnsupportedFeature
            | C::UnsupportedForMessageFormat
            | C::UnsupportedCompressionType
            | C::UnsupportedSASLMechanism
            | C::InvalidRequiredAcks
            | C::InvalidTransactionTimeout
            | C::InvalidReplicationFactor => Self::Config,
            C::Fenced | C::ProducerFenced | C::InvalidProducerEpoch => Self::Fenced,
            _ => Self::Transient,
        }
    }
}

/// The reason of a record that is too large, as dead letters name it.
const TOO_LARGE: &str = "too_large";

/// Why one record was not written, or why nothing can be; `topic` is named if it is the same for every event.
pub(crate) fn refusal(code: RDKafkaErrorCode, topic: Option<&str>) -> Error {
    let cause = Code(code);
    match (Fault::of(code), topic) {
        (Fault::TooLarge, _) => Error::permanent("the record is larger than the topic takes")
            .with_reason(TOO_LARGE)
            .with_help("raise `max.message.bytes` of the topic and `max_message_bytes` here, or compress")
            .with_cause(cause),
        (Fault::UnknownTopic, Some(topic)) => Error::config(format!("there is no topic `{topic}`"))
            .with_help(format!("make it: `kafka-topics.sh --create --topic {topic} …`"))
            .with_cause(cause),
        (Fault::UnknownTopic, None) => {
            Error::permanent("there is no topic of the name that the event asks for").with_cause(cause)
        }
        (Fault::Record, _) => Error::permanent("the brokers refuse the record").with_cause(cause),
        (_, Some(topic)) => general(cause, &format!("write to the topic `{topic}`")),
        (_, None) => general(cause, "write to the topics"),
    }
}

/// A record that is larger than `max_message_bytes`: it is not even tried.
pub(crate) fn too_large_for_us(bytes: usize) -> Error {
    Error::permanent(format!("the record has {bytes} bytes, more than `max_message_bytes`"))
        .with_reason(TOO_LARGE)
}

/// Whether an error speaks of one record rather than of the cluster.
pub(crate) fn is_about_a_record(error: &Error) -> bool {
    matches!(error.class(), ErrorClass::Permanent | ErrorClass::Script)
}

/// The error of a call that speaks of no record.
pub(crate) fn call_error(error: &KafkaError, attempt: &str) -> Error {
    let text = match error {
        KafkaError::Transaction(error) => error.string(),
        other => other.to_string(),
    };
    let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
    general(Said { code, text }, attempt)
}

fn general<E: std::error::Error + Send + Sync + AsCode + 'static>(cause: E, attempt: &str) -> Error {
    let message = format!("cannot {attempt}");
    match Fault::of(cause.code()) {
        Fault::Auth => Error::auth(message).with_help(AUTH_HELP),
        Fault::Config | Fault::Record | Fault::TooLarge | Fault::UnknownTopic => Error::config(message),
        Fault::Fenced => Error::new(ErrorClass::Fenced, message),
        Fault::Transient => Error::transient(message),
    }
    .with_cause(cause)
}

const AUTH_HELP: &str = "check the credentials, and the permissions of the user (Write and Describe on the topics; for exactly_once also \
     Write and Describe on the transactional id, Read on the position topic)";

trait AsCode {
    fn code(&self) -> RDKafkaErrorCode;
}

/// A code as the cause of an error.
#[derive(Debug)]
struct Code(RDKafkaErrorCode);

impl AsCode for Code {
    fn code(&self) -> RDKafkaErrorCode {
        self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::error::Error for Code {}

/// A code with what librdkafka said beside it.
#[derive(Debug)]
struct Said {
    code: RDKafkaErrorCode,
    text: String,
}

impl AsCode for Said {
    fn code(&self) -> RDKafkaErrorCode {
        self.code
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Said {}

#[cfg(test)]
mod tests {
    use super::*;
    use RDKafkaErrorCode as C;

    #[test]
    fn a_record_is_a_dead_letter_and_a_topic_a_pause() {
        let too_large = refusal(C::MessageSizeTooLarge, Some("orders"));
        assert_eq!((too_large.class(), too_large.reason()), (ErrorClass::Permanent, "too_large"));
        assert_eq!(refusal(C::UnknownTopicOrPartition, Some("orders")).class(), ErrorClass::Config);
        assert_eq!(refusal(C::UnknownTopicOrPartition, None).class(), ErrorClass::Permanent);
        assert_eq!(refusal(C::TopicAuthorizationFailed, Some("orders")).class(), ErrorClass::Auth);
        assert_eq!(refusal(C::InvalidRecord, None).class(), ErrorClass::Permanent);
    }

    #[test]
    fn whatever_is_not_known_to_last_is_tried_again() {
        for code in [
            C::InvalidDifferentRecord,
            C::Fatal,
            C::PurgeQueue,
            C::NotEnoughReplicas,
            C::OutOfOrderSequenceNumber,
        ] {
            assert!(refusal(code, Some("orders")).class().is_retryable(), "{code}");
        }
        let error = call_error(&KafkaError::Flush(C::OperationTimedOut), "commit");
        assert!(error.class().is_retryable());
        assert_eq!(error.to_string(), "cannot commit");
    }
}
