//! Dead letters: events that could not be processed, kept whole with the reason.

use std::sync::Arc;

use bytes::Bytes;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use smol_str::SmolStr;

use crate::{Error, ErrorClass, Event, Meta, Timestamp};

/// Why an event became a dead letter; the label `reason` of `sluicebox_dead_letter_events_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A rule failed on it.
    Script,
    /// It does not have the shape that a schema asks for.
    Validation,
    /// The destination refused it for good.
    Rejected,
    /// It is larger than the destination takes.
    TooLarge,
    /// It is not JSON, or lacks what every event must have.
    Parse,
    /// An enrichment failed and `on_error: dead_letter` is set.
    Lookup,
    /// A rule called `dead_letter("…")`.
    Explicit,
}

impl Reason {
    /// Every reason, for counters that exist from the start.
    pub const ALL: [Self; 7] = [
        Self::Script,
        Self::Validation,
        Self::Rejected,
        Self::TooLarge,
        Self::Parse,
        Self::Lookup,
        Self::Explicit,
    ];

    /// The word that users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Validation => "validation",
            Self::Rejected => "rejected",
            Self::TooLarge => "too_large",
            Self::Parse => "parse",
            Self::Lookup => "lookup",
            Self::Explicit => "explicit",
        }
    }
}

/// What went wrong with one event, with the place in a rule where there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterError {
    /// One sentence.
    pub message: String,
    /// The rule's file, as the pipeline names it.
    pub file: Option<String>,
    /// Line in that file, from 1.
    pub line: Option<usize>,
    /// Column in that line, from 1.
    pub column: Option<usize>,
    /// What to do about it.
    pub help: Option<String>,
}

impl DeadLetterError {
    /// An error without a place.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }
}

impl From<&Error> for DeadLetterError {
    fn from(error: &Error) -> Self {
        Self {
            message: error.chain(),
            file: error.place().map(|(file, ..)| file.to_owned()),
            line: error.place().map(|(_, line, _)| line),
            column: error.place().map(|(.., column)| column),
            help: error.help().map(str::to_owned),
        }
    }
}

/// What a dead letter is known by: at most one exists for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LetterKey {
    /// The component that gave up.
    pub component: SmolStr,
    /// The event's source.
    pub source: Arc<str>,
    /// The event's account.
    pub account: Arc<str>,
    /// The event's `meta.id`.
    pub id: SmolStr,
}

/// The page whose event a dead letter was. If a run ends before that page is safe, the page comes again and the letter
/// has to go: otherwise a replay of it would bring the event a second time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterPage {
    /// The source of the partition.
    pub source: SmolStr,
    /// The account of the partition.
    pub partition: SmolStr,
    /// The epoch of the run.
    pub epoch: u64,
    /// The sequence number of the safe cursor that passes the page.
    pub safe_seq: u64,
}

/// One dead letter; at most one exists for a [`LetterKey`].
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// When it was made.
    pub time: Timestamp,
    /// The component that gave up.
    pub component: SmolStr,
    /// Why, in one word.
    pub reason: Reason,
    /// Why, in a sentence.
    pub error: DeadLetterError,
    /// How often it was tried.
    pub attempts: u32,
    /// The event's envelope.
    pub meta: Meta,
    /// The event as it reached the component: JSON text, or whatever bytes the upstream sent.
    pub event: Bytes,
    /// The page that it belongs to; `None` if that page cannot come again.
    pub page: Option<LetterPage>,
}

impl LetterKey {
    /// The key of a component's letter for an event.
    pub fn new(component: &str, meta: &Meta) -> Self {
        let Meta { source, account, id, .. } = meta;
        let (source, account) = (Arc::clone(source), Arc::clone(account));
        Self { component: component.into(), source, account, id: id.clone() }
    }
}

impl DeadLetter {
    /// A dead letter for `event` as it stands.
    pub fn new(
        component: &str,
        event: &Event,
        reason: Reason,
        error: DeadLetterError,
        time: Timestamp,
    ) -> Self {
        Self {
            time,
            component: component.into(),
            reason,
            error,
            attempts: 1,
            meta: event.meta().clone(),
            event: event.json(),
            page: None,
        }
    }

    /// What it is known by.
    pub fn key(&self) -> LetterKey {
        LetterKey::new(&self.component, &self.meta)
    }

    /// Whether it takes the place of the letter that was replayed: the same component gave up again.
    pub fn is_renewed(&self) -> bool {
        let past = self.meta.replay.as_ref().and_then(|replay| replay.failures.last());
        past.is_some_and(|past| past.component == self.component)
    }

    /// The letter as people and sinks see it.
    pub fn named<'l>(&'l self, id: &'l str, pipeline: &'l str) -> NamedDeadLetter<'l> {
        NamedDeadLetter { id, pipeline, letter: self }
    }

    /// The reason for an error that a sink gave for one event.
    pub fn reason_of(error: &Error) -> Reason {
        match (error.class(), error.reason()) {
            (_, "too_large") => Reason::TooLarge,
            (_, "validation") => Reason::Validation,
            (ErrorClass::Script, _) => Reason::Script,
            _ => Reason::Rejected,
        }
    }
}

/// A dead letter with its id and its pipeline.
///
/// Serialises as `{id, time, pipeline, component, account, reason, error, attempts, meta, event}`; an event that is not
/// JSON is shown as text. Signed links are whole: whoever prints one for people redacts them.
#[derive(Clone, Copy, Debug)]
pub struct NamedDeadLetter<'l> {
    /// Unique within the pipeline.
    pub id: &'l str,
    /// The pipeline's name.
    pub pipeline: &'l str,
    /// The letter itself.
    pub letter: &'l DeadLetter,
}

impl Serialize for NamedDeadLetter<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let letter = self.letter;
        let mut shown = serializer.serialize_struct("DeadLetter", 10)?;
        shown.serialize_field("id", self.id)?;
        shown.serialize_field("time", &letter.time)?;
        shown.serialize_field("pipeline", self.pipeline)?;
        shown.serialize_field("component", &letter.component)?;
        shown.serialize_field("account", &letter.meta.account)?;
        shown.serialize_field("reason", &letter.reason)?;
        shown.serialize_field("error", &letter.error)?;
        shown.serialize_field("attempts", &letter.attempts)?;
        shown.serialize_field("meta", &letter.meta)?;
        match serde_json::from_slice::<&RawValue>(&letter.event) {
            Ok(json) => shown.serialize_field("event", json)?,
            Err(_) => shown.serialize_field("event", &String::from_utf8_lossy(&letter.event))?,
        }
        shown.end()
    }
}
