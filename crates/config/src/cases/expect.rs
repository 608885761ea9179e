//! What a test expects: every entry with its place, every name held against the pipeline.

use std::collections::BTreeMap;
use std::time::Duration;

use smol_str::SmolStr;

use super::options::{ExpectOptions, TookOptions};
use super::read::{Allowed, Reader};
use super::{Expectations, Expected, ExpectedList, Given, MetricSelector};
use crate::faults::Fault;
use crate::form::found;
use crate::node::{Kind, Node, join};

impl Reader<'_> {
    /// What stands under `expect`.
    pub(super) fn expectations(
        &mut self,
        node: Option<&Node>,
        options: ExpectOptions,
        given: Option<&Given>,
        path: &str,
    ) -> Expectations {
        let at = |key: &str| node.and_then(|node| node.get(key));
        Expectations {
            sinks: self.sinks(at("sinks"), given, path),
            outputs: self.outputs(at("outputs"), given, path),
            dead_letters: at("dead_letters")
                .filter(|_| options.dead_letters.is_some())
                .map(|node| self.letters(node, path)),
            cursors: self.cursors(at("cursors"), options.cursors, path),
            metrics: self.metrics(at("metrics"), &options.metrics, path),
            error: options.error.zip(at("error")).map(|(text, node)| self.expected(node, text)),
            took: options.took.zip(at("took")).and_then(|(took, node)| self.took(&took, node, path)),
        }
    }

    fn expected<T>(&self, node: &Node, value: T) -> Expected<T> {
        let range = if node.range.is_empty() { node.label.clone() } else { node.range.clone() };
        Expected { place: self.place(&range), value }
    }

    fn sinks(
        &mut self,
        node: Option<&Node>,
        given: Option<&Given>,
        path: &str,
    ) -> BTreeMap<SmolStr, ExpectedList> {
        let Some(node) = node else { return BTreeMap::new() };
        let path = join(path, "sinks");
        if matches!(given, Some(Given::Transform(..))) {
            let fault =
                Fault::new(node.label.clone(), path, "a transform that is tested alone reaches no sink");
            self.faults.add(fault.help("what it gives is expected under `outputs`"));
            return BTreeMap::new();
        }
        let names = self.outline.sinks.clone();
        self.lists(node, &path, &Allowed { names: &names, what: "a sink of this pipeline" })
    }

    fn outputs(
        &mut self,
        node: Option<&Node>,
        given: Option<&Given>,
        path: &str,
    ) -> BTreeMap<SmolStr, ExpectedList> {
        let Some(node) = node else { return BTreeMap::new() };
        let path = join(path, "outputs");
        let Some(Given::Transform(transform, _)) = given else {
            let fault = Fault::new(node.label.clone(), path, "`outputs` needs `transform`");
            self.faults.add(fault.help("what the pipeline gives is expected under `sinks`"));
            return BTreeMap::new();
        };
        let Some(names) = self.outline.outputs_of(transform) else { return BTreeMap::new() };
        self.lists(node, &path, &Allowed { names: &names, what: &format!("an output of `{transform}`") })
    }

    fn lists(&mut self, node: &Node, path: &str, allowed: &Allowed<'_>) -> BTreeMap<SmolStr, ExpectedList> {
        let mut lists = BTreeMap::new();
        for entry in node.entries() {
            self.known(entry, path, allowed);
            lists.insert(SmolStr::new(&entry.key), self.list(&entry.value, &join(path, &entry.key)));
        }
        lists
    }

    /// A list whose entries are maps.
    fn list(&mut self, node: &Node, path: &str) -> ExpectedList {
        let items: &[Node] = if let Kind::List(items) = &node.kind { items } else { &[] };
        let mut entries = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            if !matches!(item.kind, Kind::Map(_) | Kind::Broken) {
                let message = format!("expected a map, found {}", found(item));
                self.add(self.faults.focus(item), path, message);
                continue;
            }
            if let Some(value) = self.anything(item, &path) {
                entries.push(self.expected(item, value));
            }
        }
        self.expected(node, entries)
    }

    fn letters(&mut self, node: &Node, path: &str) -> ExpectedList {
        let path = join(path, "dead_letters");
        let outline = self.outline;
        let names: Vec<SmolStr> =
            [&outline.sources, &outline.transforms, &outline.sinks].into_iter().flatten().cloned().collect();
        let items: &[Node] = if let Kind::List(items) = &node.kind { items } else { &[] };
        for (index, item) in items.iter().enumerate() {
            if let Some((component, name)) = item.get("component").and_then(|node| Some((node, node.text()?)))
            {
                let path = format!("{path}[{index}].component");
                let allowed = Allowed { names: &names, what: "a component of this pipeline" };
                self.known_name(name, self.faults.focus(component), &path, &allowed);
            }
        }
        self.list(node, &path)
    }

    fn cursors(
        &mut self,
        node: Option<&Node>,
        mut given: BTreeMap<String, Option<String>>,
        path: &str,
    ) -> BTreeMap<String, Expected<Option<String>>> {
        let path = join(path, "cursors");
        let names = self.outline.sources.clone();
        let mut cursors = BTreeMap::new();
        for entry in node.map(Node::entries).unwrap_or_default() {
            let source = entry.key.split('/').next().unwrap_or_default();
            let allowed = Allowed { names: &names, what: "a source of this pipeline" };
            self.known_name(source, entry.key_range.clone(), &join(&path, &entry.key), &allowed);
            let cursor = given.remove(&entry.key).flatten();
            cursors.insert(entry.key.clone(), self.expected(&entry.value, cursor));
        }
        cursors
    }

    fn metrics(
        &mut self,
        node: Option<&Node>,
        given: &BTreeMap<String, f64>,
        path: &str,
    ) -> Vec<Expected<(MetricSelector, f64)>> {
        let path = join(path, "metrics");
        let mut metrics = Vec::new();
        for entry in node.map(Node::entries).unwrap_or_default() {
            let selector = MetricSelector::parse(&entry.key).zip(given.get(&entry.key));
            if let Some((selector, value)) = selector {
                metrics.push(self.expected(&entry.value, (selector, *value)));
                continue;
            }
            let path = join(&path, &entry.key);
            let fault = Fault::new(entry.key_range.clone(), path, "this selects no metric");
            self.faults.add(fault.help("like `sluicebox_component_sent_events_total{component=\"alerts\"}`"));
        }
        metrics
    }

    fn took(
        &mut self,
        took: &TookOptions,
        node: &Node,
        path: &str,
    ) -> Option<Expected<(Duration, Duration)>> {
        let least = took.at_least.unwrap_or_default().0;
        let most = took.at_most.map_or(Duration::MAX, |most| most.0);
        if least > most || (took.at_least.is_none() && took.at_most.is_none()) {
            let message =
                "expected `at_least`, `at_most` or both, the first not longer than the second".to_owned();
            self.add(self.faults.focus(node), join(path, "took"), message);
            return None;
        }
        Some(self.expected(node, (least, most)))
    }
}

impl MetricSelector {
    /// Reads `name{label="value", …}`.
    fn parse(text: &str) -> Option<Self> {
        let (name, labels) = match text.split_once('{') {
            Some((name, rest)) => (name, rest.strip_suffix('}')?),
            None => (text, ""),
        };
        let name = name.trim();
        let is_word =
            |word: &str| !word.is_empty() && word.chars().all(|sign| sign.is_alphanumeric() || sign == '_');
        let label = |pair: &str| {
            let (label, value) = pair.split_once('=')?;
            let value = value.trim().strip_prefix('"')?.strip_suffix('"')?;
            is_word(label.trim()).then(|| (label.trim().to_owned(), value.to_owned()))
        };
        let pairs = labels.split(',').filter(|pair| !pair.trim().is_empty());
        let labels = pairs.map(label).collect::<Option<Vec<_>>>()?;
        (is_word(name) && name.starts_with("sluicebox_")).then(|| Self {
            text: text.to_owned(),
            name: name.to_owned(),
            labels,
        })
    }
}
