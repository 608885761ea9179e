//! Texts of a request with `{{ cursor }}`, `{{ page }}`, `{{ limit }}` or `{{ timeout }}` in them.
//!
//! Invariant: a capped language: a value stands for itself, and a cursor that is a number may be counted one up. A text
//! that names a value which is not there renders to nothing, so that its parameter is left out.

use std::time::Duration;

use sluicebox_core::{Error, Result};
use sluicebox_polling::digits;

/// The names that a template may use, for messages.
const NAMES: [&str; 5] = ["cursor", "cursor + 1", "page", "limit", "timeout"];

/// What the templates of one request are filled in from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Variables<'a> {
    pub(super) cursor: Option<&'a str>,
    pub(super) page: Option<&'a str>,
    pub(super) limit: Option<u32>,
    /// How long the server may hold the request, sent as seconds.
    pub(super) timeout: Option<Duration>,
}

/// A text with values in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Value(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Cursor,
    CursorPlusOne,
    Page,
    Limit,
    Timeout,
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// A sentence for the user: an unclosed `{{`, an unknown name.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some(start) = rest.find("{{") {
            let end =
                rest[start..].find("}}").ok_or_else(|| "`{{` is not closed by `}}`".to_owned())? + start;
            if start > 0 {
                parts.push(Part::Literal(rest[..start].to_owned()));
            }
            parts.push(Part::Value(Value::parse(&rest[start + 2..end])?));
            rest = &rest[end + 2..];
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// The template of an empty text.
    pub(super) fn empty() -> Self {
        Self { parts: Vec::new() }
    }

    /// Whether it is the same for every request.
    pub(super) fn is_fixed(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Literal(_)))
    }

    /// Whether it names the cursor.
    pub(super) fn names_cursor(&self) -> bool {
        self.names(&[Value::Cursor, Value::CursorPlusOne])
    }

    /// Whether it names the page.
    pub(super) fn names_page(&self) -> bool {
        self.names(&[Value::Page])
    }

    /// Whether it names the limit.
    pub(super) fn names_limit(&self) -> bool {
        self.names(&[Value::Limit])
    }

    /// Whether it names the timeout.
    pub(super) fn names_timeout(&self) -> bool {
        self.names(&[Value::Timeout])
    }

    fn names(&self, wanted: &[Value]) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Value(value) if wanted.contains(value)))
    }

    /// Whether it is one number and nothing else: in a JSON body it stays one.
    pub(super) fn is_number(&self) -> bool {
        matches!(self.parts[..], [Part::Value(Value::Limit | Value::Timeout | Value::CursorPlusOne)])
    }

    /// The text, every value put through `escape`; `None` if a value is not there.
    ///
    /// # Errors
    /// `Config` if a cursor is to be counted up that is no number.
    pub(super) fn render(
        &self,
        variables: &Variables<'_>,
        escape: fn(&str) -> String,
    ) -> Result<Option<String>> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Value(value) => match value.of(variables)? {
                    Some(value) => text.push_str(&escape(&value)),
                    None => return Ok(None),
                },
            }
        }
        Ok(Some(text))
    }
}

impl Value {
    fn parse(text: &str) -> Result<Self, String> {
        match text.split_whitespace().collect::<Vec<_>>()[..] {
            ["cursor"] => Ok(Self::Cursor),
            ["cursor", "+", "1"] => Ok(Self::CursorPlusOne),
            ["page"] => Ok(Self::Page),
            ["limit"] => Ok(Self::Limit),
            ["timeout"] => Ok(Self::Timeout),
            _ => Err(unknown(text.trim())),
        }
    }

    fn of(self, variables: &Variables<'_>) -> Result<Option<String>> {
        Ok(match self {
            Self::Cursor => variables.cursor.map(str::to_owned),
            Self::CursorPlusOne => variables.cursor.map(counted_up).transpose()?,
            Self::Page => variables.page.map(str::to_owned),
            Self::Limit => variables.limit.map(|limit| limit.to_string()),
            Self::Timeout => variables.timeout.map(|timeout| timeout.as_secs().to_string()),
        })
    }
}

/// What is said of a name that is not known.
fn unknown(name: &str) -> String {
    let distance = |known: &&str| strsim::damerau_levenshtein(name, known);
    let near = NAMES.iter().min_by_key(|known| distance(known));
    match near.filter(|known| distance(known) <= (name.len() / 3).max(1)) {
        Some(known) => format!("`{name}` is not known here; did you mean `{known}`?"),
        None => format!("`{name}` is not known here; there are `{}`", NAMES.join("`, `")),
    }
}

fn counted_up(cursor: &str) -> Result<String> {
    digits::successor(cursor).ok_or_else(|| {
        Error::config(format!("`cursor + 1` needs a cursor that is a number, and this one is `{cursor}`"))
            .with_reason("cursor_rejected")
            .with_help("set a good one with `sluicebox cursor set`, or send `{{ cursor }}` as it is")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str, cursor: Option<&str>) -> Option<String> {
        let variables = Variables { cursor, page: None, limit: Some(50), timeout: None };
        Template::parse(text).unwrap().render(&variables, str::to_owned).unwrap()
    }

    #[test]
    fn values_are_filled_in_and_a_missing_one_empties_the_whole() {
        assert_eq!(rendered("a{{cursor}}b{{ limit }}", Some("x==")).unwrap(), "ax==b50");
        assert_eq!(rendered("{{ cursor + 1 }}", Some("199")).unwrap(), "200");
        assert_eq!(rendered("after-{{ cursor }}", None), None);
        assert_eq!(rendered("{{ timeout }}", Some("x")), None);
        assert_eq!(rendered("plain", None).unwrap(), "plain");
        assert_eq!(rendered("", None).unwrap(), "");
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (text, part) in [
            ("{{ offset }}", "`offset`"),
            ("{{ cursor", "not closed"),
            ("{{ cursor + 2 }}", "cursor + 2"),
            ("{{ cursr }}", "did you mean `cursor`?"),
            ("{{ pages }}", "did you mean `page`?"),
            ("{{}}", "there are"),
        ] {
            assert!(Template::parse(text).unwrap_err().contains(part), "{text}");
        }
    }

    #[test]
    fn a_cursor_that_cannot_be_counted_up_pauses() {
        let variables = Variables { cursor: Some("abc"), page: None, limit: None, timeout: None };
        let error = Template::parse("{{ cursor + 1 }}").unwrap().render(&variables, str::to_owned);
        assert_eq!(error.unwrap_err().reason(), "cursor_rejected");
    }

    #[test]
    fn numbers_of_a_body_are_known() {
        assert!(Template::parse("{{ limit }}").unwrap().is_number());
        assert!(!Template::parse("{{ cursor }}").unwrap().is_number());
        assert!(!Template::parse("{{ limit }}x").unwrap().is_number());
    }
}
