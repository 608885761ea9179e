//! A draft written down: what was left alone keeps its place and its bytes, new keys come last, in order.
//!
//! Invariant: these are the bytes that `write::patched` makes of the trees before and after.

use super::draft::{Draft, State, write_value};
use super::scan::{Kind, Native, Token, Unusual};
use super::value::Value;
use crate::{tree, write};

impl Draft<'_> {
    /// The event as it is now; `None`: as it came.
    pub(super) fn changed(&self) -> Native<Option<Vec<u8>>> {
        if self.fields.names().is_empty() || self.is_same(0)? {
            return Ok(None);
        }
        let mut out = Vec::with_capacity(self.bytes.len() + self.written.len() + 64);
        self.write_map(0, &mut out)?;
        Ok(Some(out))
    }

    /// Whether a name has the value that it came with.
    fn is_same(&self, name: usize) -> Native<bool> {
        let found = self.objects.found[name];
        match self.states[name] {
            State::Kept { is_dirty: false } => Ok(true),
            State::Removed => Ok(found.kind == Kind::Missing),
            State::Set(value) => self.is_written_same(found, value),
            State::Kept { is_dirty: true } => self.is_same_inside(name),
            State::Made => {
                let is_named = self.objects.entries(name).iter().all(|entry| entry.name.is_some());
                Ok(found.kind == Kind::Map && is_named && self.is_same_inside(name)?)
            }
        }
    }

    fn is_same_inside(&self, name: usize) -> Native<bool> {
        for child in &self.fields.names()[name].inside {
            if !self.is_same(*child)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_written_same(&self, found: Token, value: Token) -> Native<bool> {
        if found.kind == Kind::Missing {
            return Ok(false);
        }
        if found.kind == Kind::Text && value.kind == Kind::Text {
            return Ok(found.span.of(self.bytes) == value.span.of(&self.written));
        }
        let mut text = Vec::new();
        write_value(&Value::of(found, self.bytes)?, &mut text)?;
        Ok(text == value.text(&self.written))
    }

    fn write_map(&self, name: usize, out: &mut Vec<u8>) -> Native<()> {
        let is_made = self.states[name] == State::Made;
        let start = out.len();
        for entry in self.objects.entries(name) {
            let child = match entry.name {
                Some(child) if !self.is_gone(child) => Some(child),
                None if !is_made => None,
                _ => continue,
            };
            out.push(if out.len() == start { b'{' } else { b',' });
            out.push(b'"');
            out.extend_from_slice(entry.key.of(self.bytes));
            out.extend_from_slice(b"\":");
            match child {
                Some(child) => self.write_name(child, out)?,
                None => out.extend_from_slice(entry.value.text(self.bytes)),
            }
        }
        for child in self.added(name) {
            out.push(if out.len() == start { b'{' } else { b',' });
            write_value(&Value::Text(self.fields.names()[child].text.as_bytes().into()), out)?;
            out.push(b':');
            self.write_name(child, out)?;
        }
        if out.len() == start {
            out.push(b'{');
        }
        out.push(b'}');
        Ok(())
    }

    fn is_gone(&self, name: usize) -> bool {
        self.states[name] == State::Removed
    }

    /// The names inside a map that it did not have when it came, in order.
    fn added(&self, name: usize) -> Vec<usize> {
        let names = self.fields.names();
        let is_new = |child: &usize| {
            let is_there = matches!(self.states[*child], State::Set(_) | State::Made);
            is_there && self.objects.found[*child].kind == Kind::Missing
        };
        let mut added: Vec<usize> = names[name].inside.iter().copied().filter(is_new).collect();
        added.sort_by(|left, right| names[*left].text.cmp(&names[*right].text));
        added
    }

    fn write_name(&self, name: usize, out: &mut Vec<u8>) -> Native<()> {
        let found = self.objects.found[name];
        if found.kind != Kind::Missing && self.is_same(name)? {
            out.extend_from_slice(found.text(self.bytes));
            return Ok(());
        }
        match self.states[name] {
            State::Set(value) if value.kind == Kind::Map && found.kind == Kind::Map => {
                let (old, new) = (found.text(self.bytes), value.text(&self.written));
                let read = |text| tree::read_value(text).map_err(|_| Unusual);
                let patched = write::patched(old, &read(old)?, &read(new)?).map_err(|_| Unusual)?;
                out.extend_from_slice(patched.as_deref().unwrap_or(old));
            }
            State::Set(value) => out.extend_from_slice(value.text(&self.written)),
            State::Kept { .. } | State::Made => self.write_map(name, out)?,
            State::Removed => return Err(Unusual),
        }
        Ok(())
    }
}
