//! One component type as the reference sees it: its name, its declaration, and what it promises.

use serde_json::{Map, Value};
use sluicebox_core::{AnySource, ComponentKind, Registry, SourceClass};

use super::example;
use super::options::{self, Opt};

/// A component type.
pub(crate) struct Subject<'r> {
    pub(crate) kind: ComponentKind,
    pub(crate) name: &'static str,
    /// JSON Schema of its own options.
    pub(crate) schema: &'r Map<String, Value>,
    /// What it promises, one sentence; empty where that depends on options without an example.
    pub(crate) promise: String,
    /// Whether it is nothing without `when:`.
    pub(crate) needs_condition: bool,
    registry: &'r Registry,
}

impl<'r> Subject<'r> {
    /// Every type of the registry: sources, transforms, sinks, each by name.
    pub(crate) fn all(registry: &'r Registry) -> Vec<Self> {
        let mut all = Vec::new();
        for source in registry.sources().values() {
            let schema = object(&source.schema);
            let parsed = source.parse(Value::Object(example::own(schema)));
            let promise = parsed.map(|source| class(source.as_ref()).to_owned()).unwrap_or_default();
            all.push(Subject {
                kind: ComponentKind::Source,
                name: source.name,
                schema,
                promise,
                needs_condition: false,
                registry,
            });
        }
        for transform in registry.transforms().values() {
            let schema = object(&transform.component.schema);
            let name = transform.component.name;
            let needs_condition = transform.when_discards;
            let promise = String::new();
            all.push(Subject {
                kind: ComponentKind::Transform,
                name,
                schema,
                promise,
                needs_condition,
                registry,
            });
        }
        for sink in registry.sinks().values() {
            let schema = object(&sink.schema);
            let parsed = sink.parse(Value::Object(example::own(schema)));
            let promise = parsed.map(|sink| delivery(sink.delivery())).unwrap_or_default();
            all.push(Subject {
                kind: ComponentKind::Sink,
                name: sink.name,
                schema,
                promise,
                needs_condition: false,
                registry,
            });
        }
        all
    }

    /// The doc comment of the declaration, in paragraphs.
    pub(crate) fn description(&self) -> &str {
        self.schema.get("description").and_then(Value::as_str).unwrap_or_default()
    }

    /// Its first paragraph, on one line.
    pub(crate) fn summary(&self) -> String {
        let first = self.description().split("\n\n").next().unwrap_or_default();
        first.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Its own options, nested ones after their parent.
    pub(crate) fn options(&self) -> Vec<Opt> {
        options::of(self.schema)
    }

    /// The options that every component of its kind has.
    pub(crate) fn common_options(&self) -> Vec<Opt> {
        match sluicebox_config::common_options(self.kind, self.registry) {
            Value::Object(schema) => {
                let mut rows = options::of(&schema);
                rows.iter_mut()
                    .filter(|row| row.path == "type")
                    .for_each(|row| self.name.clone_into(&mut row.takes));
                rows
            }
            _ => Vec::new(),
        }
    }

    /// Both.
    pub(crate) fn all_options(&self) -> Vec<Opt> {
        let mut all = self.options();
        all.extend(self.common_options());
        all
    }
}

fn object(schema: &schemars::Schema) -> &Map<String, Value> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    schema.as_object().unwrap_or(&EMPTY)
}

fn class(source: &dyn AnySource) -> &'static str {
    match source.class() {
        SourceClass::RetainedFeed => {
            "The upstream keeps its events, so the next page is fetched while this one is on its way."
        }
        SourceClass::ConfirmOnRead => {
            "Asking for the next page confirms this one, so the next poll waits until this page is durable in every sink."
        }
        SourceClass::RecordField => {
            "Its cursor is made from a field of the records, so pages overlap and events may come twice."
        }
        SourceClass::Push if source.ends() => {
            "What it reads cannot be read again: a run that is killed loses what it had not delivered."
        }
        SourceClass::Push => "The upstream pushes; it is answered once the event is durable.",
    }
}

fn delivery(support: sluicebox_core::DeliverySupport) -> String {
    let default = support.default.as_str();
    let exactly = match (support.exactly_once, support.default) {
        (true, sluicebox_core::Delivery::AtLeastOnce) => "; `delivery: exactly_once` can be kept",
        _ => "",
    };
    format!("Delivery: `{default}` unless told otherwise ({}){exactly}.", support.why)
}
