//! From a place in what was compiled to the place in what the user wrote.
//!
//! A script of a pack is compiled behind the functions of its pack, and `()` is put behind final semicolons: this page
//! takes both away again.

use rhai::Position;
use sluicebox_core::Located;

use crate::coverage::Marks;
use crate::semicolons::Places;

/// Where a compiled text comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// Where it begins, without the text.
    pub(crate) place: Located,
    pub(crate) places: Places,
    /// What was put in to see which branches are reached.
    pub(crate) marks: Marks,
    /// The functions in front of it: how many lines, and where they come from, without the text.
    pub(crate) functions: Option<(usize, Located)>,
}

impl Origin {
    /// The user's text and the place in it.
    pub(crate) fn find(&self, position: Position) -> (&Located, Position) {
        let position = self.marks.original(position);
        let (Some(line), Some((lines, functions))) = (position.line(), &self.functions) else {
            return (&self.place, self.places.original(position));
        };
        if line <= *lines {
            return (functions, position);
        }
        let line = u16::try_from(line - lines).unwrap_or(u16::MAX);
        let column = u16::try_from(position.position().unwrap_or(0)).unwrap_or(u16::MAX);
        (&self.place, self.places.original(Position::new(line, column)))
    }

    /// The place in the text itself, for what is known to be there.
    pub(crate) fn inside(&self, position: Position) -> Position {
        self.find(position).1
    }
}
