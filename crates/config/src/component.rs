//! One component: its tree walked along its declaration, parsed, and asked what it thinks of its own values.

use std::path::Path;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sluicebox_core::{
    CheckContext, ComponentKind, ComponentType, DeclaredEvents, Located, Problem, Registry, RetryOptions,
};
use smol_str::SmolStr;

use crate::Inputs;
use crate::faults::{Fault, Faults, nearest};
use crate::form::{Form, found};
use crate::interpolate::{Account, Scope};
use crate::misfit::secret_options;
use crate::node::{Kind, Node, index, join, step};
use crate::options::{declared, whole};
use crate::review::{Rule, rules};
use crate::shape::Walk;

/// A component as the file names it.
#[derive(Clone)]
pub(crate) struct Header<'n> {
    pub(crate) kind: ComponentKind,
    pub(crate) name: SmolStr,
    /// Its map; its label is the name.
    pub(crate) node: &'n Node,
    /// `type:`, if it is a text.
    pub(crate) type_name: Option<&'n str>,
}

impl Header<'_> {
    /// `sources.chat`.
    pub(crate) fn path(&self) -> String {
        format!("{}s.{}", self.kind.as_str(), self.name)
    }
}

/// Checks the components of one file.
pub(crate) struct Checker<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) inputs: Inputs<'a>,
    pub(crate) folder: &'a Path,
    /// All components' names with their types, sources first.
    pub(crate) neighbours: &'a [(String, String)],
    pub(crate) faults: &'a mut Faults,
    /// The rules that were found so far, beside those that every component has.
    pub(crate) rules: Vec<Rule>,
    /// What the pipeline declares of the events of its sources.
    pub(crate) declared: Vec<DeclaredEvents>,
}

/// A component whose values have the right types, as far as they do.
pub(crate) struct Typed<C: ?Sized, O> {
    /// The options of its kind.
    pub(crate) options: Option<O>,
    /// Its own options.
    pub(crate) config: Option<Box<C>>,
    /// Its own options as JSON, to find out what kind of text stands at a path.
    json: Value,
}

impl<'a> Checker<'a> {
    pub(crate) fn scope(&self) -> Scope<'a> {
        Scope { inputs: self.inputs, account: Account::None }
    }

    pub(crate) fn context(&self) -> CheckContext<'a> {
        CheckContext { files: self.inputs.files, sources: self.neighbours }
    }

    /// Types the values of a component's map.
    pub(crate) fn typed<C: ?Sized, O: DeserializeOwned + JsonSchema>(
        &mut self,
        component: &ComponentType<C>,
        header: &Header<'_>,
        node: &Node,
        scope: Scope<'_>,
    ) -> Typed<C, O> {
        let common = declared::<O>();
        let schema = whole(header.kind, component.name, &common, &component.schema);
        let path = header.path();
        let mut walk = Walk { root: &schema, scope, faults: self.faults };
        let properties = walk.properties(Form(&schema), node, &path);
        let is_common = |key: &str| common["properties"].get(key).is_some();
        let is_structural = |key: &str| matches!(key, "type" | "inputs" | "accounts");
        let (mut options, mut own) = (Map::new(), Map::new());
        for (key, value) in properties.values {
            if is_common(&key) {
                options.insert(key, value);
            } else if !is_structural(&key) {
                own.insert(key, value);
            }
        }
        let own_is_whole = properties.failed.iter().all(|key| is_structural(key) || is_common(key));
        let json = Value::Object(own);
        // Options of the kind all have defaults: those that are right are used even if others are wrong.
        let options = self.options(options, node, &path);
        let config = if own_is_whole { self.parse(component, json.clone(), node, &path) } else { None };
        if header.kind != ComponentKind::Source {
            self.rules.extend(rules(&header.name, component.schema.as_value(), &json));
        }
        Typed { options, config, json }
    }

    fn options<O: DeserializeOwned>(
        &mut self,
        options: Map<String, Value>,
        node: &Node,
        path: &str,
    ) -> Option<O> {
        match serde_path_to_error::deserialize(Value::Object(options)) {
            Ok(options) => Some(options),
            Err(error) => {
                let inner = error.path().to_string();
                self.refused(node, path, &inner, &error.into_inner().to_string());
                None
            }
        }
    }

    fn parse<C: ?Sized>(
        &mut self,
        component: &ComponentType<C>,
        json: Value,
        node: &Node,
        path: &str,
    ) -> Option<Box<C>> {
        match component.parse(json) {
            Ok(config) => Some(config),
            Err(problem) => {
                self.refused(node, path, &problem.path, &problem.message);
                None
            }
        }
    }

    /// What the declaration's schema let through and its type did not.
    fn refused(&mut self, node: &Node, path: &str, inner: &str, message: &str) {
        let range = self.faults.focus(node.find(inner));
        self.faults.add(Fault::new(range, join_path(path, inner), message));
    }

    /// Reports what a component found in its own values.
    pub(crate) fn report<C: ?Sized, O>(
        &mut self,
        problems: Vec<Problem>,
        typed: &Typed<C, O>,
        header: &Header<'_>,
        node: &Node,
    ) {
        for problem in problems {
            let target = node.find(&problem.path);
            let range = if problem.path.is_empty() { node.label.clone() } else { self.faults.focus(target) };
            let path = join_path(&header.path(), &problem.path);
            let mut fault = Fault::new(range, path, problem.message);
            fault.help = problem.help;
            if let Some((other, place)) = problem.file.zip(problem.inside) {
                let file = self.folder.join(other.path).display().to_string();
                self.faults.add(fault.elsewhere(file, other.text, place));
                continue;
            }
            let value = find_value(&typed.json, &problem.path);
            let fault = match problem.inside.zip(value) {
                Some((place, Value::String(file))) => self.in_script(fault, file, place),
                Some((place, value)) => match serde_json::from_value::<Located>(value.clone()) {
                    Ok(located) => {
                        let range = self.inside(&located, place, &fault.range);
                        fault.at(range)
                    }
                    Err(_) => fault,
                },
                None => fault,
            };
            self.faults.add(fault);
        }
    }

    /// The value names a script, and the fault lies in there.
    fn in_script(&self, fault: Fault, file: &str, place: (usize, usize)) -> Fault {
        match self.inputs.files.read(file) {
            Ok(text) => fault.elsewhere(self.folder.join(file).display().to_string(), text, place),
            Err(_) => fault,
        }
    }

    /// The bytes of a place inside a text of this file.
    pub(crate) fn inside(
        &self,
        located: &Located,
        (line, column): (usize, usize),
        otherwise: &std::ops::Range<usize>,
    ) -> std::ops::Range<usize> {
        let Some((line, column)) = located.place(line, column) else { return otherwise.clone() };
        let text = &self.faults.text;
        let word = text.word_at(text.offset(line, column));
        if word.is_empty() { otherwise.clone() } else { word }
    }

    /// Compiles `when:` or `key:`.
    pub(crate) fn condition(&mut self, located: Option<&Located>, key: &str, header: &Header<'_>) {
        let (Some(located), Some(node)) = (located, header.node.get(key)) else { return };
        let Err(problem) = self.registry.check_condition(&located.text) else { return };
        let focus = self.faults.focus(node);
        let range = problem.inside.map_or(focus.clone(), |place| self.inside(located, place, &focus));
        let mut fault = Fault::new(range, join(&header.path(), key), problem.message);
        fault.help = problem.help;
        self.faults.add(fault);
    }

    /// Compares the waits of `retry:`.
    pub(crate) fn retry(&mut self, retry: &RetryOptions, header: &Header<'_>) {
        if let Some(node) = header.node.get("retry").filter(|_| retry.initial > retry.max) {
            let message = format!(
                "the first wait (`initial: {}`) is longer than the longest (`max: {}`)",
                retry.initial, retry.max
            );
            self.faults.add(Fault::new(self.faults.focus(node), join(&header.path(), "retry"), message));
        }
    }

    /// Hides what would be a secret in a component of any type: of an unknown one nobody can tell.
    fn mask_unknown(&mut self, header: &Header<'_>) {
        let secrets = secret_options(self.registry);
        let nothing = Value::Null;
        let scope = self.scope();
        let mut walk = Walk { root: &nothing, scope, faults: self.faults };
        for entry in header.node.entries() {
            if entry.key == "accounts" || nearest(&entry.key, secrets.iter().map(String::as_str)).is_some() {
                walk.mask_all(&entry.value);
            }
        }
    }

    /// Reports a `type` that is missing, of another kind, or unknown.
    pub(crate) fn unknown_type(&mut self, header: &Header<'_>) {
        self.mask_unknown(header);
        let kind = header.kind.as_str();
        let path = join(&header.path(), "type");
        let registry = self.registry;
        let (sources, transforms, sinks) = (
            registry.sources().keys().copied().collect::<Vec<_>>(),
            registry.transforms().keys().copied().collect::<Vec<_>>(),
            registry.sinks().keys().copied().collect::<Vec<_>>(),
        );
        let names = match header.kind {
            ComponentKind::Source => &sources,
            ComponentKind::Transform => &transforms,
            ComponentKind::Sink => &sinks,
        };
        let listed = || format!("there are: {}", names.join(", "));
        let Some(node) = header.node.get("type") else {
            let message = format!("the {kind} `{}` has no `type`", header.name);
            self.faults.add(Fault::new(header.node.label.clone(), path, message).help(listed()));
            return;
        };
        let Some(name) = header.type_name else {
            if !matches!(node.kind, Kind::Broken) {
                let message = format!("expected the name of a {kind} type, found {}", found(node));
                self.faults.add(Fault::new(self.faults.focus(node), path, message).help(listed()));
            }
            return;
        };
        let elsewhere = [("source", &sources), ("transform", &transforms), ("sink", &sinks)];
        let other = elsewhere.iter().find(|(other, names)| *other != kind && names.contains(&name));
        let fault = Fault::new(self.faults.focus(node), path, format!("unknown {kind} type `{name}`"));
        self.faults.add(match (nearest(name, names.iter().copied()), other) {
            (_, Some((other, _))) => fault.help(format!("`{name}` is a {other} type")),
            (Some(near), None) => fault.help(format!("did you mean `{near}`?")),
            (None, None) => fault.help(listed()),
        });
    }
}

/// The value that a dotted path leads to.
fn find_value<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if path.is_empty() {
        return Some(value);
    }
    if let Some((index, rest)) = index(path) {
        return find_value(value.get(index)?, rest);
    }
    let keys = value.as_object()?;
    keys.iter().find_map(|(key, inner)| find_value(inner, step(path, key)?))
}

fn join_path(path: &str, inner: &str) -> String {
    match inner {
        "" | "." => path.to_owned(),
        inner if inner.starts_with('[') => format!("{path}{inner}"),
        inner => join(path, inner),
    }
}
