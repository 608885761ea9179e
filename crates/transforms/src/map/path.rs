//! Paths inside an event as a pipeline file writes them: `data.items[0]["a-b"]`.
//!
//! They are written as in a rule, without `event.` in front. Invariant: a path begins with the name of a field.

use std::fmt;

use sluicebox_core::Problem;
use smol_str::SmolStr;

/// What every complaint about a path ends with.
const HELP: &str = "write it as in a rule, without `event.`: `data.amount`, `items[0].name`, `data[\"a-b\"]`";

/// A path to a value inside an event. Shown as it was written; equal to another if both lead to the same value.
#[derive(Clone, Debug)]
pub(crate) struct FieldPath {
    steps: Vec<Step>,
    text: String,
}

impl PartialEq for FieldPath {
    fn eq(&self, other: &Self) -> bool {
        self.steps == other.steps
    }
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The field of a map.
    Name(SmolStr),
    /// The item of a list, from 0.
    Index(usize),
}

impl FieldPath {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it; the problem's own path is empty.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let problem = |message: String| Problem::new("", message).with_help(HELP);
        let path = Self::read(text).ok_or_else(|| problem(format!("expected a path, found `{text}`")))?;
        match &path.steps[..] {
            [Step::Index(_), ..] => Err(problem("a path begins with the name of a field".to_owned())),
            [Step::Name(first), ..] if !text.starts_with('[') && (first == "event" || first == "meta") => {
                let message = format!("a path leads into the event, so it does not begin with `{first}`");
                let help = format!("leave it out; a field that is called so is written `[\"{first}\"]`");
                Err(Problem::new("", message).with_help(help))
            }
            _ => Ok(path),
        }
    }

    /// The path of a top-level field.
    pub(crate) fn of_field(name: &str) -> Self {
        Self { steps: vec![Step::Name(name.into())], text: name.to_owned() }
    }

    /// The path of an expression that is nothing but one: `event.data.amount`.
    pub(crate) fn of_expression(text: &str) -> Option<Self> {
        let rest = text.trim().strip_prefix("event")?;
        let inside = if rest.starts_with('[') { rest } else { rest.strip_prefix('.')? };
        Self::read(inside).filter(|path| matches!(path.steps[0], Step::Name(_)))
    }

    fn read(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        let mut rest = text;
        loop {
            let (step, after) = match rest.strip_prefix('[') {
                Some(inside) => bracketed(inside)?,
                None => named(rest)?,
            };
            steps.push(step);
            rest = match after.strip_prefix('.') {
                Some(next) if !next.starts_with('[') => next,
                None if after.is_empty() => return Some(Self { steps, text: text.to_owned() }),
                None if after.starts_with('[') => after,
                _ => return None,
            };
        }
    }

    /// Its steps; at least one.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether it is `outer`, or leads to something inside of what `outer` leads to.
    pub(crate) fn is_within(&self, outer: &Self) -> bool {
        self.steps.starts_with(&outer.steps)
    }

    /// Whether one of the two is within the other.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.is_within(other) || other.is_within(self)
    }
}

/// `name` or the number of an item, and what follows.
fn named(text: &str) -> Option<(Step, &str)> {
    let end = text.find(|sign: char| !is_part(sign)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let step = if name.starts_with(|sign: char| sign.is_ascii_digit()) {
        Step::Index(index(name)?)
    } else {
        Step::Name(name.into())
    };
    (!name.is_empty()).then_some((step, rest))
}

/// `"a name"]` or `7]`, and what follows.
fn bracketed(text: &str) -> Option<(Step, &str)> {
    if text.starts_with('"') {
        let mut names = serde_json::Deserializer::from_str(text).into_iter::<String>();
        let name = names.next()?.ok()?;
        let rest = text[names.byte_offset()..].strip_prefix(']')?;
        return Some((Step::Name(name.into()), rest));
    }
    let (number, rest) = text.split_once(']')?;
    Some((Step::Index(index(number)?), rest))
}

fn index(digits: &str) -> Option<usize> {
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn is_part(sign: char) -> bool {
    sign.is_alphanumeric() || sign == '_'
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The first steps of a path, for a message about where it ends.
pub(crate) struct Shown<'p>(pub(crate) &'p [Step]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Name(name) if is_plain(name) => {
                    f.write_str(if place == 0 { "" } else { "." })?;
                    f.write_str(name)?;
                }
                Step::Name(name) => write!(f, "[{}]", serde_json::Value::from(name.as_str()))?,
            }
        }
        Ok(())
    }
}

fn is_plain(name: &str) -> bool {
    name.starts_with(|sign: char| !sign.is_ascii_digit()) && name.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> FieldPath {
        FieldPath::parse(text).unwrap()
    }

    #[test]
    fn paths_are_read_and_shown() {
        for (text, shown) in [
            ("a", "a"),
            ("data.amountUsd", "data.amountUsd"),
            ("items[0].name", "items[0].name"),
            ("items.0.name", "items[0].name"),
            (r#"data["a-b"].c"#, r#"data["a-b"].c"#),
            (r#"["event"].x"#, "event.x"),
            (r#"["a\"]b"][3]"#, r#"["a\"]b"][3]"#),
            ("größe", "größe"),
        ] {
            assert_eq!(Shown(path(text).steps()).to_string(), shown, "{text}");
            assert_eq!(path(text).to_string(), text);
        }
        for text in
            ["", ".", "a.", ".a", "a..b", "a-b", "a[", "a[]", "a[-1]", "a.[0]", "a b", "a[0", "a.2x", "a[\"b"]
        {
            let problem = FieldPath::parse(text).unwrap_err();
            assert_eq!(problem.message, format!("expected a path, found `{text}`"));
            assert!(problem.help.unwrap().contains("as in a rule"));
        }
        assert!(FieldPath::parse("[0].a").unwrap_err().message.contains("begins with the name"));
        for text in ["event.a", "meta", "event[\"a\"]"] {
            assert!(FieldPath::parse(text).unwrap_err().message.contains("leads into the event"), "{text}");
        }
    }

    #[test]
    fn an_expression_may_be_a_path() {
        assert_eq!(FieldPath::of_expression(" event.a[1] "), Some(path("a[1]")));
        assert_eq!(FieldPath::of_expression("event[\"a-b\"].c"), Some(path("[\"a-b\"].c")));
        for text in ["event", "eventual.a", "event.a + 1", "event.a.len()", "meta.id", "event[0]", "\"x\""] {
            assert_eq!(FieldPath::of_expression(text), None, "{text}");
        }
    }

    #[test]
    fn what_lies_within_what() {
        assert_eq!(path("a.b"), path("a[\"b\"]"));
        assert!(path("a.b").is_within(&path("a")) && path("a").is_within(&path("a")));
        assert!(!path("ab").is_within(&path("a")) && !path("a").is_within(&path("a.b")));
        assert!(path("a").overlaps(&path("a.b")) && !path("a.b").overlaps(&path("a.c")));
    }
}
