//! The declaration of a test: parsing, `check` and `schema` draw on it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use sluicebox_core::{Period, Reason};

/// One test: of the whole pipeline, or of one transform alone.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TestOptions {
    /// What is tested, in words; two tests of a file never share a name.
    #[schemars(length(min = 1))]
    pub(super) name: String,
    /// The transform that is tested alone; unset: the whole pipeline is.
    #[serde(default)]
    pub(super) transform: Option<String>,
    /// With `transform`: the events that it is given.
    #[serde(default)]
    #[schemars(length(min = 1))]
    #[allow(dead_code, reason = "declared here, read from the tree, which knows the place of every event")]
    pub(super) input: Option<Vec<Value>>,
    /// What each source brings: a list of events, or `{ pages: [...] }` with a list of events, `{ events, cursor }` or a
    /// fault for every poll. A source that is not named has nothing.
    #[serde(default)]
    #[allow(dead_code, reason = "declared here, read from the tree, which knows the place of every event")]
    pub(super) sources: BTreeMap<String, Value>,
    /// What look-ups answer, by the values of the URL's template joined by `/`: a body, a fault, or a list of these,
    /// the last of which stays.
    #[serde(default)]
    #[allow(dead_code, reason = "declared here, read from the tree, which tells a body from a fault")]
    pub(super) lookups: BTreeMap<String, BTreeMap<String, Value>>,
    /// What sinks do before they take what comes: faults, in order.
    #[serde(default)]
    pub(super) sinks: BTreeMap<String, Vec<GivenFault>>,
    /// What `${VAR}` in the pipeline stands for. The variables of the machine are not looked at; one that is not given
    /// here has its default, or stands for something that is never used.
    #[serde(default)]
    pub(super) variables: BTreeMap<String, String>,
    /// The time at which the test begins (RFC 3339) [default: 2026-01-01T00:00:00Z]; after that, waiting takes no time.
    #[serde(default)]
    pub(super) now: Option<String>,
    /// What must come out.
    #[serde(default)]
    pub(super) expect: ExpectOptions,
}

/// What must come out. What is not named is not looked at; but a dead letter, a failed run or a look-up without an
/// answer that is not expected always fails the test.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ExpectOptions {
    /// What each sink received, in order: events, or for Slack the messages. An entry with only `event`, `contains`,
    /// `meta`, `to` is taken apart: `event` is the whole event, `contains` a part of it.
    #[allow(dead_code, reason = "declared here, read from the tree, which knows the place of every entry")]
    pub(super) sinks: BTreeMap<String, Vec<Value>>,
    /// With `transform`: what came out by the name of the output; `main` is the one without a name.
    #[allow(dead_code, reason = "declared here, read from the tree, which knows the place of every entry")]
    pub(super) outputs: BTreeMap<String, Vec<Value>>,
    /// Every dead letter, in any order, each with what is to be compared.
    pub(super) dead_letters: Option<Vec<LetterOptions>>,
    /// The committed cursor of a source (`SOURCE/ACCOUNT` where it has several accounts), `null` for none.
    pub(super) cursors: BTreeMap<String, Option<String>>,
    /// Numbers of `/metrics`, by selectors like `sluicebox_retries_total{component="alerts"}`; series that a selector
    /// takes are added up.
    pub(super) metrics: BTreeMap<String, f64>,
    /// The run is to end with an error whose message holds this.
    #[schemars(length(min = 1))]
    pub(super) error: Option<String>,
    /// How long the run takes by the clock of the test.
    pub(super) took: Option<TookOptions>,
}

/// Bounds of a time.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TookOptions {
    /// Not less.
    #[serde(default)]
    pub(super) at_least: Option<Period>,
    /// Not more.
    #[serde(default)]
    pub(super) at_most: Option<Period>,
}

/// What is compared of a dead letter.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a declaration: what is given is compared as it stands")]
pub(super) struct LetterOptions {
    /// Why, in one word.
    #[serde(default)]
    #[schemars(schema_with = "reason")]
    pub(super) reason: Option<Reason>,
    /// The component that gave up.
    #[serde(default)]
    pub(super) component: Option<String>,
    /// `meta.id` of the event, or what follows the account in it.
    #[serde(default)]
    pub(super) id: Option<String>,
    /// A part of the message.
    #[serde(default)]
    pub(super) message: Option<String>,
    /// The file of the rule that failed.
    #[serde(default)]
    pub(super) file: Option<String>,
    /// The line in that file.
    #[serde(default)]
    pub(super) line: Option<usize>,
    /// The column in that line.
    #[serde(default)]
    pub(super) column: Option<usize>,
    /// A part of the event.
    #[serde(default)]
    pub(super) event: Option<Value>,
}

fn reason(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let words = Reason::ALL.map(Reason::as_str);
    schemars::json_schema!({ "type": "string", "enum": words })
}

/// Something that goes wrong at an end of the pipeline.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GivenFault {
    /// The HTTP status that comes back. Of a source or a sink: 401 and 403 refuse the credentials, 429 asks to wait, 408,
    /// 425 and 5xx pass, any other is for good.
    #[serde(default)]
    #[schemars(range(min = 200, max = 599))]
    pub status: Option<u16>,
    /// Where no answer comes: `broken`, the connection breaks; `timeout`, nothing happens until the time is over.
    #[serde(default)]
    pub fault: Option<FaultWord>,
    /// How often [default: 1; for a look-up: always, unless another answer follows].
    #[serde(default)]
    #[schemars(range(min = 1, max = 1000))]
    pub times: Option<u32>,
    /// How long the other side asks to wait.
    #[serde(default)]
    pub retry_after: Option<Period>,
    /// Of a look-up: the body of the answer.
    #[serde(default)]
    pub body: Option<Value>,
    /// Of a sink: the one event that is refused (`meta.id`, or what follows the account in it) while others are taken.
    #[serde(default)]
    pub event: Option<String>,
}

/// Why no answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultWord {
    /// The connection breaks.
    Broken,
    /// Nothing happens until the time is over.
    Timeout,
}
