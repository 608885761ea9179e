//! One real poll of a connector, for whoever writes it: what was asked, what came, what would be asked next.
//!
//! Invariant: nothing is saved, and no secret that was given is in what comes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use sluicebox_core::{Batch, Context, Cursor, Event, Secret, Shared, Source};
use sluicebox_http::{ReqwestTransport, Transport, TransportHandle, blotted};

use super::declaration::ParameterKind;
use super::watched::Watched;
use super::{Plugin, options, sentence};

/// Characters of an event that are shown.
const EXCERPT_CHARACTERS: usize = 200;

/// What one poll brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The request: `GET /v1/events?limit=100`, after the address of the API.
    pub request: String,
    /// The answer as it came, line by line: status, headers that matter, the beginning of the body.
    pub answer: Vec<String>,
    /// What came of it, line by line.
    pub found: Vec<String>,
    /// The request that would follow; none after an error.
    pub next_request: Option<String>,
}

impl Plugin {
    /// Polls once, with these options as text, from this cursor.
    ///
    /// # Errors
    /// The options are wrong, or the API did not answer with a page; in words.
    pub async fn try_once(
        &self,
        given: &BTreeMap<String, String>,
        cursor: Option<&str>,
        cx: &Context,
    ) -> Result<Attempt, String> {
        let options = self.typed(given);
        let secrets = self.declaration.secrets(&options);
        let hidden = |text: &str| blotted(text, secrets.iter().map(Secret::expose));
        let connector = self.connector(&options).map_err(|refusal| hidden(&refusal.sentence()))?;
        if let Some(problem) = connector.problems().into_iter().next() {
            return Err(hidden(&sentence(&problem.path, &problem.message)));
        }
        let told = |error: sluicebox_core::Error| {
            let help = error.help().map(|help| format!(" ({help})")).unwrap_or_default();
            hidden(&format!("{}{help}", error.chain()))
        };
        let (watched, cx) = watching(cx);
        let mut feed = connector.source.feed_of(&connector.family, &cx).map_err(told)?;
        feed.open(cursor.map(Cursor::from).as_ref()).await.map_err(told)?;
        let request = feed.blotted(&feed.request_line().map_err(told)?);
        let polled = feed.next().await;
        let answer = watched.lines(&feed.telling_headers(), |text| feed.blotted(&text));
        let (found, next_request) = match polled {
            Ok(batch) => {
                let hidden = |text: &str| feed.blotted(text);
                let found =
                    batch.map(Batch::read).iter().flat_map(|batch| described(batch, hidden)).collect();
                (found, feed.request_line().ok().map(|line| hidden(&line)))
            }
            Err(error) => (vec![format!("error: {}", told(error))], None),
        };
        Ok(Attempt { request, answer, found, next_request })
    }

    /// The options as what they are declared to be.
    fn typed(&self, given: &BTreeMap<String, String>) -> Map<String, Value> {
        let mut options = options::sample(&self.declaration, false);
        options
            .retain(|name, _| self.declaration.parameters.get(name).is_some_and(|it| !it.default.is_null()));
        for (name, text) in given {
            let kind = self.declaration.parameters.get(name).map(|parameter| parameter.kind);
            let is_plain =
                !matches!(kind, Some(ParameterKind::Integer | ParameterKind::Boolean)) && kind.is_some();
            let value = serde_json::from_str(text)
                .ok()
                .filter(|value: &Value| !is_plain && (value.is_number() || value.is_boolean()));
            options.insert(name.clone(), value.unwrap_or_else(|| Value::String(text.clone())));
        }
        options
    }
}

/// The same surroundings, with a transport that is watched.
fn watching(cx: &Context) -> (Arc<Watched>, Context) {
    let given = cx.shared.find::<TransportHandle>("", "").map(|handle| Arc::clone(&handle.0));
    let inner = given.unwrap_or_else(|| Arc::new(ReqwestTransport::new()));
    let (watched, shared) = (Arc::new(Watched::new(inner)), Shared::default());
    shared.publish("", "", Arc::new(TransportHandle(Arc::clone(&watched) as Arc<dyn Transport>)));
    (watched, Context { shared, ..cx.clone() })
}

/// What a batch holds, line by line. Secrets are looked for before anything is cut off, lest a part of one is left.
fn described(batch: &Batch, hidden: impl Fn(&str) -> String) -> Vec<String> {
    let mut lines = vec![format!("{} events, {} rejects", batch.events.len(), batch.rejects.len())];
    lines.extend(batch.events.iter().map(|event| line(event, &hidden)));
    lines.extend(batch.rejects.iter().map(|reject| hidden(&format!("reject: {}", reject.error.message))));
    if let Some(gap) = &batch.gap {
        lines.push(hidden(&format!("gap: {}", gap.message)));
    }
    let cursor = batch.cursor.as_ref().map_or_else(|| "none".to_owned(), Cursor::to_text);
    lines.push(hidden(&format!("cursor: {cursor}")));
    lines.push(format!("caught up: {}", batch.caught_up));
    lines
}

fn line(event: &Event, hidden: impl Fn(&str) -> String) -> String {
    let meta = event.meta();
    let json = hidden(&String::from_utf8_lossy(&event.json()));
    let json: String = json.chars().take(EXCERPT_CHARACTERS).collect();
    let head = hidden(&format!("{} {} {} key={}", meta.id, meta.event_type, meta.time, meta.key));
    format!("{head} {json}")
}
