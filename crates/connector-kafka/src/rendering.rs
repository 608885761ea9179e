//! Where records would go, without a broker: for tests of a pipeline.

use rdkafka::message::Headers;
use serde_json::{Map, Value, json};
use sluicebox_core::{Rendering, Shown, each_event};

use crate::record::{Recipe, Texts};

/// Shows each event with `{topic, key, headers}`; what a record does not have is missing.
pub(crate) fn of(recipe: Recipe) -> Box<dyn Rendering> {
    let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes));
    each_event(move |event| {
        let mut texts = Texts::default();
        let record = recipe.record(event, &mut texts)?;
        let mut address = Map::from_iter([("topic".to_owned(), Value::from(record.topic))]);
        address.extend(record.key.map(|key| ("key".to_owned(), text(key))));
        let header = |header: rdkafka::message::Header<'_, &[u8]>| {
            (header.key.to_owned(), header.value.map_or(Value::Null, text))
        };
        let headers =
            record.headers.as_ref().map(|headers| headers.iter().map(header).collect::<Map<_, _>>());
        address.extend(headers.map(|headers| ("headers".to_owned(), json!(headers))));
        Ok(Shown::Address(Value::Object(address)))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sluicebox_core::Located;

    use super::*;
    use crate::record;
    use crate::test_events::event;

    #[test]
    fn an_address_is_what_a_broker_would_be_told() {
        let headers: BTreeMap<String, Located> = BTreeMap::from([("id".to_owned(), "{{ meta.id }}".into())]);
        let topic = "of.{{ event.n }}".into();
        let recipe = Recipe::compile(&topic, None, &headers, record::Value::default()).unwrap();
        let all = of(recipe).render(&[event(1, r#"{"n":7}"#), event(2, r#"{"n":"a b"}"#)]);
        let shown = json!({ "topic": "of.7", "key": "k", "headers": { "id": "opentrain:a:1" } });
        assert_eq!(all[0].shown.as_ref().unwrap(), &Shown::Address(shown));
        assert!(all[1].shown.is_err());
    }
}
