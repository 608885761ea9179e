//! The `matrix_sync` source: its options, which are its reference page.
//!
//! Source: the Matrix Client-Server API, `GET /sync` and `GET /rooms/{roomId}/messages`. Invariant: what a homeserver
//! would refuse or misread (an alias where an id belongs, a limit out of range) is refused when the file is checked.

mod asking;
mod decode;
mod feed;
mod place;
mod probe;
mod status;

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

use crate::Start;
use crate::item::Origin;
use feed::MatrixFeed;
use place::Place;

/// Long-polls the rooms of a Matrix account: messages, reactions, members, topics, redactions, whatever happens in them.
///
/// Reads `GET /_matrix/client/v3/sync`. Every event of the timelines of joined rooms becomes one event, oldest first in
/// each room, state events (members, names, topics) included; a room that is left meanwhile is read up to the leaving.
/// `event` is the upstream's JSON; `/sync` leaves `room_id` out, so it is added at the end, where the other endpoints have
/// it. `meta.id` is `matrix:<account>:<event_id>`, `meta.type` its `type`, `meta.time` its `origin_server_ts`, `meta.key`
/// the room's id.
///
/// A timeline that the server cut short (`limited`) is a hole. Such a room is read with `GET /rooms/{roomId}/messages`
/// instead, page by page, from the last sync to this one, before the next sync; where that stands is part of the cursor,
/// so that a kill in the middle loses nothing. With `start: beginning` every joined room is read like that, from the first
/// event that the account may see. A room that may not be read any more (the account was removed from it) is a gap: it is
/// logged as an error and counted in `sluicebox_source_gap_total`.
///
/// Nothing is written to the server: no invitation is accepted, nothing is marked as read, the account is not shown as
/// online. Encrypted events (`m.room.encrypted`) pass as they are. Receipts, typing, presence, account data and messages
/// to devices are not events of a room and are left out. The token should be of a login of its own: the server forgets
/// messages to a device once that device has synced past them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "base_url": "https://matrix.example.org", "token": "${MATRIX_TOKEN}"
}))]
pub struct MatrixSync {
    /// Where the homeserver's API lives, without `/_matrix`: the `m.homeserver` of `/.well-known/matrix/client`.
    #[schemars(example = "https://matrix.example.org")]
    pub base_url: String,
    /// The access token of a login.
    #[schemars(example = "${MATRIX_TOKEN}")]
    pub token: Secret,
    /// Ids of the rooms to read, at most 100; without it, all that the account is in.
    #[serde(default)]
    #[schemars(example = serde_json::json!(["!abcdefghijklmnop:example.org"]))]
    pub rooms: Option<Vec<String>>,
    /// Types of events to read, `*` standing for any characters; without it, all.
    #[serde(default)]
    #[schemars(example = serde_json::json!(["m.room.message", "m.reaction", "org.example.*"]))]
    pub types: Option<Vec<String>>,
    /// How long the server may hold a poll while there is nothing new: 0s to 2m.
    #[serde(default = "default_timeout")]
    pub timeout: Period,
    /// Events of one room per answer.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: u32,
    /// Where the very first poll begins: `beginning` (all that the rooms hold), `now`, or `{ cursor: "s72594_4483_1934" }`
    /// for what came after that `next_batch`.
    #[serde(default)]
    pub start: Start,
    /// Requests per minute with a burst as large, or `unlimited`; look-ups with `same_as` count.
    #[serde(default = "default_rate")]
    pub rate: Rate,
    /// Most bytes of one answer, decompressed.
    #[serde(default = "default_max_body")]
    pub max_body: ByteSize,
}

fn default_timeout() -> Period {
    Period::from_secs(30)
}

fn default_limit() -> u32 {
    50
}

fn default_rate() -> Rate {
    Rate::per_minute(600)
}

fn default_max_body() -> ByteSize {
    ByteSize(32 << 20)
}

impl MatrixSync {
    /// A held poll is silent for up to `timeout`; the margin keeps us from giving up on healthy ones.
    fn limits(&self) -> Limits {
        let read = self.timeout.0 + Duration::from_secs(15);
        Limits { read, total: read + Duration::from_secs(45), body_bytes: self.max_body.as_usize() }
    }

    fn check_address(&self) -> Option<Problem> {
        if let Err(message) = BaseUrl::parse(&self.base_url) {
            return Some(Problem::new("base_url", message));
        }
        // A homeserver may live below a path of its own, but that part is added here.
        let (below, rest) = self.base_url.split_once("/_matrix")?;
        if !(rest.is_empty() || rest.starts_with('/')) {
            return None;
        }
        let problem =
            Problem::new("base_url", "expected an address without `/_matrix`, which is added to it");
        Some(problem.with_help(format!("write `{below}`")))
    }

    fn check_rooms(&self) -> Option<Problem> {
        let rooms = self.rooms.as_ref()?;
        if rooms.is_empty() || rooms.len() > 100 {
            let message = format!("expected 1 to 100 rooms, found {}", rooms.len());
            let help = "leave `rooms` out to read every room of the account";
            return Some(Problem::new("rooms", message).with_help(help));
        }
        let wrong = rooms.iter().position(|room| !room.starts_with('!'))?;
        let message = format!("expected the id of a room (`!…`), found `{}`", rooms[wrong]);
        let help =
            "an alias (`#…`) can be moved to another room; clients show the id in the settings of the room";
        Some(Problem::new(format!("rooms[{wrong}]"), message).with_help(help))
    }

    fn check_types(&self) -> Option<Problem> {
        let types = self.types.as_ref()?;
        if types.is_empty() || types.len() > 100 {
            let message = format!("expected 1 to 100 types, found {}", types.len());
            return Some(
                Problem::new("types", message).with_help("leave `types` out to read events of every type"),
            );
        }
        let wrong = types.iter().position(String::is_empty)?;
        Some(Problem::new(format!("types[{wrong}]"), "expected a type, such as `m.room.message`"))
    }

    /// The client of this account, published for `same_as`.
    fn client(&self, cx: &Context) -> Result<Arc<Client>> {
        let base_url = BaseUrl::parse(&self.base_url).map_err(Error::config)?;
        let auth = Some(Auth::Bearer(self.token.clone()));
        let options = ClientOptions { base_url, auth, rate: self.rate, limits: self.limits() };
        let client = Client::new(options, cx)?;
        client.publish(cx);
        Ok(client)
    }
}

#[async_trait]
impl SourceSpec for MatrixSync {
    const TYPE: &'static str = "matrix_sync";

    fn class(&self) -> SourceClass {
        SourceClass::RetainedFeed
    }

    fn talks_to(&self) -> Option<String> {
        BaseUrl::parse(&self.base_url).ok().map(|url| url.to_string())
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(self.check_address());
        problems.extend(self.check_rooms());
        problems.extend(self.check_types());
        if self.timeout.0 > Duration::from_secs(120) {
            problems.push(Problem::new("timeout", format!("expected 0s to 2m, found {}", self.timeout)));
        }
        if !(1..=1000).contains(&self.limit) {
            problems.push(Problem::new("limit", format!("expected 1 to 1000, found {}", self.limit)));
        }
        if let Start::Cursor(text) = &self.start
            && let Err(error) = Place::parse(text)
        {
            problems.push(Problem::new("start.cursor", error.to_string()));
        }
        problems
    }

    fn item(&self, item: &Bytes, cx: &Context) -> Option<Result<Event, Box<Reject>>> {
        Some(decode::event(item, None, &Origin::new("matrix", cx), cx.environment.clock.now()))
    }

    async fn build(self, cx: &Context) -> Result<BuiltSource> {
        let client = self.client(cx)?;
        Ok(BuiltSource::single(MatrixFeed::new(self, client, cx)))
    }

    async fn probe(&self, cx: &Context) -> Probe {
        match self.client(cx) {
            Ok(client) => probe::probe(self, &client).await,
            Err(error) => crate::asking::impossible(error),
        }
    }
}
