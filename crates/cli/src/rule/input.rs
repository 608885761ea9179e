//! JSON lines as they come, one at a time: memory holds one line, and a line has a limit.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::Path;

use crate::exit::Stop;
use crate::terminal;

/// Bytes of the longest line that is read; as much as a script may write.
pub(super) const LONGEST: usize = 16 << 20;

/// Bytes that are read at once.
const READ: usize = 64 << 10;

/// Where lines come from.
pub(super) struct Lines<R> {
    from: BufReader<R>,
    line: Vec<u8>,
}

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'l> {
    /// Without its end.
    Text(&'l [u8]),
    /// It was skipped.
    TooLong,
}

/// Opens a file of JSON lines; `None`: stdin.
pub(super) fn open(file: Option<&Path>) -> Result<Lines<Box<dyn Read>>, Stop> {
    let Some(path) = file else {
        if io::stdin().is_terminal() {
            terminal::complain("reading events from the terminal, one JSON object a line; Ctrl-D ends\n");
        }
        return Ok(Lines::new(Box::new(io::stdin())));
    };
    Ok(Lines::new(Box::new(events_file(path)?)))
}

/// Opens a file of events.
pub(super) fn events_file(path: &Path) -> Result<File, Stop> {
    let open = || -> io::Result<File> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(file) }
    };
    open().map_err(|error: io::Error| {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "not found".to_owned(),
            _ => error.to_string(),
        };
        Stop::usage(format!("cannot read the events {}: {why}", path.display()))
    })
}

impl<R: Read> Lines<R> {
    /// Lines of `from`.
    pub(super) fn new(from: R) -> Self {
        Self { from: BufReader::with_capacity(READ, from), line: Vec::new() }
    }

    /// Whether the next line may have to be waited for.
    pub(super) fn is_drained(&self) -> bool {
        self.from.buffer().is_empty()
    }

    /// The next line; `None` at the end.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let limit = u64::try_from(LONGEST).unwrap_or(u64::MAX).saturating_add(1);
        let count = self.from.by_ref().take(limit).read_until(b'\n', &mut self.line)?;
        if count == 0 {
            return Ok(None);
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if self.line.len() > LONGEST {
            self.line.truncate(0);
            self.skip_line()?;
            return Ok(Some(Line::TooLong));
        }
        Ok(Some(Line::Text(&self.line)))
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.from.fill_buf()?;
            let (length, is_end) = match buffer.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            };
            self.from.consume(length);
            if is_end {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_one_by_one_and_a_last_one_needs_no_end() {
        let mut lines = Lines::new(&b"{}\n\n[1]"[..]);
        for expected in [&b"{}"[..], b"", b"[1]"] {
            assert_eq!(lines.next_line().unwrap(), Some(Line::Text(expected)));
        }
        assert_eq!(lines.next_line().unwrap(), None);
        assert!(lines.is_drained());
    }

    #[test]
    fn a_line_beyond_the_limit_is_skipped_whole() {
        let text =
            [vec![b'x'; LONGEST + 7], b"\n{}\n".to_vec(), vec![b'y'; LONGEST], b"\n".to_vec()].concat();
        let mut lines = Lines::new(text.as_slice());
        assert_eq!(lines.next_line().unwrap(), Some(Line::TooLong));
        assert_eq!(lines.next_line().unwrap(), Some(Line::Text(b"{}")));
        assert!(matches!(lines.next_line().unwrap(), Some(Line::Text(text)) if text.len() == LONGEST));
        assert_eq!(lines.next_line().unwrap(), None);
        let mut lines = Lines::new(&text[..LONGEST + 3]);
        assert_eq!(lines.next_line().unwrap(), Some(Line::TooLong));
        assert_eq!(lines.next_line().unwrap(), None);
    }
}
