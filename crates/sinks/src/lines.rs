//! Events as JSON lines: one line each, byte for byte what arrived.

use sluicebox_core::{Error, Event};

/// Appends the line of an event to `buffer`: the event, or `{"meta": …, "event": …}`.
///
/// # Errors
/// `Permanent` if the envelope has no JSON form.
pub(crate) fn append(buffer: &mut Vec<u8>, event: &Event, envelope: bool) -> Result<(), Error> {
    if envelope {
        let failed = |error| Error::permanent("the envelope cannot be written as JSON").with_cause(error);
        buffer.extend_from_slice(b"{\"meta\":");
        serde_json::to_writer(&mut *buffer, event.meta()).map_err(failed)?;
        buffer.extend_from_slice(b",\"event\":");
    }
    let start = buffer.len();
    buffer.extend_from_slice(&event.json());
    // JSON text holds line breaks between tokens only, where a space means the same; a line holds none.
    for byte in &mut buffer[start..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    buffer.extend_from_slice(if envelope { b"}\n" } else { b"\n" });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicebox_testkit::event;

    fn line(json: &str, envelope: bool) -> String {
        let mut buffer = Vec::new();
        append(&mut buffer, &event(1, json), envelope).unwrap();
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn an_event_is_one_line_untouched() {
        assert_eq!(
            line(r#"{ "n": 1.10, "n":2,"t":"\n" }"#, false),
            "{ \"n\": 1.10, \"n\":2,\"t\":\"\\n\" }\n"
        );
        assert_eq!(line("{\n  \"a\": 1,\r\n  \"b\": 2\n}", false), "{   \"a\": 1,    \"b\": 2 }\n");
    }

    #[test]
    fn an_envelope_holds_meta_and_event() {
        let line = line(r#"{"n": 1.10}"#, true);
        assert!(line.ends_with(",\"event\":{\"n\": 1.10}}\n"), "{line}");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["meta"]["id"], "opentrain:a:1");
        assert_eq!(value["meta"]["time"], "2026-06-12T10:00:04.120Z");
    }
}
