//! Makes the look-ups that an event's type demands, and puts what is found into the event.
//!
//! Invariant: no event is dropped or made a dead letter for what it lacks; a type that no preset is for goes on
//! untouched, and costs no request.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use serde_json::Value;
use sluicebox_core::{Event, LookupStatus, Outputs, Problem, Result, Timestamp, Transform};
use sluicebox_lookups::{CacheOptions, Ending, Found, Part, key_text};
use sluicebox_rules::Expression;

use super::Chosen;
use super::table::{List, Preset, Way};
use crate::http_lookup::asker::{Asker, Service, no_client};
use crate::http_lookup::extract::{Extract, Shown};
use crate::http_lookup::find::{Finder, Pages};
use crate::http_lookup::listing::{Listing, encoded};

/// Clocks may differ by so much: an answer that much younger than an event has seen what the event tells.
const SKEW_MILLISECONDS: i64 = 60_000;

/// The running look-ups.
pub(crate) struct Answerer {
    questions: Vec<Question>,
    asker: Asker,
    ending: Ending,
    concurrency: usize,
}

/// A preset, ready to be asked.
struct Question {
    preset: &'static Preset,
    path: Path,
    means: Means,
}

/// A path with the id of the event in it, or without one.
struct Path {
    before: String,
    id: Option<Expression>,
    after: String,
}

/// How the answer is come by.
enum Means {
    Thing(Extract, &'static [&'static str]),
    Inside(Extract, Listing, Expression),
    Listed(Box<Finder>, Expression),
    Names(Box<Finder>, Expression, &'static [(&'static str, &'static str)]),
}

impl Answerer {
    /// Look-ups of paths below this address, or, if it is empty, below that of the client.
    ///
    /// # Errors
    /// A rule of the table does not compile, which no option can make happen.
    pub(crate) fn new(
        (chosen, below): (&Chosen, &str),
        asker: Asker,
        ending: Ending,
        (cache, concurrency): (&CacheOptions, usize),
    ) -> Result<Self, Problem> {
        let questions = chosen.presets.iter().map(|preset| Question::new(preset, below, cache));
        let questions = questions.collect::<Result<_, _>>()?;
        Ok(Self { questions, asker, ending, concurrency: concurrency.max(1) })
    }

    /// One part for each preset that has something to ask about this event.
    async fn look_up(&self, event: &Event) -> Vec<Part> {
        let kind = event.meta().event_type.as_str();
        let mut parts = Vec::new();
        let mut service = None;
        for question in &self.questions {
            if question.preset.types.contains(&kind) {
                let service = service.get_or_insert_with(|| self.asker.service(&event.meta().account));
                parts.extend(question.answer(event, &self.asker, service.as_ref()).await);
            }
        }
        parts
    }
}

impl Question {
    fn new(preset: &'static Preset, below: &str, cache: &CacheOptions) -> Result<Self, Problem> {
        let means = match &preset.way {
            Way::Thing { select, shown, subject_of } => {
                Means::Thing(Extract::new(*select, *shown), subject_of)
            }
            Way::Inside { select, list, id } => {
                Means::Inside(Extract::new(Some(select), Shown::All), Listing::at(list), expression(id)?)
            }
            Way::Listed { list, id, shown } => {
                let finder = finder(list, Extract::new(None, *shown), cache);
                Means::Listed(Box::new(finder), expression(id)?)
            }
            Way::Names { list, fields } => {
                let finder = finder(list, Extract::new(Some("name"), Shown::All), cache);
                Means::Names(Box::new(finder), expression("event.data")?, fields)
            }
        };
        Ok(Self { preset, path: Path::new(&format!("{below}{}", preset.path))?, means })
    }

    /// `None`: there is nothing to ask about this event.
    async fn answer(&self, event: &Event, asker: &Asker, service: Option<&Service<'_>>) -> Option<Part> {
        let part = |found| Some(Part::new(self.preset.name, found));
        let Some(url) = self.path.of(event) else {
            return if self.preset.is_optional { None } else { part(no_id()) };
        };
        let since = since(event);
        let Some(service) = service else { return part(no_client()) };
        match &self.means {
            Means::Thing(extract, subject_of) => {
                let is_subject = subject_of.contains(&event.meta().event_type.as_str());
                part(asker.one(service, &url, extract, is_subject.then_some(since)).await)
            }
            Means::Inside(extract, listing, id) => {
                let Some(id) = text(id, event) else { return part(no_id()) };
                let found = asker.one(service, &url, extract, Some(since)).await;
                part(inside(found, listing, &id))
            }
            Means::Listed(finder, id) => {
                let Some(id) = text(id, event) else { return part(no_id()) };
                part(asker.find(service, finder, &url, (&id, since)).await)
            }
            Means::Names(finder, data, fields) => {
                let data = data.evaluate(event).unwrap_or_default();
                let members = (asker, service, url.as_str(), since);
                names(members, finder, &data, fields).await.map(|named| named.part(self.preset.name))
            }
        }
    }
}

impl Path {
    fn new(template: &str) -> Result<Self, Problem> {
        let parts =
            template.split_once("{{").and_then(|(before, rest)| Some((before, rest.split_once("}}")?)));
        Ok(match parts {
            Some((before, (id, after))) => {
                Self { before: before.to_owned(), id: Some(expression(id.trim())?), after: after.to_owned() }
            }
            None => Self { before: template.to_owned(), id: None, after: String::new() },
        })
    }

    /// The path for an event; `None`: the event has no id for it.
    fn of(&self, event: &Event) -> Option<String> {
        match &self.id {
            None => Some(self.before.clone()),
            Some(id) => Some(format!("{}{}{}", self.before, encoded(&text(id, event)?), self.after)),
        }
    }
}

fn expression(text: &str) -> Result<Expression, Problem> {
    Expression::compile(&sluicebox_core::Located::unplaced(text))
}

fn finder(list: &List, extract: Extract, cache: &CacheOptions) -> Finder {
    let listing = Listing::at(list.items).or_marked_by(list.mark).without_prefix(list.prefix);
    let pages = Pages {
        next: list.next.map(ToOwned::to_owned),
        cursor: "cursor".to_owned(),
        most: list.most_pages,
        pace: list.pace,
    };
    Finder::of(listing, pages, extract, cache)
}

/// An id; whatever is no id is none.
fn text(id: &Expression, event: &Event) -> Option<String> {
    let value = id.evaluate(event).ok()?;
    let is_id = matches!(value, Value::String(_) | Value::Number(_));
    key_text(&value).filter(|text| is_id && !text.is_empty()).map(Cow::into_owned)
}

/// What was asked for at this time or later knows what the event tells.
fn since(event: &Event) -> Timestamp {
    let meta = event.meta();
    let told = Timestamp::from_millis(meta.time.as_millis().saturating_add(SKEW_MILLISECONDS));
    meta.received.min(told)
}

fn no_id() -> Found {
    Found::nothing(LookupStatus::NotFound, "the event does not say which")
}

/// The item of a list in what was found.
fn inside(found: Found, listing: &Listing, id: &str) -> Found {
    let Found::Answer(json) = found else { return found };
    // What was found is JSON: only a list can be missing.
    let Some(items) = listing.of(&json).ok().flatten() else { return listing.absence() };
    let item = items.into_iter().find(|(key, _)| key == id).map(|(_, item)| Found::Answer(item));
    let absent = || Found::nothing(LookupStatus::NotFound, &format!("the list has no item `{id}`"));
    item.unwrap_or_else(absent)
}

/// Names instead of ids.
struct Named {
    names: serde_json::Map<String, Value>,
    /// The first that could not be had.
    missing: Option<(LookupStatus, Arc<str>)>,
}

impl Named {
    fn part(self, name: &'static str) -> Part {
        let (status, reason) = self.missing.unwrap_or((LookupStatus::Ok, Arc::default()));
        let is_empty = self.names.is_empty();
        let answer = (!is_empty).then(|| Bytes::from(Value::Object(self.names).to_string()));
        Part { name, answer, status, reason }
    }
}

/// The names of those whose ids stand in the fields; `None`: there are no such fields.
///
/// The name of one that has none is left out, and null in a list.
async fn names(
    (asker, service, url, since): (&Asker, &Service<'_>, &str, Timestamp),
    finder: &Finder,
    data: &Value,
    fields: &[(&str, &str)],
) -> Option<Named> {
    let mut named = Named { names: serde_json::Map::new(), missing: None };
    let mut is_asked = false;
    for (field, path) in fields {
        let ids = path.split('.').try_fold(data, |at, step| at.get(step));
        let is_list = matches!(ids, Some(Value::Array(_)));
        let ids = match ids {
            Some(Value::Array(ids)) => ids.as_slice(),
            Some(id @ Value::String(_)) => std::slice::from_ref(id),
            _ => continue,
        };
        let mut all = Vec::with_capacity(ids.len());
        for id in ids {
            is_asked = true;
            let id = id.as_str().unwrap_or_default();
            all.push(match asker.find(service, finder, url, (id, since)).await {
                Found::Answer(name) => serde_json::from_slice(&name).unwrap_or_default(),
                Found::Nothing(status, reason) => {
                    named.missing.get_or_insert((status, reason));
                    Value::Null
                }
            });
        }
        if is_list {
            named.names.insert((*field).to_owned(), Value::Array(all));
        } else if let Some(name) = all.pop().filter(|name| !name.is_null()) {
            named.names.insert((*field).to_owned(), name);
        }
    }
    is_asked.then_some(named)
}

#[async_trait]
impl Transform for Answerer {
    async fn apply(&self, batch: Vec<Event>, out: &mut Outputs) -> Result<()> {
        let look_ups = batch.into_iter().map(|event| async move {
            let parts = self.look_up(&event).await;
            (event, parts)
        });
        let mut settled = futures::stream::iter(look_ups).buffered(self.concurrency).enumerate();
        while let Some((index, (event, parts))) = settled.next().await {
            self.ending.settle_parts(index, event, &parts, out);
        }
        Ok(())
    }
}
