//! Polls `GET /updates`: one page per call, and the judgement where that leaves us.
//!
//! Source: the OpenTrain contract, sections 2, 3 and 5. Invariant: the cursor only ever moves forward, and only to what
//! the API gave us; nothing changes before the answer is there, so that a dropped poll is simply asked again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sluicebox_core::{Batch, Cursor, Environment, Error, Pace, Result, Source};
use sluicebox_http::{Answer, Client};
use sluicebox_webhooks::Listening;
use tokio::sync::watch;

use super::decode::{self, UpdatesPage};
use super::progress::{Progress, progress};
use super::{OpenTrainUpdates, scopes, status};
use crate::item::Origin;
use crate::protocol::Malformed;
use crate::standing::Standing;
use crate::{Start, pace};

/// The feed of one account.
pub(super) struct OpenTrainFeed {
    client: Arc<Client>,
    origin: Origin,
    environment: Environment,
    limit: u32,
    interval: Duration,
    start: Start,
    standing: Standing,
    malformed: Malformed,
    introduced: bool,
    bell: Option<Alarm>,
}

/// What a webhook rings for.
struct Alarm {
    ear: watch::Receiver<u64>,
    _listening: Listening,
    /// When the last poll began, by the clock that never goes back.
    polled: Duration,
    /// Whether the next poll is one that it asked for.
    rang: bool,
}

/// Rings within this time of a poll's beginning share the next one: a burst of events shall not take the request budget
/// of the account.
const SHORTEST_REST: Duration = Duration::from_millis(200);

/// When to look again if a poll found nothing that was rung for: no contract says that the feed has an event before its
/// webhook is sent.
const SECOND_LOOK: Duration = Duration::from_secs(2);

impl OpenTrainFeed {
    pub(super) fn new(options: OpenTrainUpdates, client: Arc<Client>, cx: &sluicebox_core::Context) -> Self {
        Self {
            client,
            origin: Origin::new("opentrain", cx),
            environment: cx.environment.clone(),
            limit: options.limit,
            interval: options.interval.0,
            start: options.start,
            standing: Standing { cursor: None, priming: false, begun: false },
            malformed: Malformed::default(),
            introduced: false,
            bell: None,
        }
    }

    /// The same feed, woken by what this ear hears.
    pub(super) fn woken_by(self, bell: Option<(watch::Receiver<u64>, Listening)>) -> Self {
        let alarm =
            |(ear, listening)| Alarm { ear, _listening: listening, polled: Duration::ZERO, rang: false };
        Self { bell: bell.map(alarm), ..self }
    }

    fn target(&self) -> String {
        match &self.standing.cursor {
            // Digits only, so there is nothing to encode.
            Some(cursor) => format!("/updates?cursor={cursor}&limit={}", self.limit),
            None => format!("/updates?limit={}", self.limit),
        }
    }

    /// What a page means for where we stand. No `await` in here: it happens whole or not at all.
    fn take(&mut self, page: &UpdatesPage<'_>, answer: &Answer) -> Batch {
        let progress = progress(self.standing.cursor.as_deref(), page);
        if let Progress::Fault(what) = progress {
            tracing::error!(
                account = %self.origin.account,
                sent_cursor = self.standing.cursor.as_deref().unwrap_or("none"),
                next_cursor = page.next_cursor.as_deref().unwrap_or("null"),
                has_more = page.has_more,
                "OpenTrain {what}; the cursor is kept, the page's events go on, and the next poll waits the interval"
            );
        } else if page.next_cursor.is_some() {
            self.standing.cursor.clone_from(&page.next_cursor);
        }
        let mut batch = Batch::empty(None);
        if self.standing.priming {
            if !page.has_more {
                self.standing.primed();
                tracing::info!(
                    account = %self.origin.account,
                    cursor = self.standing.cursor.as_deref().unwrap_or("none"),
                    "history is read away; events from now on are emitted"
                );
            }
        } else {
            batch.unread = Some(decode::unread(page, answer, self.origin.clone()));
        }
        batch.cursor = self.standing.to_cursor();
        batch.caught_up = !page.has_more;
        batch.pace = if page.has_more && matches!(progress, Progress::Forward) {
            Pace::Immediately
        } else {
            pace::after(self.interval, &*self.environment.chance)
        };
        batch
    }
}

#[async_trait]
impl Source for OpenTrainFeed {
    async fn open(&mut self, saved: Option<&Cursor>) -> Result<()> {
        let standing = Standing::new(saved, &self.start)?;
        if let Some(cursor) = standing.cursor.as_deref().filter(|cursor| !decode::is_number(cursor)) {
            return Err(Error::config(format!("the cursor `{cursor}` is not the number of an event"))
                .with_reason("cursor_rejected")
                .with_help("set a good one with `sluicebox cursor set`"));
        }
        if standing.priming {
            tracing::info!(account = %self.origin.account, "reading history away without emitting it (start: now)");
        }
        self.standing = standing;
        self.malformed.reset();
        if !self.introduced {
            self.introduced = true;
            scopes::log_granted(&self.client, &self.origin.account).await;
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        let mut rang = false;
        if let Some(bell) = &mut self.bell {
            rang = std::mem::take(&mut bell.rang);
            // What rang before this poll is answered by it; what rings while it is under way asks for another.
            bell.ear.borrow_and_update();
            bell.polled = self.environment.clock.elapsed();
        }
        let answer = match self.client.get(&self.target()).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.malformed.judge(error)),
        };
        if !answer.status.is_success() {
            return Err(status::refusal(&answer, &self.client, self.standing.cursor.as_deref()));
        }
        match decode::page(&answer.body) {
            Ok(page) => {
                self.malformed.reset();
                let mut batch = self.take(&page, &answer);
                if rang && page.items.is_empty() {
                    batch.pace = Pace::After(SECOND_LOOK.min(self.interval));
                }
                Ok(Some(batch))
            }
            Err(why) => {
                let status = answer.status.as_u16();
                let message =
                    format!("OpenTrain answered {status} with something that is not a page of events: {why}");
                Err(self.malformed.another(&message))
            }
        }
    }

    async fn woken(&mut self) {
        let Some(bell) = &mut self.bell else { return std::future::pending().await };
        let clock = &self.environment.clock;
        let since = clock.elapsed().saturating_sub(bell.polled);
        clock.sleep(SHORTEST_REST.saturating_sub(since)).await;
        if bell.ear.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        bell.rang = true;
    }
}
