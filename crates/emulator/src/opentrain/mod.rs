//! The marketplace API: bearer tokens, a feed with a numeric cursor, and look-ups by id.

mod changes;
mod events;
mod lookups;
mod ringing;
mod webhooks;
mod world;

use serde_json::{Value, json};

pub(crate) use changes::Edge;
pub(crate) use ringing::{ring, subscribe_from_start};
pub use webhooks::WebhookAttempt;
pub(crate) use webhooks::{Webhooks, address};
pub(crate) use world::Marketplace;

use crate::account::Account;
use crate::answer::Answer;
use crate::call::{Call, bounded};
use crate::credentials::Credentials;
use crate::feed::Feed;
use crate::log::Credential;
use crate::page::{self, Page, Shape};
use crate::server::Server;
use events::Kind;

pub(crate) const POLL: &str = "/api/public/v1/updates";
/// The other feed, which is polled without a token.
pub(crate) const PUBLIC_POLL: &str = "/api/public/v1/jobs/changes";
const PREFIX: &str = "/api/public/v1/";

pub(crate) const SCOPES: &[&str] = &[
    "jobs:read",
    "jobs:write",
    "proposals:read",
    "proposals:write",
    "messages:read",
    "messages:write",
    "payments:read",
    "payments:write",
    "team:read",
    "team:write",
    "webhooks:manage",
];

/// Not documented; the page of the API shows an example with this many.
const DEFAULT_LIMIT: u64 = 50;
const MAXIMUM_LIMIT: u64 = 200;

const SHAPE: Shape = Shape { items: "events", cursor: "nextCursor", more: Some("hasMore") };

/// Whose token a request carries, valid or not.
pub(crate) fn identify(server: &Server, call: &Call) -> (Credential, Option<u32>) {
    match call.bearer() {
        Some(token) => (Credential::Token, server.owner(token).map(|account| account.number)),
        None => (Credential::Missing, None),
    }
}

pub(crate) fn answer(server: &Server, call: &Call) -> Answer {
    route(server, call).unwrap_or_else(|refusal| refusal)
}

/// Either way an answer; the error is the one that ends a request early.
fn route(server: &Server, call: &Call) -> Result<Answer, Answer> {
    let segments = call.segments(PREFIX).ok_or_else(|| unknown_route(server))?;
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    if call.method == "POST" && path == ["webhooks"] {
        let account = authenticate(server, call)?;
        require(server, account, &["webhooks:manage"])?;
        return webhooks::create(server, account, call);
    }
    if call.method != "GET" {
        return Err(unknown_route(server));
    }
    let scope = match path[..] {
        ["updates"] => return poll(server, call),
        ["auth", "me"] => return Ok(me(authenticate(server, call)?)),
        ["jobs", "changes"] => return changes::answer(server, call),
        ["jobs", "mine"] => "jobs:read",
        ["jobs", id] => return Ok(lookups::public_job(server, id)),
        ["proposals", _] | ["proposals", _, "interview"] => "proposals:read",
        ["messages"] => "messages:read",
        ["contracts" | "approvals", _] | ["contracts"] | ["payments", "pending"] => "payments:read",
        _ => return Err(unknown_route(server)),
    };
    let account = authenticate(server, call)?;
    require(server, account, &[scope])?;
    lookups::check_range(server, call, path[0])?;
    let parameters = lookups::shortened(server, &path, call.parameters());
    match account.feed_at(server.clock.elapsed()).look_up(&path, &parameters) {
        Some(value) => Ok(Answer::json(200, &value)),
        None if lookups::is_foreign(server, account, &path) => Err(refuse(server, 403, "not your job", None)),
        None => Err(refuse(server, 404, "not found", None)),
    }
}

fn unknown_route(server: &Server) -> Answer {
    refuse(server, 404, "no such endpoint", None)
}

fn authenticate<'a>(server: &'a Server, call: &Call) -> Result<&'a Account, Answer> {
    let refusal = || refuse(server, 401, "missing, invalid, expired or revoked token", None);
    let given = call.bearer().ok_or_else(refusal)?;
    let account = server.owner(given).ok_or_else(refusal)?;
    {
        let access = account.access.read();
        let valid = matches!(&access.credentials, Credentials::OpenTrain { token } if token == given);
        if !valid || access.revoked {
            return Err(refusal());
        }
    }
    server.admit(account).map_err(|seconds| failure(server, 429).retry_after(seconds))?;
    Ok(account)
}

/// Refuses a token that holds none of the scopes.
fn require(server: &Server, account: &Account, scopes: &[&str]) -> Result<(), Answer> {
    if scopes.iter().any(|scope| account.has_scope(scope)) {
        return Ok(());
    }
    let granted = account.access.read().scopes.clone();
    let details = json!({ "requiredScopes": scopes, "grantedScopes": granted });
    Err(refuse(server, 403, "the token lacks a required scope", Some(details)))
}

/// An error in the envelope of section 6 of the contract.
fn refuse(server: &Server, status: u16, message: &str, details: Option<Value>) -> Answer {
    let code = match status {
        400 => "BAD_REQUEST",
        401 => "UNAUTHORIZED",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        409 => "CONFLICT",
        429 => "RATE_LIMITED",
        _ => "INTERNAL_ERROR",
    };
    let request = server.clock.elapsed().as_nanos();
    let request_id = format!("6f0c2b1e-0000-4000-8000-{:012x}", request & 0xFFFF_FFFF_FFFF);
    let mut body = json!({ "error": message, "code": code, "requestId": request_id });
    if let Some(details) = details {
        body["details"] = details;
    }
    Answer::json(status, &body)
}

/// The answer of a server that fails with this status.
pub(crate) fn failure(server: &Server, status: u16) -> Answer {
    match status {
        // What stands in front of the API answers these, and knows nothing of its envelope.
        502..=504 => Answer::text(status, "upstream unavailable"),
        429 => refuse(server, 429, "too many requests", None),
        403 => {
            let scopes: Vec<&str> = Kind::ALL.iter().map(|(_, scope)| *scope).collect();
            let details = json!({ "requiredScopes": scopes, "grantedScopes": [] });
            refuse(server, 403, "the token lacks a required scope", Some(details))
        }
        _ => refuse(server, status, "the request failed", None),
    }
}

fn bad_parameter(server: &Server, field: &str, message: &str) -> Answer {
    refuse(server, 400, message, Some(json!({ "field": field })))
}

fn me(account: &Account) -> Answer {
    let access = account.access.read();
    let number = account.number;
    Answer::json(
        200,
        &json!({
            "actor": {
                "userId": format!("user_{number}"), "email": format!("owner{number}@example.com"),
                "firstName": "Dana", "lastName": "Levi", "fullName": "Dana Levi", "userType": "CLIENT",
            },
            "token": {
                "id": format!("tok_{number}_{}", access.rotation), "label": "emulator", "scopes": access.scopes,
                "ownerOrganizationId": format!("org_{number}"),
            },
            "account": {
                "kind": "organization", "organizationId": format!("org_{number}"),
                "ownerUserId": format!("user_{number}"), "memberRole": "OWNER",
            },
        }),
    )
}

/// `GET /updates`, sections 2 to 5 of the contract.
fn poll(server: &Server, call: &Call) -> Result<Answer, Answer> {
    let account = authenticate(server, call)?;
    let shown = Shown::by(account);
    let all: Vec<&str> = Kind::ALL.iter().map(|(_, scope)| *scope).collect();
    require(server, account, &all)?;
    let cursor = call.parameter("cursor");
    let after = match &cursor {
        None => 0,
        // A number too large for any event is still a number: nothing is newer.
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() => {
            text.parse().unwrap_or(u64::MAX)
        }
        Some(_) => return Err(bad_parameter(server, "cursor", "cursor must be a numeric event id")),
    };
    let limit = match call.parameter("limit") {
        None => DEFAULT_LIMIT,
        Some(text) => bounded(&text, 1, MAXIMUM_LIMIT)
            .ok_or_else(|| bad_parameter(server, "limit", "limit must be between 1 and 200"))?,
    };
    let page = read(server, account, shown, &Request { after, limit, sent: cursor });
    let mut history = account.history.lock();
    let (body, count) = page::render(page, &SHAPE, call.fault.as_ref(), &mut history);
    let mut answer = Answer::rendered(body);
    answer.events = count;
    Ok(answer)
}

/// What a poll asks for, checked.
struct Request {
    after: u64,
    limit: u64,
    /// The cursor as it was sent.
    sent: Option<String>,
}

/// The events that a token shows, by the discriminant of their [`Kind`].
#[derive(Clone, Copy)]
struct Shown([bool; 3]);

impl Shown {
    fn by(account: &Account) -> Self {
        Self(Kind::ALL.map(|(_, scope)| account.has_scope(scope)))
    }

    fn all(self) -> bool {
        self.0 == [true; 3]
    }

    fn contains(self, feed: &Feed, index: u64) -> bool {
        self.0[usize::from(feed.mark(index).kind)]
    }
}

/// Collects the page after an event id. Hidden events are passed over in silence; they move no cursor by themselves.
fn read(server: &Server, account: &Account, shown: Shown, request: &Request) -> Page {
    let Request { after, limit, ref sent } = *request;
    let visible = account.feed.read().visible(server.clock.elapsed());
    // Ids have gaps, so an id tells only the furthest place that it can be at: that far the feed must be known.
    let reach = after.saturating_sub(1000).saturating_add(limit + 1).min(visible);
    let mut known = reach;
    loop {
        let feed = account.feed_with(known);
        let start = feed.first_after(after);
        let mut page =
            Page { items: Vec::new(), count: 0, sent: sent.clone(), next: sent.clone(), more: false };
        let mut end = start;
        while end < known && page.count < limit {
            if shown.contains(&feed, end) {
                page.count += 1;
                if !shown.all() {
                    if page.count > 1 {
                        page.items.push(b',');
                    }
                    page.items.extend_from_slice(feed.event(end));
                }
            }
            end += 1;
        }
        page.more = (end..known).any(|index| shown.contains(&feed, index));
        if known < visible && (page.count < limit || !page.more) {
            // Too little is known to fill the page or to say that there are more.
            known = (known + 4096).min(visible);
            continue;
        }
        if shown.all() {
            feed.copy(start..end, &mut page.items);
        }
        if let Some(last) = (start..end).rev().find(|index| shown.contains(&feed, *index)) {
            page.next = Some(feed.mark(last).id.to_string());
        }
        return page;
    }
}
