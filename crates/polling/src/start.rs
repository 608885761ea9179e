//! Where a source begins that has no saved cursor yet.
//!
//! Invariant: a saved cursor always wins over this.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the very first poll begins. Once a cursor is saved, this no longer counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// With everything that the API still has.
    #[default]
    Beginning,
    /// With what happens from now on: what is there already is read without emitting it.
    Now,
    /// After this cursor, as `cursor show` prints it.
    Cursor(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_forms_read_as_documented() {
        for (text, expected) in [
            (r#""beginning""#, Start::Beginning),
            (r#""now""#, Start::Now),
            (r#"{"cursor":"1041"}"#, Start::Cursor("1041".into())),
        ] {
            assert_eq!(serde_json::from_str::<Start>(text).unwrap(), expected);
        }
        assert!(serde_json::from_str::<Start>(r#""yesterday""#).is_err());
    }
}
