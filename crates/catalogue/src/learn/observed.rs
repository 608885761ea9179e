//! What was seen of one value over many samples.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::format::{self, Format};
use crate::Kind;

/// More distinct texts than this are no closed set.
const MOST_VALUES: usize = 12;
/// Fewer samples than this say nothing about a closed set.
const LEAST_SAMPLES: u64 = 50;
/// A closed set is seen so many times over.
const TIMES_OVER: u64 = 10;
/// The longest text that is one of a closed set, in bytes.
const LONGEST_VALUE: usize = 48;
/// More names than this are keys of a map, not fields.
const MOST_FIELDS: usize = 128;

/// What was seen of one value.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    samples: u64,
    kinds: BTreeSet<Kind>,
    texts: Texts,
    /// How often it was a map.
    maps: u64,
    fields: BTreeMap<String, Observed>,
    /// The values of a map with more names than fields can have.
    values: Option<Box<Observed>>,
    items: Option<Box<Observed>>,
}

/// What was seen of texts.
#[derive(Clone, Debug, Default)]
struct Texts {
    count: u64,
    /// `None`: too many.
    distinct: Option<BTreeSet<String>>,
    is_open: bool,
    /// The formats that all of them had.
    formats: Vec<Format>,
}

impl Texts {
    fn see(&mut self, text: &str) {
        let formats = format::of(text);
        if self.count == 0 {
            self.formats = formats;
        } else {
            self.formats.retain(|format| formats.contains(format));
        }
        self.count += 1;
        if self.is_open {
            return;
        }
        let distinct = self.distinct.get_or_insert_with(BTreeSet::new);
        if text.len() > LONGEST_VALUE || (distinct.len() == MOST_VALUES && !distinct.contains(text)) {
            self.open();
        } else if !distinct.contains(text) {
            distinct.insert(text.to_owned());
        }
    }

    fn open(&mut self) {
        (self.is_open, self.distinct) = (true, None);
    }

    fn absorb(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = other.clone();
            return;
        }
        self.count += other.count;
        self.formats.retain(|format| other.formats.contains(format));
        match (&mut self.distinct, &other.distinct) {
            (Some(own), Some(others)) if own.union(others).count() <= MOST_VALUES => {
                own.extend(others.iter().cloned());
            }
            _ => self.open(),
        }
    }

    /// All that it can be, if that is sure enough.
    fn closed(&self) -> Option<&BTreeSet<String>> {
        let distinct = self.distinct.as_ref()?;
        let times = u64::try_from(distinct.len()).ok()?.checked_mul(TIMES_OVER)?;
        (self.formats.is_empty() && self.count >= LEAST_SAMPLES.max(times)).then_some(distinct)
    }
}

impl Observed {
    /// How many samples there were.
    pub(super) fn samples(&self) -> u64 {
        self.samples
    }

    /// Looks at one sample.
    pub(super) fn see(&mut self, value: &Value) {
        self.samples += 1;
        self.kinds.insert(Kind::of(value));
        match value {
            Value::String(text) => self.texts.see(text),
            Value::Array(items) => {
                let seen = self.items.get_or_insert_default();
                for item in items {
                    seen.see(item);
                }
            }
            Value::Object(fields) => self.see_fields(fields),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn see_fields(&mut self, fields: &Map<String, Value>) {
        self.maps += 1;
        for (name, value) in fields {
            match &mut self.values {
                Some(values) => values.see(value),
                None => self.fields.entry(name.clone()).or_default().see(value),
            }
        }
        self.open_if_many();
    }

    /// Takes over what another has seen.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.samples += other.samples;
        self.kinds.extend(&other.kinds);
        self.texts.absorb(&other.texts);
        self.maps += other.maps;
        for (name, field) in &other.fields {
            match &mut self.values {
                Some(values) => values.absorb(field),
                None => self.fields.entry(name.clone()).or_default().absorb(field),
            }
        }
        if let Some(values) = &other.values {
            self.values.get_or_insert_default().absorb(values);
        }
        if let Some(items) = &other.items {
            self.items.get_or_insert_default().absorb(items);
        }
        self.open_if_many();
    }

    fn open_if_many(&mut self) {
        if self.fields.len() > MOST_FIELDS || (self.values.is_some() && !self.fields.is_empty()) {
            let fields = std::mem::take(&mut self.fields);
            let values = self.values.get_or_insert_default();
            for field in fields.values() {
                values.absorb(field);
            }
        }
    }

    /// What was seen as JSON Schema.
    pub(super) fn schema(&self) -> Value {
        let mut schema = Map::new();
        let is_number = self.kinds.contains(&Kind::Number);
        let kinds = self.kinds.iter().filter(|kind| !(is_number && **kind == Kind::Integer));
        let names: Vec<&str> = kinds.map(|kind| kind.name()).collect();
        match names[..] {
            [] => return Value::Object(schema),
            [only] => drop(schema.insert("type".to_owned(), only.into())),
            _ => drop(schema.insert("type".to_owned(), json!(names))),
        }
        let is_only_text = self.kinds.len() == 1 && self.kinds.contains(&Kind::Text);
        if let Some(values) = self.texts.closed().filter(|_| is_only_text) {
            schema.insert("enum".to_owned(), json!(values));
        } else if let Some(format) = self.texts.formats.first() {
            schema.insert("format".to_owned(), format.name().into());
        }
        if let Some(items) = &self.items {
            schema.insert("items".to_owned(), items.schema());
        }
        if let Some(values) = &self.values {
            schema.insert("additionalProperties".to_owned(), values.schema());
        } else if !self.fields.is_empty() {
            let properties = self.fields.iter().map(|(name, field)| (name.clone(), field.schema()));
            schema.insert("properties".to_owned(), Value::Object(properties.collect()));
            let always = self.fields.iter().filter(|(_, field)| field.samples == self.maps);
            let required: Vec<&String> = always.map(|(name, _)| name).collect();
            if !required.is_empty() {
                schema.insert("required".to_owned(), json!(required));
            }
        }
        Value::Object(schema)
    }
}
