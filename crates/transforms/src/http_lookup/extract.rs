//! What of an answer is taken: the value at a path, and of its fields all, or those that may be shown.
//!
//! Invariant: what is taken keeps its bytes; a field that is not shown is nowhere in it, however its name was escaped.

use bytes::Bytes;
use sluicebox_core::{LookupStatus, object_fields};
use sluicebox_lookups::{Found, select};

/// Which fields of an object are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// All of it, and it need not be an object.
    All,
    /// All but these.
    But(&'static [&'static str]),
    /// None but these.
    Only(&'static [&'static str]),
}

impl Shown {
    fn holds(self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::But(names) => !names.contains(&name),
            Self::Only(names) => names.contains(&name),
        }
    }
}

/// What is taken of an answer about one thing, or of an item of a list.
#[derive(Clone, Debug)]
pub(super) struct Extract {
    select: Option<String>,
    shown: Shown,
}

impl Extract {
    /// What stands at a path, or the whole of it.
    pub(super) fn new(select: Option<&str>, shown: Shown) -> Self {
        Self { select: select.map(ToOwned::to_owned), shown }
    }

    /// What is taken of this text.
    ///
    /// # Errors
    /// The text is not JSON.
    pub(super) fn read(&self, json: &[u8]) -> Result<Found, serde_json::Error> {
        let Some(at) = select(json, self.select.as_deref())? else {
            let path = self.select.as_deref().unwrap_or_default();
            return Ok(Found::nothing(
                LookupStatus::NotFound,
                &format!("the answer has nothing at `{path}`"),
            ));
        };
        if self.shown == Shown::All {
            return Ok(Found::Answer(at));
        }
        let text = std::str::from_utf8(&at).unwrap_or_default();
        if !text.trim_start().starts_with('{') {
            return Ok(Found::nothing(LookupStatus::Unavailable, "the answer is no object"));
        }
        let mut taken = String::from("{");
        for (name, value) in object_fields(text)? {
            if self.shown.holds(&name) {
                let separator = if taken.len() > 1 { "," } else { "" };
                let name = serde_json::to_string(&name)?;
                taken.extend([separator, &name, ":", value.get()]);
            }
        }
        taken.push('}');
        Ok(Found::Answer(Bytes::from(taken)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(extract: &Extract, json: &str) -> String {
        match extract.read(json.as_bytes()).unwrap() {
            Found::Answer(json) => String::from_utf8(json.to_vec()).unwrap(),
            Found::Nothing(status, reason) => format!("{}: {reason}", status.as_str()),
        }
    }

    #[test]
    fn what_is_not_shown_is_not_there_and_the_rest_keeps_its_bytes() {
        let but = Extract::new(Some("a"), Shown::But(&["secret"]));
        let json = r#"{"a": {"n":1.10, "secret":"x", "s\u0065cret":"y", "o":{ "secret":1 },"big":18446744073709551616}}"#;
        assert_eq!(taken(&but, json), r#"{"n":1.10,"o":{ "secret":1 },"big":18446744073709551616}"#);
        assert_eq!(taken(&but, r#"{"a":{}}"#), "{}");
        assert_eq!(taken(&but, r#"{"a":"secret"}"#), "unavailable: the answer is no object");
        assert_eq!(taken(&but, r#"{"b":1}"#), "not_found: the answer has nothing at `a`");
        let only = Extract::new(None, Shown::Only(&["id", "n\"ame"]));
        assert_eq!(taken(&only, r#"{"email":"x","id":"7","n\"ame":[1]}"#), r#"{"id":"7","n\"ame":[1]}"#);
        assert!(only.read(b"<html>").is_err());
    }
}
