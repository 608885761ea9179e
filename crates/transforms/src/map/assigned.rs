//! A value of `set:` as the file gives it: an expression, a literal or a template.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::{Map, Value};
use sluicebox_core::{Event, Located, Problem};
use sluicebox_rules::{Expression, RuleError, Template, TemplateKind};

use super::path::FieldPath;
use super::tree::{Node, quoted};

/// What a field is set to.
#[derive(Clone, Debug, PartialEq)]
pub enum Assigned {
    /// `event.a * 2`: an expression.
    Expression(Located),
    /// `{value: EUR}`: the value as it stands.
    Literal(Value),
    /// `{text: "{{ event.a }} of {{ event.b }}"}`: a template.
    Template(Located),
}

impl<'de> Deserialize<'de> for Assigned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let located = |value| serde_json::from_value::<Located>(value).map_err(D::Error::custom);
        match Value::deserialize(deserializer)? {
            Value::Object(mut map) if map.len() == 1 && map.contains_key("value") => {
                Ok(Self::Literal(map.remove("value").unwrap_or_default()))
            }
            Value::Object(mut map) if map.len() == 1 && map.contains_key("text") => {
                located(map.remove("text").unwrap_or_default()).map(Self::Template)
            }
            Value::Object(map) if !is_located(&map) => {
                Err(D::Error::custom("expected an expression, `{value: …}` or `{text: …}`, found a map"))
            }
            Value::Number(number) => Ok(Self::Literal(Value::Number(number))),
            Value::Bool(truth) => Ok(Self::Literal(Value::Bool(truth))),
            value => located(value).map(Self::Expression),
        }
    }
}

fn is_located(map: &Map<String, Value>) -> bool {
    map.contains_key(Located::KEYS[0])
}

impl JsonSchema for Assigned {
    fn schema_name() -> Cow<'static, str> {
        "assigned".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let text = generator.subschema_for::<Located>();
        json_schema!({
            "anyOf": [
                { "type": ["string", "number", "boolean"], "format": "located", "x-interpolate": false },
                {
                    "type": "object",
                    "properties": { "value": true },
                    "required": ["value"],
                    "additionalProperties": false
                },
                {
                    "type": "object",
                    "properties": { "text": text },
                    "required": ["text"],
                    "additionalProperties": false
                }
            ],
            "x-help": "an expression as in `when:`, where text is quoted twice: `'\"EUR\"'`; or `{value: EUR}`; or \
                       `{text: \"{{ event.a }} of {{ event.b }}\"}`"
        })
    }
}

/// A value of `set:`, compiled.
pub(super) enum Setter {
    /// An expression that is nothing but a path: the bytes there are taken as they are.
    Copy(FieldPath, Expression),
    Expression(Expression),
    Template(Template),
    /// JSON text.
    Literal(String),
}

impl Assigned {
    /// Compiles it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn compile(&self) -> Result<Setter, Problem> {
        match self {
            Self::Literal(value) => Ok(Setter::Literal(value.to_string())),
            Self::Template(text) => Template::compile(text, TemplateKind::Text)
                .map(Setter::Template)
                .map_err(|problem| problem.under("text")),
            Self::Expression(text) => {
                let expression = Expression::compile(text).map_err(explained)?;
                Ok(match FieldPath::of_expression(&text.text) {
                    Some(path) => Setter::Copy(path, expression),
                    None => Setter::Expression(expression),
                })
            }
        }
    }
}

/// A bare word is the usual mistake: a constant text that is taken for an expression.
fn explained(problem: Problem) -> Problem {
    let help = problem.help.clone().unwrap_or_default();
    if help.contains("quote text") {
        return problem.with_help(format!("{help}; here a constant text is `'\"…\"'` or `{{value: …}}`"));
    }
    problem
}

impl Setter {
    /// Whether it asks the event, apart from the tree.
    pub(super) fn reads_event(&self) -> bool {
        !matches!(self, Self::Literal(_))
    }

    /// The JSON text for an event; `tree` is the same event.
    ///
    /// # Errors
    /// The expression or template failed: a dead letter.
    pub(super) fn value(&self, event: &Event, tree: &mut Node<'_>) -> Result<String, RuleError> {
        match self {
            Self::Literal(text) => Ok(text.clone()),
            Self::Template(template) => template.render(event).map(|text| quoted(&text)),
            Self::Expression(expression) => expression.evaluate(event).map(|value| value.to_string()),
            Self::Copy(path, expression) => match tree.find(path.steps()) {
                Some(found) => Ok(found.text().into_owned()),
                // Missing, or an error that the expression words better.
                None => expression.evaluate(event).map(|value| value.to_string()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_form_says_what_it_is() {
        let read = |value: Value| serde_json::from_value::<Assigned>(value);
        assert_eq!(read(json!("event.a")).unwrap(), Assigned::Expression("event.a".into()));
        assert_eq!(read(json!({"$text": "event.a"})).unwrap(), Assigned::Expression("event.a".into()));
        assert_eq!(read(json!({"value": null})).unwrap(), Assigned::Literal(Value::Null));
        assert_eq!(read(json!({"value": {"a": 1}})).unwrap(), Assigned::Literal(json!({"a": 1})));
        assert_eq!(
            read(json!({"text": "{{ event.a }}"})).unwrap(),
            Assigned::Template("{{ event.a }}".into())
        );
        assert_eq!(read(json!(5)).unwrap(), Assigned::Literal(json!(5)));
        for wrong in [json!({"vlaue": 1}), json!({}), json!({"value": 1, "text": "x"}), json!([1])] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
