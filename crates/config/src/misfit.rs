//! What is said when a value does not fit its declaration, and what is hidden when it may be a secret.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use sluicebox_core::Registry;

use crate::faults::{Fault, Faults, nearest};
use crate::form::{Form, found, one_of};
use crate::interpolate::Filled;
use crate::node::{Kind, Node, Scalar};
use crate::shape::Walk;

impl Walk<'_> {
    /// Reports that a value fits none of the forms.
    pub(crate) fn misfit(&mut self, forms: &[Form<'_>], node: &Node, path: &str) -> Option<Value> {
        let mut expected: Vec<String> = Vec::new();
        for form in forms.iter().filter(|form| form.types() != ["null"]) {
            let expectation = form.expectation();
            if !expected.contains(&expectation) {
                expected.push(expectation);
            }
        }
        // Where a secret belongs, what stands there is probably one, one level too far in or out.
        let secret = forms.iter().any(|form| holds_secret(form.0));
        let found = if secret && node.text().is_some() { "a text".to_owned() } else { found(node) };
        if secret {
            self.mask_all(node);
        }
        let message = format!("expected {}, found {found}", one_of(expected));
        let fault = Fault::new(self.faults.focus(node), path, message);
        let words: Vec<&str> = forms.iter().flat_map(|form| form.words()).collect();
        let variants: Vec<&str> = forms.iter().filter_map(|form| form.variant()).collect();
        let fault = match (&node.kind, node.text()) {
            (Kind::Null, _) => fault.help("leave the key out to get the default, or give it a value"),
            (_, Some(text)) if variants.contains(&text) => {
                fault.help(format!("`{text}` needs a value: `{{{text}: …}}`"))
            }
            (_, Some(text)) => fault.nearest(text, words),
            _ => fault,
        };
        self.faults.add(fault);
        None
    }

    /// Reports a key with the nearest name, which it returns, else with all of them.
    pub(crate) fn unknown_key(
        &mut self,
        key: &str,
        value: &Node,
        fault: Fault,
        known: &Map<String, Value>,
    ) -> Option<String> {
        let near = nearest(key, known.keys().map(String::as_str));
        if near.and_then(|near| known.get(near)).is_some_and(holds_secret) {
            self.mask_all(value);
        }
        let help = near.map_or_else(
            || {
                let names: Vec<String> = known.keys().map(|name| format!("`{name}`")).collect();
                format!("known here: {}", names.join(", "))
            },
            |name| format!("did you mean `{name}`?"),
        );
        self.faults.add(fault.help(help));
        near.map(str::to_owned)
    }

    /// Hides a secret that the file itself holds, here or in a field of an account.
    pub(crate) fn mask(&mut self, filled: &Filled, scalar: &Scalar) {
        if filled.values.is_empty() && !filled.stand_in {
            self.faults.literal_secret(scalar.written.clone(), &filled.text);
        }
        for (reference, value) in &filled.values {
            let name = reference.strip_prefix("${account.").and_then(|name| name.strip_suffix('}'));
            let field = name.and_then(|name| self.scope.account.field(name));
            let written = field.filter(|field| field.filled.values.is_empty());
            if let Some(range) = written.and_then(|field| field.range.clone()) {
                self.faults.literal_secret(range, value);
            }
        }
    }

    /// Hides every text in a value that is not walked.
    pub(crate) fn mask_all(&mut self, node: &Node) {
        match &node.kind {
            Kind::Scalar(scalar) => self.faults.literal_secret(scalar.written.clone(), &scalar.text),
            Kind::List(items) => items.iter().for_each(|item| self.mask_all(item)),
            Kind::Map(entries) => entries.iter().for_each(|entry| self.mask_all(&entry.value)),
            Kind::Null | Kind::Broken => {}
        }
    }
}

/// Whether a secret may stand anywhere in what a schema describes.
pub(crate) fn holds_secret(schema: &Value) -> bool {
    match schema {
        Value::Object(object) => {
            object.get("format").and_then(Value::as_str) == Some("secret")
                || object.values().any(holds_secret)
        }
        Value::Array(items) => items.iter().any(holds_secret),
        _ => false,
    }
}

/// The names of options that are or hold a secret in a component of any type.
pub(crate) fn secret_options(registry: &Registry) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    registry.sources().values().for_each(|it| collect_secrets(it.schema.as_value(), &mut names));
    registry.transforms().values().for_each(|it| collect_secrets(it.component.schema.as_value(), &mut names));
    registry.sinks().values().for_each(|it| collect_secrets(it.schema.as_value(), &mut names));
    names
}

fn collect_secrets(schema: &Value, names: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            let properties = object.get("properties").and_then(Value::as_object);
            let secret = properties.into_iter().flatten().filter(|(_, schema)| holds_secret(schema));
            names.extend(secret.map(|(name, _)| name.clone()));
            object.values().for_each(|inner| collect_secrets(inner, names));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect_secrets(inner, names)),
        _ => {}
    }
}

/// Hides the rest of every line after the name of a secret: in a text that is no valid YAML, nobody knows what is one.
pub(crate) fn hide_by_name(faults: &mut Faults, names: &BTreeSet<String>) {
    let text = faults.text.text.to_string();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let ends = names.iter().flat_map(|name| name_ends(line, name));
        if let Some(end) = ends.min() {
            faults.hide(start + end..start + line.trim_end().len());
        }
        start += line.len();
    }
}

/// Where a name ends that is followed by a colon and by something else than a reference.
fn name_ends(line: &str, name: &str) -> impl Iterator<Item = usize> {
    line.match_indices(name).filter_map(move |(at, _)| {
        let whole = !line[..at].ends_with(|sign: char| sign.is_alphanumeric() || sign == '_');
        let rest = line[at + name.len()..].trim_start_matches(['"', '\'', ' ']).strip_prefix(':')?;
        let value = rest.trim_start_matches(['"', '\'', ' ']).trim_end();
        let told = value.is_empty() || value.starts_with("${");
        (whole && !told).then(|| line.len() - rest.len())
    })
}
