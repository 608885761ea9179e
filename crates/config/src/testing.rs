//! A small outside world and a small registry for this crate's tests.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    BuiltSink, BuiltSource, CheckContext, Context, Delivery, DeliverySupport, Effect, Error, KnownEvents,
    ListensOn, Located, LookupUrl, Period, Problem, Registry, Result, RuleForm, ScriptFiles, Secret,
    SinkSpec, SourceClass, SourceSpec, Transform, TransformSpec,
};

use crate::{Inputs, LocatedProblem, Plan, Variables, load};

/// Variables and files that a test sets.
#[derive(Default)]
pub(crate) struct Outside {
    variables: HashMap<String, String>,
    files: HashMap<String, String>,
}

impl Outside {
    pub(crate) fn new(variables: &[(&str, &str)]) -> Self {
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { variables, files: HashMap::new() }
    }

    pub(crate) fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.to_owned(), text.to_owned());
        self
    }

    /// Loads `text` as `dir/p.yaml`.
    pub(crate) fn load(&self, text: &str) -> Result<Plan, Vec<LocatedProblem>> {
        self.load_with(text, false)
    }

    pub(crate) fn load_with(
        &self,
        text: &str,
        allow_missing_secrets: bool,
    ) -> Result<Plan, Vec<LocatedProblem>> {
        let inputs = Inputs { variables: self, files: self, allow_missing_secrets };
        load(Path::new("dir/p.yaml"), text, &registry(), &inputs).map_err(|report| report.problems)
    }

    /// The problems of a wrong file as `line:column path: message (help)`.
    pub(crate) fn problems(&self, text: &str) -> Vec<String> {
        match self.load(text) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(shown).collect(),
        }
    }
}

pub(crate) fn shown(problem: &LocatedProblem) -> String {
    let LocatedProblem { line, column, path, message, .. } = problem;
    let help = problem.help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("{line}:{column} {path}: {message}{help}")
}

impl Variables for Outside {
    fn get(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn file(&self, path: &str) -> Result<String, String> {
        self.files.get(path).cloned().ok_or_else(|| "not found".to_owned())
    }
}

impl ScriptFiles for Outside {
    fn read(&self, path: &str) -> Result<String, String> {
        self.files.get(path).cloned().ok_or_else(|| format!("`{path}` not found"))
    }
}

/// Where the fake rule language fails: at the word `BAD`.
fn bad_place(text: &str) -> Option<(usize, usize)> {
    let column = |text: &str| Some(text[..text.find("BAD")?].chars().count() + 1);
    text.lines().enumerate().find_map(|(line, text)| Some((line + 1, column(text)?)))
}

fn bad(path: &str, text: &str) -> Option<Problem> {
    let (line, column) = bad_place(text)?;
    Some(Problem::new(path, format!("BAD is bad in `{}`", text.trim())).inside(line, column))
}

pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.source::<Feed>().source::<Queue>().source::<Hook>().source::<Records>();
    registry.transform::<Filter>().transform::<Script>().transform::<Lookup>().transform::<Tally>();
    registry.sink::<Plain>().sink::<Exact>();
    registry.conditions(|text| bad("", text).map_or(Ok(()), Err));
    registry.reviews(odd);
    registry
}

/// Finds the word `ODD`, and says what is known of the events there.
fn odd(text: &str, form: RuleForm, events: Option<&KnownEvents>) -> Vec<Problem> {
    let line = text.lines().position(|line| line.contains("ODD"));
    let place = line.and_then(|line| Some((line + 1, text.lines().nth(line)?.find("ODD")? + 1)));
    let known = events.map_or_else(
        || "nothing known".to_owned(),
        |known| format!("{:?} with {:?} where {:?}", known.apis, known.added, known.matched),
    );
    let problem = |(line, column)| {
        Problem::new("", format!("{form:?}: {known}")).with_help("even").inside(line, column)
    };
    place.map(problem).into_iter().collect()
}

#[derive(Deserialize, JsonSchema, Default, Debug, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Start {
    /// From the first event.
    #[default]
    Beginning,
    /// From now on.
    Now,
    /// From a position.
    Cursor(String),
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Auth {
    Bearer(Secret),
    ApiKey { key: Secret, secret: Secret },
    SameAs(String),
}

/// A feed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Feed {
    /// The token to ask with.
    token: Secret,
    auth: Option<Auth>,
    #[serde(default)]
    start: Start,
    #[serde(default = "limit")]
    #[schemars(range(min = 1, max = 200))]
    limit: u32,
    #[serde(default)]
    interval: Period,
    organisation: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    drop_own: bool,
}

fn limit() -> u32 {
    100
}

#[async_trait]
impl SourceSpec for Feed {
    const TYPE: &'static str = "feed";
    fn class(&self) -> SourceClass {
        SourceClass::RetainedFeed
    }
    fn api(&self) -> Option<&'static str> {
        Some("feed api")
    }
    fn check(&self, cx: &CheckContext<'_>) -> Vec<Problem> {
        // Shows in a message what the field became, to look at it from outside.
        let mut problems = Vec::new();
        if self.tags.iter().any(|tag| tag == "show") {
            let Feed { organisation, limit, start, interval, .. } = self;
            let file = self.token.file();
            let message = format!("{organisation:?} {limit} {start:?} {interval} {file:?} {:?}", self.tags);
            problems.push(Problem::new("tags", message));
        }
        if let Some(Auth::SameAs(other)) = &self.auth
            && !cx.sources.iter().any(|(name, _)| name == other)
        {
            problems.push(Problem::new("auth.same_as", format!("no source `{other}`")));
        }
        if let Some(Auth::ApiKey { key, secret }) = &self.auth
            && key == secret
        {
            problems
                .push(Problem::new("auth.api_key.key", format!("key and secret are both {}", key.expose())));
        }
        if let Some(Auth::Bearer(token)) = &self.auth
            && token.expose().contains(' ')
        {
            problems.push(Problem::new("auth.bearer", "a token has no blank"));
        }
        if self.drop_own && self.limit == 1 {
            problems.push(Problem::new("", "drop_own needs a limit above 1"));
        }
        problems
    }
    async fn build(self, _: &Context) -> Result<BuiltSource> {
        Err(Error::config("never built"))
    }
}

/// Sources that differ only in their class.
macro_rules! bare_source {
    ($name:ident, $type:literal, $class:ident) => {
        /// A source without options.
        #[derive(Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        struct $name {}

        #[async_trait]
        impl SourceSpec for $name {
            const TYPE: &'static str = $type;
            fn class(&self) -> SourceClass {
                SourceClass::$class
            }
            async fn build(self, _: &Context) -> Result<BuiltSource> {
                Err(Error::config("never built"))
            }
        }
    };
}

bare_source!(Queue, "queue", ConfirmOnRead);
bare_source!(Records, "records", RecordField);

/// A source that others send to.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Hook {
    /// An address and a port.
    listen: Option<String>,
    #[serde(default)]
    path: String,
}

#[async_trait]
impl SourceSpec for Hook {
    const TYPE: &'static str = "hook";
    fn class(&self) -> SourceClass {
        SourceClass::Push
    }
    fn listens_on(&self) -> Option<ListensOn> {
        let address = self.listen.as_ref()?.parse().ok()?;
        Some(ListensOn { address, path: self.path.clone(), option: "path" })
    }
    async fn build(self, _: &Context) -> Result<BuiltSource> {
        Err(Error::config("never built"))
    }
}

/// Keeps what matches.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Filter {}

#[async_trait]
impl TransformSpec for Filter {
    const TYPE: &'static str = "filter";
    fn effect(&self, _: &str) -> Effect {
        Effect::None
    }
    fn when_discards() -> bool {
        true
    }
    async fn build(self, _: &Context, _: &dyn ScriptFiles) -> Result<Box<dyn Transform>> {
        Err(Error::config("never built"))
    }
}

/// A script.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Script {
    #[schemars(extend("contentMediaType" = "application/rhai"))]
    source: Option<Located>,
    file: Option<String>,
    #[serde(default)]
    outputs: Vec<String>,
}

#[async_trait]
impl TransformSpec for Script {
    const TYPE: &'static str = "script";
    fn check(&self, cx: &CheckContext<'_>) -> Vec<Problem> {
        let inline = self.source.as_ref().and_then(|source| bad("source", &source.text));
        let file = self.file.as_ref().and_then(|file| match cx.files.read(file) {
            Ok(text) => bad("file", &text),
            Err(message) => Some(Problem::new("file", message)),
        });
        inline.into_iter().chain(file).collect()
    }
    fn outputs(&self, _: &CheckContext<'_>) -> Vec<String> {
        self.outputs.clone()
    }
    async fn build(self, _: &Context, _: &dyn ScriptFiles) -> Result<Box<dyn Transform>> {
        Err(Error::config("never built"))
    }
}

/// A look-up.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Lookup {
    #[schemars(extend("x-rule" = "template"))]
    url: Located,
}

#[async_trait]
impl TransformSpec for Lookup {
    const TYPE: &'static str = "lookup";
    fn effect(&self, component: &str) -> Effect {
        Effect::Adds(format!("of_{component}"))
    }
    fn is_repeatable(&self) -> bool {
        false
    }
    fn lookup_urls(&self) -> Vec<LookupUrl> {
        vec![LookupUrl { name: None, template: self.url.clone() }]
    }
    fn check(&self, _: &CheckContext<'_>) -> Vec<Problem> {
        let bad = bad("url", &self.url.text);
        let scheme =
            (!self.url.text.starts_with("https://")).then(|| Problem::new("url", "expected https://"));
        bad.into_iter().chain(scheme).collect()
    }
    async fn build(self, _: &Context, _: &dyn ScriptFiles) -> Result<Box<dyn Transform>> {
        Err(Error::config("never built"))
    }
}

/// Remembers events.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Tally {
    #[schemars(extend("x-rule" = "expression"))]
    key: Option<Located>,
}

#[async_trait]
impl TransformSpec for Tally {
    const TYPE: &'static str = "tally";
    fn remembers(&self) -> bool {
        true
    }
    fn check(&self, _: &CheckContext<'_>) -> Vec<Problem> {
        self.key.as_ref().and_then(|key| bad("key", &key.text)).into_iter().collect()
    }
    async fn build(self, _: &Context, _: &dyn ScriptFiles) -> Result<Box<dyn Transform>> {
        Err(Error::config("never built"))
    }
}

/// At least once.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Plain {}

#[async_trait]
impl SinkSpec for Plain {
    const TYPE: &'static str = "plain";
    fn delivery(&self) -> DeliverySupport {
        DeliverySupport { default: Delivery::AtLeastOnce, exactly_once: false, why: "it keeps no position" }
    }
    async fn build(self, _: &Context) -> Result<BuiltSink> {
        Err(Error::config("never built"))
    }
}

/// Exactly once.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Exact {
    #[serde(default)]
    #[schemars(extend("x-rule" = "expression"))]
    columns: BTreeMap<String, Located>,
    rate: Option<Rate>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
struct Rate(#[schemars(schema_with = "rate")] serde_json::Value);

fn rate(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "oneOf": [{ "type": "integer", "minimum": 1 }, { "const": "unlimited" }] })
}

#[async_trait]
impl SinkSpec for Exact {
    const TYPE: &'static str = "exact";
    fn delivery(&self) -> DeliverySupport {
        let why = "rows and position share one transaction";
        DeliverySupport { default: Delivery::ExactlyOnce, exactly_once: true, why }
    }
    fn check(&self, _: &CheckContext<'_>) -> Vec<Problem> {
        let rate = self.rate.as_ref().filter(|rate| rate.0 == 7);
        let rate = rate.map(|rate| Problem::new("rate", format!("not {}", rate.0)));
        let columns =
            self.columns.iter().filter_map(|(name, located)| bad(&format!("columns.{name}"), &located.text));
        columns.chain(rate).collect()
    }
    async fn build(self, _: &Context) -> Result<BuiltSink> {
        Err(Error::config("never built"))
    }
}
