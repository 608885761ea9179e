//! Where a record ends: a line of JSON, or a row of comma-separated values.
//!
//! Source: RFC 4180 for rows. Invariant: rows are framed by the parser that reads them later, so that both agree on what
//! a quoted line break is.

use csv_core::{ReadRecordResult, ReaderBuilder, Terminator};

/// What records look like; stands in the middle of one between two calls.
pub(crate) enum Framing {
    /// A line each.
    Lines,
    /// A row each; a quoted cell may hold line breaks.
    Rows(Box<csv_core::Reader>),
}

/// A parser of rows. A carriage return before the end of a line is left in the last cell.
pub(crate) fn row_parser(delimiter: u8) -> csv_core::Reader {
    ReaderBuilder::new().delimiter(delimiter).terminator(Terminator::Any(b'\n')).build()
}

impl Framing {
    /// Rows with this delimiter, or lines.
    pub(crate) fn new(delimiter: Option<u8>) -> Self {
        delimiter.map_or(Self::Lines, |delimiter| Self::Rows(Box::new(row_parser(delimiter))))
    }

    /// Looks at bytes that follow those of the calls before: how many belong to the record, if it ends among them.
    pub(crate) fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let Self::Rows(parser) = self else {
            return bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        };
        let (mut cells, mut ends) = ([0; 4096], [0; 256]);
        let mut used = 0;
        // To the parser, nothing at all means the end of the file.
        while used < bytes.len() {
            let (result, read, ..) = parser.read_record(&bytes[used..], &mut cells, &mut ends);
            used += read;
            match result {
                ReadRecordResult::Record => return Some(used),
                ReadRecordResult::InputEmpty | ReadRecordResult::End => return None,
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {}
            }
        }
        None
    }

    /// The next byte begins a record.
    pub(crate) fn reset(&mut self) {
        if let Self::Rows(parser) = self {
            parser.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(framing: &mut Framing, pieces: &[&str]) -> Vec<String> {
        let (mut frames, mut open) = (Vec::new(), String::new());
        for piece in pieces {
            let mut rest = *piece;
            while let Some(end) = framing.find_end(rest.as_bytes()) {
                open.push_str(&rest[..end]);
                frames.push(std::mem::take(&mut open));
                rest = &rest[end..];
            }
            open.push_str(rest);
        }
        frames.push(open);
        frames
    }

    #[test]
    fn lines_end_at_line_feeds_wherever_a_read_ended() {
        let mut lines = Framing::new(None);
        assert_eq!(frames(&mut lines, &["a\nb", "", "c\r\n", "\nd"]), ["a\n", "bc\r\n", "\n", "d"]);
    }

    #[test]
    fn quoted_line_breaks_end_no_row() {
        let mut rows = Framing::new(Some(b','));
        let pieces = ["a,\"b\n", "c\"\"\n", "\"\nd,5\" disk\n\"x", "\",y\n\"open\n"];
        let expected = ["a,\"b\nc\"\"\n\"\n", "d,5\" disk\n", "\"x\",y\n", "\"open\n"];
        assert_eq!(frames(&mut rows, &pieces), expected);
        rows.reset();
        assert_eq!(frames(&mut rows, &["a\n"]), ["a\n", ""]);
    }

    #[test]
    fn rows_longer_than_the_scratch_space_are_one_row() {
        let mut rows = Framing::new(Some(b';'));
        let wide = format!("{}\n", vec!["x"; 1000].join(";"));
        let long = format!("\"{}\"\n", "y\n".repeat(10_000));
        assert_eq!(frames(&mut rows, &[&wide, &long]), [wide.as_str(), long.as_str(), ""]);
    }
}
