//! Whether a field that is read is known.

use sluicebox_catalogue::{Catalogue, Found, Kind, Shape, Step, nearest};
use sluicebox_core::FieldPath;
use sluicebox_rules::{Literal, PathStep, Read};

use super::candidate::Candidate;
use super::scope::Scope;
use super::{Judge, did_you_mean, listed};

/// What the event types in question know of a path.
enum Sight<'a> {
    /// At least one has it.
    Known(Vec<&'a Shape>),
    /// None has it; the way ends at this step, within these.
    Unknown { at: usize, within: Vec<&'a Shape> },
    /// Nobody can tell.
    Open,
}

impl<'a> Judge<'a> {
    /// Judges that a path is read; what is known of it, if anything is.
    pub(super) fn read(&mut self, read: &Read, scope: &Scope<'a>) -> Option<Vec<&'a Shape>> {
        let sight = if read.is_meta {
            sight(std::iter::once(Catalogue::meta()), &read.steps)
        } else {
            if scope.is_empty() || read.steps.is_empty() || self.is_added(&read.steps) {
                return None;
            }
            sight(scope.types.iter().map(|candidate| candidate.shape), &read.steps)
        };
        match sight {
            Sight::Known(shapes) => return Some(shapes),
            Sight::Unknown { at, within } => {
                let said = self.problems.len();
                self.unknown(read, at, &within, scope);
                let is_silent = self.problems.len() == said;
                if let (true, false, Some(path)) = (is_silent, read.is_meta, names_of(&read.steps)) {
                    self.grant(path);
                }
            }
            Sight::Open => {}
        }
        None
    }

    /// Whether a path was written on the way, or leads to or through what was.
    fn is_added(&self, steps: &[PathStep]) -> bool {
        let meets = |added: &FieldPath| {
            let mut pairs = steps.iter().zip(added);
            pairs.all(|(step, added)| step.name.as_ref().is_none_or(|name| name == added))
        };
        self.added.iter().chain(&self.granted).any(meets)
    }

    /// How many steps of a path lead along what was added, and the names of what is there.
    fn among_added(&self, steps: &[PathStep]) -> (usize, Vec<&str>) {
        let shared = |added: &FieldPath| {
            steps.iter().zip(added).take_while(|(step, added)| step.name.as_ref() == Some(*added)).count()
        };
        let far = self.added.iter().map(shared).max().unwrap_or(0);
        let there = self.added.iter().filter(|added| shared(added) == far);
        (far, there.filter_map(|added| added.get(far)).map(String::as_str).collect())
    }

    /// Judges `"name" in path`.
    pub(super) fn asked(&mut self, of: &Read, name: &Literal, scope: &Scope<'a>) {
        let Some(shapes) = self.read(of, scope) else {
            // Of the event as a whole its fields are known.
            if of.steps.is_empty() {
                self.asked_for(of, name, scope);
            }
            return;
        };
        // In a text or a list, something else is looked for.
        if shapes.iter().all(|shape| !shape.allows(Kind::Text) && !shape.allows(Kind::Array)) {
            self.asked_for(of, name, scope);
        }
    }

    fn asked_for(&mut self, of: &Read, name: &Literal, scope: &Scope<'a>) {
        let Some(text) = name.value.as_str() else { return };
        let mut read = Read { has_default: true, ..of.clone() };
        read.steps.push(PathStep { name: Some(text.to_owned()), place: name.place });
        self.read(&read, scope);
    }

    fn unknown(&mut self, read: &Read, at: usize, within: &[&Shape], scope: &Scope<'a>) {
        // The way may go on in what was added.
        let added = if at == 0 && !read.is_meta { self.among_added(&read.steps) } else { (at, Vec::new()) };
        let (at, within) = if added.0 > at { (added.0, &[][..]) } else { (at, within) };
        let step = &read.steps[at];
        let Some(name) = &step.name else { return };
        let mut names: Vec<&str> = within.iter().flat_map(|shape| shape.names()).collect();
        names.extend(&added.1);
        let near = nearest(name, names.iter().copied()).map(did_you_mean);
        let path = path_text(read, at + 1);
        if read.is_meta {
            let all = listed(names.iter().copied()).map(|names| format!("there are: {names}"));
            let message = format!("there is no `{path}`");
            return self.report(message, near.or(all), step.place);
        }
        let steps = steps(&read.steps);
        let has_it = |candidate: &&Candidate<'_>| match candidate.shape.field(&steps) {
            Found::Known(_) => true,
            Found::Unknown { .. } => false,
            Found::Open { at: open } => open > at,
        };
        let elsewhere: Vec<&str> = self.all.iter().filter(has_it).map(Candidate::called).collect();
        // Whoever asks first, or gives a default, may know more than the catalogue; surely so where the script then puts
        // the field in.
        let is_intended = || names_of(&read.steps).is_some_and(|path| self.intended.contains(&path));
        if read.has_default && (near.is_none() || !elsewhere.is_empty() || is_intended()) {
            return;
        }
        let near = near.or_else(|| deeper(name, within).map(|path| did_you_mean(&path)));
        if scope.types.len() == self.all.len() {
            let message = format!("no event of {} is known to have `{path}`", self.titles());
            let parent = path_text(read, at);
            let all = listed(names.iter().copied()).map(|names| format!("known in `{parent}`: {names}"));
            return self.report(message, near.or(all), step.place);
        }
        let types = listed(scope.types.iter().map(Candidate::called));
        let types = types.map_or_else(|| "these types".to_owned(), |types| format!("type {types}"));
        let message = format!("no event of {types} is known to have `{path}`");
        let elsewhere = listed(elsewhere).map(|types| format!("`{path}` is a field of {types}"));
        self.report(message, near.or(elsewhere), step.place);
    }
}

/// What shapes know of a path.
fn sight<'a>(shapes: impl Iterator<Item = &'a Shape>, path: &[PathStep]) -> Sight<'a> {
    let steps = steps(path);
    let (mut known, mut open, mut unknown) = (Vec::new(), None, Vec::new());
    for shape in shapes {
        match shape.field(&steps) {
            Found::Known(field) => known.push(field),
            Found::Unknown { at, within, .. } => unknown.push((at, within)),
            Found::Open { at } => open = open.max(Some(at)),
        }
    }
    let deepest = unknown.iter().map(|(at, _)| *at).max();
    // A type of which nothing is said does not silence those that name everything at the same step.
    if open.is_some() && open > deepest {
        return Sight::Open;
    }
    match deepest {
        Some(at) if known.is_empty() => {
            let within = unknown.into_iter().filter(|(own, _)| *own == at);
            Sight::Unknown { at, within: within.map(|(_, within)| within).collect() }
        }
        _ => Sight::Known(known),
    }
}

/// The path to a field of this name one level further in, where it is often forgotten that there is one.
fn deeper(name: &str, within: &[&Shape]) -> Option<String> {
    let has_it = |shape: &Shape, outer: &str| {
        matches!(shape.field(&[Step::Name(outer), Step::Name(name)]), Found::Known(_))
    };
    let mut outers = within.iter().flat_map(|shape| shape.names().map(move |outer| (shape, outer)));
    outers.find(|(shape, outer)| has_it(shape, outer)).map(|(_, outer)| format!("{outer}.{name}"))
}

/// The names of a path; `None` if it leads through a list.
fn names_of(path: &[PathStep]) -> Option<FieldPath> {
    path.iter().map(|step| step.name.clone()).collect()
}

fn steps(path: &[PathStep]) -> Vec<Step<'_>> {
    path.iter().map(|step| step.name.as_deref().map_or(Step::Item, Step::Name)).collect()
}

/// The path as it is written, up to a step.
pub(super) fn path_text(read: &Read, steps: usize) -> String {
    let mut text = if read.is_meta { "meta" } else { "event" }.to_owned();
    for step in read.steps.iter().take(steps) {
        match &step.name {
            None => text.push_str("[…]"),
            Some(name) if is_identifier(name) => {
                text.push('.');
                text.push_str(name);
            }
            Some(name) => text.extend(["[\"", name, "\"]"]),
        }
    }
    text
}

fn is_identifier(name: &str) -> bool {
    !name.starts_with(|sign: char| sign.is_ascii_digit())
        && name.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '_')
}
