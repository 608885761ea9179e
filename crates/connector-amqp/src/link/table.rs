//! JSON and text as AMQP values: short strings have a limit that the client library would panic over.

use lapin::types::{AMQPValue, FieldArray, FieldTable, LongString, ShortString};
use serde_json::Value;

/// A name of at most 255 bytes; `None` if it is longer.
pub(crate) fn short(text: &str) -> Option<ShortString> {
    ShortString::try_new(text).ok()
}

/// A value of a pipeline file as an argument; `None` where a name inside it is too long for the protocol.
pub(crate) fn value(json: &Value) -> Option<AMQPValue> {
    Some(match json {
        Value::Null => AMQPValue::Void,
        Value::Bool(flag) => AMQPValue::Boolean(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => AMQPValue::LongLongInt(integer),
            None => AMQPValue::Double(number.as_f64()?),
        },
        Value::String(text) => AMQPValue::LongString(LongString::from(text.as_str())),
        Value::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(value).collect();
            AMQPValue::FieldArray(FieldArray::from(items?))
        }
        Value::Object(fields) => {
            let mut table = FieldTable::default();
            for (name, field) in fields {
                table.insert(short(name)?, value(field)?);
            }
            AMQPValue::FieldTable(table)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_becomes_the_types_that_brokers_compare() {
        let table =
            value(&serde_json::json!({ "x-max-length": 3, "x-overflow": "reject-publish", "on": true }));
        let Some(AMQPValue::FieldTable(table)) = table else { panic!("not a table: {table:?}") };
        assert_eq!(table.inner()["x-max-length"], AMQPValue::LongLongInt(3));
        assert_eq!(table.inner()["x-overflow"], AMQPValue::LongString("reject-publish".into()));
        assert_eq!(table.inner()["on"], AMQPValue::Boolean(true));
    }

    #[test]
    fn names_that_are_too_long_are_refused_instead_of_panicking() {
        assert!(short(&"n".repeat(255)).is_some());
        assert!(short(&"n".repeat(256)).is_none());
        let name = "n".repeat(256);
        assert!(value(&serde_json::json!({ name: 1 })).is_none());
    }
}
