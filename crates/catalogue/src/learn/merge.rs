//! Two schemas of the same thing, each learnt from other samples, as one that fits both.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// More values than this are no closed set.
const MOST_VALUES: usize = 24;

/// Keywords that restrict, and hold in both or not at all.
const RESTRICTING: [&str; 2] = ["format", "const"];

/// A schema for whatever fits one or the other. What `earlier` says beside (descriptions, keywords that are not learnt)
/// stays.
pub(super) fn merged(earlier: &Value, later: &Value) -> Value {
    let (Some(own), Some(new)) = (earlier.as_object(), later.as_object()) else { return earlier.clone() };
    // An empty schema says that anything may be; so does one of a value that was never seen.
    if !own.contains_key("type") && !own.contains_key("const") && !own.contains_key("properties") {
        return if own.is_empty() { later.clone() } else { earlier.clone() };
    }
    if new.is_empty() {
        return earlier.clone();
    }
    let mut all = own.clone();
    for keyword in RESTRICTING {
        if own.get(keyword) != new.get(keyword) {
            all.remove(keyword);
        }
    }
    let values: BTreeSet<String> = [own, new].iter().flat_map(|of| texts(of)).collect();
    let both_closed = own.contains_key("enum") && new.contains_key("enum");
    all.remove("enum");
    if both_closed && values.len() <= MOST_VALUES {
        all.insert("enum".to_owned(), values.into_iter().collect());
    }
    if let (Some(own), Some(new)) = (own.get("type"), new.get("type")) {
        all.insert("type".to_owned(), types(own, new));
    }
    properties(&mut all, own, new);
    for keyword in ["items", "additionalProperties"] {
        match (own.get(keyword), new.get(keyword)) {
            (Some(own), Some(new)) => drop(all.insert(keyword.to_owned(), merged(own, new))),
            (None, Some(new)) => drop(all.insert(keyword.to_owned(), new.clone())),
            (_, None) => {}
        }
    }
    Value::Object(all)
}

fn texts(schema: &Map<String, Value>) -> Vec<String> {
    let values = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    values.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn properties(all: &mut Map<String, Value>, own: &Map<String, Value>, new: &Map<String, Value>) {
    let of = |schema: &Map<String, Value>| {
        schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default()
    };
    let mut fields = of(own);
    for (name, later) in of(new) {
        let field = fields.get(&name).map_or_else(|| later.clone(), |earlier| merged(earlier, &later));
        fields.insert(name, field);
    }
    if !fields.is_empty() {
        all.insert("properties".to_owned(), Value::Object(fields));
    }
    let required = |schema: &Map<String, Value>| -> BTreeSet<String> {
        let names = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    // A side that never was a map has no say.
    let is_map = |schema: &Map<String, Value>| schema.contains_key("properties");
    let both: BTreeSet<String> = match (is_map(own), is_map(new)) {
        (true, true) => required(own).intersection(&required(new)).cloned().collect(),
        (false, _) => required(new),
        (true, false) => required(own),
    };
    all.remove("required");
    if !both.is_empty() {
        all.insert("required".to_owned(), both.into_iter().collect());
    }
}

/// The types of both; whole numbers are numbers.
fn types(own: &Value, new: &Value) -> Value {
    let names = |of: &Value| -> BTreeSet<String> {
        let list = of.as_array().cloned().unwrap_or_else(|| vec![of.clone()]);
        list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut all: BTreeSet<String> = names(own).union(&names(new)).cloned().collect();
    if all.contains("number") {
        all.remove("integer");
    }
    let mut all: Vec<String> = all.into_iter().collect();
    if all.len() == 1 { all.remove(0).into() } else { all.into() }
}
