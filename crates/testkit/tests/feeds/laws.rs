//! The laws of sources (`sluicebox-contract`), kept by the source of each API over scripted pages.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Value, json};
use sluicebox_contract::{Fault, Upstream};
use sluicebox_core::{Cursor, ErrorClass, Source};
use sluicebox_emulator::Api;
use sluicebox_http::Request;
use sluicebox_testkit::Login;

use super::scripted::{Reply, context, opentrain_event, source, update};

/// Events of the feed, and of a page.
const EVENTS: usize = 25;
const PAGE: usize = 7;

/// The numbers from 1 to [`EVENTS`] as a feed.
struct Numbers {
    api: Api,
    fault: Arc<Mutex<Option<&'static str>>>,
}

/// The page after the cursor of the request.
fn page(api: Api, request: &Request) -> Value {
    let name = if api == Api::Zenzap { "offset" } else { "cursor" };
    let sent = request.url.query_pairs().find(|(found, _)| found == name);
    let from: usize = sent.map_or(0, |(_, cursor)| cursor.trim_start_matches('o').parse().unwrap());
    let last = (from + PAGE).min(EVENTS);
    let numbers = from + 1..=last;
    if api == Api::Zenzap {
        let updates = numbers.map(|number| update(&format!("u{number}"), "reaction.added", &json!({})));
        return json!({ "updates": updates.collect::<Vec<_>>(), "nextOffset": format!("o{last}") });
    }
    let events: Vec<Value> = numbers.map(|number| opentrain_event(number as u64)).collect();
    json!({ "events": events, "nextCursor": last.to_string(), "hasMore": last < EVENTS })
}

fn answer(api: Api, fault: Option<&str>, request: &Request) -> Reply {
    match fault {
        _ if request.url.path().ends_with("/auth/me") => Reply::new(404, ""),
        Some("500") => Reply::new(500, "{}"),
        Some("429") => Reply::new(429, "{}").header("retry-after", "7"),
        Some("cut") => Reply::new(200, "{\"events\":[{\"id\":"),
        Some("401") => Reply::new(401, "{}"),
        // Long enough to be given up meanwhile.
        _ => Reply::json(&page(api, request)).after_seconds(1),
    }
}

#[async_trait]
impl Upstream for Numbers {
    async fn source(&mut self) -> Box<dyn Source> {
        let (api, fault) = (self.api, Arc::clone(&self.fault));
        let (cx, _) = context(move |_, request| answer(api, *fault.lock(), request));
        let more = if api == Api::Zenzap { json!({ "timeout": "0s" }) } else { json!({}) };
        source(api, Login::Key, &more, &cx).await
    }

    /// An offset can be any text; a cursor of OpenTrain is a number.
    fn foreign_cursor(&self) -> Option<Cursor> {
        (self.api == Api::OpenTrain).then(|| Cursor::from("no number"))
    }

    fn faults(&self) -> Vec<Fault> {
        let asked = Fault::new("429", ErrorClass::RateLimited);
        vec![
            Fault::new("500", ErrorClass::Transient),
            Fault { retry_after: Some(Duration::from_secs(7)), ..asked },
            Fault::new("cut", ErrorClass::Transient),
            Fault::new("401", ErrorClass::Auth),
        ]
    }

    async fn strike(&mut self, fault: Option<&Fault>) {
        *self.fault.lock() = fault.map(|fault| fault.name);
    }
}

async fn keeps_the_laws(api: Api) {
    let tally = sluicebox_contract::source(&mut Numbers { api, fault: Arc::default() }).await;
    assert_eq!((tally.events, tally.faults), (EVENTS, 4), "{tally}");
    assert!(tally.pages >= 4 && tally.interruptions > 0, "{tally}");
}

#[tokio::test(start_paused = true)]
async fn the_source_of_opentrain_keeps_the_laws() {
    keeps_the_laws(Api::OpenTrain).await;
}

#[tokio::test(start_paused = true)]
async fn the_source_of_zenzap_keeps_the_laws() {
    keeps_the_laws(Api::Zenzap).await;
}
