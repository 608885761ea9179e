//! The schemas that a pipeline declares for the events of a source: found, read, handed to whoever judges rules.

use std::ops::Range;

use serde_json::Value;
use sluicebox_core::DeclaredEvents;

use crate::component::{Checker, Header};
use crate::faults::Fault;
use crate::node::{Kind, Node, join};

/// The option.
const SCHEMA: &str = "schema";

/// A schema with its place.
struct Schema {
    value: Value,
    range: Range<usize>,
    path: String,
    /// What messages call it, if it is a file.
    file: Option<String>,
}

impl Checker<'_> {
    /// Reads the schemas of a source; `api` is the one that it reads, if there is one.
    pub(crate) fn schemas(&mut self, header: &Header<'_>, given: Option<&Value>, api: Option<&'static str>) {
        let (Some(given), Some(node)) = (given, header.node.get(SCHEMA)) else { return };
        let path = join(&header.path(), SCHEMA);
        let listed: Vec<(&Value, &Node, String)> = match (given, &node.kind) {
            (Value::Array(values), Kind::List(nodes)) => {
                let pairs = values.iter().zip(nodes).enumerate();
                pairs.map(|(index, (value, node))| (value, node, format!("{path}[{index}]"))).collect()
            }
            _ => vec![(given, node, path)],
        };
        let count = listed.len();
        let read: Vec<Schema> =
            listed.into_iter().filter_map(|(value, node, path)| self.schema(value, node, path)).collect();
        let Some(reader) = self.registry.schema_reader().filter(|_| read.len() == count) else { return };
        let values: Vec<Value> = read.iter().map(|schema| schema.value.clone()).collect();
        match reader(api, &values) {
            Ok(read) => {
                self.declared.push(DeclaredEvents { source: header.name.to_string(), api, read });
            }
            Err((index, message)) => {
                let Some(schema) = read.into_iter().nth(index) else { return };
                let message = match schema.file {
                    Some(file) => format!("{file} is no JSON Schema: {message}"),
                    None => format!("this is no JSON Schema: {message}"),
                };
                self.faults.add(Fault::new(schema.range, schema.path, message));
            }
        }
    }

    /// What a type itself says of its events, where the pipeline declares nothing.
    pub(crate) fn known_by_type(&mut self, header: &Header<'_>, events: &[Value], api: Option<&'static str>) {
        // Whoever declared the type has checked its schemas.
        let read = self.registry.schema_reader().and_then(|reader| reader(api, events).ok());
        let source = header.name.to_string();
        self.declared.extend(read.map(|read| DeclaredEvents { source, api, read }));
    }

    fn schema(&mut self, value: &Value, node: &Node, path: String) -> Option<Schema> {
        let range = self.faults.focus(node);
        let Some(name) = value.as_str() else {
            return Some(Schema { value: value.clone(), range, path, file: None });
        };
        let file = self.folder.join(name).display().to_string();
        let text = match self.inputs.files.read(name) {
            Ok(text) => text,
            Err(message) => {
                self.faults.add(Fault::new(range, path, format!("cannot read {file}: {message}")));
                return None;
            }
        };
        match serde_json::from_str(&text) {
            Ok(value) => Some(Schema { value, range, path, file: Some(file) }),
            Err(error) => {
                let place = (error.line(), error.column());
                let fault = Fault::new(range, path, format!("this is no JSON: {}", without_place(&error)));
                self.faults.add(fault.elsewhere(file, text, place));
                None
            }
        }
    }
}

/// What serde says, without the place that it says it of.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split_once(" at line ").map_or(text.clone(), |(message, _)| message.to_owned())
}
