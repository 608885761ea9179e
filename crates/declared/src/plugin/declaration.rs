//! What a connector's file holds: `plugins/http/<name>.yaml`.
//!
//! Invariant: nothing here does anything; the file is read along these structs, and every fault has its place.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use sluicebox_core::Secret;

use super::fill;

/// Secrets that are shorter than this are words, not secrets.
const LEAST_SECRET_CHARACTERS: usize = 4;

/// A connector: a source type that is written in YAML.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Declaration {
    /// The name of the type, which is that of the file without `.yaml`.
    #[schemars(regex(pattern = "^[a-z][a-z0-9_]*$"))]
    pub(super) name: String,
    /// What it reads, in a sentence.
    #[schemars(length(min = 1))]
    pub(super) summary: String,
    /// What its users must know: credentials, limits, what may be lost.
    #[serde(default)]
    pub(super) description: String,
    /// What begins the ids of its events; unset: its name.
    #[serde(default)]
    pub(super) family: Option<String>,
    /// What its users can give it, by name; the source says `{{ parameters.NAME }}`.
    #[serde(default)]
    pub(super) parameters: BTreeMap<String, Parameter>,
    /// Groups of parameters of which exactly one is given, whole; an empty group: or none of them. The first is the one
    /// that examples show.
    #[serde(default)]
    #[schemars(length(min = 2))]
    pub(super) either: Vec<Vec<String>>,
    /// The options of `http_poll`. A value that names a parameter which is not given is left out.
    pub(super) source: Map<String, Value>,
    /// What its events look like, as JSON Schemas: for `check`, nothing is refused for them.
    #[serde(default)]
    pub(super) events: Vec<Value>,
    /// What it makes of recorded answers.
    #[serde(default)]
    pub(super) tests: Vec<Trial>,
}

/// Something that a connector can be given.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameter {
    /// What kind of value it takes.
    #[serde(rename = "type")]
    pub(super) kind: ParameterKind,
    /// What it is for, in a sentence.
    #[schemars(length(min = 1))]
    pub(super) description: String,
    /// Whether it must be given.
    #[serde(default)]
    pub(super) required: bool,
    /// Its value where it is not given.
    #[serde(default)]
    pub(super) default: Value,
    /// A value for the reference.
    #[serde(default)]
    #[schemars(extend("x-interpolate" = false))]
    pub(super) example: Option<String>,
    /// The least number that it takes.
    #[serde(default)]
    pub(super) minimum: Option<i64>,
    /// The greatest number that it takes.
    #[serde(default)]
    pub(super) maximum: Option<i64>,
    /// All texts that it takes; none: any.
    #[serde(default)]
    pub(super) one_of: Vec<String>,
}

/// The kind of value that a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ParameterKind {
    /// A text.
    Text,
    /// A text that is never shown.
    Secret,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A time like `15s`.
    Duration,
}

/// Recorded answers, and what comes of them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Trial {
    /// What it shows.
    pub(super) name: String,
    /// The options of the source in the test.
    #[serde(default)]
    pub(super) with: Map<String, Value>,
    /// The saved cursor that it begins at; unset: none, a first start.
    #[serde(default)]
    pub(super) cursor: Option<String>,
    /// The polls, one after the other.
    #[schemars(length(min = 1))]
    pub(super) polls: Vec<TrialPoll>,
    /// Everything that was emitted, in order; what an item leaves out is not looked at.
    #[serde(default)]
    pub(super) events: Vec<TrialEvent>,
    /// How many items were no events.
    #[serde(default)]
    pub(super) rejects: usize,
    /// The cursor after the last poll; unset: none.
    #[serde(default)]
    pub(super) cursor_after: Option<String>,
}

/// One poll of a test.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TrialPoll {
    /// The request that must be made: `GET /updates?limit=100`, without the parameters that sign it.
    #[serde(default)]
    pub(super) request: Option<String>,
    /// The answer.
    pub(super) answer: TrialAnswer,
    /// The class or reason of the error that must come of it: `transient`, `auth`, `offset_expired`. Unset: a page.
    #[serde(default)]
    pub(super) error: Option<ErrorWord>,
    /// Whether a gap must be told of.
    #[serde(default)]
    pub(super) gap: bool,
    /// Whether the feed must be at its end; unset: not looked at.
    #[serde(default)]
    pub(super) caught_up: Option<bool>,
}

/// What an error is called where a source shows it: its class, or its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ErrorWord {
    /// It passes by itself.
    Transient,
    /// The API asks to wait.
    RateLimited,
    /// The credentials are refused.
    Auth,
    /// The API says that the request is wrong.
    Config,
    /// A pause that only a person can end.
    Permanent,
    /// The answer is no page.
    Protocol,
    /// The API refuses a request with a cursor (400).
    CursorRejected,
    /// The cursor is no longer available.
    OffsetExpired,
    /// The answer is longer than `max_body`.
    TooLarge,
    /// The answer leads elsewhere.
    Redirected,
}

impl Declaration {
    /// The secrets among these options that are long enough to be more than a word.
    pub(super) fn secrets(&self, given: &Map<String, Value>) -> Vec<Secret> {
        let secrets = self.parameters.iter().filter(|(_, it)| it.kind == ParameterKind::Secret);
        let texts = secrets.filter_map(|(name, _)| fill::as_text(given.get(name)?));
        texts.filter(|text| text.chars().count() >= LEAST_SECRET_CHARACTERS).map(Secret::new).collect()
    }
}

impl ErrorWord {
    /// The word, as errors have it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::RateLimited => "rate_limited",
            Self::Auth => "auth",
            Self::Config => "config",
            Self::Permanent => "permanent",
            Self::Protocol => "protocol",
            Self::CursorRejected => "cursor_rejected",
            Self::OffsetExpired => "offset_expired",
            Self::TooLarge => "too_large",
            Self::Redirected => "redirected",
        }
    }
}

/// A recorded answer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TrialAnswer {
    /// Its status.
    #[serde(default = "ok")]
    pub(super) status: u16,
    /// Its headers.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    /// Its body, as JSON.
    #[serde(default)]
    pub(super) body: Value,
    /// Its body as it is, instead of `body`: what is no JSON, or numbers to keep digit by digit.
    #[serde(default)]
    pub(super) text: Option<String>,
}

/// What a test looks at of an event.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TrialEvent {
    /// The id, without family and account.
    pub(super) id: String,
    /// The type.
    #[serde(default, rename = "type")]
    pub(super) event_type: Option<String>,
    /// The time, in RFC 3339.
    #[serde(default)]
    pub(super) time: Option<String>,
    /// The ordering key.
    #[serde(default)]
    pub(super) key: Option<String>,
}

fn ok() -> u16 {
    200
}
