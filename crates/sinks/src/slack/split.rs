//! Lengths, cuts and splits of Slack's markup.
//!
//! Source: section 4 of the Slack contract. Invariant: no cut goes through a grapheme, an entity (`&amp;`) or a link
//! (`<…|…>`), so that whatever is left over is still well-formed markup, and no result is longer than it may be.

use unicode_segmentation::UnicodeSegmentation;

/// What stands where something was cut off.
pub(crate) const ELLIPSIS: &str = "…";

/// A length as Slack may count it: the larger of the scalar values and the UTF-16 units. A scalar value has one unit or
/// two, so that is the UTF-16 units.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// The beginning of `text` that has at most `limit` characters, with `…` as the last of them if it had more.
/// `None` if it fits as it is.
pub(crate) fn cut(text: &str, limit: usize) -> Option<String> {
    if width(text) <= limit {
        return None;
    }
    let room = limit.saturating_sub(width(ELLIPSIS));
    let mut used = 0;
    let kept = Pieces { rest: text }
        .take_while(|piece| {
            used += width(piece);
            used <= room
        })
        .map(str::len)
        .sum();
    Some(text[..kept].trim_end().to_owned() + ELLIPSIS)
}

/// What was made of a long text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Split {
    /// The texts, in order; none of them is blank unless the whole was.
    pub(crate) parts: Vec<String>,
    /// Whether something was left out.
    pub(crate) cut: bool,
}

/// Splits `text` into at most `most` texts of at most `limit` characters: at the last line end, else the last space of
/// each one's second half, else between two pieces. What does not fit into that many is cut off with `…`.
pub(crate) fn split(text: &str, limit: usize, most: usize) -> Split {
    if width(text) <= limit {
        return Split { parts: vec![text.to_owned()], cut: false };
    }
    let mut split = Split { parts: Vec::new(), cut: false };
    let mut rest = text;
    while !rest.trim().is_empty() {
        if split.parts.len() + 1 == most {
            let last = cut(rest, limit);
            split.cut |= last.is_some();
            split.parts.push(last.unwrap_or_else(|| rest.to_owned()));
            break;
        }
        let at = break_at(rest, limit);
        if at == 0 {
            // One piece that is longer than a whole message: nothing of it can be shown.
            let piece = Pieces { rest }.next().unwrap_or(rest);
            split.parts.push(ELLIPSIS.to_owned());
            split.cut = true;
            rest = &rest[piece.len()..];
            continue;
        }
        let (part, after) = rest.split_at(at);
        if !part.trim().is_empty() {
            split.parts.push(part.trim_end().to_owned());
        }
        // Indentation at the start of a line is kept, the break itself is not.
        rest = after.strip_prefix('\n').unwrap_or_else(|| after.trim_start_matches(' '));
    }
    if split.parts.is_empty() {
        split.parts.push(String::new());
    }
    split
}

/// Where the first part of `text` ends, in bytes; 0 if its first piece is too long already.
fn break_at(text: &str, limit: usize) -> usize {
    let (mut used, mut at) = (0, 0);
    let (mut line, mut word) = (None, None);
    for piece in (Pieces { rest: text }) {
        // A line end or a space may hang over: it goes with the break.
        if matches!(piece, "\n" | "\r\n") && used * 2 >= limit {
            line = Some(at);
        } else if piece == " " && used * 2 >= limit {
            word = Some(at);
        }
        used += width(piece);
        if used > limit {
            return line.or(word).filter(|at| *at > 0).unwrap_or(at);
        }
        at += piece.len();
    }
    at
}

/// The pieces of a text that no cut may go through: links, entities, graphemes.
struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let length = match self.rest.as_bytes().first()? {
            b'<' => {
                self.rest.find(['>', '\n']).filter(|at| self.rest[*at..].starts_with('>')).map(|at| at + 1)
            }
            b'&' => ["&amp;", "&lt;", "&gt;"]
                .into_iter()
                .find(|entity| self.rest.starts_with(entity))
                .map(str::len),
            _ => None,
        };
        let length = length.or_else(|| self.rest.graphemes(true).next().map(str::len))?;
        let (piece, rest) = self.rest.split_at(length);
        self.rest = rest;
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_outside_the_basic_plane_counts_twice() {
        assert_eq!(width("aé€"), 3);
        assert_eq!(width("😀"), 2);
    }

    #[test]
    fn a_cut_keeps_entities_links_and_graphemes_whole() {
        assert_eq!(cut("abc", 3), None);
        assert_eq!(cut("abcd", 3).unwrap(), "ab…");
        assert_eq!(cut("ab&amp;cd", 6).unwrap(), "ab…");
        assert_eq!(cut("ab&amp;cd", 8).unwrap(), "ab&amp;…");
        assert_eq!(cut("a<https://x|y>bcdefgh", 12).unwrap(), "a…");
        assert_eq!(cut("a<https://x|y>bcdefgh", 16).unwrap(), "a<https://x|y>b…");
        let family = "👨‍👩‍👧";
        assert_eq!(cut(&format!("a{family}b"), 9).unwrap(), "a…");
        assert_eq!(cut("e\u{301}e\u{301}e\u{301}", 4).unwrap(), "e\u{301}…");
        assert_eq!(cut("abc", 1).unwrap(), "…");
        // An opening that never closes is no link.
        assert_eq!(cut("a<bcd", 4).unwrap(), "a<b…");
    }

    #[test]
    fn no_cut_is_longer_than_its_limit() {
        let text = "a&amp;<https://x.example/1|é>👨‍👩‍👧e\u{301} &lt;b&gt;\n".repeat(9);
        for limit in 1..width(&text) {
            let cut = cut(&text, limit).unwrap();
            assert!(width(&cut) <= limit, "{limit}: {cut}");
        }
    }

    #[test]
    fn texts_are_split_at_lines_then_words_then_pieces() {
        let parts = |text: &str, limit| split(text, limit, 10).parts;
        assert_eq!(parts("short", 10), ["short"]);
        assert_eq!(parts("one two\nthree four", 12), ["one two", "three four"]);
        assert_eq!(parts("one two three", 8), ["one two", "three"]);
        assert_eq!(parts("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(parts("abc&amp;def", 5), ["abc", "&amp;", "def"]);
        assert_eq!(parts("abcdef\n  indented", 10), ["abcdef", "  indented"]);
        // A line end in the first half would leave a short message.
        assert_eq!(parts("a\nbcdefgh ijklm", 10), ["a\nbcdefgh", "ijklm"]);
    }

    #[test]
    fn nothing_is_lost_in_a_split_but_the_space_at_the_breaks() {
        let text = "Lorem &amp; ipsum <https://x.example/a|dolor sit> 👨‍👩‍👧 e\u{301}\n\nconsectetur &lt;b&gt; "
            .repeat(20);
        let squeeze = |text: &str| text.split_whitespace().collect::<String>();
        for limit in 40..200 {
            let split = split(&text, limit, usize::MAX);
            assert!(!split.cut);
            assert!(
                split.parts.iter().all(|part| width(part) <= limit && !part.trim().is_empty()),
                "{limit}"
            );
            assert_eq!(squeeze(&split.parts.concat()), squeeze(&text), "{limit}");
        }
    }

    #[test]
    fn what_is_too_long_for_all_messages_is_cut() {
        let split3 = split(&"abcd ".repeat(100), 20, 3);
        assert_eq!(split3.parts.len(), 3);
        assert!(split3.cut && split3.parts[2].ends_with('…'));
        let endless = format!("a <https://{}>", "x".repeat(50));
        assert_eq!(split(&endless, 20, 9), Split { parts: vec!["a".into(), "…".into()], cut: true });
    }
}
