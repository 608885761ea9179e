//! Events out of what a test writes down: the source itself says what an item means.

use bytes::Bytes;
use serde_json::{Map, Value};
use sluicebox_core::{AnySource, Context, Error, Event, Meta, Reject, Result};
use smol_str::SmolStr;

/// The items of one source's pages.
pub(crate) struct Items<'a> {
    pub(crate) source: Option<&'a dyn AnySource>,
    pub(crate) cx: &'a Context,
    /// Whether they have passed their source before: then what it would reject is an event all the same.
    pub(crate) has_passed: bool,
    /// How many there were so far, for the ids of those that have none.
    pub(crate) count: usize,
}

impl Items<'_> {
    /// An event: `{meta, event}` with what is to stand in its envelope, or the event alone.
    ///
    /// # Errors
    /// The envelope cannot be one.
    pub(crate) fn read(&mut self, item: &Value) -> Result<Result<Event, Box<Reject>>> {
        self.count += 1;
        let Some((meta, event)) = envelope(item) else { return self.bare(item) };
        match self.bare(event)? {
            Ok(event) => Ok(Ok(with_meta(event, meta)?)),
            // Its envelope makes up for what it does not say about itself.
            Err(reject) => Ok(Ok(with_meta(reject.event, meta)?)),
        }
    }

    fn bare(&self, item: &Value) -> Result<Result<Event, Box<Reject>>> {
        let bytes = Bytes::from(item.to_string());
        match self.source.and_then(|source| source.item(&bytes, self.cx)) {
            Some(Err(_)) if self.has_passed => {}
            Some(known) => return Ok(known),
            None => {}
        }
        let Context { component, account, environment, .. } = self.cx;
        let id = format!("{component}:{account}:{}", self.count);
        let now = environment.clock.now();
        let meta = Meta { time: now, received: now, ..Meta::new(component.clone(), account.clone(), id) };
        let event = Event::parse(&bytes, meta);
        event
            .map(Ok)
            .map_err(|error| Error::config("an event of the test is no JSON object").with_cause(error))
    }
}

/// What follows the account in an event's id: the cursor after it, where a page names none.
pub(crate) fn cursor_of(event: &Event) -> String {
    let meta = event.meta();
    let mark = format!(":{}:", meta.account);
    let id = meta.id.as_str();
    id.find(&mark).map_or(id, |at| &id[at + mark.len()..]).to_owned()
}

fn envelope(item: &Value) -> Option<(&Map<String, Value>, &Value)> {
    let fields = item.as_object().filter(|fields| fields.len() == 2)?;
    Some((fields.get("meta")?.as_object()?, fields.get("event").filter(|event| event.is_object())?))
}

/// The event with some entries of its envelope replaced.
fn with_meta(mut event: Event, given: &Map<String, Value>) -> Result<Event> {
    let mut meta = serde_json::to_value(event.meta())
        .map_err(|error| Error::config("an envelope cannot be written").with_cause(error))?;
    let known: Vec<SmolStr> =
        ["id", "type", "time", "source", "account", "key", "received", "lookups"].map(SmolStr::new).into();
    for (key, value) in given {
        if !known.iter().any(|known| known == key) {
            return Err(Error::config(format!("`meta` has no `{key}`; it has {}", known.join(", "))));
        }
        meta[key] = value.clone();
    }
    *event.meta_mut() = serde_json::from_value(meta)
        .map_err(|error| Error::config("the `meta` of an event is none").with_cause(error))?;
    Ok(event)
}
