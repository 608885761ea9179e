//! Values inside paths and URLs: percent-encoded so that they stay one segment.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986 section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Longest name that common file systems take, in bytes.
const LONGEST_NAME: usize = 255;

/// A value as (part of) one segment. A value of dots alone is encoded too, or it would name a parent folder.
pub(crate) fn segment(value: &str) -> String {
    if value.bytes().all(|byte| byte == b'.') {
        return value.replace('.', "%2E");
    }
    utf8_percent_encode(value, RESERVED).to_string()
}

/// Why a rendered path cannot be used, if so.
pub(crate) fn refuse_path(path: &str) -> Option<&'static str> {
    path.split('/')
        .any(|name| name.len() > LONGEST_NAME)
        .then_some("a name in the path is longer than 255 bytes")
}

/// Why a rendered URL cannot be used, if so: URL parsers take `%2E%2E` for `..`, so encoding does not help there.
pub(crate) fn refuse_url(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.split('/')
        .any(|segment| {
            let decoded: Vec<u8> = percent_decode_str(segment).collect();
            decoded == b"." || decoded == b".."
        })
        .then_some("a segment of the URL would be `.` or `..`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_leaves_its_segment() {
        for (value, expected) in [
            ("a/b", "a%2Fb"),
            ("..", "%2E%2E"),
            (".", "%2E"),
            ("../../etc/passwd", "..%2F..%2Fetc%2Fpasswd"),
            ("a\0b\\c", "a%00b%5Cc"),
            ("x?y#z&a=b%", "x%3Fy%23z%26a%3Db%25"),
            (".hidden", ".hidden"),
            ("é 1-2_3~4.5", "%C3%A9%201-2_3~4.5"),
        ] {
            assert_eq!(segment(value), expected);
        }
    }

    #[test]
    fn dot_segments_of_urls_are_refused_however_they_are_spelt() {
        for url in ["http://h/a/..", "http://h/%2e%2E/b", "http://h/.%2e", "http://h/./x", "http://h/a/%2E"] {
            assert!(refuse_url(url).is_some(), "{url}");
        }
        assert!(refuse_url("http://h/a..b/...?x=../..").is_none());
    }
}
