//! An event as a tree that is opened only where a path leads through it: everything else stays the text it was.
//!
//! Invariant: a value that no operation touched is written byte for byte as it came (`1.10`, integers beyond 64 bits,
//! the order of fields). In a map that was opened the last of several fields of one name is kept, and blanks between
//! fields go.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::value::RawValue;
use sluicebox_core::object_fields;

use super::path::{FieldPath, Shown, Step};

/// A value inside an event.
#[derive(Debug)]
pub(crate) enum Node<'t> {
    /// JSON text.
    Raw(Cow<'t, str>),
    /// A map, opened.
    Map(Vec<(String, Node<'t>)>),
    /// A list, opened.
    List(Vec<Node<'t>>),
}

/// A value cannot be put at a path; the sentence says where it ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit(pub(crate) String);

impl<'t> Node<'t> {
    /// A value from its JSON text.
    pub(crate) fn new(text: &'t str) -> Self {
        Self::Raw(Cow::Borrowed(text))
    }

    /// A value from JSON text that was made here.
    pub(crate) fn made(text: String) -> Self {
        Self::Raw(Cow::Owned(text))
    }

    /// Its JSON text.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Raw(text) => Cow::Borrowed(text),
            opened => {
                let mut text = String::new();
                opened.write(&mut text);
                Cow::Owned(text)
            }
        }
    }

    /// Adds its JSON text to `out`.
    pub(crate) fn write(&self, out: &mut String) {
        match self {
            Self::Raw(text) => out.push_str(text),
            Self::Map(fields) => {
                out.push('{');
                for (place, (name, value)) in fields.iter().enumerate() {
                    out.push_str(if place == 0 { "" } else { "," });
                    out.push_str(&quoted(name));
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
            Self::List(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    out.push_str(if place == 0 { "" } else { "," });
                    item.write(out);
                }
                out.push(']');
            }
        }
    }

    /// What kind of value it is, in words.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Map(_) => "a map",
            Self::List(_) => "a list",
            Self::Raw(text) => kind(text),
        }
    }

    /// Whether it is `null`, which counts as missing.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Raw(text) if text == "null")
    }

    /// The value at a path, if there is one.
    pub(crate) fn find(&mut self, steps: &[Step]) -> Option<&mut Self> {
        let Some((step, rest)) = steps.split_first() else { return Some(self) };
        self.open();
        match (self, step) {
            (Self::Map(fields), Step::Name(name)) => {
                fields.iter_mut().find(|(known, _)| *known == **name)?.1.find(rest)
            }
            (Self::List(items), Step::Index(index)) => items.get_mut(*index)?.find(rest),
            _ => None,
        }
    }

    /// Takes the value at a path out of the tree.
    pub(crate) fn take(&mut self, path: &FieldPath) -> Option<Self> {
        let (last, above) = path.steps().split_last()?;
        let holder = self.find(above)?;
        holder.open();
        match (holder, last) {
            (Self::Map(fields), Step::Name(name)) => {
                let place = fields.iter().position(|(known, _)| *known == **name)?;
                Some(fields.remove(place).1)
            }
            (Self::List(items), Step::Index(index)) if *index < items.len() => Some(items.remove(*index)),
            _ => None,
        }
    }

    /// Puts a value at a path, in the place of what is there; maps that are missing on the way are made.
    ///
    /// # Errors
    /// Something on the way is neither a map nor missing, or an item of a list is not there.
    pub(crate) fn put(&mut self, path: &FieldPath, value: Self) -> Result<(), Misfit> {
        let steps = path.steps();
        let mut at = self;
        for (depth, step) in steps.iter().enumerate() {
            at = at.enter(step).map_err(|found| {
                let holder =
                    if depth == 0 { "the event".to_owned() } else { format!("`{}`", Shown(&steps[..depth])) };
                let expected = match step {
                    Step::Name(_) => "a map".to_owned(),
                    Step::Index(index) => format!("a list with an item {index}"),
                };
                Misfit(format!("`{path}` cannot be set: expected {holder} to be {expected}, found {found}"))
            })?;
        }
        *at = value;
        Ok(())
    }

    /// The place of a step, made if it is missing in a map; else what was found instead.
    fn enter(&mut self, step: &Step) -> Result<&mut Self, String> {
        self.open();
        if self.is_null() && matches!(step, Step::Name(_)) {
            *self = Self::Map(Vec::new());
        }
        match (self, step) {
            (Self::Map(fields), Step::Name(name)) => {
                let known = fields.iter().position(|(known, _)| *known == **name);
                let place = known.unwrap_or_else(|| {
                    fields.push((name.to_string(), Self::made("null".to_owned())));
                    fields.len() - 1
                });
                Ok(&mut fields[place].1)
            }
            (Self::List(items), Step::Index(index)) => {
                let count = items.len();
                items.get_mut(*index).ok_or_else(|| format!("one of {count}"))
            }
            (found, _) if found.is_null() => Err("nothing".to_owned()),
            (found, _) => Err(found.kind().to_owned()),
        }
    }

    /// Keeps what one of the paths leads to; `dropped` becomes true if something goes. Whether anything is left.
    pub(crate) fn keep(&mut self, paths: &[&[Step]], dropped: &mut bool) -> bool {
        if paths.iter().any(|path| path.is_empty()) {
            return true;
        }
        self.open();
        let mut stays = |step: Step, value: &mut Self| {
            let paths = inside(paths, &step);
            let stays = !paths.is_empty() && value.keep(&paths, dropped);
            *dropped |= !stays;
            stays
        };
        match self {
            Self::Map(fields) => {
                fields.retain_mut(|(name, value)| stays(Step::Name(name.as_str().into()), value));
                !fields.is_empty()
            }
            Self::List(items) => {
                let mut index = 0;
                items.retain_mut(|item| {
                    index += 1;
                    stays(Step::Index(index - 1), item)
                });
                !items.is_empty()
            }
            Self::Raw(_) => false,
        }
    }

    /// Opens a map or a list; anything else stays text.
    fn open(&mut self) {
        let opened = match self {
            Self::Raw(Cow::Borrowed(text)) => {
                let text: &'t str = text;
                opened(text)
            }
            Self::Raw(Cow::Owned(text)) => opened(text).map(Node::into_owned),
            _ => None,
        };
        if let Some(opened) = opened {
            *self = opened;
        }
    }

    fn into_owned<'o>(self) -> Node<'o> {
        match self {
            Self::Raw(text) => Node::Raw(Cow::Owned(text.into_owned())),
            Self::Map(fields) => {
                Node::Map(fields.into_iter().map(|(name, value)| (name, value.into_owned())).collect())
            }
            Self::List(items) => Node::List(items.into_iter().map(Node::into_owned).collect()),
        }
    }
}

/// A text as JSON.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What kind of value a JSON text is, in words.
pub(crate) fn kind(text: &str) -> &'static str {
    match text.as_bytes().first() {
        Some(b'{') => "a map",
        Some(b'[') => "a list",
        Some(b'"') => "text",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// The items of a list as they are written; nothing if it is none.
pub(crate) fn items(text: &str) -> Option<Vec<&str>> {
    let items = text.starts_with('[').then(|| serde_json::from_str::<Vec<&RawValue>>(text).ok())??;
    Some(items.into_iter().map(RawValue::get).collect())
}

/// What is left of the paths that begin with a step.
fn inside<'p>(paths: &[&'p [Step]], step: &Step) -> Vec<&'p [Step]> {
    let matching = paths.iter().filter_map(|path| path.split_first().filter(|(first, _)| *first == step));
    matching.map(|(_, rest)| rest).collect()
}

fn opened(text: &str) -> Option<Node<'_>> {
    if let Some(items) = items(text) {
        return Some(Node::List(items.into_iter().map(Node::new).collect()));
    }
    let fields = text.starts_with('{').then(|| object_fields(text).ok())??;
    let mut seen = HashSet::with_capacity(fields.len());
    let last: Vec<bool> = fields.iter().rev().map(|(name, _)| seen.insert(name.as_str())).collect();
    let kept = fields.into_iter().zip(last.into_iter().rev()).filter(|(_, is_last)| *is_last);
    Some(Node::Map(kept.map(|((name, value), _)| (name, Node::new(value.get()))).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        r#"{ "z": 1.10, "in": { "b": [ 1, {"c":1e2} ], "a": 12345678901234567890 },"n":null, "z": 2.50 }"#;

    fn path(text: &str) -> FieldPath {
        FieldPath::parse(text).unwrap()
    }

    fn found(text: &str) -> Option<String> {
        let mut tree = Node::new(TEXT);
        tree.find(path(text).steps()).map(|node| node.text().into_owned())
    }

    #[test]
    fn values_are_found_as_they_are_written() {
        assert_eq!(found("z").unwrap(), "2.50");
        assert_eq!(found("in.a").unwrap(), "12345678901234567890");
        assert_eq!(found("in.b").unwrap(), r#"[ 1, {"c":1e2} ]"#);
        assert_eq!(found("in.b[1].c").unwrap(), "1e2");
        for missing in ["x", "in.x", "in.b[2]", "in[0]", "in.b.c", "z.x", "n.x"] {
            assert_eq!(found(missing), None, "{missing}");
        }
    }

    #[test]
    fn only_what_is_touched_is_written_anew() {
        let mut tree = Node::new(TEXT);
        assert_eq!(tree.text(), TEXT);
        tree.put(&path("in.b[0]"), Node::new("7")).unwrap();
        tree.put(&path("n.new.deep"), Node::new("[]")).unwrap();
        assert_eq!(
            tree.text(),
            r#"{"in":{"b":[7,{"c":1e2}],"a":12345678901234567890},"n":{"new":{"deep":[]}},"z":2.50}"#
        );
        assert_eq!(tree.take(&path("in.b[0]")).unwrap().text(), "7");
        assert_eq!(tree.take(&path("in.a")).unwrap().text(), "12345678901234567890");
        assert!(tree.take(&path("in.a")).is_none() && tree.take(&path("z[0]")).is_none());
        assert_eq!(tree.text(), r#"{"in":{"b":[{"c":1e2}]},"n":{"new":{"deep":[]}},"z":2.50}"#);
    }

    #[test]
    fn what_was_made_here_can_be_opened_too() {
        let mut tree = Node::new("{}");
        tree.put(&path("a"), Node::made(r#"{"b": 1.10 , "c\n":[2]}"#.to_owned())).unwrap();
        tree.put(&path("a.d"), Node::new("3")).unwrap();
        assert_eq!(tree.text(), r#"{"a":{"b":1.10,"c\n":[2],"d":3}}"#);
    }

    #[test]
    fn a_value_that_is_no_map_is_in_the_way() {
        let mut tree = Node::new(r#"{"t":"x","l":[1]}"#);
        let mut told = |text: &str| tree.put(&path(text), Node::new("1")).unwrap_err().0;
        assert_eq!(told("t.a"), "`t.a` cannot be set: expected `t` to be a map, found text");
        assert_eq!(told("l.a.b"), "`l.a.b` cannot be set: expected `l` to be a map, found a list");
        assert_eq!(
            told("l[1]"),
            "`l[1]` cannot be set: expected `l` to be a list with an item 1, found one of 1"
        );
        assert_eq!(
            told("x[0]"),
            "`x[0]` cannot be set: expected `x` to be a list with an item 0, found nothing"
        );
    }

    #[test]
    fn keeping_drops_everything_else() {
        let kept = |paths: &[&str]| {
            let mut tree = Node::new(TEXT);
            let paths: Vec<FieldPath> = paths.iter().map(|text| path(text)).collect();
            let steps: Vec<&[Step]> = paths.iter().map(FieldPath::steps).collect();
            let mut dropped = false;
            tree.keep(&steps, &mut dropped);
            (tree.text().into_owned(), dropped)
        };
        assert_eq!(kept(&["in.a", "z"]), (r#"{"in":{"a":12345678901234567890},"z":2.50}"#.to_owned(), true));
        assert_eq!(kept(&["in.b[1]", "in.x", "z.y"]), (r#"{"in":{"b":[{"c":1e2}]}}"#.to_owned(), true));
        assert_eq!(kept(&["x"]), ("{}".to_owned(), true));
        assert!(!kept(&["in", "n", "z"]).1);
    }
}
