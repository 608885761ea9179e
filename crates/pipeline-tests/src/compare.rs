//! What came out against what was expected.
//!
//! Invariant: a dead letter, a failed run and a question without an answer that nobody expected are mismatches, also
//! where the test says nothing about them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value};
use sluicebox_config::{Expected, ExpectedList, Place, TestCase};
use sluicebox_core::{Event, Shown, State};
use smol_str::SmolStr;

use crate::differences::{Depth, Difference, differences, join, under};
use crate::ledger::{Ledger, Taken};
use crate::letters::Letter;
use crate::lists::{Pair, misfits};
use crate::metrics;

/// The keys of an entry that is taken apart instead of being the event.
const PARTS: [&str; 4] = ["event", "contains", "meta", "to"];

/// How a test ended.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Everything that was not as expected; empty if the test passed.
    pub mismatches: Vec<Mismatch>,
    /// How long the run took by the clock of the test.
    pub took: Duration,
    /// The components that an event reached.
    pub reached: BTreeSet<SmolStr>,
    /// The look-ups that asked, with whether they were answered well.
    pub asked: BTreeSet<(SmolStr, bool)>,
}

/// One thing that was not as expected.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// What it is about: `sinks.alerts`, `dead_letters`; empty for the run as a whole.
    pub subject: String,
    /// A clause, where the differences do not say it all.
    pub message: Option<String>,
    /// Where it was expected; `None`: the test says nothing about it.
    pub place: Option<Place>,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// What a run left behind.
pub(crate) struct Results<'a> {
    pub(crate) case: &'a TestCase,
    pub(crate) ledger: &'a Ledger,
    pub(crate) state: State,
    pub(crate) letters: Vec<Letter>,
    /// Why the run failed.
    pub(crate) error: Option<String>,
    pub(crate) exposition: String,
    pub(crate) took: Duration,
    pub(crate) reached: BTreeSet<SmolStr>,
}

impl Results<'_> {
    pub(crate) fn verdict(&self) -> Verdict {
        let mut mismatches = self.questions();
        mismatches.extend(self.ending());
        let expect = &self.case.expect;
        for (subject, lists) in [("sinks", &expect.sinks), ("outputs", &expect.outputs)] {
            for (name, list) in lists {
                mismatches.extend(self.list(&join(subject, name), name, list));
            }
        }
        mismatches.extend(self.dead_letters());
        mismatches.extend(self.cursors());
        mismatches.extend(self.metrics());
        mismatches.extend(self.time());
        Verdict { mismatches, took: self.took, reached: self.reached.clone(), asked: self.ledger.answers() }
    }

    fn questions(&self) -> Vec<Mismatch> {
        let said = |message: String| Mismatch {
            subject: "lookups".to_owned(),
            message: Some(message),
            place: None,
            differences: Vec::new(),
        };
        self.ledger.questions().into_iter().map(said).collect()
    }

    fn ending(&self) -> Option<Mismatch> {
        let (message, place) = match (&self.error, &self.case.expect.error) {
            (Some(error), Some(expected)) if error.contains(&expected.value) => return None,
            (None, None) => return None,
            (Some(error), Some(expected)) => {
                (format!("expected an error with `{}`, got: {error}", expected.value), Some(expected.place))
            }
            (Some(error), None) => (format!("the run failed: {error}"), None),
            (None, Some(expected)) => {
                let message = format!("expected an error with `{}`, but the run ended well", expected.value);
                (message, Some(expected.place))
            }
        };
        let subject = if place.is_some() { "error" } else { "" }.to_owned();
        Some(Mismatch { subject, message: Some(message), place, differences: Vec::new() })
    }

    /// What a sink took against what it should have.
    fn list(&self, subject: &str, name: &SmolStr, list: &ExpectedList) -> Vec<Mismatch> {
        let taken = self.ledger.taken_by(name);
        let expected = &list.value;
        // Between partitions there is no order.
        let partitions: BTreeSet<(&str, &str)> =
            taken.iter().flat_map(|one| &one.events).map(partition).collect();
        let in_order = partitions.len() < 2;
        let fits = |left: usize, right: usize| entry(&expected[left].value, &taken[right]).is_empty();
        let pairs = misfits((expected.len(), taken.len()), in_order, fits);
        let counts = (expected.len(), taken.len());
        pairs.into_iter().map(|pair| misfit(subject, pair, (list, &taken), counts)).collect()
    }

    fn dead_letters(&self) -> Vec<Mismatch> {
        let none = Vec::new();
        let listed = self.case.expect.dead_letters.as_ref();
        let expected: &Vec<Expected<Value>> = listed.map_or(&none, |list| &list.value);
        let fits =
            |left: usize, right: usize| self.letters[right].differences(&expected[left].value).is_empty();
        let pairs = misfits((expected.len(), self.letters.len()), false, fits);
        let mismatch = |(left, right): Pair| {
            let (wanted, letter) =
                (left.map(|left| &expected[left]), right.map(|right| &self.letters[right]));
            let (message, differing) = match (wanted, letter) {
                (Some(wanted), Some(letter)) => (None, letter.differences(&wanted.value)),
                (Some(wanted), None) => (Some("missing"), whole(Some(wanted.value.clone()), None)),
                (None, letter) => (Some("unexpected"), whole(None, letter.map(Letter::summary))),
            };
            let path = left.map_or_else(String::new, |left| format!("[{left}]"));
            Mismatch {
                subject: join("dead_letters", &path),
                message: message.map(|how| format!("{how} dead letter")),
                place: wanted.map(|wanted| wanted.place).or(listed.map(|list| list.place)),
                differences: differing,
            }
        };
        pairs.into_iter().map(mismatch).collect()
    }

    fn cursors(&self) -> Vec<Mismatch> {
        let of = |name: &str| {
            let (source, account) =
                name.split_once('/').map_or((name, None), |(source, account)| (source, Some(account)));
            let mut records = self.state.partitions.iter().filter(|record| record.source == source);
            let record = records.find(|record| account.is_none_or(|account| record.partition == account));
            record
                .and_then(|record| record.cursor.as_ref())
                .map(|cursor| String::from_utf8_lossy(cursor).into_owned())
        };
        let mut found = Vec::new();
        for (name, expected) in &self.case.expect.cursors {
            let got = of(name);
            if got != expected.value {
                let json = |cursor: &Option<String>| Some(cursor.clone().map_or(Value::Null, Value::from));
                found.push(Mismatch {
                    subject: format!("cursors.{name}"),
                    message: None,
                    place: Some(expected.place),
                    differences: whole(json(&expected.value), json(&got)),
                });
            }
        }
        found
    }

    fn metrics(&self) -> Vec<Mismatch> {
        let mut found = Vec::new();
        for Expected { place, value: (selector, expected) } in &self.case.expect.metrics {
            let got = metrics::sum(&self.exposition, selector);
            if got != Some(*expected) {
                let message = got.is_none().then(|| "there is no such series".to_owned());
                found.push(Mismatch {
                    subject: format!("metrics.{}", selector.text),
                    message,
                    place: Some(*place),
                    differences: whole(Some(number(*expected)), got.map(number)),
                });
            }
        }
        found
    }

    fn time(&self) -> Option<Mismatch> {
        let Expected { place, value: (least, most) } = self.case.expect.took.as_ref()?;
        if (*least..=*most).contains(&self.took) {
            return None;
        }
        let (word, bound) = if self.took < *least { ("at least", least) } else { ("at most", most) };
        let message = format!("expected {word} {bound:?}, took {:?}", self.took);
        Some(Mismatch {
            subject: "took".to_owned(),
            message: Some(message),
            place: Some(*place),
            differences: Vec::new(),
        })
    }
}

fn partition(event: &Event) -> (&str, &str) {
    (&event.meta().source, &event.meta().account)
}

/// One entry that is wrong, missing or too much.
fn misfit(
    subject: &str,
    (left, right): Pair,
    (list, taken): (&ExpectedList, &[Taken]),
    (wanted, came): (usize, usize),
) -> Mismatch {
    let expected = left.map(|left| &list.value[left]);
    let (mut message, differing) = match (expected, right.map(|right| &taken[right])) {
        (Some(expected), Some(got)) => (None, entry(&expected.value, got)),
        (Some(expected), None) => (Some("missing"), whole(Some(expected.value.clone()), None)),
        (None, got) => (Some("unexpected"), whole(None, got.map(picture))),
    };
    if message.is_none() && differing.is_empty() {
        message = Some("it came at another place of the list");
    }
    let counted = message.map(|how| {
        if wanted == came { how.to_owned() } else { format!("{how}: expected {wanted}, got {came}") }
    });
    let index = left.or(right).map_or_else(String::new, |index| format!("[{index}]"));
    Mismatch {
        subject: format!("{subject}{index}"),
        message: counted,
        place: Some(expected.map_or(list.place, |expected| expected.place)),
        differences: differing,
    }
}

/// What differs between an entry and what came.
fn entry(expected: &Value, got: &Taken) -> Vec<Difference> {
    let parts = expected.as_object().filter(|fields| is_taken_apart(fields));
    match (parts, &got.shown) {
        (Some(parts), _) => parts.iter().flat_map(|(part, wanted)| part_of(part, wanted, got)).collect(),
        (None, Some(Shown::Message(message))) => message_differences(expected, message),
        (None, _) => differences(expected, &event_of(got), Depth::Exact),
    }
}

fn is_taken_apart(fields: &Map<String, Value>) -> bool {
    !fields.is_empty() && fields.keys().all(|key| PARTS.contains(&key.as_str()))
}

fn part_of(part: &str, wanted: &Value, got: &Taken) -> Vec<Difference> {
    let found = match part {
        "event" => return differences(wanted, &event_of(got), Depth::Exact),
        "contains" => return differences(wanted, &event_of(got), Depth::Part),
        "meta" => got.events.first().and_then(|event| serde_json::to_value(event.meta()).ok()),
        _ => match &got.shown {
            Some(Shown::Address(address)) => Some(address.clone()),
            _ => None,
        },
    };
    under(part, differences(wanted, &found.unwrap_or_default(), Depth::Part))
}

/// Of a message, what is named at the top is looked at, and that exactly.
fn message_differences(expected: &Value, message: &Value) -> Vec<Difference> {
    let named = |key: &String| expected.get(key).is_some();
    let fields = message.as_object().into_iter().flatten().filter(|(key, _)| named(key));
    let message = fields.map(|(key, value)| (key.clone(), value.clone())).collect::<Map<_, _>>();
    differences(expected, &Value::Object(message), Depth::Exact)
}

/// The event, or a list of those of one message.
fn event_of(taken: &Taken) -> Value {
    let json = |event: &Event| serde_json::from_slice(&event.json()).unwrap_or_default();
    match &taken.events[..] {
        [event] => json(event),
        events => events.iter().map(json).collect(),
    }
}

/// What came, as a test would write it down.
fn picture(taken: &Taken) -> Value {
    match &taken.shown {
        Some(Shown::Message(message)) => message.clone(),
        _ => event_of(taken),
    }
}

/// A number as people write it: a counter has no decimals.
fn number(value: f64) -> Value {
    serde_json::from_str(&value.to_string()).unwrap_or_else(|_| value.into())
}

fn whole(expected: Option<Value>, got: Option<Value>) -> Vec<Difference> {
    vec![Difference { path: String::new(), expected, got }]
}
