//! The work of `split` on one event.
//!
//! Invariant: nothing is emitted before every item is ready, and what one event becomes is bounded in number and size.

use bytes::Bytes;
use sluicebox_core::{DeadLetterError, Event, Reason};

use super::{OnEmpty, OnMissing};
use crate::map::path::{FieldPath, Step};
use crate::map::tree::{Misfit, Node, items, kind};

/// Most bytes that the items of one event may have together, with what comes along.
const MOST_BYTES: usize = 64 << 20;

/// A compiled `split`.
pub(super) struct Cutter {
    pub(super) path: FieldPath,
    pub(super) into: Option<String>,
    pub(super) wrap: Option<String>,
    pub(super) keep: Vec<FieldPath>,
    pub(super) parent: Option<FieldPath>,
    pub(super) empty: OnEmpty,
    pub(super) on_missing: OnMissing,
    pub(super) max_items: usize,
}

/// What becomes of an event.
pub(super) enum Pieces {
    /// The JSON of its children.
    Items(Vec<Bytes>),
    /// It goes on as it is.
    Whole,
    /// It is discarded.
    None,
}

/// An event that cannot be split.
pub(super) struct Refused {
    pub(super) reason: Reason,
    pub(super) error: DeadLetterError,
}

impl Refused {
    fn new(reason: Reason, message: String, help: &str) -> Self {
        let help = Some(help.to_owned()).filter(|help| !help.is_empty());
        Self { reason, error: DeadLetterError { help, ..DeadLetterError::new(message) } }
    }
}

/// What comes along from the event around the list.
struct Company {
    /// Fields for paths where an item has nothing of its own.
    fields: Vec<(FieldPath, String)>,
    /// A field that every item gets.
    parent: Option<(FieldPath, String)>,
}

impl Cutter {
    /// Cuts an event into the items of its list.
    ///
    /// # Errors
    /// Why the event is a dead letter.
    pub(super) fn cut(&self, event: &Event) -> Result<Pieces, Refused> {
        let json = event.json();
        let text = std::str::from_utf8(&json)
            .map_err(|error| Refused::new(Reason::Parse, format!("the event is not text: {error}"), ""))?;
        let mut tree = Node::new(text);
        let list = tree.take(&self.path);
        let list = list.as_ref().map(Node::text);
        let Some(items) = list.as_deref().and_then(items) else {
            return self.without_list(list.as_deref());
        };
        if items.is_empty() {
            return Ok(match self.empty {
                OnEmpty::Drop => Pieces::None,
                OnEmpty::Pass => Pieces::Whole,
            });
        }
        if items.len() > self.max_items {
            let (count, most) = (items.len(), self.max_items);
            let message = format!("`{}` has {count} items, and at most {most} may become events", self.path);
            return Err(Refused::new(Reason::TooLarge, message, "raise `max_items`, then replay"));
        }
        let company = self.company(tree);
        let mut pieces = Vec::with_capacity(items.len());
        let mut bytes = 0;
        for (number, item) in items.into_iter().enumerate() {
            let piece = self.piece(number, item, &company)?;
            bytes += piece.len();
            if bytes > MOST_BYTES {
                let most = MOST_BYTES >> 20;
                let message = format!("the items of `{}` become more than {most} MiB of events", self.path);
                return Err(Refused::new(Reason::TooLarge, message, "let less of the event come along"));
            }
            pieces.push(piece);
        }
        Ok(Pieces::Items(pieces))
    }

    fn without_list(&self, found: Option<&str>) -> Result<Pieces, Refused> {
        match self.on_missing {
            OnMissing::Pass => Ok(Pieces::Whole),
            OnMissing::Drop => Ok(Pieces::None),
            OnMissing::DeadLetter => {
                let found = found.map_or("nothing", kind);
                let message = format!("expected a list at `{}`, found {found}", self.path);
                let help =
                    "split only where there is a list with `when:`, or use `on_missing: pass` or `drop`";
                Err(Refused::new(Reason::Validation, message, help))
            }
        }
    }

    /// `tree` is the event without the list.
    fn company(&self, mut tree: Node<'_>) -> Company {
        let Some(parent) = &self.parent else {
            let found = |path: &FieldPath| Some((path.clone(), tree.find(path.steps())?.text().into_owned()));
            return Company { fields: self.keep.iter().filter_map(found).collect(), parent: None };
        };
        if !self.keep.is_empty() {
            let paths: Vec<&[Step]> = self.keep.iter().map(FieldPath::steps).collect();
            tree.keep(&paths, &mut false);
        }
        Company { fields: Vec::new(), parent: Some((parent.clone(), tree.text().into_owned())) }
    }

    /// The JSON of one child.
    fn piece(&self, number: usize, item: &str, company: &Company) -> Result<Bytes, Refused> {
        let is_map = item.starts_with('{');
        let mut piece = match self.into.as_ref().or(self.wrap.as_ref().filter(|_| !is_map)) {
            Some(name) => Node::Map(vec![(name.clone(), Node::new(item))]),
            None if is_map => Node::new(item),
            None => {
                let message = format!("item {number} of `{}` is no map: found {}", self.path, kind(item));
                return Err(Refused::new(Reason::Validation, message, "wrap such items with `as: item`"));
            }
        };
        let misfit = |misfit: Misfit| {
            let message =
                format!("item {number} of `{}` cannot take what comes along: {}", self.path, misfit.0);
            Refused::new(Reason::Validation, message, "keep the two apart with `into` or `parent`")
        };
        for (path, value) in &company.fields {
            if piece.find(path.steps()).is_none_or(|own| own.is_null()) {
                piece.put(path, Node::new(value)).map_err(misfit)?;
            }
        }
        if let Some((path, value)) = &company.parent {
            piece.put(path, Node::new(value)).map_err(misfit)?;
        }
        Ok(Bytes::from(piece.text().into_owned()))
    }
}
