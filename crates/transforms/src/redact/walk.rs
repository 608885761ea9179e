//! The walk through the text of an event: what is hidden becomes an edit, everything else is copied as it stands.
//!
//! Invariant: edits are in the order of the text and do not overlap; without one the event is the same.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use super::disguise::How;
use super::path::Path;
use super::plan::{Plan, Role};
use super::row::{Edit, Keys, Row};
use super::scan::Scan;
use super::text::Decoded;

/// Nesting that is followed, as in rules.
const DEPTH: usize = 127;

/// An event whose text cannot be followed to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// Deeper than [`DEPTH`].
    #[error("the event is nested deeper than {DEPTH} levels")]
    Depth,
    /// Not JSON.
    #[error("the event is not JSON")]
    Syntax,
}

/// The event's text with everything hidden; `None` if there was nothing to hide.
///
/// # Errors
/// [`Unreadable`]: it may hold what should have been hidden.
pub(super) fn redacted(plan: &Plan, json: &[u8]) -> Result<Option<Bytes>, Unreadable> {
    let text = std::str::from_utf8(json).map_err(|_| Unreadable::Syntax)?;
    let mut walk = Walk { plan, scan: Scan { text, at: 0 }, edits: Vec::new() };
    let active: Vec<Active> = (0..plan.targets.len()).map(|target| Active { target, steps: 0 }).collect();
    walk.value(&active, Scope { searched: plan.search_all, how: None }, 0)?;
    if walk.edits.is_empty() {
        return Ok(None);
    }
    let mut changed = String::with_capacity(text.len());
    let mut copied = 0;
    for (place, replacement) in &walk.edits {
        changed.push_str(text.get(copied..place.start).ok_or(Unreadable::Syntax)?);
        changed.push_str(replacement);
        copied = place.end;
    }
    changed.push_str(&text[copied..]);
    Ok(Some(Bytes::from(changed)))
}

/// A target whose first steps led here.
#[derive(Clone, Copy)]
struct Active {
    target: usize,
    steps: usize,
}

/// What holds for a value because of where it is.
#[derive(Clone, Copy)]
struct Scope<'p> {
    /// Whether its texts are searched.
    searched: bool,
    /// What becomes of it as a whole.
    how: Option<&'p How>,
}

struct Walk<'p, 't> {
    plan: &'p Plan,
    scan: Scan<'t>,
    edits: Vec<Edit>,
}

impl<'p> Walk<'p, '_> {
    fn value(&mut self, active: &[Active], scope: Scope<'p>, depth: usize) -> Result<(), Unreadable> {
        self.scan.skip_space();
        let scope = self.arrive(active, scope);
        let start = self.scan.at;
        match (self.scan.peek()?, scope.how) {
            (b'n', _) => self.scan.skip_value(),
            (_, Some(how @ (How::Replace(_) | How::Drop))) => {
                self.scan.skip_value()?;
                self.hide_whole(start, how, "");
                Ok(())
            }
            _ if active.iter().all(|it| self.has_arrived(*it)) && !scope.searched && scope.how.is_none() => {
                self.scan.skip_value()
            }
            (b'{' | b'[', _) if depth == DEPTH => Err(Unreadable::Depth),
            (b'{', _) => self.object(active, scope, depth),
            (b'[', _) => self.array(active, scope, depth),
            (b'"', _) => self.string(scope),
            (_, how) => {
                self.scan.skip_value()?;
                if let Some(how) = how {
                    self.hide_whole(start, how, &self.scan.text[start..self.scan.at]);
                }
                Ok(())
            }
        }
    }

    /// What holds for the value here, with the targets that end at it.
    fn arrive(&self, active: &[Active], mut scope: Scope<'p>) -> Scope<'p> {
        let mut how = None;
        for reached in active.iter().filter(|it| self.has_arrived(**it)) {
            match &self.plan.targets[reached.target].1 {
                Role::Hide(own) => how = how.or(Some(own)),
                Role::Search => scope.searched = !self.plan.finder.is_empty(),
            }
        }
        scope.how = how.or(scope.how);
        scope
    }

    fn has_arrived(&self, active: Active) -> bool {
        self.plan.targets[active.target].0.len() == active.steps
    }

    /// The first target that ends here asks for the value to be dropped.
    fn is_dropped(&self, active: &[Active]) -> bool {
        let mut roles =
            active.iter().filter(|it| self.has_arrived(**it)).map(|it| &self.plan.targets[it.target].1);
        matches!(roles.find(|role| matches!(role, Role::Hide(_))), Some(Role::Hide(How::Drop)))
    }

    fn object(&mut self, active: &[Active], scope: Scope<'p>, depth: usize) -> Result<(), Unreadable> {
        let open = self.scan.at;
        self.scan.at += 1;
        let mut row = Row::default();
        let mut keys = None;
        while self.scan.next_of(b'}', open)? {
            let start = self.scan.at;
            let key = self.scan.skip_string()?;
            let name = Decoded::new(&self.scan.text[key.clone()]);
            self.scan.skip_space();
            self.scan.expect(b':')?;
            let inner = self.step(active, |path, position| path.fits_field(position, &name.text));
            if self.is_dropped(&inner) {
                self.scan.skip_space();
                self.scan.skip_value()?;
                self.edits.extend(row.drop(start..self.scan.at));
            } else {
                self.edits.extend(row.keep(start));
                if self.plan.keys && scope.searched {
                    self.key(&key, &name, open, &mut keys);
                }
                self.value(&inner, scope, depth + 1)?;
                row.end = self.scan.at;
            }
        }
        self.edits.extend(row.finish());
        Ok(())
    }

    fn array(&mut self, active: &[Active], scope: Scope<'p>, depth: usize) -> Result<(), Unreadable> {
        let open = self.scan.at;
        self.scan.at += 1;
        let mut row = Row::default();
        let mut index = 0;
        while self.scan.next_of(b']', open)? {
            let start = self.scan.at;
            let inner = self.step(active, |path, position| path.fits_element(position, index));
            if self.is_dropped(&inner) {
                self.scan.skip_value()?;
                self.edits.extend(row.drop(start..self.scan.at));
            } else {
                self.edits.extend(row.keep(start));
                self.value(&inner, scope, depth + 1)?;
                row.end = self.scan.at;
            }
            index += 1;
        }
        self.edits.extend(row.finish());
        Ok(())
    }

    /// The targets that lead on by a step.
    fn step(&self, active: &[Active], fits: impl Fn(&Path, usize) -> bool) -> Vec<Active> {
        let on = active.iter().filter(|it| fits(&self.plan.targets[it.target].0, it.steps));
        on.map(|it| Active { target: it.target, steps: it.steps + 1 }).collect()
    }

    fn string(&mut self, scope: Scope<'p>) -> Result<(), Unreadable> {
        let start = self.scan.at;
        let content = self.scan.skip_string()?;
        let decoded = Decoded::new(&self.scan.text[content.clone()]);
        if let Some(how) = scope.how {
            self.hide_whole(start, how, &decoded.text);
        } else if scope.searched {
            self.search(content.start, &decoded);
        }
        Ok(())
    }

    /// Hides the value that began at `start` and ends here.
    fn hide_whole(&mut self, start: usize, how: &How, text: &str) {
        let disguise = self.plan.wardrobe.of_value(how, text);
        self.edits.push((start..self.scan.at, format!("\"{}\"", escaped(&disguise))));
    }

    /// Hides what is found in a text that is written from `start` on.
    fn search(&mut self, start: usize, decoded: &Decoded<'_>) {
        for found in self.plan.finder.find(&decoded.text) {
            let words = &decoded.text[found.place.clone()];
            let disguise = self.plan.wardrobe.of_match(found.how, found.sort, words);
            let place = start + decoded.written(found.place.start)..start + decoded.written(found.place.end);
            self.edits.push((place, escaped(&disguise).into_owned()));
        }
    }

    /// Hides what is found in a key, and keeps keys apart that would become equal.
    fn key(&mut self, place: &Range<usize>, name: &Decoded<'_>, open: usize, keys: &mut Option<Keys>) {
        let mut new_name = String::new();
        let mut copied = 0;
        for found in self.plan.finder.find(&name.text) {
            new_name.push_str(&name.text[copied..found.place.start]);
            let words = &name.text[found.place.clone()];
            new_name.push_str(&self.plan.wardrobe.of_match(found.how, found.sort, words));
            copied = found.place.end;
        }
        if copied == 0 {
            return;
        }
        new_name.push_str(&name.text[copied..]);
        let keys = keys.get_or_insert_with(|| Keys::new(Scan::keys_of(self.scan.text, open)));
        self.edits.push((place.clone(), escaped(&keys.free(&new_name)).into_owned()));
    }
}

/// A text as it stands between quotes.
fn escaped(text: &str) -> Cow<'_, str> {
    let plain = |character: char| character != '"' && character != '\\' && !character.is_control();
    if text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    let quoted = serde_json::Value::from(text).to_string();
    Cow::Owned(quoted[1..quoted.len() - 1].to_owned())
}
