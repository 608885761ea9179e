//! The option `enrich`: ready look-ups of an API that Sluicebox knows.
//!
//! Invariant: whatever they are, they ask with the cache, the patience and the budget of every other look-up.

mod ask;
mod table;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeSet;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use sluicebox_core::{CheckContext, FieldPath, Located, LookupUrl, Problem};
use sluicebox_http::Rate;
use sluicebox_lookups::OneOrMore;

use crate::nearest::nearest;

pub(super) use ask::Answerer;
use table::{Api, PRESETS, Preset};

/// The source type that polls in public: it has no credentials to share.
const PUBLIC_FEED: &str = "opentrain_job_changes";

/// Source types that ask no HTTP API at all.
const WITHOUT_API: [&str; 6] = ["amqp", "file", "generate", "kafka", "stdin", "webhook"];

/// The names of presets as they stand in a pipeline: one, or a list of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Presets(OneOrMore);

impl JsonSchema for Presets {
    fn schema_name() -> Cow<'static, str> {
        "presets".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = json_schema!({ "type": "string", "enum": words().collect::<Vec<_>>() });
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}

/// What can stand in `enrich`: the APIs, and each preset.
fn words() -> impl Iterator<Item = &'static str> {
    Api::ALL.into_iter().map(Api::word).chain(PRESETS.iter().map(|preset| preset.name))
}

/// The presets that were chosen, all of one API.
#[derive(Clone)]
pub(super) struct Chosen {
    api: Api,
    presets: Vec<&'static Preset>,
}

impl Presets {
    /// The presets that the names stand for, in the order of the table.
    ///
    /// # Errors
    /// A name that is none, or names of two APIs.
    pub(super) fn chosen(&self) -> Result<Chosen, Problem> {
        let names = &self.0.0;
        let path = |index: usize| {
            if names.len() == 1 { "enrich".to_owned() } else { format!("enrich[{index}]") }
        };
        let mut api = None;
        for (index, name) in names.iter().enumerate() {
            let Some(of) = api_of(name) else {
                let known: Vec<&str> = words().collect();
                let problem = Problem::new(path(index), format!("there is no preset `{name}`"));
                return Err(problem.with_help(match nearest(name, words()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known: {}", known.join(", ")),
                }));
            };
            let first = *api.get_or_insert(of);
            if of != first {
                let message =
                    format!("`{name}` is of {}, and those before it of {}", of.title(), first.title());
                return Err(
                    Problem::new(path(index), message).with_help("a look-up asks one API: make it two")
                );
            }
        }
        let Some(api) = api else {
            return Err(Problem::new("enrich", "expected the name of a preset, found none"));
        };
        let is_chosen = |preset: &&Preset| {
            preset.api == api && names.iter().any(|name| name == preset.name || name == api.word())
        };
        Ok(Chosen { api, presets: PRESETS.iter().filter(is_chosen).collect() })
    }
}

fn api_of(name: &str) -> Option<Api> {
    let whole = Api::ALL.into_iter().find(|api| api.word() == name);
    whole.or_else(|| PRESETS.iter().find(|preset| preset.name == name).map(|preset| preset.api))
}

impl Chosen {
    /// Where the API lives unless somebody says otherwise.
    pub(super) fn base_url(&self) -> &'static str {
        self.api.base_url()
    }

    /// How often it may be asked unless somebody says otherwise.
    pub(super) fn rate(&self) -> Rate {
        Rate::per_minute(self.api.rate())
    }

    /// What is wrong with asking without credentials of its own, or with those of a source of another API.
    pub(super) fn credentials_problem(
        &self,
        same_as: Option<&str>,
        cx: &CheckContext<'_>,
    ) -> Option<Problem> {
        let title = self.api.title();
        let problem = match same_as {
            None if self.presets.iter().all(|preset| preset.is_public) => return None,
            None => Problem::new("auth", format!("{title} tells nothing without credentials")),
            Some(source) => {
                let (_, kind) = cx.sources.iter().find(|(name, _)| name == source)?;
                if kind == PUBLIC_FEED {
                    let message = format!("`{source}` has no credentials: it reads a public feed");
                    Problem::new("auth.same_as", message)
                } else if self.is_other(kind) {
                    let message = format!("`{source}` is a source of the type `{kind}`, not one of {title}");
                    Problem::new("auth.same_as", message)
                } else {
                    return None;
                }
            }
        };
        let is_ours = |kind: &str| kind.starts_with(self.api.word()) && kind != PUBLIC_FEED;
        let ours = cx.sources.iter().find(|(_, kind)| is_ours(kind));
        let help = match ours {
            Some((name, _)) => format!("`auth: {{ same_as: {name} }}` takes those of a source"),
            None => "give `auth` the credentials of this API".to_owned(),
        };
        Some(problem.with_help(help))
    }

    /// Whether a source of this type surely asks something else.
    fn is_other(&self, kind: &str) -> bool {
        let mut others = Api::ALL.into_iter().filter(|other| *other != self.api);
        others.any(|other| kind.starts_with(other.word())) || WITHOUT_API.contains(&kind)
    }

    /// The fields that answers go into, in the field `into`.
    pub(super) fn fields(&self, into: &str) -> BTreeSet<FieldPath> {
        self.presets.iter().map(|preset| vec![into.to_owned(), preset.name.to_owned()]).collect()
    }

    /// The URLs that are asked, each by the name of the first preset that asks it.
    pub(super) fn urls(&self) -> Vec<LookupUrl> {
        let paths: BTreeSet<&str> = self.presets.iter().map(|preset| preset.path).collect();
        let first = PRESETS.iter().enumerate().filter(|(index, preset)| {
            paths.contains(preset.path) && !PRESETS[..*index].iter().any(|other| other.path == preset.path)
        });
        let url = |(_, preset): (usize, &Preset)| LookupUrl {
            name: Some(preset.name),
            template: Located::unplaced(preset.path),
        };
        first.map(url).collect()
    }
}
