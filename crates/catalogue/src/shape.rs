//! Shapes: what is known of a value and of the fields inside it.
//!
//! Invariant: a shape errs on the side of silence. Where nothing is said, everything may be.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::nearest::nearest;

/// What JSON calls a type. Integers are told from numbers, as JSON Schema does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number without a fraction.
    Integer,
    /// Any number.
    Number,
    /// A string.
    Text,
    /// A list.
    Array,
    /// A map.
    Object,
}

impl Kind {
    /// By its name in JSON Schema.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::Null,
            "boolean" => Self::Boolean,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "string" => Self::Text,
            "array" => Self::Array,
            "object" => Self::Object,
            _ => return None,
        })
    }

    /// Its name in JSON Schema.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Text => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    /// The kind of a value.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.is_f64() => Self::Number,
            Value::Number(_) => Self::Integer,
            Value::String(_) => Self::Text,
            Value::Array(_) => Self::Array,
            Value::Object(_) => Self::Object,
        }
    }

    /// In words: `text`, `a number`.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "true or false",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Text => "text",
            Self::Array => "a list",
            Self::Object => "a map",
        }
    }
}

/// The names that an object has.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Fields {
    /// Nothing is said.
    #[default]
    Unsaid,
    /// All that are known; an event may hold others.
    Known(BTreeMap<String, Shape>),
    /// Any name may be meant.
    Open,
}

/// What is known of a value. The default knows nothing: any value will do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    /// Empty: any.
    pub(crate) kinds: BTreeSet<Kind>,
    /// All that it can be, if that is a closed set.
    pub(crate) values: Option<Vec<Value>>,
    pub(crate) description: Option<String>,
    pub(crate) fields: Fields,
    pub(crate) items: Option<Box<Shape>>,
}

/// One step of a path into a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'p> {
    /// A field of an object.
    Name(&'p str),
    /// An item of a list, whichever.
    Item,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Found<'s> {
    /// Something that is known.
    Known(&'s Shape),
    /// Step `at` of the path is no known name.
    Unknown {
        /// Index of the step, from 0.
        at: usize,
        /// What it was looked for in.
        within: &'s Shape,
        /// The known name that was probably meant.
        nearest: Option<&'s str>,
    },
    /// Nothing is known of step `at`: anything may be there.
    Open {
        /// Index of the step, from 0.
        at: usize,
    },
}

impl Shape {
    /// The kinds of value that it allows; none: any.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.kinds.iter().copied()
    }

    /// Whether a value of this kind fits.
    pub fn allows(&self, kind: Kind) -> bool {
        let numeric = matches!(kind, Kind::Integer | Kind::Number);
        self.kinds.is_empty()
            || self.kinds.contains(&kind)
            || (numeric && self.kinds.iter().any(|known| matches!(known, Kind::Integer | Kind::Number)))
    }

    /// All that it can be, if that is a closed set.
    pub fn values(&self) -> Option<&[Value]> {
        self.values.as_deref()
    }

    /// What it is, in a sentence.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The known names of its fields; none if nothing is said or anything may be meant.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let known = match &self.fields {
            Fields::Known(known) => Some(known),
            Fields::Unsaid | Fields::Open => None,
        };
        known.into_iter().flat_map(|known| known.keys().map(String::as_str))
    }

    /// What a path leads to.
    pub fn field(&self, path: &[Step<'_>]) -> Found<'_> {
        let mut shape = self;
        for (at, step) in path.iter().enumerate() {
            let next = match step {
                Step::Item => shape.items.as_deref().filter(|_| shape.allows(Kind::Array)),
                Step::Name(name) => match &shape.fields {
                    Fields::Known(known) => match known.get(*name) {
                        // A text and a list have properties of their own, like `len`.
                        None if !shape.allows(Kind::Text) && !shape.allows(Kind::Array) => {
                            let nearest = nearest(name, known.keys().map(String::as_str));
                            return Found::Unknown { at, within: shape, nearest };
                        }
                        found => found,
                    },
                    Fields::Unsaid | Fields::Open => None,
                },
            };
            match next {
                Some(next) => shape = next,
                None => return Found::Open { at },
            }
        }
        Found::Known(shape)
    }

    /// What is known of a value that has one shape or the other: for a source whose event type is not pinned, and for
    /// events that a pipeline declares beside the catalogue.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if self.says_nothing() || other.says_nothing() {
            return Self::default();
        }
        let kinds = match (self.kinds.is_empty(), other.kinds.is_empty()) {
            (false, false) => self.kinds.union(&other.kinds).copied().collect(),
            _ => BTreeSet::new(),
        };
        let values = self.values.as_ref().zip(other.values.as_ref()).map(|(own, others)| {
            let more = others.iter().filter(|value| !own.contains(value));
            own.iter().chain(more).cloned().collect()
        });
        let description = self.description.clone().or_else(|| other.description.clone());
        let fields = either(self.objects(), other.objects(), |own, others| match (own, others) {
            (Fields::Known(own), Fields::Known(others)) => Fields::Known(merged(own, others, Self::union)),
            (Fields::Open, _) | (_, Fields::Open) => Fields::Open,
            (Fields::Unsaid, known) | (known, Fields::Unsaid) => known.clone(),
        });
        let items = either(self.lists(), other.lists(), |own, others| {
            own.as_ref().zip(others.as_ref()).map(|(own, others)| Box::new(own.union(others)))
        });
        Self { kinds, values, description, fields: fields.unwrap_or_default(), items: items.flatten() }
    }

    /// What is known of a value that has both shapes at once, as a type has that of its envelope and its own.
    pub(crate) fn overlaid(&self, over: &Self) -> Self {
        let both: BTreeSet<Kind> = self.kinds.intersection(&over.kinds).copied().collect();
        let kinds = match (over.kinds.is_empty(), both.is_empty()) {
            (true, _) => self.kinds.clone(),
            (false, true) => over.kinds.clone(),
            (false, false) => both,
        };
        let fields = match (&self.fields, &over.fields) {
            (Fields::Known(own), Fields::Known(others)) => Fields::Known(merged(own, others, Self::overlaid)),
            (Fields::Open, _) | (_, Fields::Open) => Fields::Open,
            (Fields::Unsaid, known) | (known, Fields::Unsaid) => known.clone(),
        };
        let items = match (&self.items, &over.items) {
            (Some(own), Some(others)) => Some(Box::new(own.overlaid(others))),
            (own, others) => others.clone().or_else(|| own.clone()),
        };
        let values = over.values.clone().or_else(|| self.values.clone());
        let description = over.description.clone().or_else(|| self.description.clone());
        Self { kinds, values, description, fields, items }
    }

    fn says_nothing(&self) -> bool {
        self.kinds.is_empty()
            && self.values.is_none()
            && self.fields == Fields::Unsaid
            && self.items.is_none()
    }

    /// Its fields, if it can be an object.
    fn objects(&self) -> Option<&Fields> {
        self.allows(Kind::Object).then_some(&self.fields)
    }

    /// Its items, if it can be a list.
    fn lists(&self) -> Option<&Option<Box<Self>>> {
        self.allows(Kind::Array).then_some(&self.items)
    }
}

/// The one that is there, or both made one.
fn either<T: Clone>(own: Option<&T>, other: Option<&T>, both: impl FnOnce(&T, &T) -> T) -> Option<T> {
    match (own, other) {
        (Some(own), Some(other)) => Some(both(own, other)),
        (own, other) => own.or(other).cloned(),
    }
}

/// All fields of both, those of the same name made one.
fn merged(
    own: &BTreeMap<String, Shape>,
    others: &BTreeMap<String, Shape>,
    both: impl Fn(&Shape, &Shape) -> Shape,
) -> BTreeMap<String, Shape> {
    let mut merged = own.clone();
    for (name, other) in others {
        let shape = own.get(name).map_or_else(|| other.clone(), |own| both(own, other));
        merged.insert(name.clone(), shape);
    }
    merged
}
