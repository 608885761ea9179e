//! One test out of its tree: values typed by the declaration, names held against the pipeline, every entry placed.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::de::DeserializeOwned;
use serde_json::Value;
use sluicebox_core::Timestamp;
use smol_str::SmolStr;

use super::options::{GivenFault, TestOptions};
use super::{Given, GivenPage, Outline, Place, Reply, TestCase};
use crate::faults::{Fault, Faults};
use crate::form::found;
use crate::interpolate::Scope;
use crate::node::{Entry, Kind, Node, join};
use crate::options::declared;
use crate::shape::Walk;

/// The keys of a fault: a map of these alone, with a status or a fault, is one.
const FAULT: [&str; 6] = ["status", "fault", "times", "retry_after", "body", "event"];

/// What an expected name can be.
pub(super) struct Allowed<'n> {
    pub(super) names: &'n [SmolStr],
    /// `a source of this pipeline`.
    pub(super) what: &'n str,
}

/// Reads the tests of one file.
pub(super) struct Reader<'a> {
    pub(super) schema: &'a Value,
    pub(super) outline: &'a Outline,
    pub(super) scope: Scope<'a>,
    pub(super) faults: &'a mut Faults,
}

impl Reader<'_> {
    /// The test in a node; `None` if its values have the wrong types.
    pub(super) fn test(&mut self, node: &Node, path: &str) -> Option<TestCase> {
        let schema = self.schema;
        let options: TestOptions = self.typed(schema, node, path)?;
        let now = options.now.as_deref().map(|text| (Timestamp::parse(text), node.find("now")));
        if let Some((None, at)) = now {
            let message = format!("expected a time like `2026-06-12T10:00:00Z`, found {}", found(at));
            self.add(self.faults.focus(at), join(path, "now"), message);
        }
        let name = node.get("name")?;
        let given = self.given(node, &options, path);
        let lookups = self.lookups(node, path);
        let sinks = self.sink_faults(node, options.sinks, path);
        let expect = node.get("expect");
        let expect = self.expectations(expect, options.expect, given.as_ref(), &join(path, "expect"));
        Some(TestCase {
            name: options.name,
            file: self.faults.text.file.clone(),
            place: self.place(&self.faults.focus(name)),
            given: given?,
            lookups,
            sinks,
            variables: options.variables,
            now: now.and_then(|(now, _)| now),
            expect,
        })
    }

    /// A value of a declared type.
    fn typed<T: DeserializeOwned>(&mut self, schema: &Value, node: &Node, path: &str) -> Option<T> {
        let value =
            Walk { root: schema, scope: self.scope, faults: self.faults }.value(schema, node, path)?;
        match serde_json::from_value(value) {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(node.label.clone(), path.to_owned(), error.to_string());
                None
            }
        }
    }

    /// A value as it stands.
    pub(super) fn anything(&mut self, node: &Node, path: &str) -> Option<Value> {
        let schema = Value::Bool(true);
        Walk { root: &schema, scope: self.scope, faults: self.faults }.value(&schema, node, path)
    }

    pub(super) fn add(&mut self, range: Range<usize>, path: String, message: String) {
        self.faults.add(Fault::new(range, path, message));
    }

    pub(super) fn place(&self, range: &Range<usize>) -> Place {
        let (line, column) = self.faults.text.place(range.start);
        Place { line, column }
    }

    /// Reports a name that is none of those that there are.
    pub(super) fn known(&mut self, entry: &Entry, path: &str, allowed: &Allowed<'_>) -> bool {
        self.known_name(&entry.key, entry.key_range.clone(), &join(path, &entry.key), allowed)
    }

    pub(super) fn known_name(
        &mut self,
        name: &str,
        range: Range<usize>,
        path: &str,
        allowed: &Allowed<'_>,
    ) -> bool {
        if allowed.names.iter().any(|known| known == name) || self.outline.is_unknown(name) {
            return true;
        }
        let fault = Fault::new(range, path, format!("`{name}` is not {}", allowed.what));
        let fault = fault.nearest(name, allowed.names.iter().map(SmolStr::as_str));
        let listed = match allowed.names {
            [] => "there is none".to_owned(),
            names => format!("there are: {}", names.join(", ")),
        };
        self.faults.add(fault);
        self.faults.explain_last(&listed);
        false
    }

    fn given(&mut self, node: &Node, options: &TestOptions, path: &str) -> Option<Given> {
        let (sources, input) = (node.get("sources"), node.get("input"));
        let Some(transform) = &options.transform else {
            if let Some(input) = input {
                let fault = Fault::new(input.label.clone(), join(path, "input"), "`input` needs `transform`");
                self.faults.add(
                    fault.help(
                        "events for the whole pipeline stand under `sources`, by the name of the source",
                    ),
                );
                return None;
            }
            let Some(sources) = sources else {
                let fault =
                    Fault::new(node.label.clone(), path, "this test has neither `sources` nor `transform`");
                self.faults.add(fault.help("`sources: { NAME: [EVENTS] }` feeds the pipeline; `transform: NAME` with `input: [EVENTS]` one transform"));
                return None;
            };
            return Some(Given::Sources(self.sources(sources, &join(path, "sources"))));
        };
        if let Some(sources) = sources {
            let message = "a transform that is tested alone has no sources".to_owned();
            self.faults.add(
                Fault::new(sources.label.clone(), join(path, "sources"), message)
                    .help("give it events under `input`"),
            );
        }
        let at = node.get("transform")?;
        let names = self.outline.transforms.clone();
        let allowed = Allowed { names: &names, what: "a transform of this pipeline" };
        self.known_name(transform, self.faults.focus(at), &join(path, "transform"), &allowed);
        let Some(input) = input else {
            self.add(
                at.label.clone(),
                path.to_owned(),
                "`input` is missing: the events for the transform".to_owned(),
            );
            return None;
        };
        let events = self.events(input, &join(path, "input"));
        Some(Given::Transform(SmolStr::new(transform), events))
    }

    /// A list of events.
    fn events(&mut self, node: &Node, path: &str) -> Vec<Value> {
        let Kind::List(items) = &node.kind else {
            let message = format!("expected a list of events, found {}", found(node));
            self.add(self.faults.focus(node), path.to_owned(), message);
            return Vec::new();
        };
        let mut events = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            if !matches!(item.kind, Kind::Map(_) | Kind::Broken) {
                let message = format!("expected an event, which is a map, found {}", found(item));
                self.add(self.faults.focus(item), path, message);
                continue;
            }
            events.extend(self.anything(item, &path));
        }
        events
    }

    fn sources(&mut self, node: &Node, path: &str) -> BTreeMap<SmolStr, Vec<GivenPage>> {
        let names = self.outline.sources.clone();
        let allowed = Allowed { names: &names, what: "a source of this pipeline" };
        let mut sources = BTreeMap::new();
        for entry in node.entries() {
            let source = entry.key.split('/').next().unwrap_or_default();
            self.known_name(source, entry.key_range.clone(), &join(path, &entry.key), &allowed);
            let path = join(path, &entry.key);
            let pages = match entry.value.entries() {
                [pages] if pages.key == "pages" => self.pages(&pages.value, &join(&path, "pages")),
                [] => vec![GivenPage::Events(self.events(&entry.value, &path), None)],
                _ => {
                    let message = "expected a list of events, or `{ pages: [...] }`".to_owned();
                    self.add(entry.key_range.clone(), path, message);
                    Vec::new()
                }
            };
            sources.insert(SmolStr::new(&entry.key), pages);
        }
        sources
    }

    fn pages(&mut self, node: &Node, path: &str) -> Vec<GivenPage> {
        let Kind::List(items) = &node.kind else {
            let message = format!("expected a list of pages, found {}", found(node));
            self.add(self.faults.focus(node), path.to_owned(), message);
            return Vec::new();
        };
        let mut pages = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            if item.get("status").or(item.get("fault")).is_some() {
                pages.extend(self.fault(item, &path, &["body", "event"]).map(GivenPage::Fault));
                continue;
            }
            if matches!(item.kind, Kind::List(_)) {
                pages.push(GivenPage::Events(self.events(item, &path), None));
                continue;
            }
            let cursor = item.get("cursor").and_then(Node::text).map(str::to_owned);
            let strange =
                item.entries().iter().find(|entry| !["events", "cursor"].contains(&entry.key.as_str()));
            match (item.get("events"), strange) {
                (Some(events), None) => {
                    let events = self.events(events, &join(&path, "events"));
                    pages.push(GivenPage::Events(events, cursor));
                }
                (_, strange) => {
                    let range = strange.map_or_else(|| item.label.clone(), |entry| entry.key_range.clone());
                    let message =
                        "expected a page: a list of events, `{ events, cursor }`, or a fault".to_owned();
                    self.add(range, path, message);
                }
            }
        }
        pages
    }

    /// A fault that has exactly one cause, and none of the keys that mean nothing here.
    fn fault(&mut self, node: &Node, path: &str, without: &[&str]) -> Option<GivenFault> {
        let schema = declared::<GivenFault>();
        let fault: GivenFault = self.typed(&schema, node, path)?;
        self.checked(fault, node, path, without)
    }

    fn checked(
        &mut self,
        fault: GivenFault,
        node: &Node,
        path: &str,
        without: &[&str],
    ) -> Option<GivenFault> {
        if fault.status.is_some() == fault.fault.is_some() {
            let message = "a fault has either a `status` or a `fault`".to_owned();
            self.add(self.faults.focus(node), path.to_owned(), message);
            return None;
        }
        for entry in node.entries().iter().filter(|entry| without.contains(&entry.key.as_str())) {
            let message = format!("`{}` means nothing here", entry.key);
            self.add(entry.key_range.clone(), join(path, &entry.key), message);
        }
        Some(fault)
    }

    fn lookups(&mut self, node: &Node, path: &str) -> BTreeMap<SmolStr, BTreeMap<String, Vec<Reply>>> {
        let mut lookups = BTreeMap::new();
        let Some(node) = node.get("lookups") else { return lookups };
        let path = join(path, "lookups");
        let names = self.outline.lookups.clone();
        let allowed = Allowed { names: &names, what: "a look-up of this pipeline" };
        for entry in node.entries() {
            self.known(entry, &path, &allowed);
            let path = join(&path, &entry.key);
            let mut replies = BTreeMap::new();
            for answer in entry.value.entries() {
                let path = join(&path, &answer.key);
                let several = match &answer.value.kind {
                    Kind::List(items) => items.iter().collect(),
                    _ => vec![&answer.value],
                };
                let several = several.into_iter().filter_map(|node| self.reply(node, &path)).collect();
                replies.insert(answer.key.clone(), several);
            }
            lookups.insert(SmolStr::new(&entry.key), replies);
        }
        lookups
    }

    fn reply(&mut self, node: &Node, path: &str) -> Option<Reply> {
        let is_status = |node: &Node| node.text().is_some_and(|text| text.parse::<u16>().is_ok());
        let named = node.entries().iter().all(|entry| FAULT.contains(&entry.key.as_str()));
        if named && (node.get("fault").is_some() || node.get("status").is_some_and(is_status)) {
            return self.fault(node, path, &["event"]).map(Reply::Fault);
        }
        self.anything(node, path).map(Reply::Body)
    }

    fn sink_faults(
        &mut self,
        node: &Node,
        given: BTreeMap<String, Vec<GivenFault>>,
        path: &str,
    ) -> BTreeMap<SmolStr, Vec<GivenFault>> {
        let Some(node) = node.get("sinks") else { return BTreeMap::new() };
        let path = join(path, "sinks");
        let names = self.outline.sinks.clone();
        for entry in node.entries() {
            self.known(entry, &path, &Allowed { names: &names, what: "a sink of this pipeline" });
            let Kind::List(items) = &entry.value.kind else { continue };
            let faults = given.get(&entry.key).into_iter().flatten();
            for (index, (item, fault)) in items.iter().zip(faults).enumerate() {
                let path = format!("{}[{index}]", join(&path, &entry.key));
                self.checked(fault.clone(), item, &path, &["body"]);
            }
        }
        given.into_iter().map(|(name, faults)| (SmolStr::new(name), faults)).collect()
    }
}
