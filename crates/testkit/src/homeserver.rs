//! A Matrix homeserver as its specification says, as far as somebody asks who only reads: `GET /sync`,
//! `GET /rooms/{roomId}/messages`, who one is, and which rooms one is in.
//!
//! Source: the Matrix Client-Server API. Invariant: it shares no code with the client.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use serde_json::{Map, Value, json};
use url::Url;

/// The account that reads.
const READER: &str = "@bot:example.org";

/// A homeserver with rooms; clones are the same one.
#[derive(Clone, Default)]
pub struct Homeserver(Arc<(Mutex<House>, Condvar)>);

#[derive(Default)]
struct House {
    /// Everything that happened, in order; where it happened, and the event without `room_id`.
    stream: Vec<(String, Value)>,
    joined: BTreeSet<String>,
    /// Rooms that were left, and how much of the stream there was then.
    left: BTreeMap<String, usize>,
    closed: BTreeSet<String>,
    faults: VecDeque<(String, u16, String)>,
    asked: Vec<String>,
}

/// What the server says.
#[derive(Clone, Debug)]
pub struct HomeserverAnswer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
    /// How long the server would hold the answer, because there is nothing to tell.
    pub held: Duration,
}

impl HomeserverAnswer {
    fn new(status: u16, body: &Value) -> Self {
        Self { status, body: body.to_string(), held: Duration::ZERO }
    }
}

impl Homeserver {
    /// Somebody says something in a room; returns the id of the event.
    pub fn say(&self, room: &str, body: &str) -> String {
        self.happen(room, "m.room.message", &json!({ "msgtype": "m.text", "body": body }))
    }

    /// Something happens in a room; returns the id of the event.
    pub fn happen(&self, room: &str, event_type: &str, content: &Value) -> String {
        let mut house = self.0.0.lock();
        let number = house.stream.len();
        let id = format!("${number}:example.org");
        let event = json!({
            "event_id": id, "type": event_type, "sender": "@ann:example.org", "content": content,
            "origin_server_ts": 1_781_258_400_000_u64 + number as u64, "unsigned": { "age": 7 },
        });
        house.stream.push((room.to_owned(), event));
        self.0.1.notify_all();
        id
    }

    /// The reader joins a room.
    pub fn join(&self, room: &str) -> String {
        {
            let mut house = self.0.0.lock();
            house.joined.insert(room.to_owned());
            house.left.remove(room);
        }
        self.happen(room, "m.room.member", &json!({ "membership": "join" }))
    }

    /// The reader leaves a room: what happens there afterwards it does not see.
    pub fn leave(&self, room: &str) -> String {
        let id = self.happen(room, "m.room.member", &json!({ "membership": "leave" }));
        let mut house = self.0.0.lock();
        house.joined.remove(room);
        let count = house.stream.len();
        house.left.insert(room.to_owned(), count);
        id
    }

    /// Pages of this room are refused from now on.
    pub fn close(&self, room: &str) {
        self.0.0.lock().closed.insert(room.to_owned());
    }

    /// One request whose target holds this text is answered like that; further ones come after it.
    pub fn fail(&self, target: &str, status: u16, body: &str) {
        self.0.0.lock().faults.push_back((target.to_owned(), status, body.to_owned()));
    }

    /// How many of the targets that were asked for hold a text.
    pub fn count(&self, text: &str) -> usize {
        self.0.0.lock().asked.iter().filter(|target| target.contains(text)).count()
    }

    /// The ids of everything that happened in a room, oldest first.
    pub fn ids(&self, room: &str) -> Vec<String> {
        let house = self.0.0.lock();
        let there = house.stream.iter().filter(|(place, _)| place == room);
        there.map(|(_, event)| event["event_id"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Answers at once; `held` says how long a server would have waited before it told nothing.
    pub fn answer(&self, target: &str) -> HomeserverAnswer {
        let mut house = self.0.0.lock();
        house.asked.push(target.to_owned());
        house.answer(target)
    }

    /// Answers as a server does, which holds a sync until there is something to tell.
    pub fn answer_held(&self, target: &str) -> HomeserverAnswer {
        let first = self.answer(target);
        if first.held.is_zero() {
            return first;
        }
        let mut house = self.0.0.lock();
        let start = std::time::Instant::now();
        loop {
            let answer = house.answer(target);
            let left = first.held.saturating_sub(start.elapsed());
            if answer.held.is_zero() || left.is_zero() {
                return answer;
            }
            self.0.1.wait_for(&mut house, left);
        }
    }
}

impl House {
    fn answer(&mut self, target: &str) -> HomeserverAnswer {
        if let Some(at) = self.faults.iter().position(|(text, ..)| target.contains(text))
            && let Some((_, status, body)) = self.faults.remove(at)
        {
            return HomeserverAnswer { status, body, held: Duration::ZERO };
        }
        let url = Url::parse(&format!("http://homeserver{target}")).expect("a target is part of a URL");
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let query = Query(query);
        let path: Vec<&str> = url.path_segments().map(Iterator::collect).unwrap_or_default();
        match path[..] {
            ["_matrix", "client", "v3", "sync"] => self.sync(&query),
            ["_matrix", "client", "v3", "rooms", room, "messages"] => {
                let room = room.replace("%21", "!").replace("%3A", ":");
                self.messages(&room, &query)
            }
            ["_matrix", "client", "v3", "account", "whoami"] => {
                HomeserverAnswer::new(200, &json!({ "user_id": READER, "device_id": "READER" }))
            }
            ["_matrix", "client", "v3", "joined_rooms"] => {
                HomeserverAnswer::new(200, &json!({ "joined_rooms": self.joined }))
            }
            _ => refusal(404, "M_UNRECOGNIZED", "there is no such endpoint"),
        }
    }

    fn sync(&self, query: &Query) -> HomeserverAnswer {
        let Ok(since) = query.token("since") else {
            return refusal(400, "M_INVALID_PARAM", "no token of this server");
        };
        let filter: Value = query.json("filter");
        let (mut join, mut leave) = (Map::new(), Map::new());
        let is_there = |room: &String| {
            let rooms = filter["room"]["rooms"].as_array();
            rooms.is_none_or(|rooms| rooms.iter().any(|wanted| wanted == room))
        };
        for room in self.joined.iter().filter(|room| is_there(room)) {
            let news = self.news(room, (since.unwrap_or(0), self.stream.len()), &filter["room"]["timeline"]);
            join.extend(news.map(|news| (room.clone(), news)));
        }
        if let Some(since) = since {
            for (room, end) in self.left.iter().filter(|(room, end)| is_there(room) && **end > since) {
                let news = self.news(room, (since, *end), &filter["room"]["timeline"]);
                leave.extend(news.map(|news| (room.clone(), news)));
            }
        }
        let is_empty = join.is_empty() && leave.is_empty() && since.is_some();
        let milliseconds = query.0.get("timeout").and_then(|text| text.parse().ok()).unwrap_or(0);
        let held = Duration::from_millis(if is_empty { milliseconds } else { 0 });
        let body = json!({
            "next_batch": format!("s{}", self.stream.len()),
            "rooms": { "join": join, "leave": leave },
            "device_one_time_keys_count": { "signed_curve25519": 0 },
        });
        HomeserverAnswer { held, ..HomeserverAnswer::new(200, &body) }
    }

    /// The last events of a room in a stretch of the stream, if there are any.
    fn news(&self, room: &str, stretch: (usize, usize), filter: &Value) -> Option<Value> {
        let limit = filter["limit"].as_u64().and_then(|limit| usize::try_from(limit).ok()).unwrap_or(10);
        let there: Vec<(usize, &Value)> = self.between(room, stretch, filter).collect();
        let shown = &there[there.len().saturating_sub(limit)..];
        let (first, _) = shown.first()?;
        let events: Vec<&Value> = shown.iter().map(|(_, event)| *event).collect();
        let is_limited = there.len() > limit;
        Some(json!({
            "timeline": { "events": events, "limited": is_limited, "prev_batch": format!("t{first}") },
            "state": { "events": [] },
            "unread_notifications": {},
        }))
    }

    fn messages(&self, room: &str, query: &Query) -> HomeserverAnswer {
        let end = if self.joined.contains(room) { Some(self.stream.len()) } else { None };
        let Some(end) = end.or_else(|| self.left.get(room).copied()).filter(|_| !self.closed.contains(room))
        else {
            return refusal(403, "M_FORBIDDEN", "You aren't a member of the room.");
        };
        let (Ok(from), Ok(to)) = (query.token("from"), query.token("to")) else {
            return refusal(400, "M_INVALID_PARAM", "no token of this server");
        };
        if query.0.get("dir").is_none_or(|dir| dir != "f") {
            return refusal(400, "M_INVALID_PARAM", "this server is read forwards only");
        }
        let limit = query.0.get("limit").and_then(|text| text.parse().ok()).unwrap_or(10);
        let stretch = (from.unwrap_or(0), to.unwrap_or(end).min(end));
        let page: Vec<(usize, &Value)> =
            self.between(room, stretch, &query.json("filter")).take(limit).collect();
        let mut chunk: Vec<Value> = page.iter().map(|(_, event)| (*event).clone()).collect();
        for event in &mut chunk {
            event["room_id"] = room.into();
        }
        let mut body = json!({ "start": query.0.get("from"), "chunk": chunk });
        if let Some((number, _)) = page.last() {
            body["end"] = format!("t{}", number + 1).into();
        }
        HomeserverAnswer::new(200, &body)
    }

    fn between<'a>(
        &'a self,
        room: &'a str,
        (from, to): (usize, usize),
        filter: &Value,
    ) -> impl Iterator<Item = (usize, &'a Value)> {
        let types = filter["types"].as_array().cloned();
        let stretch = self.stream.iter().enumerate().take(to).skip(from);
        let there = stretch.filter(move |(_, (place, _))| place == room);
        let wanted = there
            .filter(move |(_, (_, event))| types.as_ref().is_none_or(|types| types.contains(&event["type"])));
        wanted.map(|(number, (_, event))| (number, event))
    }
}

fn refusal(status: u16, errcode: &str, error: &str) -> HomeserverAnswer {
    HomeserverAnswer::new(status, &json!({ "errcode": errcode, "error": error }))
}

struct Query(BTreeMap<String, String>);

impl Query {
    fn json(&self, name: &str) -> Value {
        self.0.get(name).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// How much of the stream lies before a token; `Err`: it is none.
    fn token(&self, name: &str) -> Result<Option<usize>, std::num::ParseIntError> {
        let token = self.0.get(name).map(|text| text.trim_start_matches(['s', 't']).parse());
        token.transpose()
    }
}
