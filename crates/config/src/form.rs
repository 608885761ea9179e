//! One form that a declaration allows for a value, read from its JSON Schema, and what a text is in that form.
//!
//! The field types the result: the same `010` is text in a text field and ten in a number field.

use serde_json::{Map, Number, Value};
use sluicebox_core::{ByteSize, Period};

use crate::node::Node;

/// A schema without alternatives.
#[derive(Clone, Copy)]
pub(crate) struct Form<'s>(pub(crate) &'s Value);

/// Every form that a schema allows, `oneOf`, `anyOf` and references resolved.
pub(crate) fn forms<'s>(root: &'s Value, schema: &'s Value) -> Vec<Form<'s>> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map_or_else(Vec::new, |target| forms(root, target));
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(alternatives) = schema.get(key).and_then(Value::as_array) {
            return alternatives.iter().flat_map(|alternative| forms(root, alternative)).collect();
        }
    }
    vec![Form(schema)]
}

impl<'s> Form<'s> {
    /// Whether the schema says nothing: any value will do.
    pub(crate) fn is_anything(self) -> bool {
        self.types().is_empty()
    }

    /// The JSON types that it allows.
    pub(crate) fn types(self) -> Vec<&'s str> {
        match self.0.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ if self.0.get("const").is_some() || self.0.get("enum").is_some() => vec!["string"],
            _ => Vec::new(),
        }
    }

    pub(crate) fn is(self, kind: &str) -> bool {
        self.types().contains(&kind)
    }

    pub(crate) fn text(self, key: &str) -> Option<&'s str> {
        self.0.get(key).and_then(Value::as_str)
    }

    fn number(self, key: &str) -> Option<f64> {
        self.0.get(key).and_then(Value::as_f64)
    }

    /// A secret, a text with a place, a duration, a size.
    pub(crate) fn format(self) -> Option<&'s str> {
        self.text("format")
    }

    /// The words of an enumeration; empty if any text will do.
    pub(crate) fn words(self) -> Vec<&'s str> {
        let single = self.text("const").into_iter();
        let several = self.0.get("enum").and_then(Value::as_array).into_iter().flatten();
        single.chain(several.filter_map(Value::as_str)).collect()
    }

    /// Whether references in it are filled in: everywhere but in conditions and scripts.
    pub(crate) fn is_interpolated(self) -> bool {
        let script = self.text("contentMediaType") == Some("application/rhai");
        !script && self.0.get("x-interpolate") != Some(&Value::Bool(false))
    }

    /// The properties of a map, in the order of their names.
    pub(crate) fn properties(self) -> Option<&'s Map<String, Value>> {
        self.0.get("properties").and_then(Value::as_object)
    }

    pub(crate) fn required(self) -> impl Iterator<Item = &'s str> {
        self.0.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// The one key of a variant written as a map: `{cursor: …}`.
    pub(crate) fn variant(self) -> Option<&'s str> {
        let properties = self.properties().filter(|properties| properties.len() == 1)?;
        let (name, _) = properties.iter().next()?;
        self.required().any(|required| required == name).then_some(name.as_str())
    }

    /// What it asks for, in words.
    pub(crate) fn expectation(self) -> String {
        let words = self.words();
        if !words.is_empty() {
            return one_of(words.iter().map(|word| format!("`{word}`")));
        }
        let kinds = self.types();
        one_of(kinds.into_iter().filter(|kind| *kind != "null").map(|kind| self.expected(kind)))
    }

    fn expected(self, kind: &str) -> String {
        match (kind, self.format()) {
            ("string", Some("duration")) => "a duration like `250ms`, `15s`, `5m` or `1h`".to_owned(),
            ("string", Some("size")) => "a size like `64KiB` or `10MiB`".to_owned(),
            ("string", _) if self.number("maxLength") == Some(1.0) => "one character".to_owned(),
            ("string", _) => match (self.text("pattern"), self.number("minLength")) {
                (Some(pattern), _) => format!("a text that matches `{pattern}`"),
                (None, Some(1.0)) => "a text that is not empty".to_owned(),
                _ => "a text".to_owned(),
            },
            ("integer", _) => self.within("an integer"),
            ("number", _) => self.within("a number"),
            ("boolean", _) => "`true` or `false`".to_owned(),
            ("array", _) => "a list".to_owned(),
            ("object", _) => {
                self.variant().map_or_else(|| "a map".to_owned(), |name| format!("`{{{name}: …}}`"))
            }
            (other, _) => other.to_owned(),
        }
    }

    fn within(self, what: &str) -> String {
        match (self.number("minimum"), self.number("maximum")) {
            (Some(least), Some(most)) => format!("{what} from {least} to {most}"),
            (Some(least), None) => format!("{what} of at least {least}"),
            (None, Some(most)) => format!("{what} of at most {most}"),
            (None, None) => what.to_owned(),
        }
    }

    /// What a text is in this form; `None` if it does not fit.
    pub(crate) fn read(self, text: &str) -> Option<Value> {
        let words = self.words();
        if !words.is_empty() {
            return words.contains(&text).then(|| Value::from(text));
        }
        let mut kinds = self.types();
        kinds.sort_by_key(|kind| {
            ["boolean", "integer", "number"].iter().position(|first| first == kind).unwrap_or(3)
        });
        kinds.into_iter().find_map(|kind| match kind {
            "boolean" => boolean(text).map(Value::Bool),
            "integer" => integer(text).filter(|value| self.admits(value)).map(Value::Number),
            "number" => number(text).filter(|value| self.admits(value)).map(Value::Number),
            "string" => self.admits_text(text).then(|| Value::from(text)),
            _ => None,
        })
    }

    fn admits(self, value: &Number) -> bool {
        let Some(value) = value.as_f64() else { return false };
        let above = |key: &str, strict: bool| {
            self.number(key).is_none_or(|least| value > least || (!strict && value >= least))
        };
        let below = |key: &str, strict: bool| {
            self.number(key).is_none_or(|most| value < most || (!strict && value <= most))
        };
        let (least, most) = self.format().and_then(format_bounds).unwrap_or((f64::MIN, f64::MAX));
        above("minimum", false)
            && above("exclusiveMinimum", true)
            && below("maximum", false)
            && below("exclusiveMaximum", true)
            && (least..=most).contains(&value)
    }

    fn admits_text(self, text: &str) -> bool {
        match self.format() {
            Some("duration") => return Period::parse(text).is_some(),
            Some("size") => return ByteSize::parse(text).is_some(),
            _ => {}
        }
        #[allow(clippy::cast_precision_loss, reason = "no text is long enough to lose a character")]
        let length = text.chars().count() as f64;
        let long_enough = self.number("minLength").is_none_or(|least| length >= least);
        let short_enough = self.number("maxLength").is_none_or(|most| length <= most);
        // A pattern that this engine cannot read is left to the component's own check.
        let pattern = self.text("pattern").and_then(|pattern| regex_lite::Regex::new(pattern).ok());
        long_enough && short_enough && pattern.is_none_or(|pattern| pattern.is_match(text))
    }

    /// Some value that fits, for a field whose variable is missing and may be.
    pub(crate) fn stand_in(self) -> Value {
        if let Some(default) = self.0.get("default") {
            return default.clone();
        }
        if let Some(word) = self.words().first() {
            return Value::from(*word);
        }
        match (self.types().first(), self.format()) {
            (Some(&"boolean"), _) => Value::Bool(false),
            (Some(&"integer" | &"number"), _) => {
                self.0.get("minimum").cloned().unwrap_or_else(|| Value::from(1))
            }
            (_, Some("duration")) => Value::from("1s"),
            (_, Some("size")) => Value::from("1MiB"),
            _ => Value::from("missing"),
        }
    }
}

/// The bounds of integer formats that the schema itself does not write down.
fn format_bounds(format: &str) -> Option<(f64, f64)> {
    Some(match format {
        "uint32" => (0.0, f64::from(u32::MAX)),
        "int32" => (f64::from(i32::MIN), f64::from(i32::MAX)),
        _ => return None,
    })
}

/// `true`, `True`, `TRUE` and their opposites, as YAML 1.2 has them; `yes` and `no` are text.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

fn integer(text: &str) -> Option<Number> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Number::from_i128(text.parse().ok()?)
}

fn number(text: &str) -> Option<Number> {
    let numeric = text.bytes().all(|sign| sign.is_ascii_digit() || b"+-.eE".contains(&sign));
    let has_digit = text.bytes().any(|sign| sign.is_ascii_digit());
    integer(text).or_else(|| text.parse().ok().filter(|_| numeric && has_digit).and_then(Number::from_f64))
}

/// What a plain text is where no field says: null, boolean, number, else text (the core schema of YAML 1.2).
pub(crate) fn read_untyped(text: &str) -> Value {
    let typed = boolean(text).map(Value::Bool).or_else(|| number(text).map(Value::Number));
    typed.unwrap_or_else(|| Value::from(text))
}

/// `a`, `a or b`, `a, b or c`.
pub(crate) fn one_of(names: impl IntoIterator<Item = String>) -> String {
    let mut names: Vec<String> = names.into_iter().collect();
    match names.pop() {
        None => "nothing".to_owned(),
        Some(last) if names.is_empty() => last,
        Some(last) => format!("{} or {last}", names.join(", ")),
    }
}

/// What stands there, in words, as the file spells it.
pub(crate) fn found(node: &Node) -> String {
    use crate::node::Kind;
    const MOST: usize = 40;
    match &node.kind {
        Kind::Null | Kind::Broken => "nothing".to_owned(),
        Kind::List(_) => "a list".to_owned(),
        Kind::Map(_) => "a map".to_owned(),
        Kind::Scalar(scalar) if scalar.text.is_empty() => "an empty text".to_owned(),
        Kind::Scalar(scalar) => {
            let line = scalar.text.lines().next().unwrap_or_default();
            let shown: String = line.chars().take(MOST).collect();
            let more = if shown.len() < scalar.text.trim_end().len() { "…" } else { "" };
            format!("`{shown}{more}`")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_form_types_the_text() {
        let integer = json!({"type": "integer", "minimum": 1, "maximum": 100});
        assert_eq!(Form(&integer).read("010"), Some(json!(10)));
        assert_eq!(Form(&integer).read("1_0"), None);
        assert_eq!(Form(&integer).read("101"), None);
        assert_eq!(Form(&integer).expectation(), "an integer from 1 to 100");
        let text = json!({"type": ["string", "null"]});
        assert_eq!(Form(&text).read("010"), Some(json!("010")));
        assert_eq!(Form(&text).read("no"), Some(json!("no")));
        let number = json!({"type": "number"});
        assert_eq!(Form(&number).read("1.5e3"), Some(json!(1500.0)));
        for wrong in ["inf", "nan", "e", "", "0x10"] {
            assert_eq!(Form(&number).read(wrong), None, "{wrong}");
        }
        let boolean = json!({"type": "boolean"});
        assert_eq!(Form(&boolean).read("yes"), None);
        assert_eq!(
            Form(&json!({"type": "integer", "format": "uint32", "minimum": 0})).read("4294967296"),
            None
        );
        assert_eq!(Form(&json!({"type": "integer"})).read("18446744073709551615"), Some(json!(u64::MAX)));
    }

    #[test]
    fn patterns_lengths_and_units_are_checked() {
        let pattern = json!({"type": "string", "pattern": "^[a-z]+$", "minLength": 2});
        assert!(Form(&pattern).read("ab").is_some());
        assert!(Form(&pattern).read("a").is_none());
        assert!(Form(&pattern).read("A1").is_none());
        let duration = json!({"type": "string", "format": "duration"});
        assert!(Form(&duration).read("15s").is_some());
        assert!(Form(&duration).read("15").is_none());
    }
}
