//! The walk of a tree along a declaration: every value becomes JSON of the right type, every misfit a fault.
//!
//! Never stops at the first fault. A value that has one is left out of the result, so that a result is whole exactly
//! when nothing was reported for it.

use std::ops::Range;

use serde_json::{Map, Value, json};
use sluicebox_core::{Located, Secret};

use crate::faults::{Fault, Faults};
use crate::form::{Form, forms, found, one_of, read_untyped};
use crate::interpolate::{Filled, Scope};
use crate::misfit::holds_secret;
use crate::node::{Entry, Kind, Node, Scalar, Style, join};

/// Walks one component's tree.
pub(crate) struct Walk<'a> {
    /// The whole schema, for references.
    pub(crate) root: &'a Value,
    pub(crate) scope: Scope<'a>,
    pub(crate) faults: &'a mut Faults,
}

/// The properties of a map, as far as they are right.
#[derive(Default)]
pub(crate) struct Properties {
    pub(crate) values: Map<String, Value>,
    /// Keys that are missing or wrong.
    pub(crate) failed: Vec<String>,
}

impl Walk<'_> {
    /// The value as JSON; `None` if something is wrong with it.
    pub(crate) fn value(&mut self, schema: &Value, node: &Node, path: &str) -> Option<Value> {
        let root = self.root;
        let forms = forms(root, schema);
        let value = match &node.kind {
            Kind::Broken => return None,
            _ if forms.iter().all(|form| form.is_anything()) => self.anything(node, path),
            Kind::Null if forms.iter().any(|form| form.is("null")) => Some(Value::Null),
            Kind::Null => self.misfit(&forms, node, path),
            Kind::Scalar(scalar) => self.scalar(&forms, scalar, node, path),
            Kind::List(items) => match forms.iter().find(|form| form.is("array")) {
                Some(form) => self.list(*form, items, node, path),
                None => self.misfit(&forms, node, path),
            },
            Kind::Map(entries) => self.map(&forms, entries, node, path),
        };
        if value.is_none()
            && let Some(help) = schema.get("x-help").and_then(Value::as_str)
        {
            self.faults.explain_last(help);
        }
        value
    }

    fn scalar(&mut self, forms: &[Form<'_>], scalar: &Scalar, node: &Node, path: &str) -> Option<Value> {
        let interpolated = forms.iter().all(|form| form.is_interpolated());
        let filled = self.fill(scalar, node, path, interpolated)?;
        if let Some(form) = forms.iter().find(|form| form.is("string") && form.format() == Some("secret")) {
            return self.secret(*form, &filled, (scalar, node), path);
        }
        if let Some(form) = forms.iter().find(|form| form.is("string") && form.format() == Some("located")) {
            let fits = filled.stand_in || form.read(&filled.text).is_some();
            return if fits {
                Some(self.located(&filled, scalar, node, path))
            } else {
                self.misfit(&[*form], node, path)
            };
        }
        let words_first = forms.iter().filter(|form| !form.words().is_empty());
        let others = forms.iter().filter(|form| form.words().is_empty() && !form.is("string"));
        let text = forms.iter().filter(|form| form.words().is_empty() && form.is("string"));
        let mut candidates = words_first.chain(others).chain(text);
        if let Some(value) = candidates.find_map(|form| form.read(&filled.text)) {
            return Some(value);
        }
        match forms.first() {
            Some(form) if filled.stand_in => Some(form.stand_in()),
            _ => self.misfit(forms, node, path),
        }
    }

    /// Fills in the references of a scalar; `None` if one leads nowhere.
    fn fill(&mut self, scalar: &Scalar, node: &Node, path: &str, interpolated: bool) -> Option<Filled> {
        if !interpolated || !scalar.text.contains("${") {
            return Some(Filled { text: scalar.text.clone(), ..Filled::default() });
        }
        let filled = self.scope.fill(&scalar.text);
        for (reference, value) in &filled.values {
            self.faults.redact(value, reference);
        }
        if filled.stand_in {
            self.faults.stand_in(node.range.clone());
        }
        for failure in &filled.failures {
            let range = self.reference_range(&failure.reference, node);
            let fault = Fault::new(range, path, failure.message.clone());
            self.faults.add(match &failure.help {
                Some(help) => fault.help(help.clone()),
                None => fault,
            });
        }
        filled.failures.is_empty().then_some(filled)
    }

    /// Where a reference stands within its value.
    fn reference_range(&self, reference: &str, node: &Node) -> Range<usize> {
        let first_line = reference.lines().next().unwrap_or_default();
        let written = self.faults.text.text.get(node.range.clone()).and_then(|text| text.find(first_line));
        match written {
            Some(offset) => node.range.start + offset..node.range.start + offset + first_line.len(),
            None => self.faults.focus(node),
        }
    }

    fn secret(
        &mut self,
        form: Form<'_>,
        filled: &Filled,
        (scalar, node): (&Scalar, &Node),
        path: &str,
    ) -> Option<Value> {
        self.mask(filled, scalar);
        if filled.text.is_empty() {
            self.faults.add(Fault::new(self.faults.focus(node), path, "this secret is empty"));
            return None;
        }
        if !filled.stand_in && form.read(&filled.text).is_none() {
            // Never `misfit`: it would show the value.
            let message = format!("expected {}", form.expectation());
            self.faults.add(Fault::new(self.faults.focus(node), path, message));
            return None;
        }
        Some(match &filled.file {
            Some(file) => json!({ Secret::VALUE_KEY: filled.text, Secret::FILE_KEY: file }),
            None => Value::from(filled.text.as_str()),
        })
    }

    /// A text with its place.
    fn located(&mut self, filled: &Filled, scalar: &Scalar, node: &Node, path: &str) -> Value {
        let folded = scalar.style == Style::Folded && scalar.text.trim_end().contains([' ', '\n']);
        if folded && self.faults.text.text[node.range.clone()].contains('\n') {
            let fault =
                Fault::new(node.label.clone(), path, "places inside a folded text (`>`) cannot be named");
            self.faults.warn(fault.help("use a literal block (`|`)"));
        }
        let block = matches!(scalar.style, Style::Literal | Style::Folded);
        let (line, column) = self.faults.text.place(scalar.content);
        let [text_key, file_key, line_key, column_key, block_key] = Located::KEYS;
        json!({
            text_key: filled.text,
            file_key: self.faults.text.file,
            line_key: line - scalar.lines_above.min(line - 1),
            column_key: column,
            block_key: block,
        })
    }

    fn list(&mut self, form: Form<'_>, items: &[Node], node: &Node, path: &str) -> Option<Value> {
        let before =
            |key: &str| form.0.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let (least, most) = (before("minItems").unwrap_or(0), before("maxItems").unwrap_or(usize::MAX));
        if !(least..=most).contains(&items.len()) {
            let expected = match (least, most) {
                (least, most) if least == most => format!("exactly {least}"),
                (least, usize::MAX) => format!("at least {least}"),
                (_, most) => format!("at most {most}"),
            };
            let message = format!("expected a list of {expected} items, found {}", items.len());
            self.faults.add(Fault::new(self.faults.focus(node), path, message));
            return None;
        }
        let prefix = form.0.get("prefixItems").and_then(Value::as_array);
        let rest = form.0.get("items").unwrap_or(&Value::Bool(true));
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let schema = prefix.and_then(|prefix| prefix.get(index)).unwrap_or(rest);
            values.push(self.value(schema, item, &format!("{path}[{index}]")));
        }
        values.into_iter().collect::<Option<Vec<Value>>>().map(Value::Array)
    }

    fn map(&mut self, forms: &[Form<'_>], entries: &[Entry], node: &Node, path: &str) -> Option<Value> {
        let maps: Vec<Form<'_>> = forms.iter().copied().filter(|form| form.is("object")).collect();
        let form = match maps[..] {
            [] => return self.misfit(forms, node, path),
            [only] => only,
            _ => self.variant(&maps, entries, node, path)?,
        };
        let properties = self.properties(form, node, path);
        properties.failed.is_empty().then_some(Value::Object(properties.values))
    }

    /// The variant that the keys of a map name.
    fn variant<'s>(
        &mut self,
        maps: &[Form<'s>],
        entries: &[Entry],
        node: &Node,
        path: &str,
    ) -> Option<Form<'s>> {
        let of = |entry: &Entry| maps.iter().find(|form| form.variant() == Some(entry.key.as_str()));
        let names: Vec<&str> = maps.iter().filter_map(|form| form.variant()).collect();
        let listed = one_of(names.iter().map(|name| format!("`{name}`")));
        let fault = match (entries.iter().find_map(of), entries) {
            (Some(form), [_]) => return Some(*form),
            (Some(_), [_, second, ..]) => {
                let message = format!("only one of {listed} can be given");
                Fault::new(second.key_range.clone(), path, message)
            }
            (None, [first, ..]) => {
                let message = format!("unknown key `{}`: expected {listed}", first.key);
                Fault::new(first.key_range.clone(), join(path, &first.key), message)
                    .nearest(&first.key, names.iter().copied())
            }
            (_, []) => {
                Fault::new(self.faults.focus(node), path, format!("expected {listed}, found an empty map"))
            }
        };
        if maps.iter().any(|form| holds_secret(form.0)) {
            self.mask_all(node);
        }
        self.faults.add(fault);
        None
    }

    /// The properties of a map, each checked; unknown and missing ones are reported.
    pub(crate) fn properties(&mut self, form: Form<'_>, node: &Node, path: &str) -> Properties {
        let mut result = Properties::default();
        let no_properties = Map::new();
        let known = form.properties().unwrap_or(&no_properties);
        let additional = form.0.get("additionalProperties").filter(|schema| **schema != Value::Bool(false));
        let open = additional
            .or((known.is_empty() && form.0.get("properties").is_none()).then_some(&Value::Bool(true)));
        let mut meant = Vec::new();
        for Entry { key, key_range, value } in node.entries() {
            let inner = join(path, key);
            let Some(schema) = known.get(key).or(open) else {
                let fault = Fault::new(key_range.clone(), inner, format!("unknown key `{key}`"));
                meant.extend(self.unknown_key(key, value, fault, known));
                continue;
            };
            match self.value(schema, value, &inner) {
                Some(value) => drop(result.values.insert(key.clone(), value)),
                None => result.failed.push(key.clone()),
            }
        }
        for key in form.required().filter(|key| node.get(key).is_none()) {
            result.failed.push(key.to_owned());
            // Misspelt, which has been said.
            if meant.iter().any(|name| name == key) {
                continue;
            }
            let fault = Fault::new(node.label.clone(), path, format!("`{key}` is missing"));
            let description =
                known.get(key).and_then(|schema| schema.get("description")).and_then(Value::as_str);
            self.faults.add(match description.and_then(|text| text.lines().next()) {
                Some(line) => fault.help(format!("`{key}`: {line}")),
                None => fault,
            });
        }
        result
    }

    /// A text that no schema describes: a field of an account.
    pub(crate) fn text(&mut self, node: &Node, path: &str) -> Option<Filled> {
        if let Kind::Scalar(scalar) = &node.kind {
            return self.fill(scalar, node, path, true);
        }
        if !matches!(node.kind, Kind::Broken) {
            let message = format!("expected a text, found {}", found(node));
            self.faults.add(Fault::new(self.faults.focus(node), path, message));
        }
        None
    }

    /// A value where no field says what it is.
    fn anything(&mut self, node: &Node, path: &str) -> Option<Value> {
        match &node.kind {
            Kind::Broken => None,
            Kind::Null => Some(Value::Null),
            Kind::Scalar(scalar) => {
                let filled = self.fill(scalar, node, path, true)?;
                let typed = scalar.style == Style::Plain && filled.values.is_empty();
                Some(if typed { read_untyped(&filled.text) } else { Value::from(filled.text) })
            }
            Kind::List(items) => {
                let value = |(index, item): (usize, &Node)| self.anything(item, &format!("{path}[{index}]"));
                items.iter().enumerate().map(value).collect::<Vec<_>>().into_iter().collect()
            }
            Kind::Map(entries) => {
                let value = |entry: &Entry| {
                    let value = self.anything(&entry.value, &join(path, &entry.key))?;
                    Some((entry.key.clone(), value))
                };
                let pairs: Option<Map<String, Value>> =
                    entries.iter().map(value).collect::<Vec<_>>().into_iter().collect();
                pairs.map(Value::Object)
            }
        }
    }
}
