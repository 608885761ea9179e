//! A text of the pipeline file that has a language of its own, with the place where it begins.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

/// A condition, template or script with the file, line and column of its first character, so that an error inside it
/// can name its place in the pipeline file, when checked and when run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Located {
    /// The text itself.
    pub text: String,
    /// The file that holds it, as the user named it; empty if unknown.
    pub file: String,
    /// Line of the first character, from 1 (0: unknown).
    pub line: usize,
    /// Column of the first character of every line of a block, from 1.
    pub column: usize,
    /// Whether it is a block (`|`): each line begins at `column`. Otherwise only the first does.
    pub block: bool,
}

impl Located {
    /// The keys under which `config` hands over a text with its place.
    pub const KEYS: [&'static str; 5] = ["$text", "$file", "$line", "$column", "$block"];

    /// A text whose place is unknown.
    pub fn unplaced(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A text that is a whole file.
    pub fn whole_file(text: impl Into<String>, file: impl Into<String>) -> Self {
        Self { text: text.into(), file: file.into(), line: 1, column: 1, block: true }
    }

    /// Line and column in the file for a place inside the text (both from 1); `None` if the place is unknown.
    pub fn place(&self, line: usize, column: usize) -> Option<(usize, usize)> {
        if self.line == 0 || line == 0 {
            return None;
        }
        let shifted = self.block || line == 1;
        let column = if shifted { self.column + column.max(1) - 1 } else { column.max(1) };
        Some((self.line + line - 1, column))
    }
}

impl From<&str> for Located {
    fn from(text: &str) -> Self {
        Self::unplaced(text)
    }
}

impl<'de> Deserialize<'de> for Located {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LocatedVisitor)
    }
}

struct LocatedVisitor;

impl<'de> Visitor<'de> for LocatedVisitor {
    type Value = Located;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Located, E> {
        Ok(Located::unplaced(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Located, A::Error> {
        let mut located = Located::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "$text" => located.text = map.next_value()?,
                "$file" => located.file = map.next_value()?,
                "$line" => located.line = map.next_value()?,
                "$column" => located.column = map.next_value()?,
                "$block" => located.block = map.next_value()?,
                _ => {
                    return Err(de::Error::custom(
                        "expected text, found a map: quote it if it holds `{{ … }}`",
                    ));
                }
            }
        }
        Ok(located)
    }
}

impl JsonSchema for Located {
    fn schema_name() -> Cow<'static, str> {
        "located".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "located" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_inside_a_block_are_shifted_by_its_indentation() {
        let json = r#"{"$text":"a\nb","$file":"p.yaml","$line":10,"$column":7,"$block":true}"#;
        let block: Located = serde_json::from_str(json).unwrap();
        assert_eq!(block.place(2, 3), Some((11, 9)));
        let inline = Located { block: false, ..block };
        assert_eq!(inline.place(1, 3), Some((10, 9)));
        assert_eq!(inline.place(2, 3), Some((11, 3)));
        assert_eq!(Located::from("x").place(1, 1), None);
    }

    #[test]
    fn an_unquoted_template_is_explained() {
        let error = serde_json::from_str::<Located>(r#"{"{ x }":null}"#).unwrap_err();
        assert!(error.to_string().contains("quote it"));
    }
}
