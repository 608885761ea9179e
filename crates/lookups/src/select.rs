//! Picks a value out of JSON text without re-serialising it: numbers keep every digit.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::value::RawValue;

/// The JSON text at `path` (names and array positions, with dots); the whole text without one. `Ok(None)`: not there.
///
/// Line breaks between tokens become spaces, so that the event stays one line.
///
/// # Errors
/// The text is not JSON.
pub fn select(body: &[u8], path: Option<&str>) -> Result<Option<Bytes>, serde_json::Error> {
    let mut at: &RawValue = serde_json::from_slice(body)?;
    for step in path.into_iter().flat_map(|path| path.split('.')) {
        let next = match at.get().as_bytes().first() {
            Some(b'{') => serde_json::from_str::<BTreeMap<String, &RawValue>>(at.get())?.remove(step),
            Some(b'[') => {
                let elements: Vec<&RawValue> = serde_json::from_str(at.get())?;
                step.parse().ok().and_then(|index: usize| elements.get(index).copied())
            }
            _ => None,
        };
        match next {
            Some(next) => at = next,
            None => return Ok(None),
        }
    }
    Ok(Some(one_line(at.get())))
}

/// Raw line breaks cannot be inside JSON strings, so they are all between tokens.
fn one_line(text: &str) -> Bytes {
    if text.contains(['\n', '\r']) {
        Bytes::from(text.replace(['\n', '\r'], " "))
    } else {
        Bytes::copy_from_slice(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(body: &str, path: Option<&str>) -> Option<String> {
        let bytes = select(body.as_bytes(), path).unwrap();
        bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn values_are_picked_as_they_stand() {
        let body = r#" {"a":{"n":1.10,"big":18446744073709551616},"a":{"n":2.50},"list":[{"x":"é\n"},7],"null":null} "#;
        assert_eq!(picked(body, Some("a")).unwrap(), r#"{"n":2.50}"#);
        assert_eq!(picked(body, Some("a.n")).unwrap(), "2.50");
        assert_eq!(picked(body, Some("list.0.x")).unwrap(), r#""é\n""#);
        assert_eq!(picked(body, Some("list.1")).unwrap(), "7");
        assert_eq!(picked(body, Some("null")).unwrap(), "null");
        assert_eq!(picked(body, None).unwrap(), body.trim());
        assert_eq!(picked("{\n\"a\":\r\n1}", None).unwrap(), "{ \"a\":  1}");
        for path in ["b", "a.n.x", "list.2", "list.x", "null.x"] {
            assert_eq!(picked(body, Some(path)), None, "{path}");
        }
    }

    #[test]
    fn what_is_not_json_is_an_error() {
        for body in [&b"<html>"[..], b"", b"{\"a\":1} x", b"{\"a\":\"\xff\"}"] {
            assert!(select(body, Some("a")).is_err());
        }
    }
}
