//! An event of which an interpreted script gets a part: the tree of what it names, and the text of what it left.
//!
//! Invariant: what was not read keeps its place and its bytes; what is written is what `write::patched` makes of the
//! whole trees before and after.

use bytes::Bytes;
use rhai::{Dynamic, Map};

use super::fields::Fields;
use super::objects::Objects;
use super::scan::{Kind, Native, Token, Unusual};
use super::value::Value;
use crate::compare::same;
use crate::tree;
use crate::write::{Unwritable, Writer};

/// An event taken apart as far as a script names it.
pub(crate) struct Part<'s> {
    fields: &'s Fields,
    bytes: Bytes,
    objects: Objects,
}

impl<'s> Part<'s> {
    /// Takes an event apart.
    ///
    /// # Errors
    /// The text holds something that only the whole tree can tell.
    pub(super) fn of(fields: &'s Fields, bytes: Bytes) -> Native<Self> {
        let objects = Objects::read(fields, &bytes)?;
        Ok(Self { fields, bytes, objects })
    }

    /// The tree of what is named.
    pub(super) fn tree(&self) -> Native<Dynamic> {
        self.map(0)
    }

    fn map(&self, name: usize) -> Native<Dynamic> {
        let mut map = Map::new();
        for entry in self.objects.entries(name) {
            if let Some(child) = entry.name {
                map.insert(self.fields.names()[child].text.as_str().into(), self.value(child, entry.value)?);
            }
        }
        let mut map = Dynamic::from_map(map);
        map.set_tag(tree::PARTIAL_TAG);
        Ok(map)
    }

    fn value(&self, name: usize, token: Token) -> Native<Dynamic> {
        let there = &self.fields.names()[name];
        match token.kind {
            Kind::Map if !there.is_leaf && !there.inside.is_empty() => self.map(name),
            _ if !there.is_leaf && there.inside.is_empty() => Ok(tree::unread()),
            _ => whole(token, &self.bytes),
        }
    }

    /// JSON text of the event with what a script made of its part; `None` if nothing differs.
    ///
    /// # Errors
    /// [`Unwritable`].
    pub(crate) fn patched(&self, part: &Dynamic) -> Result<Option<Vec<u8>>, Unwritable> {
        let mut writer = Writer::with_capacity(self.bytes.len() + 64);
        self.patch(0, part, 0, &mut writer)?;
        Ok(writer.changed())
    }

    fn patch(&self, name: usize, part: &Dynamic, depth: usize, to: &mut Writer) -> Result<(), Unwritable> {
        let Ok(part) = part.as_map_ref() else { return to.anew(part, depth) };
        let entries = self.objects.entries(name);
        let names = self.fields.names();
        to.open();
        for entry in entries {
            let now = entry.name.map(|child| (child, part.get(names[child].text.as_str())));
            match now {
                Some((_, None)) => to.leave_out(),
                Some((child, Some(value))) => {
                    to.key(entry.key.of(&self.bytes));
                    self.patch_value(child, entry.value, value, (depth + 1, to))?;
                }
                None => {
                    to.key(entry.key.of(&self.bytes));
                    to.raw(entry.value.text(&self.bytes));
                }
            }
        }
        let was_there = |name: &str| {
            entries.iter().any(|entry| entry.name.is_some_and(|child| names[child].text == name))
        };
        for (name, value) in part.iter().filter(|(name, _)| !was_there(name)) {
            to.name(name);
            to.anew(value, depth + 1)?;
        }
        to.close();
        Ok(())
    }

    fn patch_value(
        &self,
        name: usize,
        before: Token,
        value: &Dynamic,
        (depth, to): (usize, &mut Writer),
    ) -> Result<(), Unwritable> {
        let text = before.text(&self.bytes);
        if tree::is_unread(value) || self.is_same(before, value) {
            to.raw(text);
            return Ok(());
        }
        if tree::is_partial(value) {
            return to.raw_unless_changed(text, |to| self.patch(name, value, depth, to));
        }
        match std::str::from_utf8(text).map(|text| (text, tree::read_part(text.as_bytes()))) {
            Ok((text, Ok(before))) => to.patch_value(text, &before, value, depth),
            _ => to.anew(value, depth),
        }
    }

    /// Whether a text is the same; anything else is compared as it is written.
    fn is_same(&self, before: Token, value: &Dynamic) -> bool {
        match (before.kind, value.as_immutable_string_ref()) {
            (Kind::Text, Ok(text)) => before.span.of(&self.bytes) == text.as_bytes(),
            (Kind::Map | Kind::List, _) => false,
            _ => whole(before, &self.bytes).is_ok_and(|before| same(&before, value)),
        }
    }
}

/// The value of a token, with all that is in it.
pub(super) fn whole(token: Token, bytes: &[u8]) -> Native<Dynamic> {
    if matches!(token.kind, Kind::Map | Kind::List) {
        return tree::read_part(token.text(bytes)).map_err(|_| Unusual);
    }
    Ok(match Value::of(token, bytes)? {
        Value::Unit => Dynamic::UNIT,
        Value::Bool(truth) => truth.into(),
        Value::Int(number) => number.into(),
        Value::Float(number) => number.into(),
        Value::Text(text) => std::str::from_utf8(&text).map_err(|_| Unusual)?.into(),
        Value::Map(_) | Value::List(_) => return Err(Unusual),
    })
}
