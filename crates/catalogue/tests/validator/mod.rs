//! A validator of JSON Schema that shares no code with the catalogue and knows exactly the keywords that it uses.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

/// The schemas of one API, and which of them is asked.
pub(crate) struct Validator {
    files: BTreeMap<String, Value>,
    name: String,
}

type Verdict = Result<(), String>;

impl Validator {
    /// The validator of one event type.
    pub(crate) fn of(api: &str, event_type: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(api);
        let read = |entry: std::io::Result<std::fs::DirEntry>| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
        };
        let files = std::fs::read_dir(folder).unwrap().map(read).collect();
        Self { files, name: format!("{event_type}.json") }
    }

    /// What is wrong with an event, if anything is.
    pub(crate) fn check(&self, event: &Value) -> Verdict {
        self.judge((&self.name, &self.files[&self.name]), event, "")
    }

    fn judge(&self, (file, schema): (&str, &Value), value: &Value, place: &str) -> Verdict {
        for (keyword, argument) in schema.as_object().unwrap() {
            match keyword.as_str() {
                "$schema" | "title" | "description" | "examples" | "$defs" | "additionalProperties" => {}
                "$ref" => {
                    let reference = argument.as_str().unwrap();
                    let (other, pointer) = reference.split_once('#').unwrap_or((reference, ""));
                    let file = if other.is_empty() { file } else { other };
                    self.judge((file, self.files[file].pointer(pointer).unwrap()), value, place)?;
                }
                "anyOf" => {
                    let fits = |one: &Value| self.judge((file, one), value, place).is_ok();
                    expect(argument.as_array().unwrap().iter().any(fits), place, &"one of several")?;
                }
                "type" => {
                    let fits = |name: &Value| is(value, name.as_str().unwrap());
                    let fits = argument.as_array().map_or_else(|| fits(argument), |all| all.iter().any(fits));
                    expect(fits, place, &argument.as_str().unwrap_or("one of several types"))?;
                }
                "const" => expect(value == argument, place, argument)?,
                "enum" => expect(argument.as_array().unwrap().contains(value), place, argument)?,
                "pattern" => {
                    let pattern = regex_lite::Regex::new(argument.as_str().unwrap()).unwrap();
                    expect(value.as_str().is_none_or(|text| pattern.is_match(text)), place, argument)?;
                }
                "format" => expect(has_format(value, argument.as_str().unwrap()), place, argument)?,
                "required" => {
                    let fields = fields(value);
                    let missing = argument.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                    if let Some(name) = missing.into_iter().find(|name| !fields.contains_key(*name)) {
                        return Err(format!("{place}: `{name}` is missing"));
                    }
                }
                "properties" => {
                    for (name, field) in fields(value) {
                        if let Some(schema) = argument.get(&name) {
                            self.judge((file, schema), &field, &format!("{place}/{name}"))?;
                        }
                    }
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.judge((file, argument), item, &format!("{place}/{index}"))?;
                    }
                }
                other => panic!("{file} uses the keyword {other}"),
            }
        }
        Ok(())
    }
}

fn expect(fits: bool, place: &str, what: &dyn std::fmt::Display) -> Verdict {
    if fits { Ok(()) } else { Err(format!("{place}: expected {what}")) }
}

fn fields(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("there is no type {other}"),
    }
}

fn has_format(value: &Value, format: &str) -> bool {
    let Some(text) = value.as_str() else { return true };
    let pattern = match format {
        "date-time" => r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$",
        "uuid" => r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        other => panic!("there is no format {other}"),
    };
    regex_lite::Regex::new(pattern).unwrap().is_match(text)
}
