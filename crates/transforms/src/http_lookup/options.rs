//! The options of `batch` and `find`.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use sluicebox_core::Located;

/// How the keys of many events are asked for at once.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "by": "event.data.contractId", "key": "id", "items": "contracts" }))]
pub struct HttpBatch {
    /// The key of an event, an expression. One that is missing or null finds nothing.
    #[schemars(example = "event.data.contractId")]
    pub by: Located,
    /// Path to the key inside an item of the answer, with dots. Keys are compared as text: 42, 42.0 and "42" are the
    /// same key.
    #[serde(default = "default_key")]
    pub key: String,
    /// Path to the items inside the answer: a list of them, or an object whose names are the keys. Unset: the body
    /// itself if it is a list, or the first list in it whose items have a key. A key that is not among them is
    /// `not_found`.
    #[serde(default)]
    #[schemars(example = &"contracts")]
    pub items: Option<String>,
    /// Most keys of one request.
    #[serde(default = "default_max_keys")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_keys: usize,
    /// What stands between two keys in `url`; `&id=` repeats a parameter.
    #[serde(default = "default_separator")]
    #[schemars(example = &"&id=")]
    pub separator: String,
    /// The body of a POST, as JSON, where the text `{{ keys }}` stands for the list of keys; unset: a GET.
    #[serde(default)]
    #[schemars(example = serde_json::json!({ "ids": "{{ keys }}" }))]
    pub body: Option<Value>,
}

/// How one item is found in a list. The list is remembered, not its single items: for `cache.ttl`, and if the item is not
/// in it for `cache.negative_ttl` at most; a list that is older than the event is asked for again before that.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "by": "event.data.invoiceId", "items": "payments" }))]
pub struct Find {
    /// The key of the item, an expression. One that is missing or null finds nothing.
    #[schemars(example = "event.data.invoiceId")]
    pub by: Located,
    /// Path to the key inside an item, with dots. Keys are compared as text: 42, 42.0 and "42" are the same key.
    #[serde(default = "default_key")]
    pub key: String,
    /// Path to the items inside the answer: a list of them, or an object whose names are the keys. Unset: the body
    /// itself if it is a list, or the first list in it whose items have a key.
    #[serde(default)]
    #[schemars(example = &"payments")]
    pub items: Option<String>,
    /// Path to the cursor of the next page inside the answer; unset: there is one page only.
    #[serde(default)]
    #[schemars(example = &"nextCursor")]
    pub next: Option<String>,
    /// The parameter of the URL that takes the cursor.
    #[serde(default = "default_cursor")]
    pub cursor: String,
    /// Most pages that are asked for.
    #[serde(default = "default_max_pages")]
    #[schemars(range(min = 1, max = 100))]
    pub max_pages: usize,
}

fn default_key() -> String {
    "id".to_owned()
}

fn default_max_keys() -> usize {
    100
}

fn default_separator() -> String {
    ",".to_owned()
}

fn default_cursor() -> String {
    "cursor".to_owned()
}

fn default_max_pages() -> usize {
    5
}
