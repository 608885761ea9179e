//! Takes secrets out of a text, however they are written there.
//!
//! A server that quotes a request quotes a secret as it stood on the wire, or as its own answer had to escape it.
//! Invariant: a secret is found whichever of its characters are escaped, and in whichever of the known ways, so that
//! no list of encodings has to be the one that was used.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// What stands for a secret.
const BLOT: char = '…';
/// Secrets that are shorter than this are looked for as they are, not in base64: that would be any word.
const LEAST_ENCODED_BYTES: usize = 4;
/// Escapes of HTML and XML.
const ENTITIES: [(char, &str); 9] = [
    ('&', "&amp;"),
    ('<', "&lt;"),
    ('>', "&gt;"),
    ('"', "&quot;"),
    ('"', "&#34;"),
    ('\'', "&#39;"),
    ('\'', "&#x27;"),
    ('\'', "&apos;"),
    ('/', "&#x2F;"),
];

/// The text with every secret blotted out: as it is, percent-encoded (once or twice, any set), form-encoded, escaped as
/// in JSON or HTML, or in base64. Of overlapping ones the longest is taken; empty ones are nothing.
pub fn blotted<'a>(text: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    let forms: Vec<String> =
        secrets.into_iter().filter(|secret| !secret.is_empty()).flat_map(forms).collect();
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = forms.iter().filter_map(|form| end_of(rest, form)).max();
        shown.push(if end.is_some() { BLOT } else { first });
        rest = &rest[end.unwrap_or(first.len_utf8())..];
    }
    shown
}

/// A secret as it is, and in base64 with its padding and without.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned()];
    if secret.len() >= LEAST_ENCODED_BYTES {
        for encoded in [STANDARD.encode(secret), URL_SAFE.encode(secret)] {
            forms.extend([encoded.trim_end_matches('=').to_owned(), encoded]);
        }
    }
    forms
}

/// Where a secret ends that begins with the text; the longest way to read it.
fn end_of(text: &str, secret: &str) -> Option<usize> {
    // A character may be read in several ways (`\\` is one backslash or two), so all of them are followed.
    let mut ends = vec![0];
    for character in secret.chars() {
        let mut further = Vec::new();
        for end in ends {
            further.extend(lengths(&text[end..], character).into_iter().flatten().map(|length| end + length));
        }
        further.sort_unstable();
        further.dedup();
        if further.is_empty() {
            return None;
        }
        ends = further;
    }
    ends.last().copied()
}

/// In how many bytes the character stands at the beginning of a text, in each way to write it.
fn lengths(text: &str, character: char) -> [Option<usize>; 8] {
    let mut bytes = [0; 4];
    let bytes = character.encode_utf8(&mut bytes).as_bytes();
    let mut units = [0; 2];
    let units = character.encode_utf16(&mut units);
    let entity = ENTITIES.iter().find(|(of, entity)| *of == character && text.starts_with(entity));
    let short = match character {
        '\n' => Some("\\n"),
        '\r' => Some("\\r"),
        '\t' => Some("\\t"),
        ' ' => Some("+"),
        _ => None,
    };
    [
        text.starts_with(character).then_some(character.len_utf8()),
        written(text, "%", bytes.iter().map(|byte| (u32::from(*byte), 2))),
        // A quoted address within an address.
        written(text, "%25", bytes.iter().map(|byte| (u32::from(*byte), 2))),
        written(text, "\\u", units.iter().map(|unit| (u32::from(*unit), 4))),
        short.filter(|short| text.starts_with(short)).map(str::len),
        entity.map(|(_, entity)| entity.len()),
        escaped(text, "\\", character),
        // JSON in a text of JSON.
        escaped(text, "\\\\\\", character),
    ]
}

/// The length of a run of hexadecimal numbers of so many digits, each behind `prefix`.
fn written(text: &str, prefix: &str, numbers: impl Iterator<Item = (u32, usize)>) -> Option<usize> {
    let mut rest = text;
    for (number, digits) in numbers {
        rest = rest.strip_prefix(prefix)?;
        let digits = rest.get(..digits).filter(|digits| digits.bytes().all(|it| it.is_ascii_hexdigit()))?;
        if u32::from_str_radix(digits, 16) != Ok(number) {
            return None;
        }
        rest = &rest[digits.len()..];
    }
    Some(text.len() - rest.len())
}

/// The length of a character that JSON escapes with itself, behind `prefix`; the escape may be percent-encoded in turn.
fn escaped(text: &str, prefix: &str, character: char) -> Option<usize> {
    if !matches!(character, '"' | '\\' | '/') {
        return None;
    }
    let mut at = 0;
    for sign in prefix.chars().chain([character]) {
        let rest = &text[at..];
        at += if rest.starts_with(sign) {
            sign.len_utf8()
        } else {
            written(rest, "%", [(u32::from(sign), 2)].into_iter())?
        };
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use url::form_urlencoded;

    use super::*;

    const SECRET: &str = "12:ab_cd/ef==SE +\"\\%41&<ü😀~KRET";

    /// Percent-encoded, but for letters, digits and `plain`.
    fn percent(text: &str, plain: &str) -> String {
        use std::fmt::Write as _;
        text.bytes().fold(String::new(), |mut encoded, byte| {
            let is_plain = byte.is_ascii_alphanumeric() || plain.contains(byte as char) && byte.is_ascii();
            let written =
                if is_plain { write!(encoded, "{}", byte as char) } else { write!(encoded, "%{byte:02X}") };
            written.unwrap();
            encoded
        })
    }

    #[test]
    fn a_secret_is_found_in_every_form() {
        let json = serde_json::to_string(SECRET).unwrap();
        let json = json[1..json.len() - 1].to_owned();
        let twice = serde_json::to_string(&json).unwrap();
        let form: String = form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        let forms = [
            SECRET.to_owned(),
            percent(SECRET, ""),
            percent(SECRET, "-._~"),
            percent(SECRET, "-._~").replace("%2F", "%2f").replace("%3D", "%3d"),
            percent(SECRET, "-._~:/="),
            percent(&percent(SECRET, "-._~"), "-._~"),
            form,
            json.replace('/', "\\/"),
            json.replace('ü', "\\u00fc").replace('😀', "\\ud83d\\ude00").replace('<', "\\u003C"),
            json,
            twice[1..twice.len() - 1].to_owned(),
            percent(&twice[1..twice.len() - 1], "-._~"),
            SECRET.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;"),
            STANDARD.encode(SECRET),
            URL_SAFE.encode(SECRET).trim_end_matches('=').to_owned(),
            percent(&STANDARD.encode(SECRET), "-._~"),
        ];
        for form in forms {
            assert_eq!(blotted(&format!("ä?t={form}&x={form}."), [SECRET]), "ä?t=…&x=….", "{form}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in
            ["", "12:ab_cd/ef==SE", "%31%32", "%", "\\u00", "%3", "1", "12:ab_cd/ef==SE%20%2B%22%ü", "ü\\"]
        {
            assert_eq!(blotted(text, [SECRET, ""]), text);
        }
        assert_eq!(blotted("abcdef abc", ["abc", "abcdef"]), "… …");
        assert_eq!(blotted("a\\\\b a\\b a\\\\\\\\b", ["a\\\\b"]), "… a\\b …");
    }
}
