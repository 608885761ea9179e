//! Where a `$ref` may lead: to files in or below the schema's folder, and nowhere else.
//!
//! The validator asks for what it lacks by address while it compiles. Invariant: an address becomes a file name only if
//! it lies below the address of the schema itself, so that no schema can name a file elsewhere, or a host.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::{Retrieve, Uri};
use serde_json::Value;
use sluicebox_core::{Problem, ScriptFiles};

/// The address of the folder of a schema that has no `$id`: one level down, so that `../` leads out of it.
const FOLDER: &str = "sluicebox-schema:///schema/";
/// What is above that folder.
const ABOVE: &str = "sluicebox-schema:///";

/// Files that a schema leads to, and those that were asked for and are not there yet.
#[derive(Clone, Default)]
pub(super) struct Neighbours {
    shared: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    documents: BTreeMap<String, Value>,
    wanted: Vec<String>,
}

impl Neighbours {
    /// What was asked for since the last call and was not there.
    pub(super) fn take_wanted(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().wanted)
    }

    /// Adds what an address leads to.
    pub(super) fn add(&self, address: String, document: Value) {
        self.lock().documents.insert(address, document);
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.lock().documents.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Retrieve for Neighbours {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let mut known = self.lock();
        if let Some(document) = known.documents.get(uri.as_str()) {
            return Ok(document.clone());
        }
        known.wanted.push(uri.as_str().to_owned());
        Err("it has not been read yet".into())
    }
}

/// Where a schema and its neighbours are.
pub(super) struct Home {
    /// The schema's own address.
    pub(super) address: String,
    /// The folder of its file, relative to the pipeline file.
    folder: String,
}

impl Home {
    /// The home of a schema in `file` (empty: in the pipeline file).
    pub(super) fn new(schema: &Value, file: &str) -> Self {
        let (folder, name) = file.rsplit_once('/').map_or(("", file), |(folder, name)| (folder, name));
        let folder = if folder.is_empty() && file.starts_with('/') { "/" } else { folder };
        let id = schema.get("$id").and_then(Value::as_str).map(|id| id.trim_end_matches('#'));
        let address = match id.filter(|id| id.contains("://")) {
            Some(id) => id.to_owned(),
            None => format!("{FOLDER}{}", plain(if name.is_empty() { "pipeline" } else { name })),
        };
        Self { address, folder: folder.to_owned() }
    }

    /// The document that an address leads to.
    ///
    /// # Errors
    /// What is wrong, without a place: the address leads elsewhere, or the file cannot be read.
    pub(super) fn read(&self, address: &str, files: &dyn ScriptFiles) -> Result<Value, Problem> {
        let below = self.address.rsplit_once('/').and_then(|(folder, _)| address.strip_prefix(folder));
        let name = below.and_then(|below| below.strip_prefix('/')).filter(|name| is_plain(name));
        let Some(name) = name else { return Err(elsewhere(address)) };
        let path = match self.folder.as_str() {
            "" => name.to_owned(),
            "/" => format!("/{name}"),
            folder => format!("{folder}/{name}"),
        };
        let text = files
            .read(&path)
            .map_err(|message| Problem::new("", format!("`$ref` leads to `{path}`: {message}")))?;
        let document = serde_json::from_str(&text);
        document.map_err(|error| {
            Problem::new("", format!("`$ref` leads to `{path}`, which is not JSON: {error}"))
        })
    }

    /// The reference in the schema that led to an address, as a pointer.
    pub(super) fn reference_to(schema: &Value, address: &str) -> Option<String> {
        let leads = |reference: &str| {
            let name = reference.split('#').next().unwrap_or_default().trim_start_matches("./");
            !name.is_empty()
                && (address == name || address.ends_with(&format!("/{}", name.trim_start_matches("../"))))
        };
        find(schema, &leads, "")
    }
}

fn elsewhere(address: &str) -> Problem {
    let message = match address.strip_prefix(ABOVE) {
        Some(name) => format!("`$ref` leads to `{name}`, which is not in the schema's folder"),
        None => format!("`$ref` leads to `{address}`, and schemas are never fetched"),
    };
    let help = "put that schema beside this one, or below it, and refer to it by its relative name, like \
                `address.json#/$defs/city`";
    Problem::new("", message).with_help(help)
}

/// Whether a part of an address can be the name of a file below a folder.
fn is_plain(name: &str) -> bool {
    !name.contains(['%', '?', '#']) && name.split('/').all(|step| !matches!(step, "" | "." | ".."))
}

/// A file name as it can stand in an address.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' }).collect()
}

/// The pointer of the first `$ref` that fits.
fn find(schema: &Value, fits: &impl Fn(&str) -> bool, at: &str) -> Option<String> {
    match schema {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let inner = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
            match value {
                Value::String(reference) if name == "$ref" && fits(reference) => Some(inner),
                value => find(value, fits, &inner),
            }
        }),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| find(item, fits, &format!("{at}/{index}")))
        }
        _ => None,
    }
}
