//! The `http_poll` source: its options, which are its reference page.
//!
//! Invariant: whatever can be known to be wrong before the first request (paths, templates, names of headers, values
//! that are named and not there) is refused when the file is checked.

mod compiled;
mod cursor;
mod decimal;
mod event;
mod feed;
mod link;
mod more;
mod page;
mod pages;
mod probe;
mod progress;
mod refusals;
mod request;
mod several;
mod sweep;
mod template;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    BuiltSource, ByteSize, CheckContext, Context, Error, Event, Period, Probe, Problem, Reject, Result,
    Secret, SourceClass, SourceSpec,
};
use sluicebox_http::{Auth, BaseUrl, Client, ClientOptions, Limits, Rate};
use sluicebox_polling::item::Origin;
use sluicebox_polling::{Start, asking};

use compiled::Compiled;
pub use cursor::{CursorKind, CursorOptions, NextOptions};
pub use event::{EventOptions, TimeFormat};
use feed::DeclaredFeed;
pub use more::MoreOptions;
pub use pages::PageOptions;
pub use refusals::{ErrorRule, Meaning};
pub use request::{PollMethod, RequestOptions};
pub use several::Several;

/// Polls any API that lists what is new after a cursor.
///
/// Each poll makes one request. The answer's list of `items` becomes events, byte for byte, oldest first; `meta.id` is
/// `http_poll:<account>:<id>`. The cursor is the API's own text: it is kept as it came, and sent where the request says
/// `{{ cursor }}`. A parameter, header or field whose value is not there yet is left out. A cursor is never replaced by
/// nothing, and one that stays, goes back or runs in a circle while the API promises more is logged as an error and
/// asked for again after `interval`.
///
/// Texts of the request may hold `{{ cursor }}`, `{{ cursor + 1 }}` (for cursors that are whole numbers), `{{ page }}`,
/// `{{ limit }}` and `{{ timeout }}` (whole seconds). Paths lead into an answer: `data.items`, `links.0.href`, `$` for the
/// whole body.
///
/// Where an API answers in pages what came since the cursor, `cursor.pages` says how the next page is asked for. The
/// cursor moves when the last page is read; a restart goes on with the page, and where that is no longer available (a
/// rule with `then: expired`), the sweep begins again: at least once. Items of a page come oldest first; where the first
/// page holds the newest items, so does the first batch of a sweep.
///
/// What a status means that no rule under `errors` speaks of: 2xx is a page; 408, 425 and 5xx are tried again; 429
/// waits as `Retry-After` says; everything else pauses the source with its cursor kept. An answer that is not what the
/// declaration says never moves the cursor and is asked for again; ten in a row pause the source.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "base_url": "https://api.example.com",
    "auth": { "bearer": "${API_TOKEN}" },
    "request": { "path": "/v1/events", "query": { "after": "{{ cursor }}", "limit": "{{ limit }}" } },
    "limit": 100,
    "items": "events",
    "cursor": { "next": { "body": "nextCursor" } },
    "more": { "field": "hasMore" },
    "event": { "id": "id", "type": "type", "time": "createdAt" }
}))]
pub struct HttpPoll {
    /// Where the API lives; requests and credentials go nowhere else.
    #[schemars(example = "https://api.example.com")]
    pub base_url: String,
    /// Whether the path of `base_url` is a credential, which is then never shown.
    #[serde(default)]
    pub base_url_is_secret: bool,
    /// The credentials: `bearer`, `basic`, `header`, `api_key`, `hmac` or `oauth`. Unset: a public API.
    #[serde(default)]
    pub auth: Option<Auth>,
    /// What is asked.
    #[serde(default)]
    pub request: RequestOptions,
    /// Items per page, sent as `{{ limit }}`.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub limit: Option<u32>,
    /// The path of the list in the answer.
    #[schemars(example = &"events")]
    pub items: String,
    /// Whether the list begins with the newest item.
    #[serde(default)]
    pub newest_first: bool,
    /// How the position is read from an answer. Unset: every poll asks for the same, and items that came before are
    /// known by their ids, of which the last 1,000 are kept.
    #[serde(default)]
    pub cursor: Option<CursorOptions>,
    /// How the API says that there is more. Unset: until a page comes empty; for cursors that are addresses, while there
    /// is a next one; without a cursor, never.
    #[serde(default)]
    pub more: Option<MoreOptions>,
    /// Where an item says who it is.
    pub event: EventOptions,
    /// What answers mean, beside what their status says.
    #[serde(default)]
    pub errors: Vec<ErrorRule>,
    /// What to do when the cursor is no longer available (a rule with `then: expired`).
    #[serde(default)]
    pub on_cursor_expired: OnCursorExpired,
    /// What the API does with what was read.
    #[serde(default)]
    pub class: Option<Class>,
    /// Time between two polls while there is nothing new, give or take ten percent; at least 1s.
    #[serde(default = "default_interval")]
    pub interval: Period,
    /// A header with the least seconds between two polls, which counts if it is longer than `interval`.
    #[serde(default)]
    #[schemars(example = "X-Poll-Interval")]
    pub interval_header: Option<String>,
    /// How long the server may hold a poll while there is nothing new, sent as `{{ timeout }}`: whole seconds, up to 5m.
    /// Set, it makes this a long poll: the next one follows at once. `0s`: nothing is held, and `interval` counts.
    #[serde(default)]
    pub timeout: Option<Period>,
    /// Whether to send `If-None-Match`, so that an answer without news costs nothing (304).
    #[serde(default)]
    pub etag: bool,
    /// Where the very first poll begins: `beginning` (what the API gives without a cursor), `now` (what is there is read
    /// and not emitted), or `{ cursor: "…" }`.
    #[serde(default)]
    pub start: Start,
    /// Requests per minute with a burst as large, or `unlimited`; look-ups with `same_as` count.
    #[serde(default = "default_rate")]
    pub rate: Rate,
    /// Most bytes of one answer, decompressed.
    #[serde(default = "default_max_body")]
    pub max_body: ByteSize,
    /// Secrets that the request holds beside `auth`; known of connectors, whose parameters say what they are.
    #[serde(skip)]
    pub(crate) hidden: Vec<Secret>,
}

/// What an API does with what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// It keeps its events, and gives those after the cursor: exactly once into sinks that can. The default with a
    /// cursor that is not an address and without pages.
    Feed,
    /// It may forget what was read once the next page is asked for, or nobody knows: the next poll waits until this page
    /// is durable in every sink.
    ConfirmOnRead,
    /// The cursor is a field of the records, or the same page is asked for again: at least once. The default without a
    /// cursor, with one that is an address, and with pages.
    RecordField,
}

/// What follows a cursor that is no longer available.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnCursorExpired {
    /// Go on without a cursor; the gap is logged and counted. What the API still has may come again.
    Reset,
    /// Pause until a person decides.
    #[default]
    Stop,
}

fn default_interval() -> Period {
    Period::from_secs(15)
}

fn default_rate() -> Rate {
    Rate::per_minute(60)
}

fn default_max_body() -> ByteSize {
    ByteSize(16 << 20)
}

/// The longest that a server may be asked to hold a poll.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(300);

impl HttpPoll {
    /// The class as declared, else as the cursor makes it.
    pub(crate) fn source_class(&self) -> SourceClass {
        match self.class {
            Some(Class::ConfirmOnRead) => SourceClass::ConfirmOnRead,
            Some(Class::RecordField) => SourceClass::RecordField,
            None if self.asks_again() => SourceClass::RecordField,
            Some(Class::Feed) | None => SourceClass::RetainedFeed,
        }
    }

    /// Whether items come again with every poll, because nothing says what was read, or the last page is asked for
    /// again, or a sweep whose page is no longer available begins anew.
    fn asks_again(&self) -> bool {
        let may = |cursor: &CursorOptions| cursor.kind() == CursorKind::Url || cursor.pages.is_some();
        self.cursor.as_ref().is_none_or(may)
    }

    /// A held poll is silent for up to `timeout`; the margin keeps us from giving up on healthy ones.
    fn limits(&self) -> Limits {
        let defaults = Limits::default();
        let hold = self.timeout.map_or(Duration::ZERO, |timeout| timeout.0);
        let read = defaults.read.max(hold + Duration::from_secs(15));
        let total = defaults.total.max(read + Duration::from_secs(45));
        Limits { read, total, body_bytes: self.max_body.as_usize() }
    }

    fn address(&self) -> Result<BaseUrl, String> {
        let address = BaseUrl::parse(&self.base_url)?;
        Ok(if self.base_url_is_secret { address.kept_secret() } else { address })
    }

    /// Where the API lives, as messages show it.
    pub(crate) fn shown_address(&self) -> Option<String> {
        self.address().ok().map(|address| address.to_string())
    }

    fn check_auth(&self) -> Vec<Problem> {
        let scheme = match &self.auth {
            None => return Vec::new(),
            Some(Auth::SameAs(_)) => "same_as",
            Some(Auth::Webhook(_)) => "webhook",
            Some(auth) => return auth.problems(),
        };
        let problem = Problem::new(format!("auth.{scheme}"), "a source needs credentials of its own to poll");
        vec![problem.with_help("use `bearer`, `basic`, `header`, `api_key`, `hmac` or `oauth`")]
    }

    fn check_waits(&self, problems: &mut Vec<Problem>) {
        if self.interval.0 < Duration::from_secs(1) {
            problems.push(Problem::new("interval", format!("expected at least 1s, found {}", self.interval)));
        }
        if let Some(timeout) = self.timeout
            && (timeout.0 > LONGEST_TIMEOUT || timeout.0.subsec_nanos() != 0)
        {
            let message = format!("expected whole seconds, 0s to 5m, found {timeout}");
            problems.push(Problem::new("timeout", message));
        }
        let pages = self.cursor.as_ref().and_then(|cursor| cursor.pages.as_ref());
        if self.timeout.is_some() && pages.is_some() {
            problems.push(
                Problem::new("timeout", "a server cannot hold a poll that has several pages")
                    .with_help("remove `timeout`, or `cursor.pages`"),
            );
        }
        if self.limit == Some(0) {
            problems.push(Problem::new("limit", "expected at least 1, found 0"));
        }
    }

    /// Everything wrong with it that the types cannot say.
    pub(crate) fn problems(&self, family: &str) -> Vec<Problem> {
        let mut problems = Compiled::new(self, family).err().unwrap_or_default();
        problems.extend(self.address().err().map(|message| Problem::new("base_url", message)));
        problems.extend(self.check_auth());
        self.check_waits(&mut problems);
        if let Start::Cursor(_) = self.start
            && self.cursor.is_none()
        {
            problems.push(
                Problem::new("start.cursor", "without `cursor`, there is no position to start at")
                    .with_help("say how the position is read: `cursor: { next: … }`"),
            );
        }
        let overlap = self.cursor.as_ref().and_then(|cursor| cursor.overlap);
        if overlap.is_some() && self.source_class() != SourceClass::RecordField {
            problems.push(
                Problem::new(
                    "cursor.overlap",
                    "an overlap brings records again, which only `record_field` allows",
                )
                .with_help("add `class: record_field`"),
            );
        }
        if self.class == Some(Class::Feed) && self.asks_again() {
            problems.push(
                Problem::new("class", "this asks for the same items again, which no `feed` does")
                    .with_help("remove `class`, or use `record_field`"),
            );
        }
        problems
    }

    /// The client of this account, published for `same_as`.
    fn client(&self, cx: &Context) -> Result<Arc<Client>> {
        let base_url = self.address().map_err(Error::config)?;
        let options =
            ClientOptions { base_url, auth: self.auth.clone(), rate: self.rate, limits: self.limits() };
        let client = Client::hiding(options, self.hidden.clone(), cx)?;
        client.publish(cx);
        Ok(client)
    }

    /// The event of one item; `family` begins its id.
    pub(crate) fn item_of(
        &self,
        family: &str,
        item: &Bytes,
        cx: &Context,
    ) -> Option<Result<Event, Box<Reject>>> {
        let paths = Compiled::new(self, family).ok()?.event;
        Some(paths.event(item, &paths.places(), &Origin::new(family, cx), cx.environment.clock.now()))
    }

    /// The source of one account; `family` begins the ids of its events.
    pub(crate) fn build_of(&self, family: &str, cx: &Context) -> Result<BuiltSource> {
        self.feed_of(family, cx).map(BuiltSource::single)
    }

    /// The same, for whoever wants to look at its requests.
    pub(crate) fn feed_of(&self, family: &str, cx: &Context) -> Result<DeclaredFeed> {
        let compiled = self.compiled(family)?;
        let client = self.client(cx)?;
        Ok(DeclaredFeed::new(self, compiled, client, Origin::new(family, cx), cx))
    }

    /// Asks the API whether a run would work.
    pub(crate) async fn probe_of(&self, family: &str, cx: &Context) -> Probe {
        match self.client(cx).and_then(|client| Ok((client, self.compiled(family)?))) {
            Ok((client, compiled)) => probe::probe(self, &compiled, &client).await,
            Err(error) => asking::impossible(error),
        }
    }

    fn compiled(&self, family: &str) -> Result<Compiled> {
        Compiled::new(self, family).map_err(|problems| {
            let said: Vec<String> = problems
                .into_iter()
                .map(|problem| format!("{}: {}", problem.path, problem.message))
                .collect();
            Error::config(said.join("; "))
        })
    }
}

#[async_trait]
impl SourceSpec for HttpPoll {
    const TYPE: &'static str = "http_poll";

    fn class(&self) -> SourceClass {
        self.source_class()
    }

    fn talks_to(&self) -> Option<String> {
        self.shown_address()
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        self.problems(Self::TYPE)
    }

    fn item(&self, item: &Bytes, cx: &Context) -> Option<Result<Event, Box<Reject>>> {
        self.item_of(Self::TYPE, item, cx)
    }

    async fn build(self, cx: &Context) -> Result<BuiltSource> {
        self.build_of(Self::TYPE, cx)
    }

    async fn probe(&self, cx: &Context) -> Probe {
        self.probe_of(Self::TYPE, cx).await
    }
}
