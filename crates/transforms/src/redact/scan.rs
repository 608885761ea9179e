//! Reading JSON text that is known to be JSON, without a tree: where values begin and end.
//!
//! Invariant: never panics and never follows a value, so that no text is too deep.

use std::ops::Range;

use super::text::Decoded;
use super::walk::Unreadable;

/// A place in a text.
pub(super) struct Scan<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
}

impl<'t> Scan<'t> {
    /// The keys of the object that opens at `open`, as far as it can be read.
    pub(super) fn keys_of(text: &'t str, open: usize) -> impl Iterator<Item = String> + 't {
        let mut scan = Self { text, at: open + 1 };
        std::iter::from_fn(move || scan.next_key(open).ok().flatten())
    }

    fn next_key(&mut self, open: usize) -> Result<Option<String>, Unreadable> {
        if !self.next_of(b'}', open)? {
            return Ok(None);
        }
        let key = self.skip_string()?;
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        self.skip_value()?;
        Ok(Some(Decoded::new(&self.text[key]).text.into_owned()))
    }

    /// Goes to the next entry of what opened at `open`; false behind its end.
    pub(super) fn next_of(&mut self, close: u8, open: usize) -> Result<bool, Unreadable> {
        let is_first = self.at == open + 1;
        self.skip_space();
        match self.peek()? {
            byte if byte == close => {
                self.at += 1;
                Ok(false)
            }
            b',' if !is_first => {
                self.at += 1;
                self.skip_space();
                Ok(true)
            }
            _ if is_first => Ok(true),
            _ => Err(Unreadable::Syntax),
        }
    }

    pub(super) fn peek(&self) -> Result<u8, Unreadable> {
        self.text.as_bytes().get(self.at).copied().ok_or(Unreadable::Syntax)
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Unreadable> {
        if self.peek()? != byte {
            return Err(Unreadable::Syntax);
        }
        self.at += 1;
        Ok(())
    }

    pub(super) fn skip_space(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    }

    /// Goes behind a text and gives the place between its quotes.
    pub(super) fn skip_string(&mut self) -> Result<Range<usize>, Unreadable> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Ok(start..self.at - 1)
    }

    /// Goes behind a value, whatever it is, without following it.
    pub(super) fn skip_value(&mut self) -> Result<(), Unreadable> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.skip_string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1).ok_or(Unreadable::Syntax)?;
                    self.at += 1;
                }
                b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if depth > 0 => self.at += 1,
                _ => self.skip_word()?,
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// Goes behind a number, a truth value or `null`.
    fn skip_word(&mut self) -> Result<(), Unreadable> {
        let rest = &self.text.as_bytes()[self.at..];
        let in_word = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let length = rest.iter().take_while(in_word).count();
        self.at += length;
        if length == 0 { Err(Unreadable::Syntax) } else { Ok(()) }
    }
}
