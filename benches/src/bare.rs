//! The yardstick: a sequential client loop over the same HTTP library that parses every page and discards it.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Outcome;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    url: String,
    #[arg(long)]
    token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
    next_cursor: Option<String>,
    has_more: bool,
}

/// What a client needs of an event at the least.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow)]
    id: std::borrow::Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    created_at: std::borrow::Cow<'a, str>,
}

/// Reads the whole feed and prints how many events it held.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let events = runtime.block_on(read(arguments))?;
    println!("{events}");
    Ok(())
}

async fn read(arguments: &Arguments) -> Outcome<u64> {
    let client = reqwest::Client::builder().build()?;
    let mut cursor: Option<String> = None;
    let (mut events, mut bytes) = (0, 0);
    loop {
        let after = cursor.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let url = format!("{}/updates?limit=200{after}", arguments.url);
        let body =
            client.get(url).bearer_auth(&arguments.token).send().await?.error_for_status()?.bytes().await?;
        let page: Page<'_> = serde_json::from_slice(&body)?;
        for raw in &page.events {
            let event: Event<'_> = serde_json::from_str(raw.get())?;
            bytes += event.id.len() + event.kind.len() + event.created_at.len();
            events += 1;
        }
        cursor = page.next_cursor;
        if !page.has_more {
            return if bytes > 0 { Ok(events) } else { Err("the feed is empty".into()) };
        }
    }
}
