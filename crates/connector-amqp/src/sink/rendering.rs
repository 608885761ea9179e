//! Where messages would go, without a broker: for tests of a pipeline.

use lapin::types::AMQPValue;
use serde_json::{Map, Value, json};
use sluicebox_core::{Rendering, Shown, each_event};

use super::message::Recipe;

/// Shows each event with `{exchange, routing_key, headers}`; without headers they are missing.
pub(super) fn of(recipe: Recipe) -> Box<dyn Rendering> {
    each_event(move |event| {
        let message = recipe.message(event)?;
        let mut address = Map::from_iter([
            ("exchange".to_owned(), Value::from(recipe.exchange.as_str())),
            ("routing_key".to_owned(), Value::from(message.routing_key.as_str())),
        ]);
        let header = |(name, value): (&lapin::types::ShortString, &AMQPValue)| match value {
            AMQPValue::LongString(text) => Some((name.to_string(), Value::from(text.to_string()))),
            _ => None,
        };
        let headers = message.properties.headers().as_ref();
        let headers = headers.map(|table| table.inner().iter().filter_map(header).collect::<Map<_, _>>());
        address.extend(headers.map(|headers| ("headers".to_owned(), json!(headers))));
        Ok(Shown::Address(Value::Object(address)))
    })
}
