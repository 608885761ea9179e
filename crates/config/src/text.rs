//! The text of a file, with bytes turned into lines and columns and back.
//!
//! Everything inside this crate names places as byte ranges; lines and columns exist only at the edge.

use std::sync::Arc;

/// A text with an index of its lines.
pub(crate) struct SourceText {
    /// The file as the user typed it.
    pub(crate) file: String,
    /// The whole text.
    pub(crate) text: Arc<str>,
    line_starts: Vec<usize>,
}

impl SourceText {
    pub(crate) fn new(file: impl Into<String>, text: &str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(offset, _)| offset + 1);
        let line_starts = std::iter::once(0).chain(after_newlines).collect();
        Self { file: file.into(), text: text.into(), line_starts }
    }

    /// Line and column, in characters and from 1, of a byte.
    pub(crate) fn place(&self, offset: usize) -> (usize, usize) {
        let offset = self.floor(offset);
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line - 1];
        (line, self.text[start..offset].chars().count() + 1)
    }

    /// The byte at a line and column; past the end of a line it is the end of the line.
    pub(crate) fn offset(&self, line: usize, column: usize) -> usize {
        let Some(start) = self.line_starts.get(line.saturating_sub(1)) else { return self.text.len() };
        let line = self.text[*start..].lines().next().unwrap_or_default();
        let within = line.char_indices().nth(column.saturating_sub(1));
        start + within.map_or(line.len(), |(offset, _)| offset)
    }

    /// The line that holds a byte, without its end.
    pub(crate) fn line_at(&self, offset: usize) -> &str {
        let (line, _) = self.place(offset);
        self.text[self.line_starts[line - 1]..].lines().next().unwrap_or_default()
    }

    /// The word, quoted text or sign at a byte, to be underlined: at least one character, unless the line ends there.
    pub(crate) fn word_at(&self, offset: usize) -> std::ops::Range<usize> {
        let offset = self.floor(offset);
        let rest = self.text[offset..].lines().next().unwrap_or_default();
        let word = rest.find(|sign: char| !sign.is_alphanumeric() && sign != '_').unwrap_or(rest.len());
        let quoted = rest.chars().next().filter(|sign| "\"'`".contains(*sign)).and_then(|quote| {
            // Both quotes are one byte.
            rest[1..].find(quote).map(|closing| closing + 2)
        });
        let sign = || rest.chars().next().map_or(0, char::len_utf8);
        let length = if word == 0 { quoted.unwrap_or_else(sign) } else { word };
        offset..offset + length
    }

    /// The start of the character that holds this byte.
    fn floor(&self, offset: usize) -> usize {
        let offset = offset.min(self.text.len());
        (0..=offset).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_and_offsets_go_back() {
        let text = SourceText::new("p.yaml", "é: x\r\nb: ünï\n");
        assert_eq!(text.place(4), (1, 4));
        assert_eq!(text.place(7), (2, 1));
        for (line, column) in [(1, 1), (1, 4), (2, 1), (2, 6)] {
            assert_eq!(text.place(text.offset(line, column)), (line, column));
        }
        assert_eq!(text.place(text.offset(1, 99)), (1, 5));
        assert_eq!(text.offset(99, 1), text.text.len());
        assert_eq!(text.place(1000), (3, 1));
        assert_eq!(&text.text[text.word_at(text.offset(2, 4))], "ünï");
        let quoted = SourceText::new("p.yaml", "a == \"b ü\" && \"");
        assert_eq!(&quoted.text[quoted.word_at(5)], "\"b ü\"");
        assert_eq!(&quoted.text[quoted.word_at(15)], "\"");
    }
}
