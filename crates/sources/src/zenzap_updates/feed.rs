//! Polls `GET /v2/updates`: one page per call, and the judgement where that leaves us.
//!
//! Source: the Zenzap contract, sections 3 to 8. Invariant: the offset is the API's text, byte for byte; it moves with
//! empty pages too, and nothing changes before the answer is there, so that a dropped poll is simply asked again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sluicebox_core::{Batch, Context, Cursor, Environment, Error, Result, Source, Timestamp};
use sluicebox_http::{Answer, Client};

use super::attachments::Attachments;
use super::conflict::{Conflict, conflict};
use super::decode::{self, Decoded, UpdatesPage};
use super::quiet::{Quiet, Trail};
use super::{OnOffsetExpired, ZenzapUpdates, own, status};
use crate::item::Origin;
use crate::protocol::Malformed;
use crate::standing::Standing;
use crate::{Start, pace};

/// What may stand in a query unencoded (RFC 3986, section 2.3); `+`, `/` and `=` of an offset may not.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// First and longest wait after a 429 that does not say how long.
const LIMITED: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// The feed of one bot.
pub(super) struct ZenzapFeed {
    client: Arc<Client>,
    origin: Origin,
    environment: Environment,
    limit: u32,
    timeout: Duration,
    interval: Duration,
    start: Start,
    on_offset_expired: OnOffsetExpired,
    drop_own: bool,
    own_id: Option<String>,
    standing: Standing,
    trail: Trail,
    quiet: Quiet,
    malformed: Malformed,
    /// Answers 429 in a row.
    limited: u32,
    last_seen: Option<Timestamp>,
    attachments: Option<Attachments>,
}

impl ZenzapFeed {
    pub(super) fn new(
        options: &ZenzapUpdates,
        client: Arc<Client>,
        attachments: Option<Attachments>,
        cx: &Context,
    ) -> Self {
        Self {
            attachments,
            client,
            origin: Origin::new("zenzap", cx),
            environment: cx.environment.clone(),
            limit: options.limit,
            timeout: options.timeout.0,
            interval: options.interval.0,
            start: options.start.clone(),
            on_offset_expired: options.on_offset_expired,
            drop_own: options.drop_own,
            own_id: None,
            standing: Standing { cursor: None, priming: false, begun: false },
            trail: Trail::default(),
            quiet: Quiet::default(),
            malformed: Malformed::default(),
            limited: 0,
            last_seen: None,
        }
    }

    /// How long the server may hold the next poll. History is read away without holding: what comes during a held
    /// poll is news already.
    fn hold(&self) -> Duration {
        if self.standing.priming { Duration::ZERO } else { self.timeout }
    }

    fn target(&self) -> String {
        let (limit, seconds) = (self.limit, self.hold().as_secs());
        match &self.standing.cursor {
            Some(offset) => {
                let offset = utf8_percent_encode(offset, QUERY);
                format!("/v2/updates?offset={offset}&limit={limit}&timeout={seconds}")
            }
            None => format!("/v2/updates?limit={limit}&timeout={seconds}"),
        }
    }

    fn asked_to_wait(&mut self, answer: &Answer) -> Error {
        let said = answer.retry_after();
        let wait = said.unwrap_or_else(|| pace::growing(LIMITED.0, self.limited, LIMITED.1));
        if said.is_none() {
            self.client.pause_for(wait);
        }
        self.limited = self.limited.saturating_add(1);
        Error::rate_limited("Zenzap asks to wait (status 429)", Some(wait))
    }

    /// The updates of a page, with the files that they name. Nothing has changed yet: after an error the page comes again.
    async fn read(&mut self, page: &UpdatesPage<'_>, answer: &Answer) -> Result<Decoded> {
        let mut decoded = decode::events(&page.items, answer, &self.origin, self.own_id.as_deref());
        if let Some(attachments) = &mut self.attachments
            && !self.standing.priming
        {
            attachments.download(&mut decoded.events).await?;
        }
        Ok(decoded)
    }

    /// What a page means for where we stand. No `await` in here: it happens whole or not at all.
    fn take(&mut self, page: UpdatesPage<'_>, decoded: Decoded, answer: &Answer) -> Batch {
        let mut batch = Batch::empty(None);
        if page.items.is_empty() {
            self.standing.cursor = page.next_offset.or(self.standing.cursor.take());
            self.rest(&mut batch, answer);
        } else {
            self.quiet = Quiet::default();
            self.advance(page.next_offset, &mut batch);
            self.last_seen = decoded.newest.or(self.last_seen);
            if !self.standing.priming {
                (batch.events, batch.rejects) = (decoded.events, decoded.rejects);
            }
        }
        batch.cursor = self.standing.to_cursor();
        batch
    }

    /// After an empty page.
    fn rest(&mut self, batch: &mut Batch, answer: &Answer) {
        if self.standing.priming {
            self.standing.primed();
            tracing::info!(account = %self.origin.account, "history is read away; updates from now on are emitted");
            return;
        }
        let clock = &*self.environment.clock;
        let rest = self.quiet.after_empty(self.timeout, answer.took, clock.elapsed());
        batch.caught_up = rest.caught_up;
        if let Some(step) = rest.early_in_a_row {
            let wait = pace::growing(Duration::from_secs(1), step, self.interval);
            batch.pace = pace::no_sooner_than(wait, &*self.environment.chance);
        }
    }

    /// After a page with items: moves on, unless that would lead in a circle.
    fn advance(&mut self, next_offset: Option<String>, batch: &mut Batch) {
        let sent = self.standing.cursor.as_deref();
        let repeats = next_offset.as_deref().is_none_or(|next| Some(next) == sent || self.trail.holds(next));
        if repeats {
            tracing::error!(
                account = %self.origin.account,
                sent_offset = sent.unwrap_or("none"),
                next_offset = next_offset.as_deref().unwrap_or("none"),
                "Zenzap sent updates without moving the offset on; the offset is kept, the page's updates go on, and the next poll waits the interval"
            );
            batch.pace = pace::after(self.interval, &*self.environment.chance);
            return;
        }
        let left = std::mem::replace(&mut self.standing.cursor, next_offset);
        self.trail.leave(left);
    }

    fn expired(&mut self, gap: sluicebox_core::Gap) -> Batch {
        self.standing.cursor = None;
        self.standing.begun = true;
        self.trail = Trail::default();
        self.quiet = Quiet::default();
        let mut batch = Batch::empty(self.standing.to_cursor());
        batch.pace = pace::no_sooner_than(Duration::from_secs(1), &*self.environment.chance);
        // What is lost while history is read away would not have been emitted.
        batch.gap = Some(gap).filter(|_| !self.standing.priming);
        batch
    }
}

#[async_trait]
impl Source for ZenzapFeed {
    async fn open(&mut self, saved: Option<&Cursor>) -> Result<()> {
        self.standing = Standing::new(saved, &self.start)?;
        self.trail = Trail::default();
        self.quiet = Quiet::default();
        self.malformed.reset();
        if self.standing.priming {
            tracing::info!(account = %self.origin.account, "reading history away without emitting it (start: now)");
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        if self.drop_own && self.own_id.is_none() {
            self.own_id = Some(own::id(&self.client).await?);
        }
        let answer = match self.client.get(&self.target()).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.malformed.judge(error)),
        };
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            return Err(self.asked_to_wait(&answer));
        }
        self.limited = 0;
        if answer.status == StatusCode::CONFLICT {
            let offset = self.standing.cursor.as_deref();
            return match conflict(&answer, &self.client, offset, (self.on_offset_expired, self.last_seen)) {
                Conflict::Pause(error) => Err(error),
                Conflict::Gap(gap) => Ok(Some(self.expired(gap))),
            };
        }
        if !answer.status.is_success() {
            return Err(status::refusal(&answer, &self.client, self.standing.cursor.as_deref()));
        }
        match decode::page(&answer.body) {
            Ok(page) => {
                self.malformed.reset();
                let decoded = self.read(&page, &answer).await?;
                Ok(Some(self.take(page, decoded, &answer)))
            }
            Err(why) => {
                let status = answer.status.as_u16();
                let message =
                    format!("Zenzap answered {status} with something that is not a page of updates: {why}");
                Err(self.malformed.another(&message))
            }
        }
    }
}
