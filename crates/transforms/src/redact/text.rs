//! A JSON text decoded, with the way back from each character to the bytes that spell it.
//!
//! Invariant: a place between two decoded characters has exactly one place in the written text, so that what lies
//! between two matches can be copied with its escapes.

use std::borrow::Cow;

/// What a JSON text says.
pub(super) struct Decoded<'t> {
    /// The characters; half a surrogate pair, which is no character, is U+FFFD.
    pub(super) text: Cow<'t, str>,
    /// After each escape: the place in `text`, and the place in the written text.
    anchors: Vec<(usize, usize)>,
}

impl<'t> Decoded<'t> {
    /// Decodes what stands between the quotes; what is no escape of JSON stays as it is.
    pub(super) fn new(written: &'t str) -> Self {
        if !written.contains('\\') {
            return Self { text: Cow::Borrowed(written), anchors: Vec::new() };
        }
        let mut text = String::with_capacity(written.len());
        let mut anchors = Vec::new();
        let mut at = 0;
        while let Some(found) = written[at..].find('\\') {
            text.push_str(&written[at..at + found]);
            at += found;
            let (character, length) = escape(&written[at..]);
            text.push(character);
            at += length;
            anchors.push((text.len(), at));
        }
        text.push_str(&written[at..]);
        Self { text: Cow::Owned(text), anchors }
    }

    /// The place in the written text of a place between two characters.
    pub(super) fn written(&self, place: usize) -> usize {
        let behind = self.anchors.partition_point(|(decoded, _)| *decoded <= place);
        let (decoded, written) = behind.checked_sub(1).map_or((0, 0), |last| self.anchors[last]);
        written + (place - decoded)
    }
}

/// The character that an escape stands for, and how many bytes spell it.
fn escape(written: &str) -> (char, usize) {
    let simple = |character| (character, 2);
    match written.as_bytes().get(1) {
        Some(b'n') => simple('\n'),
        Some(b't') => simple('\t'),
        Some(b'r') => simple('\r'),
        Some(b'b') => simple('\u{8}'),
        Some(b'f') => simple('\u{c}'),
        Some(b @ (b'"' | b'\\' | b'/')) => simple(char::from(*b)),
        Some(b'u') => unicode(written),
        _ => ('\\', 1),
    }
}

fn unicode(written: &str) -> (char, usize) {
    let unit = |at: usize| {
        let digits = written.get(at..at + 6)?.strip_prefix("\\u")?;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
    };
    let Some(first) = unit(0) else { return ('\\', 1) };
    if let Some(second) = unit(6)
        && let Some(Ok(character)) = char::decode_utf16([first, second]).next()
        && character.len_utf16() == 2
    {
        return (character, 12);
    }
    (char::from_u32(u32::from(first)).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_leads_back_to_the_bytes_that_spell_it() {
        let written = r#"é\u00e9\n\"\ud83d\ude00a\/\\b"#;
        let decoded = Decoded::new(written);
        assert_eq!(decoded.text, "éé\n\"😀a/\\b");
        let spelt: Vec<&str> = decoded
            .text
            .char_indices()
            .map(|(at, c)| &written[decoded.written(at)..decoded.written(at + c.len_utf8())])
            .collect();
        assert_eq!(spelt, ["é", r"\u00e9", r"\n", r#"\""#, r"\ud83d\ude00", "a", r"\/", r"\\", "b"]);
        assert_eq!(decoded.written(decoded.text.len()), written.len());
        let plain = Decoded::new("plain");
        assert!(matches!(plain.text, Cow::Borrowed("plain")));
        assert_eq!(plain.written(3), 3);
    }

    #[test]
    fn half_a_pair_is_no_reason_to_stop() {
        for (written, expected) in [
            (r"a\ud800b", "a\u{fffd}b"),
            (r"\udc00", "\u{fffd}"),
            (r"\ud800\ud800\udc00", "\u{fffd}\u{10000}"),
            (r"\ud800\u0041", "\u{fffd}A"),
            (r"\u00", r"\u00"),
            (r"\u+123", r"\u+123"),
            ("\\", "\\"),
        ] {
            assert_eq!(Decoded::new(written).text, expected, "{written}");
        }
    }
}
