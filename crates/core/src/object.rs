//! The fields of a JSON object without a tree: names decoded, values as they are written.

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The top-level fields of an object in order, repeated names included.
///
/// # Errors
/// The text is not one JSON object.
pub fn object_fields(text: &str) -> serde_json::Result<Vec<(String, &RawValue)>> {
    serde_json::Deserializer::from_str(text).deserialize_map(Fields)
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(entry) = map.next_entry()? {
            fields.push(entry);
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded_and_values_keep_every_byte() {
        let fields = object_fields(r#"{"a": 1.10, "\u0061":{ "b":[] }}"#).unwrap();
        let shown: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.get())).collect();
        assert_eq!(shown, [("a", "1.10"), ("a", r#"{ "b":[] }"#)]);
        assert!(object_fields("[1]").is_err());
    }
}
