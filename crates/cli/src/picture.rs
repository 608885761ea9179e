//! An event as people are shown it: one field a line, with what a rule or a component changed marked.
//!
//! Every value keeps its own text (`1.10`, integers beyond 64 bits) and fields keep their order. The mark stands in the
//! first column: `+` added, `-` removed, `~` changed.

use serde_json::Value;
use serde_json::value::RawValue;
use sluicebox_core::object_fields;

/// The longest text that is repeated behind a changed value.
const OLD_VALUE: usize = 60;

/// What happened to a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Same,
    Added,
    Removed,
    Changed,
}

impl Mark {
    /// The sign and its colour.
    fn sign(self) -> (char, &'static str) {
        match self {
            Self::Same => (' ', ""),
            Self::Added => ('+', "\x1b[32m"),
            Self::Removed => ('-', "\x1b[31m"),
            Self::Changed => ('~', "\x1b[33m"),
        }
    }
}

/// JSON over several lines.
pub(crate) fn plain(json: &str) -> String {
    let mut picture = Picture { text: String::new(), colour: false };
    picture.whole(Mark::Same, Place::default(), json);
    picture.text
}

/// `after` over several lines, with what differs from `before` marked.
pub(crate) fn changes(before: &str, after: &str, colour: bool) -> String {
    let mut picture = Picture { text: String::new(), colour };
    picture.value(Place::default(), before, after);
    picture.text
}

/// Where a value stands.
#[derive(Clone, Copy, Default)]
struct Place<'a> {
    /// How many values it is inside of.
    depth: usize,
    /// What stands before it.
    name: &'a str,
    /// What stands behind it.
    end: &'a str,
}

struct Picture {
    text: String,
    colour: bool,
}

impl Picture {
    fn line(&mut self, mark: Mark, depth: usize, text: &str) {
        let (sign, paint) = mark.sign();
        let indent = "  ".repeat(depth);
        let line = if self.colour && !paint.is_empty() {
            format!("{paint}{sign} {indent}{text}\x1b[0m\n")
        } else {
            format!("{sign} {indent}{text}\n")
        };
        self.text.push_str(&line);
    }

    /// A value of which every part has the same mark.
    fn whole(&mut self, mark: Mark, at: Place<'_>, json: &str) {
        let Place { depth, name, end } = at;
        let Some(children) = children(json).filter(|children| !children.is_empty()) else {
            return self.line(mark, depth, &format!("{name}{json}{end}"));
        };
        let (open, close) = brackets(json);
        self.line(mark, depth, &format!("{name}{open}"));
        let last = children.len() - 1;
        for (index, (name, child)) in children.iter().enumerate() {
            let at = Place { depth: depth + 1, name: &label(name.as_deref()), end: comma(index == last) };
            self.whole(mark, at, child.get());
        }
        self.line(mark, depth, &format!("{close}{end}"));
    }

    fn value(&mut self, at: Place<'_>, before: &str, after: &str) {
        let Place { depth, name, end } = at;
        if is_same(before, after) {
            return self.whole(Mark::Same, at, after);
        }
        let (old, new) = match (children(before), children(after)) {
            (Some(old), Some(new)) if brackets(before) == brackets(after) && !new.is_empty() => (old, new),
            (Some(_), _) => {
                self.whole(Mark::Removed, at, before);
                return self.whole(Mark::Added, at, after);
            }
            (None, None) if before.len() <= OLD_VALUE => {
                return self.line(Mark::Changed, depth, &format!("{name}{after}{end}   (was {before})"));
            }
            _ => return self.whole(Mark::Changed, at, after),
        };
        let (open, close) = brackets(after);
        self.line(Mark::Same, depth, &format!("{name}{open}"));
        let last = new.len() - 1;
        for (index, (name, child)) in new.iter().enumerate() {
            let at = Place { depth: depth + 1, name: &label(name.as_deref()), end: comma(index == last) };
            match counterpart(&old, name.as_deref(), index) {
                Some(before) => self.value(at, before.get(), child.get()),
                None => self.whole(Mark::Added, at, child.get()),
            }
        }
        for (index, (name, child)) in old.iter().enumerate() {
            if counterpart(&new, name.as_deref(), index).is_none() {
                let at = Place { depth: depth + 1, name: &label(name.as_deref()), end: "" };
                self.whole(Mark::Removed, at, child.get());
            }
        }
        self.line(Mark::Same, depth, &format!("{close}{end}"));
    }
}

/// The parts of an object, with their names, or of an array.
type Children<'a> = Vec<(Option<String>, &'a RawValue)>;

fn children(json: &str) -> Option<Children<'_>> {
    if json.starts_with('{') {
        let fields = object_fields(json).ok()?;
        return Some(fields.into_iter().map(|(name, value)| (Some(name), value)).collect());
    }
    let elements: Vec<&RawValue> =
        json.starts_with('[').then(|| serde_json::from_str(json).ok()).flatten()?;
    Some(elements.into_iter().map(|value| (None, value)).collect())
}

/// The part of the same name, or in the same place.
fn counterpart<'a>(children: &Children<'a>, name: Option<&str>, index: usize) -> Option<&'a RawValue> {
    match name {
        Some(_) => children.iter().rev().find(|(known, _)| known.as_deref() == name).map(|(_, value)| *value),
        None => children.get(index).map(|(_, value)| *value),
    }
}

fn brackets(json: &str) -> (char, char) {
    if json.starts_with('{') { ('{', '}') } else { ('[', ']') }
}

fn label(name: Option<&str>) -> String {
    name.map(|name| format!("{}: ", Value::from(name))).unwrap_or_default()
}

fn comma(is_last: bool) -> &'static str {
    if is_last { "" } else { "," }
}

fn is_same(before: &str, after: &str) -> bool {
    let value = |json: &str| serde_json::from_str::<Value>(json).ok();
    before == after || value(before).is_some_and(|before| Some(before) == value(after))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn a_value_keeps_its_text_and_its_order() {
        let json = r#"{ "z": 1.10, "a": {"list": [1, {}], "empty": []}, "big": 18446744073709551616 }"#;
        assert_snapshot!(plain(json), @r#"
          {
            "z": 1.10,
            "a": {
              "list": [
                1,
                {}
              ],
              "empty": []
            },
            "big": 18446744073709551616
          }
        "#);
    }

    #[test]
    fn what_changed_is_marked() {
        let before = r#"{"same": 1.10, "n": 1, "gone": {"a": 1}, "in": {"x": [1,2,3], "y": 0}, "kind": "a"}"#;
        let after = r#"{"same":1.1,"n":2,"in":{"x":[1,5],"y":0,"z":{"k":null}},"kind":{}}"#;
        assert_snapshot!(changes(before, after, false), @r#"
          {
            "same": 1.1,
        ~   "n": 2,   (was 1)
            "in": {
              "x": [
                1,
        ~       5   (was 2)
        -       3
              ],
              "y": 0,
        +     "z": {
        +       "k": null
        +     }
            },
        ~   "kind": {}
        -   "gone": {
        -     "a": 1
        -   }
          }
        "#);
        assert!(changes(before, after, true).contains("\x1b[33m~   \"n\": 2,   (was 1)\x1b[0m\n"));
    }
}
