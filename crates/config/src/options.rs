//! The options that every component of a kind has: split off before a component sees its own.
//!
//! Declared like a component's own options, so that parsing, `check` and `schema` draw on one declaration.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sluicebox_core::{BatchOptions, BufferOptions, ComponentKind, Delivery, Located, RetryOptions};

use crate::DeadLetterPolicy;

/// What the event catalogue is for in this pipeline.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CatalogueOptions {
    /// Whether a rule that asks for fields, event types or values which are not in the event catalogue is an error
    /// instead of a warning. What arrives is never refused for it.
    pub(crate) strict: bool,
}

/// Options of every source beside `type` and `accounts`.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
pub(crate) struct SourceOptions {
    /// An expression, or `true`/`false`: what does not match is discarded.
    #[schemars(schema_with = "condition")]
    pub(crate) when: Option<Located>,
    /// The ordering key, an expression: events of one key keep their order.
    #[schemars(schema_with = "condition")]
    pub(crate) key: Option<Located>,
    /// The account's name in positions and in `meta.account`; default: the component's name.
    #[schemars(length(min = 1))]
    pub(crate) account: Option<String>,
    /// What is known of its events beside the event catalogue: a JSON Schema, inline or as a file relative to the
    /// pipeline file, or a list of them. `sluicebox schema learn` makes one of samples. It serves `check` alone: no
    /// event is refused for it.
    #[schemars(schema_with = "schemas")]
    pub(crate) schema: Option<Value>,
    /// Whether the next page is fetched while this one is in flight; default: as the kind of feed allows.
    pub(crate) prefetch: Option<bool>,
    /// What becomes of events that cannot be processed.
    #[schemars(schema_with = "dead_letter")]
    pub(crate) dead_letter: DeadLetterPolicy,
}

/// Options of every transform beside `type` and `inputs`.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
pub(crate) struct TransformOptions {
    /// An expression, or `true`/`false`: in `filter` the condition, elsewhere what does not match goes on unchanged.
    #[schemars(schema_with = "condition")]
    pub(crate) when: Option<Located>,
    /// How a failure that may pass is tried again.
    pub(crate) retry: RetryOptions,
    /// What becomes of events that cannot be processed.
    #[schemars(schema_with = "dead_letter")]
    pub(crate) dead_letter: DeadLetterPolicy,
}

/// Options of every sink beside `type` and `inputs`.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
pub(crate) struct SinkOptions {
    /// An expression, or `true`/`false`: what does not match is discarded.
    #[schemars(schema_with = "condition")]
    pub(crate) when: Option<Located>,
    /// When a batch is written.
    pub(crate) batch: BatchOptions,
    /// How much may wait in front of this sink.
    pub(crate) buffer: BufferOptions,
    /// How a failure that may pass is tried again.
    pub(crate) retry: RetryOptions,
    /// What is promised; default: the best that this sink can keep by itself.
    pub(crate) delivery: Option<Delivery>,
    /// What becomes of events that cannot be processed.
    #[schemars(schema_with = "dead_letter")]
    pub(crate) dead_letter: DeadLetterPolicy,
}

fn condition(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "boolean"], "format": "located", "x-interpolate": false })
}

fn schemas(_: &mut SchemaGenerator) -> Schema {
    let file = json!({ "type": "string", "minLength": 1, "x-interpolate": false });
    let inline = json!({ "type": "object" });
    json_schema!({ "anyOf": [
        file, inline, { "type": "array", "minItems": 1, "items": { "anyOf": [file, inline] } }
    ]})
}

fn dead_letter(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "default": "store",
        "description": "what becomes of events that cannot be processed: `store` keeps them in the pipeline's state, `drop` only counts them, and the name of a sink sends them there"
    })
}

/// Options declared by a struct, as JSON Schema.
pub(crate) fn declared<O: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    SchemaGenerator::new(settings).into_root_schema_for::<O>().to_value()
}

/// The whole schema of a component: the options of its kind and its own.
pub(crate) fn whole(kind: ComponentKind, type_name: &str, common: &Value, own: &Schema) -> Value {
    let mut whole = own.as_object().cloned().unwrap_or_default();
    let mut properties = object(&whole, "properties");
    properties.extend(object(common.as_object().unwrap_or(&Map::new()), "properties"));
    properties
        .insert("type".to_owned(), json!({ "const": type_name, "description": "the component's type" }));
    let mut required: Vec<Value> =
        whole.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    required.push("type".into());
    if kind == ComponentKind::Source {
        properties.entry("accounts").or_insert_with(|| accounts([]));
    } else {
        properties.insert("inputs".to_owned(), inputs());
        // A sink that takes only dead letters reads nothing else; `letters` sees to the others.
        if kind == ComponentKind::Transform {
            required.push("inputs".into());
        }
    }
    whole.insert("type".to_owned(), "object".into());
    whole.insert("properties".to_owned(), Value::Object(properties));
    whole.insert("required".to_owned(), Value::Array(required));
    whole.insert("additionalProperties".to_owned(), false.into());
    Value::Object(whole)
}

fn object(of: &Map<String, Value>, key: &str) -> Map<String, Value> {
    of.get(key).and_then(Value::as_object).cloned().unwrap_or_default()
}

fn inputs() -> Value {
    let name = json!({ "type": "string", "minLength": 1, "x-interpolate": false });
    json!({
        "description": "what it reads: names of sources and transforms, `name.output`, globs like `chat_*`",
        "anyOf": [name, { "type": "array", "items": name, "minItems": 1 }]
    })
}

/// `accounts:` of a source, with the options of each place that rows can be read from.
pub(crate) fn accounts<'p>(places: impl IntoIterator<Item = (&'static str, &'p Schema)>) -> Value {
    let listed = json!({
        "type": "array",
        "minItems": 1,
        "items": {
            "type": "object",
            "properties": { "id": { "type": "string", "minLength": 1 } },
            "required": ["id"],
            "additionalProperties": { "type": ["string", "number", "boolean"] }
        }
    });
    let file = json!({
        "type": "object",
        "properties": { "file": {
            "description": "a csv file with a column `id`, beside the pipeline file; read again when it changes",
            "type": "string",
            "minLength": 1,
            "x-interpolate": false
        } },
        "required": ["file"],
        "additionalProperties": false
    });
    let place = |(name, options): (&str, &Schema)| {
        let mut properties = Map::new();
        properties.insert(name.to_owned(), options.as_value().clone());
        json!({
            "type": "object",
            "properties": properties,
            "required": [name],
            "additionalProperties": false
        })
    };
    let forms: Vec<Value> = [listed, file].into_iter().chain(places.into_iter().map(place)).collect();
    json!({
        "description": "one poller each, with its own position; fields are used as `${account.FIELD}`. A list of maps, \
                        or the rows of a file or of a query: `{ file: accounts.csv }`, `{ sql: { url: …, query: … } }`",
        "anyOf": forms
    })
}
