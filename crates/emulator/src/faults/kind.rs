//! The kinds of fault and where and when they strike; pure data, applied by the server.

use std::time::Duration;

/// One fault: what goes wrong, on which requests.
///
/// Written `[TARGET:][account:K:]KIND[=ARG][@N|@every:N]`; the table is in the documentation of this crate.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// On which of the matching requests.
    pub when: When,
    /// Which requests match.
    pub target: Target,
    /// The only account whose requests match; `None` matches those of all.
    pub account: Option<u32>,
}

/// On which of the matching requests a fault strikes. Requests are counted from the moment the fault was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// On the next matching request, once.
    Next,
    /// On the matching request of this number, 1 being the first, once.
    Nth(u64),
    /// On each matching request whose number is a multiple of this.
    Every(u64),
}

/// The requests that a fault is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The polled feeds: `/updates`, `/jobs/changes` or `/v2/updates`; for Slack, everything that posts.
    Poll,
    /// Every other call that reads something.
    LookUp,
    /// `POST /oauth/token`.
    OAuth,
    /// The attachments that the emulator serves (Zenzap).
    File,
}

/// How a 429 says when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// Not at all.
    Absent,
    /// `Retry-After` in seconds.
    Seconds(u64),
    /// `Retry-After` as the HTTP date that many seconds from now.
    Date(u64),
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FaultKind {
    /// An answer with this status, with the error body of the API.
    Status(u16),
    /// A 429.
    RateLimited(RetryAfter),
    /// The body ends after this many bytes although `Content-Length` promised more, and the connection closes.
    Cut(u64),
    /// The connection is reset (RST) without an answer.
    Reset,
    /// Nothing is answered for this long; then the connection closes.
    Hang(Duration),
    /// The body arrives at this many bytes per second.
    Trickle(u64),
    /// The body is broken JSON.
    Malformed,
    /// The page is JSON, but the list is an object and the cursor is a number with a fraction.
    WrongTypes,
    /// The page is JSON, but has none of the keys that it must have.
    MissingKeys,
    /// The body is padded to this many bytes.
    Oversized(u64),
    /// A small gzip body that unpacks to at least this many bytes.
    Bomb(u64),
    /// The honest body, compressed with gzip.
    Gzip,
    /// The page that was served before, with its cursor.
    DuplicatePage,
    /// The right events with a cursor lower than the one that was sent.
    CursorBackwards,
    /// The right events, more announced, and the cursor of an earlier page.
    CursorCycle,
    /// The right events, more announced, and the cursor that was sent.
    StuckCursor,
    /// The right events and a cursor of null.
    NullCursor,
    /// A page without events that leaves the cursor where it is and is honest about whether there are more.
    EmptyPage,
    /// More events are announced, whether there are or not.
    HasMoreLie,
    /// The end of the feed is announced, whether it is or not.
    HasMoreHidden,
    /// A 302 to this address.
    Redirect(String),
    /// A 200 with a page of HTML, as a captive portal serves it.
    Html,
    /// The clock of the server is ahead by this many seconds, for one request.
    Skew(i64),
    /// A 409 that says that the offset is gone.
    Expired,
    /// A 409 that says that the bot is in webhook mode.
    WebhookMode,
    /// The body contains bytes that are no UTF-8.
    Utf8,
    /// An item more in the page, which is no object; the others are right.
    Poison,
    /// An item more in the page, which is an object without an id; the others are right.
    Nameless,
    /// A refusal with this word, of `chat.postMessage` or a webhook; nothing is stored (Slack).
    SlackError(String),
    /// The message is stored, and then this goes wrong: the client cannot know (Slack). One of `Status`, `Reset`,
    /// `Hang` and `SlackError`.
    Stored(Box<FaultKind>),
}

impl Fault {
    /// A fault for the next poll of any account.
    pub fn next(kind: FaultKind) -> Self {
        Self { kind, when: When::Next, target: Target::Poll, account: None }
    }

    /// A fault for each `n`th poll.
    pub fn every(n: u64, kind: FaultKind) -> Self {
        Self { kind, when: When::Every(n), target: Target::Poll, account: None }
    }

    /// The same fault on other requests.
    #[must_use]
    pub fn on(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// The same fault for one account only.
    #[must_use]
    pub fn for_account(mut self, account: u32) -> Self {
        self.account = Some(account);
        self
    }

    /// Every transient kind, spread over the polls by different prime numbers: a right client that keeps asking still
    /// gets every event.
    ///
    /// Left out are the kinds after which it must stop or is told of a gap (`status` 4xx, `redirect`, `expired`,
    /// `webhook_mode`), `skew`, and `has_more_hidden`, which makes a client that stops at the end stop early.
    pub fn transient_set() -> Vec<Self> {
        use FaultKind as Kind;
        let kinds = [
            (17, Kind::Status(500)),
            (19, Kind::Status(502)),
            (23, Kind::Status(503)),
            (29, Kind::Status(504)),
            (31, Kind::RateLimited(RetryAfter::Seconds(1))),
            (37, Kind::RateLimited(RetryAfter::Date(2))),
            (41, Kind::RateLimited(RetryAfter::Absent)),
            (11, Kind::Cut(700)),
            (43, Kind::Cut(0)),
            (13, Kind::Reset),
            (47, Kind::Hang(Duration::from_secs(2))),
            (53, Kind::Trickle(32 << 10)),
            (59, Kind::Malformed),
            (61, Kind::WrongTypes),
            (67, Kind::MissingKeys),
            (71, Kind::Html),
            (73, Kind::Utf8),
            (7, Kind::Gzip),
            (79, Kind::DuplicatePage),
            (83, Kind::CursorBackwards),
            (89, Kind::CursorCycle),
            (97, Kind::StuckCursor),
            (101, Kind::NullCursor),
            (103, Kind::EmptyPage),
            (107, Kind::HasMoreLie),
            (109, Kind::Poison),
            (113, Kind::Nameless),
            (127, Kind::Oversized(64 << 20)),
            (131, Kind::Bomb(256 << 20)),
        ];
        kinds.into_iter().map(|(n, kind)| Self::every(n, kind)).collect()
    }
}

impl FaultKind {
    /// Whether the kind serves a page that is well-formed but not the one that should be served.
    pub(crate) fn bends_pages(&self) -> bool {
        matches!(
            self,
            Self::CursorBackwards
                | Self::CursorCycle
                | Self::StuckCursor
                | Self::NullCursor
                | Self::EmptyPage
                | Self::HasMoreLie
                | Self::HasMoreHidden
                | Self::Poison
                | Self::Nameless
        )
    }
}
