//! The tree of a YAML document: source text and style of every scalar, and where everything stands.
//!
//! Scalars stay text until a declaration gives them a type, so that `010`, `1_000` and ids reach text fields verbatim.

use std::ops::Range;

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The bytes of the value itself.
    pub(crate) range: Range<usize>,
    /// The bytes of the key that introduces it; of the value where there is no key.
    pub(crate) label: Range<usize>,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// Something that has already been reported.
    Broken,
}

/// A text as the file spells it, escapes resolved.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) style: Style,
    /// The bytes of the text where it is written, which an alias only points to.
    pub(crate) written: Range<usize>,
    /// The byte of the first character of the content.
    pub(crate) content: usize,
    /// Empty lines of a block above that character: part of the text.
    pub(crate) lines_above: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Quoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_range: Range<usize>,
    pub(crate) value: Node,
}

impl Node {
    /// The value of a key; nothing if this is no map.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The entries of a map; none if this is no map.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// The deepest value that a dotted path (`auth.api_key.key`, `columns[2].value`) leads to, as far as it exists.
    pub(crate) fn find(&self, path: &str) -> &Node {
        let path = path.strip_prefix('.').unwrap_or(path);
        if let (Some((index, rest)), Kind::List(items)) = (index(path), &self.kind) {
            return items.get(index).map_or(self, |item| item.find(rest));
        }
        let leads = |entry: &&Entry| step(path, &entry.key).is_some();
        // A key may hold a dot itself: the longest one that fits is meant.
        let best = self.entries().iter().filter(leads).max_by_key(|entry| entry.key.len());
        match best.and_then(|entry| Some((entry, step(path, &entry.key)?))) {
            Some((entry, rest)) => entry.value.find(rest),
            None => self,
        }
    }

    /// What to underline when the value is wrong: the value, or its key if the value is not on one line.
    pub(crate) fn focus(&self, text: &str) -> Range<usize> {
        let one_line = text.get(self.range.clone()).is_some_and(|slice| !slice.contains('\n'));
        let visible =
            one_line && !self.range.is_empty() && !matches!(self.kind, Kind::Map(_) | Kind::List(_));
        let flow = one_line && text[self.range.clone()].starts_with(['{', '[']);
        if visible || flow { self.range.clone() } else { self.label.clone() }
    }
}

/// `[2].rest` as 2 and `.rest`.
pub(crate) fn index(path: &str) -> Option<(usize, &str)> {
    let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
    Some((index.parse().ok()?, rest))
}

/// What remains of a path behind a key.
pub(crate) fn step<'a>(path: &'a str, key: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(key)?;
    (rest.is_empty() || rest.starts_with(['.', '['])).then_some(rest)
}

/// A path one key further in.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
