//! Paths inside an event that may stand for many values: `data.members[].phone`, `data.contacts.*.email`.
//!
//! Invariant: a path that parses names at least one step, and a step fits names and positions exactly as they are
//! decoded, so that `"\u0065mail"` is `email`.

use sluicebox_core::Problem;

/// One level further in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// The field of this name; a number is also a position in a list.
    Field(String),
    /// The element at this position, from 0.
    Element(usize),
    /// Every element of a list.
    EveryElement,
    /// Every field of a map.
    EveryField,
}

/// A path, ready to be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

const SHAPE: &str = "like `data.email`, `data.members[].phone` (every element), `data.*.email` (every key) or \
                     `data[\"e-mail\"]`";

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// A problem without a place of its own.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let fault = |message: String| Problem::new("", message).with_help(SHAPE);
        if let Some(rest) = text.strip_prefix("event.") {
            return Err(Problem::new("", "a path begins inside the event")
                .with_help(format!("write `{rest}`; a field that is called `event` is `[\"event\"].…`")));
        }
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (step, behind) = if rest.starts_with('[') {
                bracket(rest)
                    .ok_or_else(|| fault(format!("expected `[]`, `[2]` or `[\"name\"]` at `{rest}`")))?
            } else {
                let name = match (steps.is_empty(), rest.strip_prefix('.')) {
                    (true, _) => rest,
                    (false, Some(name)) => name,
                    (false, None) => return Err(fault(format!("expected `.` or `[` at `{rest}`"))),
                };
                segment(name).ok_or_else(|| fault(format!("expected the name of a field at `{name}`")))?
            };
            steps.push(step);
            rest = behind;
        }
        if steps.is_empty() { Err(fault("the path is empty".to_owned())) } else { Ok(Self(steps)) }
    }

    /// How many steps it has.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the step at `position` leads to the field `name`.
    pub(super) fn fits_field(&self, position: usize, name: &str) -> bool {
        match self.0.get(position) {
            Some(Step::Field(wanted)) => wanted == name,
            Some(Step::EveryField) => true,
            _ => false,
        }
    }

    /// Whether the step at `position` leads to the element `index`.
    pub(super) fn fits_element(&self, position: usize, index: usize) -> bool {
        match self.0.get(position) {
            Some(Step::Field(wanted)) => wanted.parse() == Ok(index),
            Some(Step::Element(wanted)) => *wanted == index,
            Some(Step::EveryElement) => true,
            _ => false,
        }
    }
}

/// A name or `*`, and what is behind it.
fn segment(text: &str) -> Option<(Step, &str)> {
    if let Some(behind) = text.strip_prefix('*') {
        return Some((Step::EveryField, behind));
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    let (name, behind) = text.split_at(end);
    (!name.is_empty()).then(|| (Step::Field(name.to_owned()), behind))
}

/// Something in brackets, and what is behind it.
fn bracket(text: &str) -> Option<(Step, &str)> {
    let inside = text.strip_prefix('[')?;
    if let Some(behind) = inside.strip_prefix(']') {
        return Some((Step::EveryElement, behind));
    }
    if inside.starts_with('"') {
        let mut names = serde_json::Deserializer::from_str(inside).into_iter::<String>();
        let name = names.next()?.ok()?;
        let behind = inside.get(names.byte_offset()..)?.strip_prefix(']')?;
        return Some((Step::Field(name), behind));
    }
    let (index, behind) = inside.split_once(']')?;
    Some((Step::Element(index.parse().ok()?), behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_step_is_read() {
        let path = Path::parse(r#"data.members[].list[2].*["e-mail \"x\""].0"#).unwrap();
        let name = |text: &str| Step::Field(text.to_owned());
        let expected = [
            name("data"),
            name("members"),
            Step::EveryElement,
            name("list"),
            Step::Element(2),
            Step::EveryField,
            name("e-mail \"x\""),
            name("0"),
        ];
        assert_eq!(path.0, expected);
        assert!(path.fits_element(7, 0) && path.fits_field(7, "0") && !path.fits_field(7, "1"));
        assert!(!path.fits_element(5, 0) && !path.fits_field(4, "2") && !path.fits_field(8, "x"));
        assert_eq!(Path::parse("[\"event\"].x").unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_path_is_explained() {
        for text in [
            "", ".a", "a.", "a..b", "a[", "a[x]", "a[-1]", "a[\"b]", "a b", "a.b-c", "a[]b", "a.[]",
            "event.a",
        ] {
            let problem = Path::parse(text).unwrap_err();
            assert!(problem.help.is_some(), "{text}: {problem:?}");
        }
    }
}
