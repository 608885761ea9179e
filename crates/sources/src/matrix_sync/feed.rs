//! Polls `GET /sync`, and reads rooms whose timelines were cut short before it polls again: one request per call.
//!
//! Source: the Matrix Client-Server API, "Syncing". A hole is read forwards, from the token of the last sync to that of
//! this one, which the API allows as well as reading backwards: pages then come in the order in which they are passed on,
//! none has to be kept, and a hole of any length needs no bound. Invariant: tokens are the server's text, byte for byte;
//! nothing changes before the answer is there, so that a dropped poll is simply asked again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use sluicebox_core::{Batch, Context, Cursor, Environment, Error, Gap, Result, Source};
use sluicebox_http::{Answer, Client, Limits};

use super::asking::Asking;
use super::decode::{self, Items, MessagesPage, SyncPage};
use super::place::{Place, Rooms};
use super::{MatrixSync, status};
use crate::item::Origin;
use crate::protocol::Malformed;
use crate::{Start, pace};
use sluicebox_polling::quiet::{Quiet, Trail};

/// Longest pause between syncs that come back empty too early.
const LONGEST_REST: Duration = Duration::from_secs(15);
/// First and longest wait after a 429 that does not say how long.
const LIMITED: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// The first sync of an account in many rooms takes a server long.
const FIRST_SYNC: Duration = Duration::from_secs(300);

/// Everything that happens in the rooms of one account.
pub(super) struct MatrixFeed {
    client: Arc<Client>,
    origin: Origin,
    environment: Environment,
    start: Start,
    asking: Asking,
    place: Place,
    /// Tokens of syncs that were left behind.
    trail: Trail,
    /// Tokens of pages of the room that is being read.
    pages: Trail,
    quiet: Quiet,
    malformed: Malformed,
    /// Answers 429 in a row.
    limited: u32,
}

impl MatrixFeed {
    pub(super) fn new(options: MatrixSync, client: Arc<Client>, cx: &Context) -> Self {
        Self {
            client,
            origin: Origin::new("matrix", cx),
            environment: cx.environment.clone(),
            start: options.start.clone(),
            asking: Asking::new(options),
            place: Place::default(),
            trail: Trail::default(),
            pages: Trail::default(),
            quiet: Quiet::default(),
            malformed: Malformed::default(),
            limited: 0,
        }
    }

    /// One request: the next page of a room, or a sync.
    async fn ask(&self) -> Result<Answer> {
        if let Some(room) = self.place.room() {
            return self.client.get(&self.asking.messages(room, &self.place)).await;
        }
        let target = self.asking.sync(self.place.since());
        if self.place.since().is_some() {
            return self.client.get(&target).await;
        }
        let limits = Limits { read: FIRST_SYNC, total: FIRST_SYNC, ..*self.client.limits() };
        self.client.get_within(&target, &limits).await
    }

    fn refused(&mut self, answer: &Answer) -> Result<Batch> {
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            return Err(self.asked_to_wait(answer));
        }
        self.limited = 0;
        if self.place.room().is_some() && status::is_room_closed(answer) {
            let why = format!("may not be read any more {}", status::said(answer, &self.client));
            return Ok(self.given_up(&why));
        }
        let token = if self.place.room().is_some() { self.place.from() } else { self.place.since() };
        Err(status::refusal(answer, &self.client, token))
    }

    fn asked_to_wait(&mut self, answer: &Answer) -> Error {
        let wait = status::wait(answer).unwrap_or_else(|| pace::growing(LIMITED.0, self.limited, LIMITED.1));
        if answer.retry_after().is_none() {
            self.client.pause_for(wait);
        }
        self.limited = self.limited.saturating_add(1);
        let said = status::said(answer, &self.client);
        Error::rate_limited(format!("the homeserver asks to wait {said}"), Some(wait))
    }

    /// What a sync means for where we stand. No `await` in here: it happens whole or not at all.
    fn take_sync(&mut self, page: SyncPage<'_>, answer: &Answer) -> Batch {
        let is_first = self.place.since().is_none();
        let (mut items, mut rooms) = (Items::default(), Rooms::default());
        for room in page.rooms.into_iter().filter(|room| self.asking.wants(&room.id)) {
            let until = if room.is_joined { None } else { room.last() };
            if is_first {
                if room.is_joined && self.start != Start::Now {
                    rooms.add(room.id, None);
                }
            } else if room.is_limited {
                rooms.add(room.id, until);
            } else {
                items.add(&room.id, &room.events, answer);
            }
        }
        let mut batch = Batch::empty(None);
        if is_first {
            self.tell_of_first(rooms.len());
        }
        if items.is_empty() && rooms.is_empty() {
            self.place.synced(page.next_batch, rooms);
            if !is_first {
                self.rest(&mut batch, answer);
            }
        } else {
            self.quiet = Quiet::default();
            self.advance(page.next_batch, rooms, &mut batch);
        }
        self.emit(&mut batch, items, answer);
        batch
    }

    fn tell_of_first(&self, rooms: usize) {
        let account = &self.origin.account;
        if self.start == Start::Now {
            tracing::info!(%account, "events from now on are passed on (start: now)");
        } else {
            tracing::info!(%account, rooms, "the rooms are read from their beginning (start: beginning)");
        }
    }

    /// After a sync that brought something: moves on, unless that would lead in a circle.
    fn advance(&mut self, next_batch: String, rooms: Rooms, batch: &mut Batch) {
        let sent = self.place.since();
        if sent == Some(&next_batch) || self.trail.holds(&next_batch) {
            tracing::error!(
                account = %self.origin.account, since = sent.unwrap_or("none"), %next_batch,
                "the homeserver sent events without moving on; the place is kept, the events go on, and the next sync waits"
            );
            batch.pace = pace::after(LONGEST_REST, &*self.environment.chance);
            return;
        }
        if !rooms.is_empty() && sent.is_some() {
            tracing::info!(account = %self.origin.account, rooms = rooms.len(), "timelines were cut short; what is missing is read");
        }
        self.trail.leave(sent.map(str::to_owned));
        self.place.synced(next_batch, rooms);
        self.pages = Trail::default();
    }

    /// After a sync with nothing in it.
    fn rest(&mut self, batch: &mut Batch, answer: &Answer) {
        let clock = &*self.environment.clock;
        let rest = self.quiet.after_empty(self.asking.timeout(), answer.took, clock.elapsed());
        batch.caught_up = rest.caught_up;
        if let Some(step) = rest.early_in_a_row {
            let wait = pace::growing(Duration::from_secs(1), step, LONGEST_REST);
            batch.pace = pace::no_sooner_than(wait, &*self.environment.chance);
        }
    }

    /// What a page of a room means for where we stand. No `await` in here either.
    fn take_messages(&mut self, mut page: MessagesPage<'_>, answer: &Answer) -> Batch {
        if let Some(until) = self.place.until() {
            page.cut_after(until);
        }
        let mut items = Items::default();
        if let Some(room) = self.place.room() {
            items.add(room, &page.events, answer);
        }
        let sent = self.place.from();
        let mut batch = match page.end.filter(|end| sent != Some(end) && self.place.since() != Some(end)) {
            Some(end) if self.pages.holds(&end) => self.given_up("leads in a circle when it is read"),
            Some(end) => {
                self.pages.leave(sent.map(str::to_owned));
                self.place.turned(end);
                Batch::empty(None)
            }
            None => {
                self.leave_room();
                Batch::empty(None)
            }
        };
        self.emit(&mut batch, items, answer);
        batch
    }

    /// The room that is being read cannot be read to its end: a gap.
    fn given_up(&mut self, why: &str) -> Batch {
        let lost_cursor = self.place.to_cursor();
        let room = self.place.room().unwrap_or_default();
        let message = format!("the room {room} {why}: events of it up to the last sync may be lost");
        self.leave_room();
        let mut batch = Batch::empty(self.place.to_cursor());
        batch.gap = Some(Gap { lost_cursor, last_seen: None, message });
        batch
    }

    fn leave_room(&mut self) {
        self.place.leave_room();
        self.pages = Trail::default();
    }

    fn emit(&self, batch: &mut Batch, items: Items, answer: &Answer) {
        if !items.is_empty() {
            batch.unread = Some(items.unread(self.asking.types().clone(), self.origin.clone(), answer));
        }
        batch.cursor = self.place.to_cursor();
    }

    fn take(&mut self, answer: &Answer) -> Result<Batch> {
        let taken = if self.place.room().is_some() {
            decode::messages(&answer.body).map(|page| self.take_messages(page, answer))
        } else {
            decode::sync(&answer.body).map(|page| self.take_sync(page, answer))
        };
        taken.map_err(|why| {
            let status = answer.status.as_u16();
            let message =
                format!("the homeserver answered {status} with something that is not an answer: {why}");
            self.malformed.another(&message)
        })
    }
}

#[async_trait]
impl Source for MatrixFeed {
    async fn open(&mut self, saved: Option<&Cursor>) -> Result<()> {
        self.place = match (saved, &self.start) {
            (Some(saved), _) => Place::parse(saved.as_str().ok_or_else(|| {
                Error::config("the saved cursor is not text")
                    .with_help("set a good one with `sluicebox cursor set`")
            })?)?,
            (None, Start::Cursor(text)) => Place::parse(text)?,
            (None, Start::Beginning | Start::Now) => Place::default(),
        };
        self.trail = Trail::default();
        self.pages = Trail::default();
        self.quiet = Quiet::default();
        self.malformed.reset();
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        let answer = match self.ask().await {
            Ok(answer) => answer,
            Err(error) => return Err(self.malformed.judge(error)),
        };
        if !answer.status.is_success() {
            return self.refused(&answer).map(Some);
        }
        self.limited = 0;
        let batch = self.take(&answer)?;
        self.malformed.reset();
        Ok(Some(batch))
    }
}
