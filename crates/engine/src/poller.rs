//! Polls one partition: waits for room, asks, retries, pauses. Two polls of one cursor never overlap.

use std::sync::Arc;
use std::time::Duration;

use sluicebox_core::{Backoff, Batch, Error, ErrorClass, Event, Pace, Source};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::activity::{Activity, Busy};
use crate::flow::Arrival;
use crate::member::SharedMember;
use crate::metrics::PollOutcome;
use crate::partition::{Page, Partition, Pause};
use crate::partitions::Partitions;

/// Retries of a source start at a second and stay at a minute.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// Everything that polling one partition needs.
pub(crate) struct Poller {
    pub(crate) partitions: Arc<Partitions>,
    pub(crate) partition: Arc<Partition>,
    pub(crate) member: SharedMember,
    pub(crate) source: Box<dyn Source>,
    pub(crate) pages: mpsc::Sender<Arrival>,
    pub(crate) sinks: Vec<Arc<Activity>>,
    pub(crate) drain: CancellationToken,
    /// Whether retries are under way, so that the recovery is told.
    pub(crate) failing: bool,
    /// Whether "caught up" has been told since the last page that was not.
    pub(crate) caught_up: bool,
}

/// What to do after a poll.
enum Next {
    /// The source rests: something may wake it.
    Rest(Duration),
    /// A failure is waited out.
    Wait(Duration),
    Poll,
    End,
}

impl Poller {
    /// Polls until drained, caught up (`--once`), or at the end of the source. While it is paused it waits to be mended.
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::new(FIRST_RETRY, LONGEST_RETRY);
        if !self.open().await && !self.wait_until_mended().await {
            return;
        }
        if let Some(committer) = self.source.committer() {
            self.partitions.confirm(&self.partition, &self.member, committer);
        }
        loop {
            let next = match self.poll().await {
                None => return,
                Some((Ok(Some(batch)), busy)) => {
                    backoff.reset();
                    self.page(batch, busy).await
                }
                Some((Ok(None), _)) => Next::End,
                Some((Err(error), busy)) => {
                    drop(busy);
                    self.failed(&error, &mut backoff)
                }
            };
            match next {
                Next::End if self.wait_until_mended().await => backoff.reset(),
                Next::End => return,
                Next::Poll => {}
                Next::Rest(wait) => {
                    let clock = Arc::clone(&self.partitions.options.environment.clock);
                    tokio::select! {
                        () = clock.sleep(wait) => {}
                        () = self.source.woken() => {}
                        () = self.partition.wait_until_lost() => {}
                        () = self.drain.cancelled() => return,
                    }
                }
                Next::Wait(wait) => {
                    let clock = Arc::clone(&self.partitions.options.environment.clock);
                    tokio::select! {
                        () = clock.sleep(wait) => {}
                        () = self.partition.wait_until_lost() => {}
                        () = self.drain.cancelled() => return,
                    }
                }
            }
            if self.partition.is_lost() && self.partitions.ending.is_cancelled() {
                return;
            }
            if self.partition.is_lost() && !self.restart().await && !self.wait_until_mended().await {
                return;
            }
        }
    }

    /// A paused source keeps the process up (its health says so) unless the run is meant to end. Whether there is a
    /// reason to go on: it is told as resumed once a page has come.
    async fn wait_until_mended(&mut self) -> bool {
        if self.partition.paused().is_none() || self.partitions.options.once {
            return false;
        }
        tokio::select! {
            () = self.source.mended() => {}
            () = self.drain.cancelled() => return false,
        }
        self.partition.go_on();
        self.failing = true;
        true
    }

    async fn open(&mut self) -> bool {
        let cursor = self.partition.safe().0.cursor;
        self.stand_at(cursor).await
    }

    /// A token was lost: everything in flight is polled again from the safe cursor.
    async fn restart(&mut self) -> bool {
        error!(
            pipeline = %self.partitions.pipeline, component = %self.partition.source, account = %self.partition.account,
            event = "restarted", "an event was lost between poll and sink; starting again from the saved cursor"
        );
        let cursor = self.partition.rewind();
        self.stand_at(cursor).await
    }

    async fn stand_at(&mut self, cursor: Option<sluicebox_core::Cursor>) -> bool {
        let mut backoff = Backoff::new(FIRST_RETRY, LONGEST_RETRY);
        loop {
            let opened = tokio::select! {
                opened = self.source.open(cursor.as_ref()) => opened,
                () = self.drain.cancelled() => return false,
            };
            let Err(error) = opened else { return true };
            let Next::Wait(wait) = self.failed(&error, &mut backoff) else { return false };
            tokio::select! {
                () = self.partitions.options.environment.clock.sleep(wait) => {}
                () = self.drain.cancelled() => return false,
            }
        }
    }

    /// One poll, once there is room for its page; `None` when drained.
    async fn poll(&mut self) -> Option<(Result<Option<Batch>, Error>, Busy)> {
        let room = async {
            self.partition.wait_for_room().await;
            if self.partition.confirms {
                self.partition.wait_until_durable().await;
            }
        };
        tokio::select! {
            () = room => {}
            () = self.drain.cancelled() => return None,
        }
        if self.partition.is_lost() {
            return Some((Ok(Some(Batch::empty(self.partition.safe().0.cursor))), Busy::new(&[])));
        }
        let clock = &self.partitions.options.environment.clock;
        let before = clock.elapsed();
        // With confirm on read nothing is in flight now, so no sink has a reason to wait for this poll.
        let busy = Busy::new(if self.partition.confirms { &[] } else { &self.sinks });
        let result = tokio::select! {
            result = self.source.next() => result,
            () = self.drain.cancelled() => {
                self.partition.metrics.poll(PollOutcome::Cancelled, clock.elapsed().saturating_sub(before));
                return None;
            }
        };
        self.partition.metrics.poll(outcome(&result), clock.elapsed().saturating_sub(before));
        Some((result, busy))
    }

    /// Puts a page in flight.
    async fn page(&mut self, batch: Batch, busy: Busy) -> Next {
        let (pace, caught_up) = (batch.pace, batch.caught_up);
        self.tell(&batch);
        let received = self.partitions.options.environment.clock.elapsed();
        let busy = if self.partition.confirms { Busy::new(&self.sinks) } else { busy };
        let bytes = batch.events.iter().map(Event::size).sum::<usize>();
        let bytes = bytes + batch.unread.as_ref().map_or(0, |unread| unread.bytes);
        let tokens = self.partition.open(Page { events: batch.len(), bytes, cursor: batch.cursor.clone() });
        if caught_up {
            self.partition.caught_up();
        }
        if !tokens.is_empty() {
            let partition = Arc::clone(&self.partition);
            let arrival = Arrival { partition, page: batch, tokens, received, busy };
            if self.pages.send(arrival).await.is_err() {
                return Next::End;
            }
        }
        match pace {
            _ if caught_up && self.partitions.options.once => Next::End,
            Pace::Immediately => Next::Poll,
            Pace::After(wait) => Next::Rest(wait),
        }
    }

    fn tell(&mut self, batch: &Batch) {
        let (component, account) = (&self.partition.source, &self.partition.account);
        if std::mem::take(&mut self.failing) {
            info!(pipeline = %self.partitions.pipeline, %component, %account, event = "resumed", "polling works again");
        }
        if let Some(gap) = &batch.gap {
            self.partition.metrics.gaps.inc();
            error!(pipeline = %self.partitions.pipeline, %component, %account, event = "gap", "{}", gap.message);
        }
        if batch.caught_up && !self.caught_up {
            info!(pipeline = %self.partitions.pipeline, %component, %account, event = "caught_up", "caught up with the feed");
        }
        self.caught_up = batch.caught_up;
    }

    /// Retries what waiting can mend; pauses for everything else, with the cursor kept.
    fn failed(&mut self, error: &Error, backoff: &mut Backoff) -> Next {
        let (component, account) = (&self.partition.source, &self.partition.account);
        self.member.metrics.error(error.class());
        let help = error.help().map(|help| format!(" ({help})")).unwrap_or_default();
        if !error.class().is_retryable() {
            error!(
                pipeline = %self.partitions.pipeline, %component, %account, event = "paused", reason = error.reason(),
                "paused, the cursor is kept: {}{help}", error.chain()
            );
            self.partition.metrics.paused(error.reason());
            let message = format!("{}{help}", error.chain());
            self.partition.pause(Pause { reason: error.reason(), message });
            return Next::End;
        }
        let wait = backoff.next(error.retry_after(), self.partitions.options.environment.chance.as_ref());
        self.failing = true;
        self.member.metrics.retries.inc();
        if error.class() == ErrorClass::RateLimited {
            self.member.metrics.rate_limited.inc_by(wait.as_secs_f64());
        }
        warn!(
            pipeline = %self.partitions.pipeline, %component, %account, event = "retry",
            "{}{help}, trying again in {:.1} s", error.chain(), wait.as_secs_f64()
        );
        Next::Wait(wait)
    }
}

fn outcome(result: &Result<Option<Batch>, Error>) -> PollOutcome {
    match result {
        Ok(Some(batch)) if batch.gap.is_some() => PollOutcome::Expired,
        Ok(Some(batch)) if batch.is_empty() => PollOutcome::Empty,
        Ok(Some(_)) => PollOutcome::Items,
        Ok(None) => PollOutcome::Empty,
        Err(error) if error.class() == ErrorClass::RateLimited => PollOutcome::RateLimited,
        Err(_) => PollOutcome::Error,
    }
}
