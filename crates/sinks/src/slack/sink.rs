//! The sink at work: messages in order, what was posted remembered until the batch is done.
//!
//! Invariant: a message is not posted while one before it waits, whatever its key: a channel has one order. After a
//! refusal that will pass the engine gives the same batch again, and what was posted of it is not posted twice.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sluicebox_core::{
    Backoff, Clock, Error, ErrorClass, Event, Rejected, Result, RetryOptions, Sink, Written,
};
use smol_str::SmolStr;

use super::message::{Composer, Plan, Post};
use super::poster::{Failure, Poster};
use super::threads::Threads;
use super::words::Kind;

/// How often an answer that is not documented is taken for one that may pass.
const UNKNOWN_TRIES: usize = 3;

/// Posts events to one Slack destination.
pub(crate) struct SlackSink {
    composer: Composer,
    poster: Poster,
    threads: Threads,
    /// A batch that will come again.
    unfinished: Option<Work>,
    pace: Pace,
    /// How long a refusal that will pass is waited out first.
    first_wait: Duration,
}

/// How far a batch has come.
struct Work {
    /// The events of the batch, to know it again.
    ids: Vec<SmolStr>,
    posts: VecDeque<Post>,
    rejected: Vec<Rejected>,
    /// Events that are in the channel.
    posted: usize,
    /// Undocumented answers to the next message.
    unknown: usize,
    /// Whether a message was posted since the last refusal.
    has_moved: bool,
}

/// Least time between two digests.
struct Pace {
    every: Duration,
    clock: Arc<dyn Clock>,
    last: Option<Duration>,
}

impl SlackSink {
    /// A sink; `every` is the least time between two digests, zero for none.
    pub(crate) fn new(composer: Composer, poster: Poster, every: Duration, retry: &RetryOptions) -> Self {
        let clock = Arc::clone(&poster.environment.clock);
        let pace = Pace { every, clock, last: None };
        let first_wait = retry.initial.0.max(Backoff::FLOOR);
        Self { composer, poster, threads: Threads::default(), unfinished: None, pace, first_wait }
    }

    /// The batch where it was left, or a new one.
    async fn take_up(&mut self, events: &[Event]) -> Work {
        let is_same = |work: &Work| work.ids.iter().eq(events.iter().map(|event| &event.meta().id));
        if let Some(work) = self.unfinished.take().filter(is_same) {
            return work;
        }
        let Plan { posts, rejected, cuts } = self.composer.plan(events, 0..events.len());
        if cuts > 0 {
            tracing::warn!(
                component = &*self.poster.component,
                cuts,
                "texts that are longer than Slack takes were cut"
            );
        }
        if !posts.is_empty() {
            self.pace.wait().await;
        }
        let ids = events.iter().map(|event| event.meta().id.clone()).collect();
        Work { ids, posts, rejected, posted: 0, unknown: 0, has_moved: false }
    }

    async fn post(&mut self, post: &Post) -> Result<(), Failure> {
        let key = post.message.thread.as_deref();
        let thread = key.and_then(|key| self.threads.find(key));
        match self.poster.post(&post.message, thread.as_deref()).await {
            Ok(ts) => {
                if let (Some(key), None, Some(ts)) = (key, thread, ts) {
                    self.threads.begin(key, ts);
                }
                Ok(())
            }
            Err(failure) => {
                if let Some(key) = key.filter(|_| failure.word == "cannot_reply_to_message") {
                    self.threads.forget(key);
                }
                Err(failure)
            }
        }
    }
}

#[async_trait]
impl Sink for SlackSink {
    async fn write(&mut self, events: &[Event]) -> Result<Written> {
        let mut work = self.take_up(events).await;
        while let Some(post) = work.posts.pop_front() {
            let Err(failure) = self.post(&post).await else {
                work.done(&post);
                continue;
            };
            let error = work.judge(&failure).unwrap_or(failure.error);
            match error.class() {
                class if class.is_retryable() => {
                    work.posts.push_front(post);
                    let error = work.first_of_its_message(error, self.first_wait);
                    self.unfinished = Some(work);
                    return Err(error);
                }
                ErrorClass::Permanent if failure.kind == Some(Kind::Message) && post.events.len() > 1 => {
                    work.halve(&post, &self.composer, events);
                }
                ErrorClass::Permanent => work.refuse(&post, &error),
                _ => return work.stop(post, error),
            }
        }
        Ok(Written::but(work.rejected))
    }
}

impl Work {
    fn done(&mut self, post: &Post) {
        self.unknown = 0;
        self.has_moved = true;
        if post.is_last {
            self.posted += post.events.len();
        }
    }

    /// The engine waits longer with every refusal of a batch; one that has moved on begins anew.
    fn first_of_its_message(&mut self, error: Error, first_wait: Duration) -> Error {
        let has_moved = std::mem::take(&mut self.has_moved);
        if has_moved && error.retry_after().is_none() { error.with_retry_after(first_wait) } else { error }
    }

    /// The error that an undocumented answer comes to once it has come too often.
    fn judge(&mut self, failure: &Failure) -> Option<Error> {
        if failure.kind.is_some() {
            return None;
        }
        self.unknown += 1;
        (self.unknown >= UNKNOWN_TRIES)
            .then(|| Error::permanent(format!("{}, {UNKNOWN_TRIES} times", failure.error)))
    }

    /// The events of a message become dead letters, and what else there is of them is not posted.
    fn refuse(&mut self, post: &Post, error: &Error) {
        self.unknown = 0;
        self.posts.retain(|other| other.events != post.events);
        let rejected = post.events.iter().map(|index| Rejected { index: *index, error: again(error) });
        self.rejected.extend(rejected);
    }

    /// Something in a digest is refused: each half of it is a message of its own.
    fn halve(&mut self, post: &Post, composer: &Composer, events: &[Event]) {
        let (first, second) = post.events.split_at(post.events.len() / 2);
        for half in [second, first] {
            let plan = composer.plan(events, half.iter().copied());
            self.rejected.extend(plan.rejected);
            plan.posts.into_iter().rev().for_each(|post| self.posts.push_front(post));
        }
    }

    /// The destination takes nothing more until a person has done something.
    ///
    /// What was posted counts; the rest comes again and meets the same refusal first, which then pauses the sink.
    fn stop(self, post: Post, error: Error) -> Result<Written> {
        if self.posted == 0 && self.rejected.is_empty() {
            return Err(error);
        }
        let mut rejected = self.rejected;
        let waiting: BTreeSet<usize> =
            [post].into_iter().chain(self.posts).flat_map(|post| post.events).collect();
        let later = waiting.into_iter().map(|index| {
            let message = format!("not posted, because of a message before it: {error}");
            Rejected { index, error: Error::transient(message).with_reason("not_attempted") }
        });
        rejected.extend(later);
        Ok(Written::but(rejected))
    }
}

/// An error once more, for another event of the same message.
fn again(error: &Error) -> Error {
    let same = Error::new(error.class(), error.chain()).with_reason(error.reason());
    error.help().into_iter().fold(same, Error::with_help)
}

impl Pace {
    /// Waits until a digest may be posted again.
    async fn wait(&mut self) {
        if let Some(last) = self.last {
            let left = (last + self.every).saturating_sub(self.clock.elapsed());
            if !left.is_zero() {
                self.clock.sleep(left).await;
            }
        }
        self.last = Some(self.clock.elapsed());
    }
}
