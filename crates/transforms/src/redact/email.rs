//! E-mail addresses in texts.
//!
//! Source: the definition of a valid address in the HTML standard (`input type=email`), narrowed to what can be told
//! from the text around it: the domain has a dot and ends in letters, and the signs that delimit words in queries and
//! markup (`= & ? / | { }` and the like) end an address; widened by letters of any language and `%40`.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    let local = r"[\p{L}\p{N}_][\p{L}\p{N}._%+'~-]*";
    let label = r"[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?";
    let top = r"(?:xn--[A-Za-z0-9-]+|\p{L}{2,})";
    Regex::new(&format!(r"{local}(?:@|%40)(?P<domain>(?:{label}\.)+{top})")).expect("it is tested below")
});

/// The places of all addresses.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    if !text.contains('@') && !text.contains("%40") {
        return Vec::new();
    }
    let addresses = ADDRESS.captures_iter(text).filter_map(|found| {
        let domain = found.name("domain")?.as_str();
        let whole = found.get(0)?;
        (!is_version(domain) && !is_picture(domain)).then(|| whole.range())
    });
    addresses.collect()
}

/// `package@1.2.3-beta.rc`.
fn is_version(domain: &str) -> bool {
    domain.split('.').take(2).all(|label| label.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `logo@2x.png`, a picture for screens of another density.
fn is_picture(domain: &str) -> bool {
    let Some((density, kind)) = domain.split_once('.') else { return false };
    let dense = density.strip_suffix('x').is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit());
    dense && ["png", "jpg", "jpeg", "gif", "webp", "svg", "avif"].contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        find(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn addresses_are_found_without_what_is_around_them() {
        for (text, expected) in [
            ("alice@example.com", "alice@example.com"),
            ("Write to <alice.b+tag@mail.example.co.uk>.", "alice.b+tag@mail.example.co.uk"),
            ("(mailto:o'hara@example.com)", "o'hara@example.com"),
            ("'alice@example.com'", "alice@example.com"),
            ("email=alice@example.com&x=1", "alice@example.com"),
            ("?to=alice%40example.com&x=1", "alice%40example.com"),
            ("ALICE@EXAMPLE.COM, ok", "ALICE@EXAMPLE.COM"),
            ("jürgen@müller.de", "jürgen@müller.de"),
            ("用户@例子.中国", "用户@例子.中国"),
            ("a@xn--mller-kva.xn--p1ai!", "a@xn--mller-kva.xn--p1ai"),
            ("1234@4you.com", "1234@4you.com"),
            ("https://user:alice@example.com/", "alice@example.com"),
        ] {
            assert_eq!(found(text), [expected], "{text}");
        }
        assert_eq!(found("a@b.de;c@d.fr, e@f.it"), ["a@b.de", "c@d.fr", "e@f.it"]);
    }

    #[test]
    fn near_misses_are_left_alone() {
        for text in [
            "@alice",
            "alice@",
            "alice @ example.com",
            "alice@example",
            "alice@localhost:8080",
            "lodash@4.17.21",
            "pkg@1.2.3-beta.rc",
            "root@10.0.0.1",
            "logo@2x.png",
            "a@b.c",
            "100%40",
            "rust@1.90.0",
            "x@-a.com",
            "@scope/package@2.0.1",
            "12:30 @ Main St. Cafe",
            "a@.com",
            "key: @value.com",
            "50%40.5",
        ] {
            assert!(find(text).is_empty(), "{text}: {:?}", found(text));
        }
    }
}
