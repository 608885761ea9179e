//! Polls a declared API: one request per call, and the judgement where its answer leaves us.
//!
//! Invariant: the cursor is the API's text, byte for byte; nothing changes before the answer is there, so that a
//! dropped poll is simply asked again; no answer makes a hot loop.

mod rounds;
mod verdict;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderName, HeaderValue, StatusCode};
use sluicebox_core::{
    Batch, Context, Cursor, Environment, Error, Pace, Result, Source, SourceClass, Timestamp,
};
use sluicebox_http::{Answer, Call, Client};
use sluicebox_polling::item::Origin;
use sluicebox_polling::protocol::Malformed;
use sluicebox_polling::quiet::{Quiet, Trail};
use sluicebox_polling::standing::Standing;
use sluicebox_polling::{Start, pace};

use super::compiled::Compiled;
use super::cursor::{CursorKind, Next};
use super::page::Page;
use super::pages::Round;
use super::progress::{Facts, Progress};
use super::refusals;
use super::sweep::Sweep;
use super::template::Variables;
use super::{HttpPoll, OnCursorExpired, decimal, pages};

/// The feed of one account.
pub(crate) struct DeclaredFeed {
    compiled: Compiled,
    client: Arc<Client>,
    origin: Origin,
    environment: Environment,
    initial: Option<String>,
    interval: Duration,
    timeout: Option<Duration>,
    start: Start,
    on_cursor_expired: OnCursorExpired,
    /// Whether the boundary comes again with every poll.
    repeats: bool,
    asks_for_changes: bool,
    sweep: Option<Sweep>,
    /// Where the sweep over pages stands, if there are pages.
    round: Option<Round>,
    standing: Standing,
    trail: Trail,
    quiet: Quiet,
    malformed: Malformed,
    /// The target that was asked last with what its answer is known by.
    known: Option<(String, HeaderValue)>,
    /// Answers in a row that asked to wait without saying how long.
    limited: u32,
    last_seen: Option<Timestamp>,
}

impl DeclaredFeed {
    pub(super) fn new(
        options: &HttpPoll,
        compiled: Compiled,
        client: Arc<Client>,
        origin: Origin,
        cx: &Context,
    ) -> Self {
        let overlap = options.cursor.as_ref().and_then(|cursor| cursor.overlap);
        let round = compiled.pages.as_ref().map(|_| Round::new(compiled.rule(overlap.is_some())));
        Self {
            compiled,
            client,
            origin,
            environment: cx.environment.clone(),
            initial: options.cursor.as_ref().and_then(|cursor| cursor.initial.clone()),
            interval: options.interval.0,
            timeout: options.timeout.map(|timeout| timeout.0),
            start: options.start.clone(),
            on_cursor_expired: options.on_cursor_expired,
            repeats: options.source_class() == SourceClass::RecordField,
            asks_for_changes: options.etag,
            sweep: overlap.map(|it| Sweep::new(it.0)),
            round,
            standing: Standing { cursor: None, priming: false, begun: false },
            trail: Trail::default(),
            quiet: Quiet::default(),
            malformed: Malformed::default(),
            known: None,
            limited: 0,
            last_seen: None,
        }
    }

    /// The cursor that the next request sends.
    fn sent(&self) -> Option<Cow<'_, str>> {
        match (&self.sweep, self.standing.cursor.as_deref()) {
            (Some(sweep), Some(cursor)) => Some(sweep.sent(cursor)),
            (_, cursor) => cursor.or(self.initial.as_deref()).map(Cow::Borrowed),
        }
    }

    /// The request that the next poll makes: `GET /v1/events?limit=100`, with its body if it has one.
    pub(crate) fn request_line(&self) -> Result<String> {
        let call = self.call()?;
        let body = String::from_utf8_lossy(&call.body).into_owned();
        Ok(format!("{} {} {body}", call.method, call.target).trim_end().to_owned())
    }

    /// Headers of an answer that mean something to this feed.
    pub(crate) fn telling_headers(&self) -> Vec<HeaderName> {
        let places = [self.compiled.next.as_ref(), self.compiled.pages.as_ref().map(|(place, _)| place)];
        let named = places.into_iter().flatten().filter_map(Next::header);
        named.chain(&self.compiled.interval_header).cloned().collect()
    }

    /// A text without the secrets of this feed.
    pub(crate) fn blotted(&self, text: &str) -> String {
        self.client.blotted(text)
    }

    fn call(&self) -> Result<Call> {
        // History is read away without holding: what comes during a held poll is news already.
        let timeout =
            self.timeout.map(|timeout| if self.standing.priming { Duration::ZERO } else { timeout });
        let sent = self.sent();
        let sent = sent.as_deref();
        let page = self.page_asked();
        let variables = Variables { cursor: sent, page, limit: self.compiled.limit, timeout };
        let page_kind = self.compiled.pages.as_ref().map(|(_, kind)| *kind);
        let address = match (page, sent) {
            (Some(page), _) if page_kind == Some(CursorKind::Url) => Some(page),
            (_, sent) => sent.filter(|_| self.compiled.kind == CursorKind::Url),
        };
        let mut call = match address {
            Some(address) => self.compiled.request.to(address.to_owned(), &variables)?,
            None => self.compiled.request.call(&variables)?,
        };
        // Within a sweep, "nothing changed" would end it.
        let known = self.known.as_ref().filter(|(target, _)| page.is_none() && *target == call.target);
        if let Some((_, tag)) = known {
            call.headers.insert(IF_NONE_MATCH, tag.clone());
        }
        Ok(call)
    }

    fn rested(&self, answer: &Answer) -> Pace {
        let asked = self.compiled.interval_header.as_ref().and_then(|name| {
            let seconds: u64 = answer.headers.get(name)?.to_str().ok()?.trim().parse().ok()?;
            Some(Duration::from_secs(seconds))
        });
        match asked.filter(|asked| *asked > self.interval) {
            Some(asked) => pace::no_sooner_than(asked, &*self.environment.chance),
            None => pace::after(self.interval, &*self.environment.chance),
        }
    }

    /// A page without anything, and the usual wait.
    fn nothing(&mut self, answer: &Answer) -> Batch {
        if let Some(round) = &mut self.round {
            round.end(&mut self.standing.cursor);
        }
        self.primed();
        let mut batch = Batch::empty(self.position());
        batch.caught_up = true;
        batch.pace = self.rested(answer);
        batch
    }

    fn primed(&mut self) {
        if self.standing.priming {
            self.standing.primed();
            tracing::info!(account = %self.origin.account, "history is read away; what comes from now on is emitted");
        }
    }

    /// What a page means for where we stand. No `await` in here: it happens whole or not at all.
    fn take(&mut self, mut page: Page<'_>, answer: &Answer, target: String) -> Batch {
        let is_first = self.page_asked().is_none();
        let progress = self.advance(&mut page);
        // Of a sweep that goes on behind this page, "nothing changed" would say too much.
        let is_whole = self.round.is_none() || is_first && progress == Progress::Still;
        let tag = answer.headers.get(ETAG).filter(|_| self.asks_for_changes && is_whole);
        self.known = tag.map(|tag| (target, tag.clone()));
        let newest = page.items.last().and_then(|item| self.compiled.event.time(item));
        self.last_seen = newest.max(self.last_seen);
        let mut batch = Batch::empty(None);
        if !self.standing.priming && !page.items.is_empty() {
            batch.unread = Some(page.unread(answer, &self.origin, &self.compiled.event));
        }
        // Where the boundary comes again with every poll, a page that moves nothing holds nothing new.
        let more = match self.round {
            Some(_) => progress != Progress::Still,
            None => page.more && !(self.repeats && progress == Progress::Still),
        };
        match self.timeout {
            Some(timeout) if !self.standing.priming => {
                self.hold(&mut batch, &page, (timeout, progress), answer);
            }
            _ => {
                // After the end of history, a long poll is held at once: what comes from now on is news.
                let is_held_next = self.standing.priming && self.timeout.is_some();
                if !more {
                    self.primed();
                }
                batch.caught_up = !more && !is_held_next;
                if batch.caught_up || more && progress != Progress::Forward {
                    batch.pace = self.rested(answer);
                }
            }
        }
        batch.cursor = self.position();
        batch
    }

    /// When to ask again after a long poll.
    fn hold(
        &mut self,
        batch: &mut Batch,
        page: &Page<'_>,
        (timeout, progress): (Duration, Progress),
        answer: &Answer,
    ) {
        if !page.items.is_empty() {
            self.quiet = Quiet::default();
            if progress != Progress::Forward {
                batch.pace = self.rested(answer);
            }
            return;
        }
        let clock = &*self.environment.clock;
        let rest = self.quiet.after_empty(timeout, answer.took, clock.elapsed());
        batch.caught_up = rest.caught_up;
        if let Some(step) = rest.early_in_a_row {
            let wait = pace::growing(Duration::from_secs(1), step, self.interval);
            batch.pace = pace::no_sooner_than(wait, &*self.environment.chance);
        }
    }

    /// Moves the cursor, unless the page would lead astray.
    fn advance(&mut self, page: &mut Page<'_>) -> Progress {
        if self.compiled.next.is_none() {
            return Progress::Still;
        }
        let next = page.next.take();
        let sent = self.sent().map(Cow::into_owned);
        if self.round.is_some() {
            return self.turn(page, next);
        }
        if let Some(sweep) = &mut self.sweep {
            return sweep.advance(&mut self.standing.cursor, sent.as_deref(), next, page.more);
        }
        let facts = Facts {
            sent: sent.as_deref(),
            next: next.as_deref(),
            brings: page.more || !page.items.is_empty(),
            promises: page.more && self.compiled.more.is_promise(),
            kind: self.compiled.kind,
            repeats: self.repeats,
        };
        let progress = facts.judge(&self.trail);
        match progress {
            Progress::Forward => {
                let left = std::mem::replace(&mut self.standing.cursor, next);
                self.trail.leave(left);
            }
            Progress::Still => {}
            Progress::Fault(what) => self.complain(what, sent.as_deref(), next.as_deref()),
        }
        progress
    }

    fn complain(&self, what: &str, sent: Option<&str>, next: Option<&str>) {
        tracing::error!(
            account = %self.origin.account,
            sent_cursor = self.blotted(sent.unwrap_or("none")),
            next_cursor = self.blotted(next.unwrap_or("none")),
            "the API {what}; the cursor is kept, the page's items go on, and the next poll waits the interval"
        );
    }

    /// A page whose next address, if it is one, is on the same host.
    fn page<'a>(&self, answer: &'a Answer) -> Result<Page<'a>, String> {
        let mut page = Page::read(answer, &self.compiled)?;
        let page_kind = self.compiled.pages.as_ref().map(|(_, kind)| *kind);
        let addresses = [
            page.next.as_mut().filter(|_| self.compiled.kind == CursorKind::Url),
            page.following.as_mut().filter(|_| page_kind == Some(CursorKind::Url)),
        ];
        for address in addresses.into_iter().flatten() {
            // An answer that repeats the query of its request repeats a key and a signature, which nobody is to keep.
            *address = self.client.without_credentials(address);
            self.client.base_url().resolve(address).map_err(|error| error.to_string())?;
        }
        if let Some(text) = page.next.as_deref().filter(|text| self.sweep.is_some() && !Sweep::is_time(text))
        {
            return Err(format!(
                "the next cursor is no time: `{}`",
                text.chars().take(100).collect::<String>()
            ));
        }
        Ok(page)
    }

    /// Refuses a saved cursor that is not of its kind.
    fn check_kind(&self, cursor: &str) -> Result<()> {
        let expected = match self.compiled.kind {
            CursorKind::Number if !decimal::is_decimal(cursor) => "a number",
            _ if self.sweep.is_some() && !Sweep::is_time(cursor) => "a time like `2026-06-12T10:00:00Z`",
            _ => return Ok(()),
        };
        Err(Error::config(format!("the cursor `{cursor}` is not {expected}"))
            .with_reason("cursor_rejected")
            .with_help("set a good one with `sluicebox cursor set`"))
    }
}

#[async_trait]
impl Source for DeclaredFeed {
    async fn open(&mut self, saved: Option<&Cursor>) -> Result<()> {
        let mut standing = Standing::new(saved, &self.start)?;
        standing.cursor = match &mut self.round {
            Some(round) => round.stand(standing.cursor.take()),
            None => pages::without_pages(standing.cursor.take()),
        };
        if self.compiled.kind == CursorKind::Url {
            standing.cursor = standing.cursor.map(|address| self.client.without_credentials(&address));
        }
        let newest = self.round.as_ref().and_then(Round::newest);
        standing
            .cursor
            .as_deref()
            .into_iter()
            .chain(newest)
            .try_for_each(|cursor| self.check_kind(cursor))?;
        if let Some(sweep) = &mut self.sweep {
            sweep.reset();
        }
        if standing.priming {
            tracing::info!(account = %self.origin.account, "reading history away without emitting it (start: now)");
        }
        self.standing = standing;
        (self.trail, self.quiet, self.known) = (Trail::default(), Quiet::default(), None);
        self.malformed.reset();
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        let call = self.call()?;
        let (target, asked_for_changes) = (call.target.clone(), call.headers.contains_key(IF_NONE_MATCH));
        let answer = match self.client.send(call).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.malformed.judge(error)),
        };
        if answer.status == StatusCode::NOT_MODIFIED && asked_for_changes {
            self.malformed.reset();
            return Ok(Some(self.nothing(&answer)));
        }
        if let Some(rule) = self.compiled.rules.iter().find(|rule| rule.holds(&answer)) {
            let (meaning, help) = (rule.then, rule.help.clone());
            return self.declared(&answer, meaning, help).map(Some);
        }
        if refusals::asks_to_wait(&answer) {
            return Err(self.asked_to_wait(&answer));
        }
        self.limited = 0;
        if let Some(error) = refusals::of_status(&answer, &self.client, self.standing.cursor.as_deref()) {
            return Err(self.of_page(error, &answer));
        }
        match self.page(&answer) {
            Ok(page) => {
                self.malformed.reset();
                let batch = self.take(page, &answer, target);
                self.astray(&answer).map_or(Ok(Some(batch)), Err)
            }
            Err(why) => {
                let (host, status) = (self.client.base_url(), answer.status.as_u16());
                let why = self.blotted(&why);
                let message = format!("{host} answered {status} with something that is not a page: {why}");
                Err(self.malformed.another(&message))
            }
        }
    }
}
