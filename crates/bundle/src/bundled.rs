//! The one list of the crates that hold components.
//!
//! Nothing registers itself, so what a build of Sluicebox can do is what this page says.

use sluicebox_core::Registry;

use crate::review;

/// Every component type that ships, the rule language of `when:` and `key:`, and what is known of events.
pub fn registry() -> Registry {
    let mut registry = Registry::new();
    sluicebox_sources::register(&mut registry);
    sluicebox_declared::register(&mut registry);
    sluicebox_transforms::register(&mut registry);
    sluicebox_lookup_sql::register(&mut registry);
    sluicebox_sinks::register(&mut registry);
    sluicebox_connector_amqp::register(&mut registry);
    sluicebox_connector_kafka::register(&mut registry);
    sluicebox_connector_postgres::register(&mut registry);
    sluicebox_connector_sqlite::register(&mut registry);
    registry.conditions(sluicebox_rules::check_condition);
    registry.reviews(review::review);
    registry.reads_schemas(review::read_schemas);
    registry
}

#[cfg(test)]
mod tests {
    #[test]
    fn conditions_are_compiled() {
        let registry = super::registry();
        assert!(registry.check_condition("event.id == 1").is_ok());
        assert!(registry.check_condition("event.id ==").is_err());
    }
}
