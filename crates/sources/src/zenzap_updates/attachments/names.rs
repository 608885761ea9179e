//! Where the file of an attachment lies: a path made from texts that anybody may have written.
//!
//! Invariant: the same attachment always has the same path, two ids never share one, and no text leads out of the folder:
//! every part is one segment that is neither hidden nor `..`.

use sha2::{Digest, Sha256};

/// Most bytes of a segment; file systems take 255, and a file that is being written has a longer name.
const LONGEST: usize = 120;
/// Bytes of a long id that stay readable before its digest.
const READABLE: usize = 64;
/// Most bytes of the ending of a name that is kept when the name is cut.
const LONGEST_ENDING: usize = 16;

/// A segment for an id: different for different ids. Other than letters, digits and `_-@.` is written `%XX`.
pub(super) fn segment(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for (place, byte) in id.bytes().enumerate() {
        let is_plain = byte.is_ascii_alphanumeric() || b"_-@".contains(&byte) || (byte == b'.' && place > 0);
        if is_plain {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex(&[byte]).to_ascii_uppercase());
        }
    }
    if out.len() <= LONGEST {
        return out;
    }
    // `~` stands in no other segment.
    format!("{}~{}", &out[..READABLE], digest(id, 16))
}

/// A segment for an attachment without an id: its message, its place among the attachments, and where its link leads,
/// without the query, which is new with every delivery.
pub(super) fn segment_of_place(message: &str, place: usize, url: &str) -> String {
    format!("{}+{place}+{}", segment(message), digest(address(url), 8))
}

/// A segment for the name of a file: letters and digits of any script, `.`, `-` and `_`; anything else is `_`.
pub(super) fn file_name(stated: Option<&str>, url: &str) -> String {
    let name = stated.or_else(|| address(url).rsplit('/').next()).unwrap_or_default();
    let safe = |sign: char| if sign.is_alphanumeric() || "-_.".contains(sign) { sign } else { '_' };
    let name: String = name.chars().map(safe).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() {
        return "file".to_owned();
    }
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let ending = name.rfind('.').map_or("", |dot| &name[dot..]);
    let ending = if ending.len() <= LONGEST_ENDING { ending } else { "" };
    let mut cut = LONGEST - ending.len();
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}{ending}", &name[..cut])
}

/// A link without its query.
fn address(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// The first bytes of a text's SHA-256, in hex.
fn digest(text: &str, bytes: usize) -> String {
    hex(&Sha256::digest(text)[..bytes])
}

/// Bytes as lower-case hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leads_out_of_its_folder() {
        let hostile = [
            "..",
            ".",
            "/",
            "../../etc/passwd",
            "..\\x",
            "\0",
            "a/b",
            ".hidden",
            "",
            "\u{202e}gpj.exe",
            "~",
            "%2e%2e",
        ];
        for text in hostile {
            for segment in [segment(text), file_name(Some(text), ""), segment_of_place(text, 0, text)] {
                assert!(!segment.starts_with('.'), "{text:?} is {segment:?}");
                assert!(!segment.contains(['/', '\\', '\0', '\u{202e}']), "{text:?} is {segment:?}");
            }
            assert!(!file_name(Some(text), "").is_empty());
        }
    }

    #[test]
    fn ids_never_share_a_segment() {
        let long = "x".repeat(500);
        let longer = format!("{long}y");
        let ids = ["a/b", "a%2Fb", "a_b", "a b", ".a", "a.", "A", "a", "b@1", "", &long, &longer];
        let segments: std::collections::BTreeSet<String> = ids.iter().map(|id| segment(id)).collect();
        assert_eq!(segments.len(), ids.len());
        assert!(segments.iter().all(|segment| segment.len() <= LONGEST));
        assert_eq!(segment("att_1-x"), "att_1-x");
    }

    #[test]
    fn names_stay_readable_and_links_give_one_where_none_is_stated() {
        assert_eq!(file_name(Some("Größe (1).pdf"), ""), "Größe__1_.pdf");
        assert_eq!(file_name(None, "https://x.example/files/plan.png?token=a/b"), "plan.png");
        assert_eq!(file_name(None, "https://x.example/"), "file");
        let long = format!("{}.tar.gz", "ü".repeat(300));
        let name = file_name(Some(&long), "");
        assert!(name.len() <= LONGEST && name.ends_with("ü.gz"), "{name}");
        let same = segment_of_place("m", 0, "https://x/a?token=1");
        assert_eq!(same, segment_of_place("m", 0, "https://x/a?token=2"));
        assert_ne!(same, segment_of_place("m", 1, "https://x/a?token=1"));
        assert_ne!(same, segment_of_place("m", 0, "https://x/b?token=1"));
    }
}
