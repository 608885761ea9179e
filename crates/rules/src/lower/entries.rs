//! The fields of a JSON object as text, for whoever writes it anew.

use std::borrow::Cow;

use super::scan::{Kind, Native, Scanner, Unusual};

/// Names, decoded, and values, as they are written; `None` if the text is no object.
///
/// By our own scan, which copies no name; what that leaves to others is read by serde.
pub(crate) fn object_fields(text: &str) -> Option<Vec<(Cow<'_, str>, &str)>> {
    scanned(text).ok().or_else(|| {
        let fields = sluicebox_core::object_fields(text).ok()?;
        Some(fields.into_iter().map(|(name, value)| (Cow::Owned(name), value.get())).collect())
    })
}

fn scanned(text: &str) -> Native<Vec<(Cow<'_, str>, &str)>> {
    let bytes = text.as_bytes();
    let mut fields = Vec::with_capacity(16);
    let mut scanner = Scanner::new(bytes, 0);
    scanner.enter_object()?;
    while let Some(key) = scanner.next_key()? {
        let name = match key.kind {
            Kind::Text => Cow::Borrowed(text.get(key.span.start..key.span.end).ok_or(Unusual)?),
            _ => Cow::Owned(scanner.decoded(key.span)?),
        };
        let start = scanner.position();
        scanner.value(1)?;
        fields.push((name, text.get(start..scanner.position()).ok_or(Unusual)?));
    }
    scanner.end()?;
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_give_the_same() {
        for text in [r#"{ "a": 1.10 , "\u0061":{ "b":[] },"b":"x" }"#, "{}", r#"{"a":1e400,"b":"\ud800"}"#] {
            let expected: Vec<(String, &str)> = sluicebox_core::object_fields(text)
                .unwrap()
                .into_iter()
                .map(|(name, value)| (name, value.get()))
                .collect();
            let fields: Vec<(String, &str)> = object_fields(text)
                .unwrap()
                .into_iter()
                .map(|(name, value)| (name.into_owned(), value))
                .collect();
            assert_eq!(fields, expected, "{text}");
        }
        assert_eq!(object_fields("[1]"), None);
    }
}
