//! What events are told apart by, in transforms that remember: a value as text, and a short key for it.
//!
//! Invariant: equal values have equal keys, on every machine and in every version: keys are saved.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Keys up to this length, in bytes, are kept as they are.
const LONGEST_KEY: usize = 64;

/// A value as JSON that is the same for the same value: `1.0` is `1`, keys of maps are sorted.
pub(crate) fn canonical(value: &Value) -> String {
    /// The whole numbers below it have one float each.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => "0".to_owned(),
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT => {
                format!("{float:.0}")
            }
            _ => number.to_string(),
        },
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let fields: Vec<String> = fields
                .into_iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        other => other.to_string(),
    }
}

/// A value as text: text is itself, everything else its canonical JSON.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => canonical(other),
    }
}

/// A key of bounded length for a value; the text `1` and the number 1 have different ones.
pub(crate) fn value_key(value: &Value) -> String {
    match value {
        Value::String(text) => text_key(text),
        other => short('j', canonical(other).as_str()),
    }
}

/// As [`value_key`], of a text.
pub(crate) fn text_key(text: &str) -> String {
    short('t', text)
}

/// A long text becomes 128 bits of its SHA-256. Of a thousand million texts, two share those bits with a chance of
/// about one in 10^21, and nobody can find two that do on purpose with less than 2^64 tries.
fn short(kind: char, text: &str) -> String {
    if text.len() <= LONGEST_KEY {
        return format!("{kind}{text}");
    }
    let mut key = format!("{}", kind.to_ascii_uppercase());
    for byte in &Sha256::digest(text.as_bytes())[..16] {
        write!(key, "{byte:02x}").expect("a string takes all text");
    }
    key
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_values_have_equal_keys_and_others_have_not() {
        for (one, other) in [
            (json!(1), json!(1.0)),
            (json!(0), json!(-0.0)),
            (json!(-10), json!(-10.0)),
            (json!([1.0, { "b": 2.0, "a": null }]), json!([1, { "a": null, "b": 2 }])),
        ] {
            assert_eq!(value_key(&one), value_key(&other), "{one} {other}");
        }
        let long = "x".repeat(65);
        let values = [
            json!(1),
            json!("1"),
            json!(-1),
            json!(1.5),
            json!(true),
            json!("true"),
            json!(null),
            json!(""),
            json!([]),
            json!({}),
            json!([1, 2]),
            json!([12]),
            json!({ "a": "b" }),
            json!(long),
            json!([long]),
            json!(u64::MAX),
            json!("x".repeat(64)),
            json!("x".repeat(66)),
            json!(1e300),
        ];
        let keys: std::collections::BTreeSet<String> = values.iter().map(value_key).collect();
        assert_eq!(keys.len(), values.len(), "{keys:?}");
        assert!(keys.iter().all(|key| !key.is_empty() && key.len() <= 65), "{keys:?}");
        assert_eq!((plain(&json!("a b")), plain(&json!([1, "a"]))), ("a b".into(), r#"[1,"a"]"#.into()));
    }

    #[test]
    fn keys_never_change_because_they_are_saved() {
        assert_eq!(text_key("abc"), "tabc");
        assert_eq!(value_key(&json!({ "b": 1, "a": [1.0] })), r#"j{"a":[1],"b":1}"#);
        assert_eq!(text_key(&"x".repeat(65)), "T9537c5fdf120482f7d58d25e9ed583f5");
    }
}
