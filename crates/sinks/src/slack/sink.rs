//! The sink at work: messages in order, a few of them in each call.
//!
//! Invariant: a message is not posted while one before it waits, whatever its key: a channel has one order. Where the
//! sink stops, everything before is posted or a dead letter, and of a long text's parts none is posted twice.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sluicebox_core::{Clock, Error, ErrorClass, Event, Rejected, Result, Sink, Stopped, Written};
use smol_str::SmolStr;

use super::message::{Composer, Plan, Post, Unit};
use super::poster::{Failure, Poster};
use super::threads::Threads;
use super::words::Kind;

/// How often an answer that is not documented is taken for one that may pass.
const UNKNOWN_TRIES: usize = 3;
/// After how many messages what was posted is settled: the end of the process may repeat so many.
const MOST_MESSAGES: usize = 5;
/// What was posted is settled before a longer wait for the destination.
const LONG_WAIT: Duration = Duration::from_secs(1);

/// Posts events to one Slack destination.
pub(crate) struct SlackSink {
    composer: Composer,
    poster: Poster,
    threads: Threads,
    rest: Option<Rest>,
    pace: Pace,
}

/// What is known of the event that comes again first.
struct Rest {
    id: SmolStr,
    /// Parts of it that are in the channel.
    parts: usize,
    /// Undocumented answers to what comes next of it.
    unknown: usize,
}

/// How far a call has come.
struct Run<'a> {
    events: &'a [Event],
    /// The first event that is neither posted nor refused.
    at: usize,
    rejected: Vec<Rejected>,
    /// Messages posted.
    messages: usize,
    /// Texts that were cut in them.
    cuts: usize,
    /// Parts of the event `at` that are posted.
    parts: usize,
    /// Undocumented answers to the next message.
    unknown: usize,
}

/// Least time between two digests.
struct Pace {
    every: Duration,
    clock: Arc<dyn Clock>,
    last: Option<Duration>,
    /// Whether the digest that was gathered last is still being posted.
    is_open: bool,
}

impl SlackSink {
    /// A sink; `every` is the least time between two digests, zero for none.
    pub(crate) fn new(composer: Composer, poster: Poster, every: Duration) -> Self {
        let clock = Arc::clone(&poster.environment.clock);
        let pace = Pace { every, clock, last: None, is_open: false };
        Self { composer, poster, threads: Threads::default(), rest: None, pace }
    }

    /// The rest of a batch where it was left, or a new one.
    fn take_up<'a>(&mut self, events: &'a [Event]) -> Run<'a> {
        let first = events.first().map(|event| &event.meta().id);
        let rest = self.rest.take().filter(|rest| Some(&rest.id) == first);
        if rest.is_none() {
            self.pace.is_open = false;
        }
        let (parts, unknown) = rest.map_or((0, 0), |rest| (rest.parts, rest.unknown));
        Run { events, at: 0, rejected: Vec::new(), messages: 0, cuts: 0, parts, unknown }
    }

    /// Posts what is left of a unit.
    ///
    /// # Errors
    /// What stops the sink; `run.at` says where.
    async fn finish(&mut self, unit: Unit, run: &mut Run<'_>) -> Result<()> {
        let Unit { plan: Plan { mut posts, rejected, cuts }, end } = unit;
        run.rejected.extend(rejected);
        let posted = posts.iter().take(run.parts).take_while(|post| !post.is_last).count();
        posts.drain(..posted);
        if !posts.is_empty() {
            self.pace.begin().await;
        }
        while let Some(post) = posts.pop_front() {
            run.at = post.events[0];
            let Err(failure) = self.post(&post).await else {
                run.posted(&post);
                continue;
            };
            let kind = failure.kind;
            let error = run.judge(failure);
            match error.class() {
                ErrorClass::Permanent if kind == Some(Kind::Message) && post.events.len() > 1 => {
                    run.halve(&post, &self.composer, &mut posts);
                }
                ErrorClass::Permanent => run.refuse(&post, &error, &mut posts),
                _ => return Err(error),
            }
        }
        run.cuts += cuts;
        (run.at, run.parts, run.unknown) = (end, 0, 0);
        Ok(())
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

    /// Ends a call before the end of the batch, or at it.
    fn leave(&mut self, mut run: Run<'_>, error: Option<Error>) -> Written {
        if run.cuts > 0 {
            tracing::warn!(
                component = &*self.poster.component,
                cuts = run.cuts,
                "texts that are longer than Slack takes were cut"
            );
        }
        let at = run.at;
        let Some(next) = run.events.get(at) else { return Written::but(run.rejected) };
        self.rest = Some(Rest { id: next.meta().id.clone(), parts: run.parts, unknown: run.unknown });
        run.rejected.retain(|one| one.index < at);
        Written { rejected: run.rejected, stopped: Some(Stopped { at, error }) }
    }
}

#[async_trait]
impl Sink for SlackSink {
    async fn write(&mut self, events: &[Event]) -> Result<Written> {
        let mut run = self.take_up(events);
        while run.at < events.len() {
            let is_enough = run.messages >= MOST_MESSAGES || self.poster.destination.wait() > LONG_WAIT;
            if is_enough && run.at > 0 {
                return Ok(self.leave(run, None));
            }
            let unit = self.composer.unit(events, run.at);
            if let Err(error) = self.finish(unit, &mut run).await {
                return Ok(self.leave(run, Some(error)));
            }
        }
        Ok(self.leave(run, None))
    }
}

impl Run<'_> {
    fn posted(&mut self, post: &Post) {
        self.unknown = 0;
        self.messages += 1;
        self.parts = if post.is_last { 0 } else { self.parts + 1 };
    }

    /// The error that a failure comes to: an undocumented answer that has come too often is one for good.
    fn judge(&mut self, failure: Failure) -> Error {
        if failure.kind.is_some() {
            return failure.error;
        }
        self.unknown += 1;
        if self.unknown < UNKNOWN_TRIES {
            return failure.error;
        }
        Error::permanent(format!("{}, {UNKNOWN_TRIES} times", failure.error))
    }

    /// The events of a message become dead letters, and what else there is of them is not posted.
    fn refuse(&mut self, post: &Post, error: &Error, posts: &mut VecDeque<Post>) {
        (self.parts, self.unknown) = (0, 0);
        posts.retain(|other| other.events != post.events);
        let rejected = post.events.iter().map(|index| Rejected { index: *index, error: again(error) });
        self.rejected.extend(rejected);
    }

    /// Something in a digest is refused: each half of it is a message of its own.
    fn halve(&mut self, post: &Post, composer: &Composer, posts: &mut VecDeque<Post>) {
        let (first, second) = post.events.split_at(post.events.len() / 2);
        for half in [second, first] {
            let plan = composer.plan(self.events, half.iter().copied());
            self.rejected.extend(plan.rejected);
            plan.posts.into_iter().rev().for_each(|post| posts.push_front(post));
        }
    }
}

/// An error once more, for another event of the same message.
fn again(error: &Error) -> Error {
    let same = Error::new(error.class(), error.chain()).with_reason(error.reason());
    error.help().into_iter().fold(same, Error::with_help)
}

impl Pace {
    /// Waits until a digest may be posted again, unless it is posted already in part. Cancel-safe.
    async fn begin(&mut self) {
        if self.is_open {
            return;
        }
        if let Some(last) = self.last {
            let left = (last + self.every).saturating_sub(self.clock.elapsed());
            if !left.is_zero() {
                self.clock.sleep(left).await;
            }
        }
        self.last = Some(self.clock.elapsed());
        self.is_open = true;
    }
}
