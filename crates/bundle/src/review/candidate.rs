//! The event types that may arrive, from the catalogue and from what a pipeline declares.

use sluicebox_catalogue::{Catalogue, Declared, Shape};
use sluicebox_core::KnownEvents;

/// An event type that may arrive.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'a> {
    /// Where such events come from, as people say it.
    pub(super) title: String,
    /// Its name; `None`: a schema that pins no type.
    pub(super) name: Option<&'a str>,
    /// The field that holds the name.
    pub(super) type_field: Option<&'a str>,
    /// Whether `meta.type` is its name: so of an API; what other sources put there depends on them.
    pub(super) is_in_meta: bool,
    pub(super) shape: &'a Shape,
}

/// A path that leads to the type of an event.
#[derive(Clone, Copy)]
pub(super) enum TypePath<'r> {
    /// `meta.type`
    Meta,
    /// `event.type`, or as that API calls it.
    Event(&'r str),
}

/// What stands at a path to the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TypeAt<'a> {
    /// This type.
    Is(&'a str),
    /// Nothing: the type stands elsewhere.
    Absent,
    /// Nobody can tell.
    Unknown,
}

impl<'a> Candidate<'a> {
    /// Its type, if that is what the path leads to.
    pub(super) fn type_at(&self, path: TypePath<'_>) -> TypeAt<'a> {
        let named = self.name.map_or(TypeAt::Unknown, TypeAt::Is);
        match (path, self.type_field) {
            (TypePath::Meta, _) if self.is_in_meta => named,
            (TypePath::Meta, _) | (TypePath::Event(_), None) => TypeAt::Unknown,
            (TypePath::Event(field), Some(own)) if field == own => named,
            (TypePath::Event(_), Some(_)) => TypeAt::Absent,
        }
    }

    /// What messages call it.
    pub(super) fn called(&self) -> &str {
        self.name.unwrap_or(&self.title)
    }
}

/// Every event type that may arrive. None: of some source nothing is known.
pub(super) fn candidates(events: &KnownEvents) -> Vec<Candidate<'_>> {
    let mut all = Vec::new();
    for api in &events.apis {
        let Some(catalogue) = Catalogue::of_api(api) else { return Vec::new() };
        all.extend(catalogue.event_types().map(|(name, shape)| Candidate {
            title: catalogue.title().to_owned(),
            name: Some(name),
            type_field: Some(catalogue.type_field()),
            is_in_meta: true,
            shape,
        }));
    }
    for events in &events.declared {
        let Some(declared) = events.read.downcast_ref::<Declared>() else { return Vec::new() };
        let catalogue = events.api.and_then(Catalogue::of_api);
        let title = catalogue.map_or_else(|| format!("`{}`", events.source), |it| it.title().to_owned());
        all.extend(declared.types().iter().map(|declared| Candidate {
            title: title.clone(),
            name: declared.name.as_ref().map(|(_, name)| name.as_str()),
            type_field: declared.name.as_ref().map(|(field, _)| field.as_str()),
            is_in_meta: catalogue.is_some(),
            shape: &declared.shape,
        }));
    }
    all
}
