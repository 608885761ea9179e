//! The maps that a script touches, taken apart in one pass: their entries in order, the values left as text.
//!
//! Invariant: every map on the way to a name of the tree is here, unless something else stands in its place.

use super::fields::Fields;
use super::scan::{Kind, Native, Scanner, Span, Token, Unusual};

/// One entry of a map.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) key: Span,
    pub(super) value: Token,
    /// The name of the tree that this key is.
    pub(super) name: Option<usize>,
}

/// What an event holds for the names of the tree.
#[derive(Debug, Default)]
pub(super) struct Objects {
    /// By name: its value as it came.
    pub(super) found: Vec<Token>,
    /// By name: its entries, if it is a map that was taken apart.
    entries: Vec<(usize, Vec<Entry>)>,
}

impl Objects {
    /// Takes the event apart.
    ///
    /// # Errors
    /// The text holds something that only the interpreter may judge, wherever it is.
    pub(super) fn read(fields: &Fields, bytes: &[u8]) -> Native<Self> {
        let mut objects = Self { found: vec![Token::default(); fields.names().len()], entries: Vec::new() };
        let mut scanner = Scanner::new(bytes, 0);
        objects.found[0] = Token { kind: Kind::Map, span: Span { start: 0, end: bytes.len() } };
        objects.read_map(0, fields, &mut scanner, 1)?;
        scanner.end()?;
        Ok(objects)
    }

    /// The entries of a map that was taken apart.
    pub(super) fn entries(&self, name: usize) -> &[Entry] {
        self.entries.iter().find(|(of, _)| *of == name).map_or(&[], |(_, entries)| entries)
    }

    fn read_map(
        &mut self,
        name: usize,
        fields: &Fields,
        scanner: &mut Scanner<'_>,
        depth: usize,
    ) -> Native<()> {
        let names = fields.names();
        let mut entries: Vec<Entry> = Vec::with_capacity(16);
        scanner.enter_object()?;
        while let Some(key) = scanner.next_key()? {
            // A key that is written again, or with escapes, is written in another way than it came.
            let text = scanner.raw(key.span);
            let is_repeated = |entry: &Entry| scanner.raw(entry.key) == text;
            if key.kind != Kind::Text || entries.iter().any(is_repeated) {
                return Err(Unusual);
            }
            let wanted =
                names[name].inside.iter().find(|child| names[**child].text.as_bytes() == text).copied();
            let value = match wanted {
                Some(child) if scanner.is_at_map() && names[child].is_taken_apart() => {
                    let start = scanner.position();
                    self.read_map(child, fields, scanner, depth + 1)?;
                    Token { kind: Kind::Map, span: Span { start, end: scanner.position() } }
                }
                _ => scanner.value(depth)?,
            };
            if let Some(child) = wanted {
                self.found[child] = value;
            }
            entries.push(Entry { key: key.span, value, name: wanted });
        }
        self.entries.push((name, entries));
        Ok(())
    }
}
