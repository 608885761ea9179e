//! The tasks in front of sinks: gather windows, write, retry, settle.

mod inbox;
mod lanes;
mod plain;
mod resumable;
mod transactional;

pub(crate) use inbox::Inbox;
pub(crate) use plain::PlainTask;
pub(crate) use resumable::CheckpointedSink;
pub(crate) use transactional::TransactionalTask;

use std::sync::Arc;
use std::time::Duration;

use sluicebox_core::{
    Backoff, Environment, Error, ErrorClass, Event, Rejected, RetryOptions, Token, Verdict,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::lanes::Lanes;
use crate::letters::Postbox;
use crate::member::SharedMember;
use crate::partition::{Partition, Pause};
use crate::status::Failure;
use crate::trace::Became;
use crate::warnings::Warning;

/// The other half of a tracked event while the events themselves lie side by side for the sink.
pub(crate) struct Duty {
    pub(crate) token: Token,
    pub(crate) partition: Arc<Partition>,
    pub(crate) received: Duration,
}

impl Duty {
    /// Whether both belong to one page of one partition.
    fn is_of_page(&self, other: &Self) -> bool {
        self.token.slot() == other.token.slot() && self.partition.index == other.partition.index
    }
}

/// What every sink task needs.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) pipeline: Arc<str>,
    pub(crate) member: SharedMember,
    pub(crate) retry: RetryOptions,
    pub(crate) environment: Environment,
    pub(crate) drain: CancellationToken,
    /// To be cancelled when this sink's end is the end of the run.
    pub(crate) ending: CancellationToken,
    pub(crate) once: bool,
    /// Kept open for this sink's own dead letters.
    pub(crate) _postbox: Option<Postbox>,
}

impl Desk {
    pub(crate) fn backoff(&self) -> Backoff {
        self.retry.backoff()
    }

    /// Counts events as durable and resolves their tokens.
    pub(crate) fn delivered(&self, events: &[Event], duties: Vec<Duty>) {
        let now = self.environment.clock.elapsed();
        let metrics = &self.member.metrics;
        metrics.sent.inc_by(events.len() as u64);
        metrics.sent_bytes.inc_by(events.iter().map(Event::size).sum::<usize>() as u64);
        let latency = metrics.latency.local();
        if self.member.tracer.is_on() {
            for event in events {
                self.member.trace(event, || Became::Delivered);
            }
        }
        for duty in duties {
            latency.observe(now.saturating_sub(duty.received).as_secs_f64());
            duty.token.resolve(Verdict::Delivered);
        }
        latency.flush();
    }

    /// Waits before another attempt; tells why.
    pub(crate) async fn wait(&self, error: &Error, backoff: &mut Backoff) {
        let wait = backoff.next(error.retry_after(), self.environment.chance.as_ref());
        self.member.metrics.error(error.class());
        self.member.metrics.retries.inc();
        if error.class() == ErrorClass::RateLimited {
            self.member.metrics.rate_limited.inc_by(wait.as_secs_f64());
        }
        let help = error.help().map(|help| format!(" ({help})")).unwrap_or_default();
        warn!(
            pipeline = %self.pipeline, component = %self.member.name, event = "retry",
            "{}{help}, trying again in {:.1} s", error.chain(), wait.as_secs_f64()
        );
        self.environment.clock.sleep(wait).await;
    }

    /// Success after failures is told once.
    pub(crate) fn works_again(&self, backoff: &mut Backoff) {
        if backoff.attempts() > 0 {
            self.works();
            backoff.reset();
        }
    }

    /// Says that writing works again.
    pub(crate) fn works(&self) {
        info!(pipeline = %self.pipeline, component = %self.member.name, event = "resumed", "writing works again");
    }

    /// Some events of a window were refused for now; those of other keys go on.
    pub(crate) fn tell_of_waiting<'r>(
        &self,
        mut waiting: impl Iterator<Item = &'r Rejected>,
        lanes: &mut Lanes,
    ) {
        let Some(first) = waiting.next() else { return };
        let others = match lanes.warn(self.environment.clock.elapsed()) {
            Warning::Whole => String::new(),
            Warning::After(left_out) => format!(" ({left_out} lines like this were left out)"),
            Warning::LeftOut => return,
        };
        let (error, count) = (&first.error, 1 + waiting.count());
        let help = error.help().map(|help| format!(" ({help})")).unwrap_or_default();
        let events = if count == 1 { "1 event".to_owned() } else { format!("{count} events") };
        warn!(
            pipeline = %self.pipeline, component = %self.member.name, event = "retry",
            "{}{help}, trying again with {events}{others}", error.chain()
        );
    }

    /// A failure that no retry mends: fenced ends the run; anything else pauses this sink until the pipeline stops.
    pub(crate) async fn stop(&self, error: &Error) -> Failure {
        self.member.metrics.error(error.class());
        let help = error.help().map(|help| format!(" ({help})")).unwrap_or_default();
        let message = format!("{}{help}", error.chain());
        if error.class() == ErrorClass::Fenced {
            self.ending.cancel();
            return Failure::Fenced(message);
        }
        error!(
            pipeline = %self.pipeline, component = %self.member.name, event = "paused", reason = error.reason(),
            "paused, every cursor is kept: {message}"
        );
        self.member.pause(Pause { reason: error.reason(), message: message.clone() });
        if !self.once {
            self.drain.cancelled().await;
        }
        self.ending.cancel();
        Failure::Paused { component: self.member.name.clone(), message }
    }
}
