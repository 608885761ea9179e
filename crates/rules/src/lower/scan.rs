//! One pass over the bytes of an event: tokens, and everything that is of no interest skipped.
//!
//! The bytes are known to be valid JSON ([`sluicebox_core::Event`] checks them once), so skipping looks only for what a
//! tree could not hold: lone surrogates, numbers beyond `f64`, nesting beyond what is read. Invariant: where anything
//! of that kind, or anything that is no JSON, turns up, the answer is [`Unusual`] and the interpreter decides.

/// Something that only the interpreter may judge; nothing was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unusual;

/// What a native step gives.
pub(super) type Native<T> = Result<T, Unusual>;

/// Nesting that is certainly read; the interpreter says what happens beyond.
const DEPTH: usize = 120;
/// Bytes of a number that certainly fits `f64`, if its exponent has two digits at most.
const NUMBER_BYTES: usize = 200;

/// A range of the scanned bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    /// The bytes themselves.
    pub(super) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start..self.end).unwrap_or_default()
    }
}

/// What kind of value a span holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// There is no such field.
    #[default]
    Missing,
    /// Something on the way to it is neither a map nor missing.
    Blocked,
    Null,
    True,
    False,
    Number,
    /// Text without escapes, its span inside the quotes.
    Text,
    /// Text with escapes, its span inside the quotes.
    EscapedText,
    Map,
    List,
}

/// A text with escapes, its span inside the quotes, as it is meant.
pub(super) fn decoded(bytes: &[u8], span: Span) -> Native<String> {
    let quoted = bytes.get(span.start.wrapping_sub(1)..=span.end).ok_or(Unusual)?;
    serde_json::from_slice(quoted).map_err(|_| Unusual)
}

/// A value found in the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

impl Token {
    /// Its JSON text, quotes included.
    pub(super) fn text(self, bytes: &[u8]) -> &[u8] {
        let Span { start, end } = self.span;
        match self.kind {
            Kind::Text | Kind::EscapedText => bytes.get(start.wrapping_sub(1)..=end).unwrap_or_default(),
            _ => self.span.of(bytes),
        }
    }
}

/// A place in the bytes.
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    /// At a place.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Goes into the object that begins here.
    pub(super) fn enter_object(&mut self) -> Native<()> {
        self.skip_blank();
        self.expect(b'{')
    }

    /// The next key of the object, up to its value; `None` behind the closing brace.
    #[inline]
    pub(super) fn next_key(&mut self) -> Native<Option<Token>> {
        loop {
            match self.byte()? {
                b'"' => break,
                b'}' => {
                    self.at += 1;
                    return Ok(None);
                }
                b',' | b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                _ => return Err(Unusual),
            }
        }
        let key = self.text()?;
        self.skip_blank();
        self.expect(b':')?;
        self.skip_blank();
        Ok(Some(key))
    }

    /// Whether a map begins here.
    pub(super) fn is_at_map(&self) -> bool {
        self.bytes.get(self.at) == Some(&b'{')
    }

    /// Where it stands.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The value that begins here; what is inside of it is skipped. `depth` levels lie around it.
    #[inline]
    pub(super) fn value(&mut self, depth: usize) -> Native<Token> {
        let start = self.at;
        let kind = match self.byte()? {
            b'"' => return self.text(),
            b'{' => {
                self.skip_nested(depth)?;
                Kind::Map
            }
            b'[' => {
                self.skip_nested(depth)?;
                Kind::List
            }
            b't' => self.word(4, Kind::True),
            b'f' => self.word(5, Kind::False),
            b'n' => self.word(4, Kind::Null),
            b'-' | b'0'..=b'9' => {
                self.number()?;
                Kind::Number
            }
            _ => return Err(Unusual),
        };
        Ok(Token { kind, span: Span { start, end: self.at } })
    }

    /// The bytes of a text or key without escapes.
    #[inline]
    pub(super) fn raw(&self, span: Span) -> &'a [u8] {
        self.bytes.get(span.start..span.end).unwrap_or_default()
    }

    /// A key with escapes as it is meant.
    pub(super) fn decoded(&self, span: Span) -> Native<String> {
        decoded(self.bytes, span)
    }

    /// Nothing but blanks may follow.
    pub(super) fn end(&mut self) -> Native<()> {
        self.skip_blank();
        if self.at == self.bytes.len() { Ok(()) } else { Err(Unusual) }
    }

    fn byte(&self) -> Native<u8> {
        self.bytes.get(self.at).copied().ok_or(Unusual)
    }

    fn expect(&mut self, byte: u8) -> Native<()> {
        if self.byte()? != byte {
            return Err(Unusual);
        }
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn skip_blank(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn word(&mut self, length: usize, kind: Kind) -> Kind {
        self.at += length;
        kind
    }

    /// Over a map or list and everything inside.
    fn skip_nested(&mut self, around: usize) -> Native<()> {
        let mut depth = around;
        loop {
            match self.byte()? {
                b'"' => {
                    self.text()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                    if depth > DEPTH {
                        return Err(Unusual);
                    }
                }
                b'}' | b']' => {
                    depth -= 1;
                    self.at += 1;
                    if depth == around {
                        return Ok(());
                    }
                }
                b'-' | b'0'..=b'9' => self.number()?,
                _ => self.at += 1,
            }
        }
    }

    #[inline]
    fn number(&mut self) -> Native<()> {
        let start = self.at;
        while matches!(self.bytes.get(self.at), Some(b'0'..=b'9' | b'-' | b'.')) {
            self.at += 1;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'-' | b'+')) {
                self.at += 1;
            }
            let exponent = self.at;
            while matches!(self.bytes.get(self.at), Some(b'0'..=b'9')) {
                self.at += 1;
            }
            if self.at - exponent > 2 {
                return Err(Unusual);
            }
        }
        if self.at - start > NUMBER_BYTES { Err(Unusual) } else { Ok(()) }
    }

    /// The text whose opening quote stands here.
    #[inline]
    fn text(&mut self) -> Native<Token> {
        let start = self.at + 1;
        let end = self.quote_or_backslash(start);
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(Token { kind: Kind::Text, span: Span { start, end } });
        }
        self.escaped_text(start, end)
    }

    /// A text that began at `start` and has an escape at `at`, or no end.
    #[cold]
    fn escaped_text(&mut self, start: usize, at: usize) -> Native<Token> {
        self.at = at;
        loop {
            match self.byte()? {
                b'"' => {
                    let span = Span { start, end: self.at };
                    self.at += 1;
                    return Ok(Token { kind: Kind::EscapedText, span });
                }
                _ => self.escape()?,
            }
            self.at = self.quote_or_backslash(self.at);
        }
    }

    /// Eight bytes at a time: a byte is zero after `xor` where it equals the wanted one.
    #[inline]
    fn quote_or_backslash(&self, from: usize) -> usize {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const TOPS: u64 = 0x8080_8080_8080_8080;
        const QUOTES: u64 = ONES * b'"' as u64;
        const BACKSLASHES: u64 = ONES * b'\\' as u64;
        let mut at = from;
        while let Some(chunk) = self.bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
            let word = u64::from_le_bytes(*chunk);
            let (quotes, backslashes) = (word ^ QUOTES, word ^ BACKSLASHES);
            let found =
                (quotes.wrapping_sub(ONES) & !quotes | backslashes.wrapping_sub(ONES) & !backslashes) & TOPS;
            if found != 0 {
                // The lowest mark is exact; marks above it may be false.
                return at + (found.trailing_zeros() / 8) as usize;
            }
            at += 8;
        }
        while self.bytes.get(at).is_some_and(|byte| *byte != b'"' && *byte != b'\\') {
            at += 1;
        }
        at
    }

    /// Over an escape; half a surrogate pair is nothing that a text can hold.
    fn escape(&mut self) -> Native<()> {
        match self.code_unit(self.at) {
            None => self.at += 2,
            Some(0xD800..=0xDBFF) => match self.code_unit(self.at + 6) {
                Some(0xDC00..=0xDFFF) => self.at += 12,
                _ => return Err(Unusual),
            },
            Some(0xDC00..=0xDFFF) => return Err(Unusual),
            Some(_) => self.at += 6,
        }
        Ok(())
    }

    /// The value of a `\u` escape that begins at a place.
    fn code_unit(&self, at: usize) -> Option<u16> {
        let digits = self.bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Native<Token> {
        let mut scanner = Scanner::new(text.as_bytes(), 0);
        let token = scanner.value(0)?;
        scanner.end()?;
        Ok(token)
    }

    #[test]
    fn values_are_told_apart_and_skipped_whole() {
        for (text, kind) in [
            (r#"{"a":[1,{"b":"}\"]"}],"c":"\\"} "#, Kind::Map),
            (r#"["]",[[]],{}]"#, Kind::List),
            ("-12.5e-3", Kind::Number),
            (r#""a long text without any escape in it""#, Kind::Text),
            (r#""\ud83d\ude00 and \u0061 and \" and \\""#, Kind::EscapedText),
            ("true", Kind::True),
            ("false", Kind::False),
            ("null", Kind::Null),
        ] {
            assert_eq!(whole(text).map(|token| token.kind), Ok(kind), "{text}");
        }
    }

    #[test]
    fn what_no_tree_can_hold_is_left_to_the_interpreter() {
        let deep = format!("{}{}", "[".repeat(128), "]".repeat(128));
        let long = "9".repeat(400);
        for text in [
            r#"{"a":"\ud800"}"#,
            r#"["\ude00"]"#,
            r#"["\ud83d\u0061"]"#,
            "[1e400]",
            "{\"a\":1",
            "\"open",
            "x",
            deep.as_str(),
            long.as_str(),
        ] {
            assert_eq!(whole(text), Err(Unusual), "{text}");
        }
    }
}
