//! Following events while somebody looks: what each component made of an event, before and after.
//!
//! Nobody looks most of the time, and then a step costs one load of a counter. Invariant: whoever looks never holds up
//! an event: steps that a slow reader has no room for are left out and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use sluicebox_core::{Clock, ComponentKind, DiscardReason, Event, Reason, Timestamp};
use smol_str::SmolStr;
use tokio::sync::mpsc;

/// Steps that wait for a reader.
const ROOM: usize = 256;

/// What somebody wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One event by its `meta.id`, and its children.
    Event(SmolStr),
    /// Everything that comes to one component.
    Component(SmolStr),
}

impl Subject {
    fn covers(&self, component: &str, id: &str) -> bool {
        match self {
            Self::Component(name) => name == component,
            Self::Event(wanted) => {
                id.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }
}

/// What became of an event at a component.
#[derive(Clone, Debug)]
pub(crate) enum Became {
    /// A source has brought it.
    Received,
    /// It went on as this event, on a named output or the main one.
    Emitted(Option<SmolStr>, Event),
    /// Its condition did not hold, and it went on as it was.
    Around,
    /// It goes no further, on purpose.
    Discarded(DiscardReason),
    /// It is part of what the component remembers.
    Absorbed,
    /// It was given up, with the reason and a sentence.
    DeadLetter(Reason, String),
    /// It is durable in the destination.
    Delivered,
}

/// One event at one component.
#[derive(Clone, Debug)]
pub struct Step {
    time: Timestamp,
    component: SmolStr,
    kind: ComponentKind,
    /// As it came to the component.
    event: Event,
    became: Became,
}

/// Fields: `time, component, kind, id, step` (`received`, `emitted`, `around`, `discarded`, `absorbed`, `dead_letter`,
/// `delivered`), `before` (the event as it came), for `emitted` also `output` (null: the main one), `after_id` and
/// `after`, else `reason` and `message` where there are any.
impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("time", &self.time)?;
        map.serialize_entry("component", &self.component)?;
        map.serialize_entry("kind", self.kind.as_str())?;
        map.serialize_entry("id", &self.event.meta().id)?;
        map.serialize_entry("step", self.became.as_str())?;
        match &self.became {
            Became::Emitted(output, after) => {
                map.serialize_entry("output", output)?;
                map.serialize_entry("after_id", &after.meta().id)?;
                map.serialize_entry("before", &json(&self.event))?;
                map.serialize_entry("after", &json(after))?;
                return map.end();
            }
            Became::Discarded(reason) => map.serialize_entry("reason", reason.as_str())?,
            Became::DeadLetter(reason, message) => {
                map.serialize_entry("reason", reason.as_str())?;
                map.serialize_entry("message", message)?;
            }
            Became::Received | Became::Around | Became::Absorbed | Became::Delivered => {}
        }
        map.serialize_entry("before", &json(&self.event))?;
        map.end()
    }
}

/// The event's own text; what is no JSON (an item that could not be read) as a text.
fn json(event: &Event) -> Box<RawValue> {
    let text = String::from_utf8_lossy(&event.json()).into_owned();
    RawValue::from_string(text)
        .or_else(|_| serde_json::value::to_raw_value(&String::from_utf8_lossy(&event.json())))
        .unwrap_or_else(|_| RawValue::NULL.to_owned())
}

impl Became {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Emitted(..) => "emitted",
            Self::Around => "around",
            Self::Discarded(_) => "discarded",
            Self::Absorbed => "absorbed",
            Self::DeadLetter(..) => "dead_letter",
            Self::Delivered => "delivered",
        }
    }
}

/// The steps that a reader asked for, as they happen.
#[derive(Debug)]
pub struct Trace {
    steps: mpsc::Receiver<Step>,
    left_out: Arc<AtomicU64>,
}

impl Trace {
    /// The next step; `None` once the pipeline has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<Step> {
        self.steps.recv().await
    }

    /// How many steps there was no room for since the last call.
    pub fn left_out(&self) -> u64 {
        self.left_out.swap(0, Ordering::AcqRel)
    }
}

struct Reader {
    subject: Subject,
    steps: mpsc::Sender<Step>,
    left_out: Arc<AtomicU64>,
}

/// Who looks at a pipeline; its components share it.
#[derive(Clone)]
pub(crate) struct Tracer {
    shared: Arc<Shared>,
}

struct Shared {
    count: AtomicUsize,
    readers: Mutex<Vec<Reader>>,
    clock: Arc<dyn Clock>,
}

impl Tracer {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { shared: Arc::new(Shared { count: AtomicUsize::new(0), readers: Mutex::default(), clock }) }
    }

    /// Lets somebody look until the trace is dropped.
    pub(crate) fn read(&self, subject: Subject) -> Trace {
        let (sender, steps) = mpsc::channel(ROOM);
        let left_out = Arc::<AtomicU64>::default();
        let mut readers = self.shared.readers.lock();
        readers.push(Reader { subject, steps: sender, left_out: Arc::clone(&left_out) });
        self.shared.count.store(readers.len(), Ordering::Release);
        Trace { steps, left_out }
    }

    /// Whether anybody looks.
    pub(crate) fn is_on(&self) -> bool {
        self.shared.count.load(Ordering::Acquire) > 0
    }

    /// Tells everybody who wants to know.
    pub(crate) fn step(
        &self,
        (component, kind): (&SmolStr, ComponentKind),
        event: &Event,
        became: impl FnOnce() -> Became,
    ) {
        if !self.is_on() {
            return;
        }
        let mut readers = self.shared.readers.lock();
        readers.retain(|reader| !reader.steps.is_closed());
        self.shared.count.store(readers.len(), Ordering::Release);
        let id = &event.meta().id;
        let mut interested = readers.iter().filter(|reader| reader.subject.covers(component, id)).peekable();
        if interested.peek().is_none() {
            return;
        }
        let step = Step {
            time: self.shared.clock.now(),
            component: component.clone(),
            kind,
            event: event.clone(),
            became: became(),
        };
        for reader in interested {
            if reader.steps.try_send(step.clone()).is_err() {
                reader.left_out.fetch_add(1, Ordering::AcqRel);
            }
        }
    }

    /// The pipeline has ended: every trace ends.
    pub(crate) fn close(&self) {
        self.shared.readers.lock().clear();
        self.shared.count.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_followed_with_its_children_and_no_other() {
        let subject = Subject::Event("feed:a:1".into());
        for (id, covered) in
            [("feed:a:1", true), ("feed:a:1/main/0", true), ("feed:a:10", false), ("feed:a", false)]
        {
            assert_eq!(subject.covers("rule", id), covered, "{id}");
        }
        assert!(Subject::Component("rule".into()).covers("rule", "x"));
        assert!(!Subject::Component("rule".into()).covers("rules", "x"));
    }
}
