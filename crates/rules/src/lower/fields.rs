//! The fields that a rule reads, as a tree of names, and their values found in one pass.
//!
//! Invariant: of duplicate keys the last wins, at every level, as in the tree that the interpreter reads.

use super::scan::{Kind, Native, Scanner, Span, Token};

/// Most fields that a condition may read.
pub(super) const MOST: usize = 16;

/// The values of the fields, by number.
pub(super) type Found = [Token; MOST];

/// The fields that a rule reads or changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    /// By number: where the path ends in the tree.
    ends: Vec<usize>,
    names: Vec<Name>,
}

/// One name of the tree; the first is the event itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Name {
    pub(super) text: String,
    /// The name around it; the event is its own.
    pub(super) around: usize,
    /// The number of the field that ends here.
    pub(super) field: Option<usize>,
    pub(super) inside: Vec<usize>,
    /// A script makes a new map here.
    is_made: bool,
    /// A rule reads it as a whole.
    pub(super) is_leaf: bool,
}

impl Name {
    /// Whether a map here is taken apart.
    pub(super) fn is_taken_apart(&self) -> bool {
        self.is_made || !self.inside.is_empty()
    }
}

impl Fields {
    /// The number of a field.
    pub(super) fn number(&mut self, path: &[String]) -> usize {
        let name = self.name(path);
        self.number_of(name)
    }

    /// The number of a name of the tree, for reading it.
    pub(super) fn number_of(&mut self, name: usize) -> usize {
        let number = self.names[name].field.unwrap_or(self.ends.len());
        if number == self.ends.len() {
            self.names[name].field = Some(number);
            self.ends.push(name);
        }
        number
    }

    /// The place of a path in the tree.
    pub(super) fn name(&mut self, path: &[String]) -> usize {
        if self.names.is_empty() {
            self.names.push(Name::default());
        }
        path.iter().fold(0, |around, text| self.inside(around, text))
    }

    /// Says that a script makes a new map at a place of the tree.
    pub(super) fn mark_made(&mut self, name: usize) {
        self.names[name].is_made = true;
    }

    /// Says that what stands at a path is used as a whole.
    pub(super) fn mark_leaf(&mut self, path: &[String]) {
        let name = self.name(path);
        self.names[name].is_leaf = true;
    }

    /// How many fields are read.
    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    /// The tree; empty if the rule does not mention the event.
    pub(super) fn names(&self) -> &[Name] {
        &self.names
    }

    /// Where the path of a field ends in the tree.
    pub(super) fn end(&self, number: usize) -> usize {
        self.ends[number]
    }

    /// The path of a field.
    pub(super) fn path(&self, number: usize) -> Vec<String> {
        let mut path = Vec::new();
        let mut name = self.end(number);
        while name > 0 {
            path.push(self.names[name].text.clone());
            name = self.names[name].around;
        }
        path.reverse();
        path
    }

    /// The name inside another.
    pub(super) fn inside(&mut self, around: usize, text: &str) -> usize {
        let known = self.names[around].inside.iter().find(|child| self.names[**child].text == text);
        known.copied().unwrap_or_else(|| {
            self.names.push(Name { text: text.to_owned(), around, ..Name::default() });
            let child = self.names.len() - 1;
            self.names[around].inside.push(child);
            child
        })
    }

    /// Finds them all in the text of an event.
    ///
    /// # Errors
    /// The text holds something that only the interpreter may judge, wherever it is.
    pub(super) fn find(&self, bytes: &[u8]) -> Native<Found> {
        let mut found = Found::default();
        let mut scanner = Scanner::new(bytes, 0);
        scanner.enter_object()?;
        self.read_map(0, &mut scanner, &mut found, 1)?;
        scanner.end()?;
        if let Some(field) = self.names.first().and_then(|event| event.field) {
            found[field] = Token { kind: Kind::Map, span: Span { start: 0, end: bytes.len() } };
        }
        Ok(found)
    }

    fn read_map(
        &self,
        name: usize,
        scanner: &mut Scanner<'_>,
        found: &mut Found,
        depth: usize,
    ) -> Native<()> {
        while let Some(key) = scanner.next_key()? {
            match self.wanted(name, scanner, key)? {
                Some(child) => self.read_value(child, scanner, found, depth)?,
                None => {
                    scanner.value(depth)?;
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn wanted(&self, name: usize, scanner: &Scanner<'_>, key: Token) -> Native<Option<usize>> {
        let Some(name) = self.names.get(name) else { return Ok(None) };
        let decoded;
        let key = if key.kind == Kind::Text {
            scanner.raw(key.span)
        } else {
            decoded = scanner.decoded(key.span)?;
            decoded.as_bytes()
        };
        Ok(name.inside.iter().copied().find(|child| self.names[*child].text.as_bytes() == key))
    }

    fn read_value(
        &self,
        name: usize,
        scanner: &mut Scanner<'_>,
        found: &mut Found,
        depth: usize,
    ) -> Native<()> {
        let Name { field, inside, .. } = &self.names[name];
        let token = if !inside.is_empty() && scanner.is_at_map() {
            // An earlier key of this name counts for nothing.
            self.mark_inside(name, Kind::Missing, found);
            let start = scanner.position();
            scanner.enter_object()?;
            self.read_map(name, scanner, found, depth + 1)?;
            Token { kind: Kind::Map, span: Span { start, end: scanner.position() } }
        } else {
            let token = scanner.value(depth)?;
            if !inside.is_empty() {
                let kind = if token.kind == Kind::Null { Kind::Missing } else { Kind::Blocked };
                self.mark_inside(name, kind, found);
            }
            token
        };
        if let Some(field) = field {
            found[*field] = token;
        }
        Ok(())
    }

    fn mark_inside(&self, name: usize, kind: Kind, found: &mut Found) {
        for child in &self.names[name].inside {
            if let Some(field) = self.names[*child].field {
                found[field] = Token { kind, ..Token::default() };
            }
            self.mark_inside(*child, kind, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &str, text: &str) -> (Kind, String) {
        let mut fields = Fields::default();
        let number = fields.number(&path.split('.').map(str::to_owned).collect::<Vec<_>>());
        let token = fields.find(text.as_bytes()).unwrap()[number];
        (token.kind, String::from_utf8_lossy(token.span.of(text.as_bytes())).into_owned())
    }

    #[test]
    fn the_last_of_duplicate_keys_wins_at_every_level() {
        let shown = |kind, text: &str| (kind, text.to_owned());
        assert_eq!(find("a.b", r#"{"a":{"b":1,"b":2},"c":{"b":3}}"#), shown(Kind::Number, "2"));
        assert_eq!(find("a.b", r#"{"a":{"b":1},"\u0061":{"\u0062":"x"}}"#), shown(Kind::Text, "x"));
        assert_eq!(find("a.b", r#"{"a":{"b":1},"a":{}}"#), shown(Kind::Missing, ""));
        assert_eq!(find("a.b", r#"{"a":{"b":1},"a":null}"#), shown(Kind::Missing, ""));
        assert_eq!(find("a.b", r#"{"a":{"b":1},"a":"x"}"#), shown(Kind::Blocked, ""));
        assert_eq!(find("a.b", r#"{"a":7,"a":{"b":null}}"#), shown(Kind::Null, "null"));
    }
}
