//! The catalogue of one API: its event types, each with its shape.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use crate::Shape;
use crate::files::{APIS, ApiFiles, META};
use crate::schema::Document;

/// The file that holds what all event types of an API have in common.
const ENVELOPE: &str = "envelope";

/// The event types of one API.
#[derive(Debug)]
pub struct Catalogue {
    api: &'static str,
    title: &'static str,
    type_field: &'static str,
    types: BTreeMap<&'static str, Shape>,
}

static CATALOGUES: LazyLock<Vec<Catalogue>> = LazyLock::new(|| APIS.iter().map(Catalogue::read).collect());

static META_SHAPE: LazyLock<Shape> = LazyLock::new(|| {
    let schema = serde_json::from_str(META).expect("a file of this repository, read by a test");
    Shape::from_schema(&schema).expect("a file of this repository, read by a test")
});

impl Catalogue {
    /// The catalogue of an API, as sources name it: `opentrain`, `opentrain_jobs`, `zenzap`.
    pub fn of_api(api: &str) -> Option<&'static Self> {
        CATALOGUES.iter().find(|catalogue| catalogue.api == api)
    }

    /// The shape of `meta`, which is the same whatever the source.
    pub fn meta() -> &'static Shape {
        &META_SHAPE
    }

    /// As sources name the API.
    pub fn api(&self) -> &'static str {
        self.api
    }

    /// As people name the API.
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// The top-level field of an event that holds its type.
    pub fn type_field(&self) -> &'static str {
        self.type_field
    }

    /// The known event types with their shapes, by name.
    pub fn event_types(&self) -> impl Iterator<Item = (&'static str, &Shape)> {
        self.types.iter().map(|(name, shape)| (*name, shape))
    }

    /// The shape of one event type.
    pub fn event_type(&self, name: &str) -> Option<&Shape> {
        self.types.get(name)
    }

    /// The shape of an event of which not even the type is known.
    pub fn any_event(&self) -> Shape {
        let mut shapes = self.types.values().cloned();
        let first = shapes.next().unwrap_or_default();
        shapes.fold(first, |all, shape| all.union(&shape))
    }

    fn read(files: &ApiFiles) -> Self {
        let parse = |text: &str| -> Value {
            serde_json::from_str(text).expect("a file of this repository, read by a test")
        };
        let documents: BTreeMap<String, Value> =
            files.schemas.iter().map(|(name, text)| (format!("{name}.json"), parse(text))).collect();
        let types = files.schemas.iter().filter(|(name, _)| *name != ENVELOPE).map(|(name, _)| {
            let document = Document { name: format!("{name}.json"), others: &documents };
            (*name, document.shape().expect("a file of this repository, read by a test"))
        });
        let ApiFiles { api, title, type_field, .. } = *files;
        Self { api, title, type_field, types: types.collect() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Found, Kind, Step};

    fn known<'s>(shape: &'s Shape, path: &[&str]) -> &'s Shape {
        let steps: Vec<Step<'_>> = path.iter().map(|name| Step::Name(name)).collect();
        match shape.field(&steps) {
            Found::Known(field) => field,
            other => panic!("{path:?}: {other:?}"),
        }
    }

    #[test]
    fn every_type_names_itself_and_says_what_it_is() {
        for files in &APIS {
            let catalogue = Catalogue::of_api(files.api).unwrap();
            assert_eq!(catalogue.event_types().count() + 1, files.schemas.len());
            for (name, shape) in catalogue.event_types() {
                let own = known(shape, &[catalogue.type_field()]);
                assert_eq!(own.values(), Some(&[json!(name)][..]), "{name}");
                assert!(shape.description().is_some(), "{name}");
                let time = if files.api == "opentrain_jobs" { "occurredAt" } else { "createdAt" };
                assert!(known(shape, &[time]).description().is_some(), "{name}");
            }
        }
        assert!(Catalogue::of_api("slack").is_none());
    }

    #[test]
    fn a_type_has_its_own_fields_and_those_of_the_envelope() {
        let catalogue = Catalogue::of_api("opentrain").unwrap();
        let budget = catalogue.event_type("contract.budget_state_changed").unwrap();
        let kind = known(budget, &["data", "paymentType"]);
        assert_eq!(kind.values().unwrap().len(), 3);
        assert_eq!(kind.kinds().collect::<Vec<_>>(), [Kind::Text]);
        assert_eq!(known(budget, &["jobId"]).kinds().collect::<Vec<_>>(), [Kind::Null, Kind::Text]);
        let Found::Unknown { at, nearest, .. } =
            budget.field(&[Step::Name("data"), Step::Name("payment_type")])
        else {
            panic!("it is not there")
        };
        assert_eq!((at, nearest), (1, Some("paymentType")));
    }

    #[test]
    fn references_into_the_envelope_are_followed() {
        let catalogue = Catalogue::of_api("zenzap").unwrap();
        let created = catalogue.event_type("message.created").unwrap();
        let status = created.field(&[
            Step::Name("data"),
            Step::Name("message"),
            Step::Name("attachments"),
            Step::Item,
            Step::Name("transcription"),
            Step::Name("status"),
        ]);
        assert!(matches!(status, Found::Known(status) if status.values().is_some()), "{status:?}");
    }

    #[test]
    fn an_event_of_any_type_has_the_fields_of_all() {
        let any = Catalogue::of_api("zenzap").unwrap().any_event();
        assert_eq!(known(&any, &["eventType"]).values().unwrap().len(), 11);
        known(&any, &["data", "emoji"]);
        known(&any, &["data", "message", "text"]);
        let any = Catalogue::of_api("opentrain").unwrap().any_event();
        assert_eq!(known(&any, &["data", "contractId"]).kinds().collect::<Vec<_>>(), [Kind::Text]);
        assert!(matches!(any.field(&[Step::Name("data"), Step::Name("nope")]), Found::Unknown { at: 1, .. }));
    }

    #[test]
    fn the_envelope_of_ours_is_known() {
        known(Catalogue::meta(), &["type"]);
        let status = [Step::Name("lookups"), Step::Name("contract"), Step::Name("status")];
        assert!(matches!(Catalogue::meta().field(&status), Found::Open { .. }));
    }
}
