//! The team chat API: signed requests or OAuth, a long poll with an opaque offset, and look-ups.

mod auth;
mod files;
mod lookups;
mod messages;
mod offset;
mod world;

use std::time::Duration;

pub(crate) use auth::{AccessTokens, identify};
pub use files::attachment;
pub(crate) use files::{PREFIX as FILES, Storage};
pub(crate) use world::TeamChat;

use crate::account::Account;
use crate::answer::Answer;
use crate::call::{Call, bounded};
use crate::options::DeliveryMode;
use crate::page::{self, Page, Shape};
use crate::server::Server;
use offset::{Offset, Offsets};

pub(crate) const POLL: &str = "/v2/updates";
pub(crate) const TOKEN: &str = "/oauth/token";
const PREFIX: &str = "/v2/";

pub(crate) const SCOPES: &[&str] = &[
    "channel:list",
    "channel:read",
    "channel:write",
    "message:read",
    "message:send",
    "message:write",
    "reaction:write",
    "task:read",
    "task:write",
    "poll:write",
    "member:read",
    "updates:read",
];

/// The text of a 409 that means that the bot cannot be polled.
pub(crate) const WRONG_MODE: &str = "delivery mode is not polling";
/// The text of a 409 that means that the place is gone. The contract does not tell the real one.
pub(crate) const EXPIRED: &str = "offset is no longer available";

const DEFAULT_LIMIT: u64 = 50;
const MAXIMUM_LIMIT: u64 = 100;
const MAXIMUM_TIMEOUT: u64 = 30;

const SHAPE: Shape = Shape { items: "updates", cursor: "nextOffset", more: None };

/// The answer of a server that fails with this status.
pub(crate) fn failure(status: u16) -> Answer {
    let text = match status {
        400 => "bad request",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not found",
        409 => EXPIRED,
        429 => "rate limit exceeded",
        500 => "internal server error",
        _ => "upstream unavailable",
    };
    Answer::text(status, text)
}

pub(crate) async fn answer(server: &Server, call: &Call) -> Answer {
    let refused = match (call.method.as_str(), call.path.as_str()) {
        ("POST", TOKEN) => return auth::mint(server, call),
        ("GET", POLL) => poll(server, call).await,
        ("GET", path) if path.starts_with(FILES) => return files::answer(server, call),
        ("GET", _) => look_up(server, call),
        _ => Err(failure(404)),
    };
    refused.unwrap_or_else(|refusal| refusal)
}

fn look_up(server: &Server, call: &Call) -> Result<Answer, Answer> {
    let segments = call.segments(PREFIX).ok_or_else(|| failure(404))?;
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    let scope = match path[..] {
        ["members"] | ["members", _] => "member:read",
        ["topics"] => "channel:list",
        ["topics", _] => "channel:read",
        ["topics", _, "messages"] => "message:read",
        _ => return Err(failure(404)),
    };
    let account = auth::authenticate(server, call, scope)?;
    lookups::check(call)?;
    let found = account.feed_at(server.clock.elapsed()).look_up(&path, &call.parameters());
    found.map(|value| Answer::json(200, &value)).ok_or_else(|| failure(404))
}

/// What a poll asks for, checked.
struct Request {
    offset: Option<String>,
    limit: u64,
    timeout: Duration,
}

impl Request {
    fn read(call: &Call) -> Result<Self, Answer> {
        let number = |name: &str, low: u64, high: u64, default: u64| match call.parameter(name) {
            None => Ok(default),
            Some(text) => bounded(&text, low, high)
                .ok_or_else(|| Answer::text(400, format!("{name} must be between {low} and {high}"))),
        };
        Ok(Self {
            offset: call.parameter("offset"),
            limit: number("limit", 1, MAXIMUM_LIMIT, DEFAULT_LIMIT)?,
            timeout: Duration::from_secs(number("timeout", 0, MAXIMUM_TIMEOUT, 0)?),
        })
    }
}

/// `GET /v2/updates`, sections 3 to 7 of the contract.
async fn poll(server: &Server, call: &Call) -> Result<Answer, Answer> {
    let account = auth::authenticate(server, call, "updates:read")?;
    let request = Request::read(call)?;
    let deadline = server.clock.elapsed() + request.timeout;
    let mut changed = server.changed.subscribe();
    loop {
        // Seen before looking: what changes while we look wakes us at once.
        changed.mark_unchanged();
        let page = look(server, account, &request)?;
        let now = server.clock.elapsed();
        if page.count > 0 || now >= deadline {
            let mut history = account.history.lock();
            let (body, count) = page::render(page, &SHAPE, call.fault.as_ref(), &mut history);
            let mut answer = Answer::rendered(body);
            answer.events = count;
            return Ok(answer);
        }
        let growth = account.feed.read().next_visible(now).map_or(deadline, |then| then.min(deadline));
        tokio::select! {
            () = tokio::time::sleep(growth.saturating_sub(now)) => {}
            // The sender lives as long as the server that we borrow.
            _ = changed.changed() => {}
        }
    }
}

/// One look at the feed from the offset of a request.
fn look(server: &Server, account: &Account, request: &Request) -> Result<Page, Answer> {
    let bot = *account.bot.lock();
    if bot.mode == DeliveryMode::Webhook {
        return Err(Answer::text(409, WRONG_MODE));
    }
    let offsets = Offsets::new(server.options.seed, account.number);
    let visible = account.feed.read().visible(server.clock.elapsed());
    let oldest = bot.retention.map_or(0, |kept| visible.saturating_sub(kept)).max(bot.floor);
    let sent = match &request.offset {
        None => Offset { place: oldest.min(visible), generation: bot.generation, turn: 0 },
        Some(text) => {
            let known = offsets.read(text).filter(|offset| offset.place <= visible);
            let offset = known.ok_or_else(|| Answer::text(400, "invalid offset"))?;
            let outdated = offset.generation != bot.generation && offset.place <= bot.floor;
            if offset.place < oldest || (outdated && bot.generation > 0) {
                return Err(Answer::text(409, EXPIRED));
            }
            offset
        }
    };
    let start = sent.place;
    let end = visible.min(start + request.limit);
    let mut items = Vec::new();
    account.feed_with(end).copy(start..end, &mut items);
    let next = match end.checked_sub(1).filter(|_| end > start) {
        Some(last) => offsets.update_id(last),
        // Nothing new, and yet another offset: it must be stored all the same.
        None => offsets.write(Offset { generation: bot.generation, turn: sent.turn.wrapping_add(1), ..sent }),
    };
    let sent = request.offset.clone().or_else(|| Some(offsets.write(sent)));
    Ok(Page { items, count: end - start, sent, next: Some(next), more: end < visible })
}
