//! Runs the partitions of one source: those that are known at start, and those that it finds while it runs.

use std::sync::Arc;

use sluicebox_core::{Backoff, Discovered, Error, PartitionedSource, RetryOptions, Source};
use smol_str::SmolStr;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info, warn};

use crate::activity::Activity;
use crate::flow::Flow;
use crate::member::SharedMember;
use crate::partition::Pause;
use crate::partitions::{Newcomer, Partitions};
use crate::poller::Poller;
use crate::running::settled;
use crate::start::{Tasks, span};
use crate::status::Failure;

/// Pages waiting between a poller and its worker: enough to poll on while a sink flushes. The caps count them.
const PAGES_AHEAD: usize = 16;

/// Starts a poller and a worker for each partition of a source.
#[derive(Clone)]
pub(crate) struct Launcher {
    pub(crate) partitions: Arc<Partitions>,
    pub(crate) member: SharedMember,
    pub(crate) flow: Flow,
    /// The sinks below.
    pub(crate) sinks: Vec<Arc<Activity>>,
    pub(crate) confirms: bool,
    pub(crate) drain: CancellationToken,
}

impl Launcher {
    /// Starts the tasks of one partition.
    pub(crate) fn launch(
        &self,
        account: SmolStr,
        labelled: bool,
        source: Box<dyn Source>,
        tasks: &mut Tasks,
    ) {
        let (confirms, remembers) = (self.confirms, self.flow.remembers());
        let newcomer = Newcomer { source: &self.member, account, labelled, confirms, remembers };
        let partition = self.partitions.add(newcomer);
        let (pages, arrivals) = mpsc::channel(PAGES_AHEAD);
        let span = span(&self.partitions.pipeline, &partition.source, &partition.account);
        tasks.spawn(self.flow.clone().run(arrivals).instrument(span.clone()));
        let poller = Poller {
            partitions: Arc::clone(&self.partitions),
            partition,
            member: Arc::clone(&self.member),
            source,
            pages,
            sinks: self.sinks.clone(),
            drain: self.drain.clone(),
            failing: false,
            caught_up: false,
        };
        let polling = async move {
            poller.run().await;
            Ok(())
        };
        tasks.spawn(polling.instrument(span));
    }

    /// Starts partitions as the source finds them and waits for their tasks: until drained, or (`--once`) until all that
    /// were there have ended. `prefix` goes before their names.
    ///
    /// # Errors
    /// The first failure of a task.
    pub(crate) async fn discover(
        self,
        prefix: Option<SmolStr>,
        mut source: Box<dyn PartitionedSource>,
    ) -> Result<(), Failure> {
        let mut tasks = Tasks::new();
        let mut backoff = RetryOptions::default().backoff();
        let mut next = Next::Ask;
        let once = self.partitions.options.once;
        while !(next == Next::Stop || (next == Next::AllFound && once && tasks.is_empty())) {
            tokio::select! {
                found = source.discover(), if next != Next::Paused => {
                    next = match found {
                        Ok(Discovered::AllForNow) => Next::AllFound,
                        Ok(Discovered::Partition(name, source)) => {
                            self.found(prefix.as_ref(), name, source, &mut tasks);
                            backoff.reset();
                            next
                        }
                        Err(error) => self.failed(&error, &mut backoff, next).await,
                    };
                }
                ended = tasks.join_next(), if !tasks.is_empty() => ended.map_or(Ok(()), settled)?,
                () = self.drain.cancelled() => next = Next::Stop,
            }
        }
        // The edges to the sinks close once nobody holds the flow any more.
        drop(self);
        while let Some(ended) = tasks.join_next().await {
            settled(ended)?;
        }
        Ok(())
    }

    fn found(&self, prefix: Option<&SmolStr>, name: SmolStr, source: Box<dyn Source>, tasks: &mut Tasks) {
        let name = match prefix {
            Some(account) => SmolStr::from(format!("{account}/{name}")),
            None => name,
        };
        info!(account = %name, "reading the partition {name}");
        self.launch(name, true, source, tasks);
    }

    /// Waits before another attempt, or pauses the source.
    async fn failed(&self, error: &Error, backoff: &mut Backoff, next: Next) -> Next {
        self.member.metrics.error(error.class());
        let help = error.help().map(|help| format!(" ({help})")).unwrap_or_default();
        let message = format!("{}{help}", error.chain());
        if !error.class().is_retryable() {
            let reason = error.reason();
            error!(event = "paused", reason, "paused, every cursor is kept: {message}");
            self.member.pause(Pause { reason, message });
            return if self.partitions.options.once { Next::Stop } else { Next::Paused };
        }
        let environment = &self.partitions.options.environment;
        let wait = backoff.next(error.retry_after(), environment.chance.as_ref());
        self.member.metrics.retries.inc();
        warn!(event = "retry", "{message}, trying again in {:.1} s", wait.as_secs_f64());
        tokio::select! {
            () = environment.clock.sleep(wait) => next,
            () = self.drain.cancelled() => Next::Stop,
        }
    }
}

/// What to do after asking a source for a partition.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Ask,
    AllFound,
    Paused,
    Stop,
}
