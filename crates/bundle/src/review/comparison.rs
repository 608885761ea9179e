//! Whether a comparison can hold.

use std::collections::BTreeSet;

use serde_json::Value;
use sluicebox_catalogue::{Kind, Shape, nearest};
use sluicebox_rules::{Compared, Comparison, Literal, Read};

use super::candidate::{TypeAt, TypePath};
use super::field::path_text;
use super::scope::Scope;
use super::{Judge, did_you_mean, listed};

impl<'a> Judge<'a> {
    /// Judges a comparison with literals.
    pub(super) fn compared(&mut self, compared: &Compared, scope: &Scope<'a>) {
        let Compared { read, by, with } = compared;
        if let [Literal { value: Value::Null, place }] = &with[..] {
            self.with_nothing(read, *by, *place);
            return;
        }
        let shapes = self.read(read, scope);
        let type_path = self.type_path(read).filter(|_| !self.all.is_empty());
        for literal in with {
            match (type_path, &literal.value) {
                (Some(path), Value::String(name)) => self.with_type(path, *by, name, literal.place),
                // Of the beginnings of other texts nothing is known.
                _ if *by == Comparison::StartsWith => {}
                _ => shapes.iter().for_each(|shapes| self.with_value(read, *by, literal, shapes)),
            }
        }
    }

    /// Nothing equals a missing field, and a missing field equals nothing.
    fn with_nothing(&mut self, read: &Read, by: Comparison, place: (usize, usize)) {
        let Some(outcome) = outcome(by) else { return };
        let message = format!("a comparison with `()` {outcome}, whether or not the field is there");
        let last = read.steps.last().and_then(|step| step.name.as_ref());
        let help = last.map(|name| {
            let parent = path_text(read, read.steps.len() - 1);
            format!("ask `\"{name}\" in {parent}`")
        });
        self.report(message, help, place);
    }

    /// A comparison of the event's type.
    fn with_type(&mut self, path: TypePath<'_>, by: Comparison, name: &str, place: (usize, usize)) {
        let mut types: Vec<&str> = Vec::new();
        for candidate in self.all {
            match candidate.type_at(path) {
                TypeAt::Is(name) => types.push(name),
                TypeAt::Absent => {}
                TypeAt::Unknown => return,
            }
        }
        let titles = self.titles();
        let (is_known, message, names) = match by {
            Comparison::Ordered => return,
            Comparison::StartsWith => {
                let message = format!("no known event type of {titles} begins with `{name}`");
                let families = types.iter().filter_map(|name| Some(&name[..=name.find('.')?]));
                (types.iter().any(|known| known.starts_with(name)), message, families.collect())
            }
            Comparison::Equal | Comparison::NotEqual | Comparison::OneOf => {
                let message = format!("no known event type of {titles} is `{name}`");
                (types.contains(&name), message, types.iter().copied().collect::<BTreeSet<_>>())
            }
        };
        if is_known {
            return;
        }
        let message = match outcome(by) {
            Some(outcome) => format!("{message}: this {outcome}"),
            None => message,
        };
        let near = nearest(name, names.iter().copied()).map(did_you_mean);
        let help = near.or_else(|| listed(names).map(|names| format!("known: {names}")));
        self.report(message, help, place);
    }

    /// A comparison of a field of which something is known.
    fn with_value(&mut self, read: &Read, by: Comparison, literal: &Literal, shapes: &[&Shape]) {
        let kind = Kind::of(&literal.value);
        let path = path_text(read, read.steps.len());
        let Some(outcome) = outcome(by).or((by == Comparison::OneOf).then_some("never holds for it")) else {
            return;
        };
        if !shapes.iter().any(|shape| shape.allows(kind)) {
            let kinds: BTreeSet<Kind> = shapes.iter().flat_map(|shape| shape.kinds()).collect();
            let kinds = kinds.into_iter().filter(|kind| *kind != Kind::Null).map(Kind::in_words);
            let kinds = kinds.collect::<Vec<_>>().join(" or ");
            let message = format!("`{path}` is {kinds}: a comparison with {} {outcome}", kind.in_words());
            return self.report(message, None, literal.place);
        }
        let values: Option<Vec<&[Value]>> = shapes.iter().map(|shape| shape.values()).collect();
        let Some(values) = values.filter(|_| by != Comparison::Ordered) else { return };
        let mut values = values.into_iter().flatten();
        if values.clone().any(|value| *value == literal.value) {
            return;
        }
        let texts: Vec<&str> = values.by_ref().filter_map(Value::as_str).collect();
        let near = literal.value.as_str().and_then(|text| nearest(text, texts.iter().copied()));
        let help = near.map(did_you_mean).or_else(|| listed(texts).map(|all| format!("it is one of {all}")));
        let message = format!("`{path}` is never {}: this {outcome}", literal.value);
        self.report(message, help, literal.place);
    }
}

/// What comes of a comparison that cannot be true of any event; `None`: it depends on more than one literal.
fn outcome(by: Comparison) -> Option<&'static str> {
    match by {
        Comparison::Equal | Comparison::Ordered | Comparison::StartsWith => Some("never holds"),
        Comparison::NotEqual => Some("always holds"),
        Comparison::OneOf => None,
    }
}
