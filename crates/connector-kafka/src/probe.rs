//! What `check --connect` asks a cluster before the sink runs. Reads, and writes nothing.

use std::time::Duration;

use rdkafka::metadata::Metadata;
use sluicebox_core::{Context, Delivery, Error, ErrorClass, Probe, Result, Shard};

use crate::admin::{Admin, TopicShape};
use crate::fault::refusal;
use crate::options::{SaslMechanism, Tls};
use crate::own_topics::{OwnTopics, Standing};
use crate::reader::Reader;
use crate::setup::Setup;
use crate::spec::KafkaSpec;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What to do where the brokers do not answer.
pub(crate) const WHERE_TO_LOOK: &str = "check `brokers`, `tls` and `sasl`, and the way to the brokers";

/// Asks everything that can be known without writing.
pub(crate) async fn of(spec: &KafkaSpec, cx: &Context) -> Probe {
    let setup = match spec.setup(cx) {
        Ok(setup) => setup,
        Err(error) => {
            let mut probe = Probe::new();
            probe.wrong("options", error);
            return probe;
        }
    };
    let own = (cx.delivery == Delivery::ExactlyOnce).then(|| spec.own_topics());
    let shard = Shard { pipeline: (&*cx.pipeline).into(), sink: (&*cx.component).into(), epoch: 0 };
    let way = way(spec);
    let asked = tokio::task::spawn_blocking(move || ask(&setup, own.as_ref(), &shard, &way)).await;
    asked.unwrap_or_else(|error| {
        let mut probe = Probe::new();
        probe.wrong(
            "brokers",
            Error::new(ErrorClass::State, "the question was interrupted").with_cause(error),
        );
        probe
    })
}

fn ask(setup: &Setup, own: Option<&OwnTopics>, shard: &Shard, way: &str) -> Probe {
    let mut probe = Probe::new();
    let reached = Admin::new(&setup.base, PATIENCE).and_then(|admin| {
        let metadata = admin.metadata(setup.recipe.topic.fixed())?;
        Ok((admin, metadata))
    });
    let (admin, metadata) = match reached {
        Ok(reached) => reached,
        Err(error) => {
            let error = if error.help().is_some() { error } else { error.with_help(WHERE_TO_LOOK) };
            probe.wrong("brokers", error);
            return probe;
        }
    };
    probe.fine("brokers", format!("{}, {way}", counted(metadata.brokers().len(), "broker")));
    if let Some(topic) = setup.recipe.topic.fixed() {
        ask_topic(&mut probe, &admin, &metadata, topic, setup.max_message_bytes);
    }
    if let Some(own) = own {
        ask_positions(&mut probe, &admin, own, setup, shard);
        ask_dead_letters(&mut probe, &admin, own);
    }
    probe
}

/// How the brokers were reached.
fn way(spec: &KafkaSpec) -> String {
    let tls = match &spec.tls {
        Some(Tls::On(options)) if options.insecure_skip_verify => "TLS without verification",
        Some(Tls::On(_)) => "TLS",
        _ => "no TLS",
    };
    let mechanism = spec.sasl.as_ref().map(|sasl| sasl.mechanism).map(SaslMechanism::wire_name);
    mechanism.map_or_else(|| tls.to_owned(), |mechanism| format!("{tls}, {mechanism}"))
}

fn ask_topic(probe: &mut Probe, admin: &Admin, metadata: &Metadata, topic: &str, max_message_bytes: usize) {
    match admin.topic(topic) {
        Err(error) => probe.wrong("topic", error),
        Ok(Some(shape)) => {
            probe.fine("topic", described(topic, shape));
            let limit =
                admin.setting(topic, "max.message.bytes").and_then(|limit| limit.parse::<usize>().ok());
            if let Some(limit) = limit.filter(|limit| *limit < max_message_bytes) {
                probe.doubtful(
                    "topic",
                    format!("it takes requests of {limit} bytes, less than `max_message_bytes`"),
                    "raise `max.message.bytes` of the topic, or lower `max_message_bytes`",
                );
            }
        }
        Ok(None) => {
            let broker = metadata.brokers().first().map(rdkafka::metadata::MetadataBroker::id);
            let makes = broker.and_then(|id| admin.broker_setting(id, "auto.create.topics.enable"));
            if makes.as_deref() == Some("true") {
                let message = format!("there is no topic `{topic}` yet");
                probe.doubtful(
                    "topic",
                    message,
                    "the brokers make it at the first record, as they are told to",
                );
            } else {
                let code = rdkafka::types::RDKafkaErrorCode::UnknownTopicOrPartition;
                probe.wrong("topic", refusal(code, Some(topic)));
            }
        }
    }
}

fn ask_positions(probe: &mut Probe, admin: &Admin, own: &OwnTopics, setup: &Setup, shard: &Shard) {
    match own.positions_standing(admin) {
        Err(error) => probe.wrong("position topic", error),
        Ok(Standing::Missing) => {
            missing(probe, "position topic", own.could_make(admin, &own.positions), &own.positions);
        }
        Ok(Standing::NotCompacted(policy)) => probe.doubtful(
            "position topic",
            format!("`{}` has cleanup.policy={policy}: positions would be lost after a while", own.positions),
            format!(
                "`kafka-configs.sh --alter --topic {} --add-config cleanup.policy=compact`",
                own.positions
            ),
        ),
        Ok(Standing::Fine) => match read_positions(own, setup, shard) {
            Ok(found) => probe.fine("position topic", found),
            Err(error) => probe.wrong("position topic", error),
        },
    }
}

fn read_positions(own: &OwnTopics, setup: &Setup, shard: &Shard) -> Result<String> {
    let mut reader = Reader::new(&setup.base, &own.positions, shard, PATIENCE)?;
    reader.look()?;
    let partitions = counted(reader.ledger.positions()?.len(), "partition");
    Ok(match reader.ledger.owner()? {
        Some(epoch) => format!("`{}` knows {partitions} of this sink, epoch {epoch}", own.positions),
        None => format!("`{}`, nothing of this sink yet", own.positions),
    })
}

fn ask_dead_letters(probe: &mut Probe, admin: &Admin, own: &OwnTopics) {
    let topic = &own.dead_letters;
    match admin.topic(topic) {
        Err(error) => probe.wrong("dead letter topic", error),
        Ok(Some(shape)) => probe.fine("dead letter topic", described(topic, shape)),
        Ok(None) => missing(probe, "dead letter topic", own.could_make(admin, topic), topic),
    }
}

fn missing(probe: &mut Probe, subject: &str, could_make: Result<()>, topic: &str) {
    match could_make {
        Ok(()) => probe.fine(subject, format!("`{topic}` is made at the first start")),
        Err(error) => probe.wrong(subject, error),
    }
}

fn described(topic: &str, shape: TopicShape) -> String {
    let TopicShape { partitions, replicas } = shape;
    format!("`{topic}`, {} with {}", counted(partitions, "partition"), counted(replicas, "replica"))
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
