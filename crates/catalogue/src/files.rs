//! The schemas as they were when this was built.
//!
//! Invariant: every file of the folder `schemas` is in this list; a test compares.

/// What is known of one API.
pub(crate) struct ApiFiles {
    /// As sources name it.
    pub(crate) api: &'static str,
    /// As people name it.
    pub(crate) title: &'static str,
    /// The field of an event that holds its type.
    pub(crate) type_field: &'static str,
    /// Names and texts; `envelope` is what all types have in common, every other name is a type.
    pub(crate) schemas: &'static [(&'static str, &'static str)],
}

macro_rules! schemas {
    ($api:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../schemas/", $api, "/", $name, ".json")))),+]
    };
}

/// Every API.
pub(crate) const APIS: [ApiFiles; 3] = [
    ApiFiles {
        api: "opentrain",
        title: "OpenTrain",
        type_field: "type",
        schemas: schemas!("opentrain":
            "approval.confirmed",
            "contract.budget_state_changed",
            "contract.created",
            "envelope",
            "message.received",
            "milestone.status_changed",
            "payment.pending",
            "proposal.received",
            "proposal.status_changed",
        ),
    },
    ApiFiles {
        api: "opentrain_jobs",
        title: "OpenTrain",
        type_field: "eventType",
        schemas: schemas!("opentrain_jobs": "CLOSED", "PUBLISHED", "UPDATED", "envelope"),
    },
    ApiFiles {
        api: "zenzap",
        title: "Zenzap",
        type_field: "eventType",
        schemas: schemas!("zenzap":
            "envelope",
            "member.added",
            "member.removed",
            "message.created",
            "message.deleted",
            "message.updated",
            "poll_vote.created",
            "poll_vote.deleted",
            "reaction.added",
            "reaction.removed",
            "topic.updated",
            "webhook.test",
        ),
    },
];

/// What rules see as `meta`.
pub(crate) const META: &str = include_str!("../schemas/meta.json");

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> Vec<String> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn every_file_is_listed() {
        assert_eq!(folder(""), ["meta.json", "opentrain", "opentrain_jobs", "zenzap"]);
        for files in &APIS {
            let listed: Vec<String> = files.schemas.iter().map(|(name, _)| format!("{name}.json")).collect();
            assert_eq!(folder(files.api), listed);
        }
    }
}
