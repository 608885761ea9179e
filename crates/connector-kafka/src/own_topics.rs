//! The topics that hold what is ours beside the records: positions and dead letters. Blocks.

use std::thread::sleep;
use std::time::{Duration, Instant};

use sluicebox_core::{Error, Result};

use crate::admin::Admin;
use crate::setup::Setup;

/// Settings of a position topic. Compaction starts with the second segment, so small ones keep the topic short, which is
/// read whole at every start; the ends of old transactions go after an hour.
const POSITIONS: [(&str, &str); 4] = [
    ("cleanup.policy", "compact"),
    ("segment.bytes", "16777216"),
    ("min.cleanable.dirty.ratio", "0.1"),
    ("delete.retention.ms", "3600000"),
];

/// Names of our own topics.
#[derive(Clone)]
pub(crate) struct OwnTopics {
    pub(crate) positions: String,
    pub(crate) dead_letters: String,
}

/// How a topic of ours stands.
pub(crate) enum Standing {
    Missing,
    /// As it has to be, or as far as one can see.
    Fine,
    /// Positions would be deleted after a while; its policy.
    NotCompacted(String),
}

impl OwnTopics {
    /// Makes what is missing; returns the most bytes of a request that both topics take, as far as one can see.
    ///
    /// # Errors
    /// `Auth` or `Config` if it is missing and we cannot make it; retryable if nobody answers.
    pub(crate) fn ensure(&self, setup: &Setup) -> Result<usize> {
        let admin = Admin::new(&setup.base, setup.timeout)?;
        match self.positions_standing(&admin)? {
            Standing::Fine => {}
            Standing::Missing => make(&admin, &self.positions, &POSITIONS, setup)?,
            Standing::NotCompacted(policy) => tracing::warn!(
                topic = %self.positions,
                %policy,
                "the position topic is not compacted: positions of pipelines that rest for long will be lost"
            ),
        }
        if admin.topic(&self.dead_letters)?.is_none() {
            make(&admin, &self.dead_letters, &[], setup)?;
        }
        let limits = [&self.positions, &self.dead_letters].map(|topic| {
            let limit = admin.setting(topic, "max.message.bytes")?;
            limit.parse().ok()
        });
        Ok(limits.into_iter().flatten().min().unwrap_or(usize::MAX))
    }

    /// Asks whether a missing topic could be made.
    ///
    /// # Errors
    /// As [`OwnTopics::ensure`] would fail.
    pub(crate) fn could_make(&self, admin: &Admin, topic: &str) -> Result<()> {
        let settings = if topic == self.positions { &POSITIONS[..] } else { &[] };
        create(admin, topic, settings, true)
    }

    /// How the position topic stands.
    ///
    /// # Errors
    /// Retryable if nobody answers.
    pub(crate) fn positions_standing(&self, admin: &Admin) -> Result<Standing> {
        if admin.topic(&self.positions)?.is_none() {
            return Ok(Standing::Missing);
        }
        Ok(match admin.setting(&self.positions, "cleanup.policy") {
            Some(policy) if policy != "compact" => Standing::NotCompacted(policy),
            _ => Standing::Fine,
        })
    }
}

/// Makes a topic and waits until it is known.
fn make(admin: &Admin, topic: &str, settings: &[(&str, &str)], setup: &Setup) -> Result<()> {
    create(admin, topic, settings, false)?;
    tracing::info!(%topic, "a topic was made");
    let start = Instant::now();
    while admin.topic(topic)?.is_none_or(|shape| shape.partitions == 0) {
        if start.elapsed() >= setup.timeout {
            return Err(Error::transient(format!("the new topic `{topic}` does not appear")));
        }
        sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn create(admin: &Admin, topic: &str, settings: &[(&str, &str)], only_ask: bool) -> Result<()> {
    admin.create(topic, settings, only_ask).map_err(|error| {
        if error.class().is_retryable() {
            return error;
        }
        let configs: Vec<_> =
            settings.iter().map(|(name, value)| format!(" --config {name}={value}")).collect();
        let help = format!(
            "make it by hand: `kafka-topics.sh --create --topic {topic} --partitions 1{}`",
            configs.concat()
        );
        Error::new(error.class(), format!("the topic `{topic}` is missing")).with_help(help).with_cause(error)
    })
}
