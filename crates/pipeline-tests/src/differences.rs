//! Where two JSON values differ, path by path.

use serde_json::Value;

/// One place where something else came than was expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Dotted path; empty for the value as a whole.
    pub path: String,
    /// `None`: nothing was expected there.
    pub expected: Option<Value>,
    /// `None`: nothing came.
    pub got: Option<Value>,
}

/// How closely a value is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Nothing may be there that is not expected.
    Exact,
    /// Only what is expected is looked at; `null` means that nothing, or `null`, is there.
    Part,
}

/// Every difference between two values.
pub(crate) fn differences(expected: &Value, got: &Value, depth: Depth) -> Vec<Difference> {
    let mut found = Vec::new();
    compare((Some(expected), Some(got)), depth, "", &mut found);
    found
}

/// What differs, under a path.
pub(crate) fn under(path: &str, differences: Vec<Difference>) -> Vec<Difference> {
    let moved = |difference: Difference| Difference { path: join(path, &difference.path), ..difference };
    differences.into_iter().map(moved).collect()
}

fn compare(pair: (Option<&Value>, Option<&Value>), depth: Depth, path: &str, found: &mut Vec<Difference>) {
    match pair {
        (Some(Value::Object(expected)), Some(Value::Object(got))) => {
            for (key, value) in expected {
                compare((Some(value), got.get(key)), depth, &join(path, key), found);
            }
            let more = got.iter().filter(|(key, _)| depth == Depth::Exact && !expected.contains_key(*key));
            for (key, value) in more {
                compare((None, Some(value)), depth, &join(path, key), found);
            }
        }
        (Some(Value::Array(expected)), Some(Value::Array(got))) => {
            for index in 0..expected.len().max(got.len()) {
                let pair = (expected.get(index), got.get(index));
                compare(pair, depth, &format!("{path}[{index}]"), found);
            }
        }
        (Some(Value::Null), None) if depth == Depth::Part => {}
        (Some(Value::Number(expected)), Some(Value::Number(got))) if expected.as_f64() == got.as_f64() => {}
        (expected, got) if expected == got => {}
        (expected, got) => {
            found.push(Difference { path: path.to_owned(), expected: expected.cloned(), got: got.cloned() });
        }
    }
}

/// A path with another step.
pub(crate) fn join(path: &str, step: &str) -> String {
    if path.is_empty() || step.is_empty() || step.starts_with('[') {
        format!("{path}{step}")
    } else {
        format!("{path}.{step}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(expected: &Value, got: &Value, depth: Depth) -> Vec<String> {
        let all = differences(expected, got, depth);
        all.iter()
            .map(|one| format!("{} {} {}", one.path, one.expected.is_some(), one.got.is_some()))
            .collect()
    }

    #[test]
    fn every_place_is_named_once() {
        let expected = json!({ "a": 1, "b": [1, { "c": "x" }], "d": true });
        let got = json!({ "a": 1.0, "b": [1, { "c": "y" }, 3], "e": null });
        let all = ["b[1].c true true", "b[2] false true", "d true false", "e false true"];
        assert_eq!(paths(&expected, &got, Depth::Exact), all);
        assert_eq!(paths(&expected, &got, Depth::Part), &all[..3]);
    }

    #[test]
    fn a_part_may_ask_for_nothing_and_lists_are_whole() {
        assert!(differences(&json!({ "a": null }), &json!({ "b": 1 }), Depth::Part).is_empty());
        assert_eq!(paths(&json!({ "a": null }), &json!({ "a": 1 }), Depth::Part), ["a true true"]);
        assert_eq!(paths(&json!({ "a": null }), &json!({}), Depth::Exact), ["a true false"]);
        assert_eq!(paths(&json!([{}]), &json!([{ "a": 1 }, {}]), Depth::Part), ["[1] false true"]);
    }
}
