//! The explicit list of component types: what `type:` can name.

use std::collections::BTreeMap;

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde::de::DeserializeOwned;

use crate::{
    AccountsSpec, AnyAccounts, AnySink, AnySource, AnyTransform, KnownEvents, Problem, RuleForm, RuleReview,
    SchemaReader, SinkSpec, SourceSpec, TransformSpec,
};

/// Which of the three a component is; the label `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ComponentKind {
    /// Brings events.
    Source,
    /// Changes events.
    Transform,
    /// Takes events.
    Sink,
}

impl ComponentKind {
    /// `source`, `transform` or `sink`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Transform => "transform",
            Self::Sink => "sink",
        }
    }
}

/// A value that does not fit the declaration: the path within the component and serde's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseProblem {
    /// Dotted path to the value.
    pub path: String,
    /// What serde said.
    pub message: String,
}

/// What every registered type has: its name, its declaration as JSON Schema, its parser.
pub struct ComponentType<C: ?Sized> {
    /// The `type:` in a pipeline file.
    pub name: &'static str,
    /// JSON Schema of its own options (common options excluded); its description is the reference page.
    pub schema: Schema,
    /// What its events look like, as JSON Schemas, where the type says so itself: for `check`, as if a pipeline had
    /// declared them.
    pub events: Vec<serde_json::Value>,
    parse: Parser<C>,
}

/// What makes a component of its options.
type Parser<C> = Box<dyn Fn(serde_json::Value) -> Result<Box<C>, ParseProblem> + Send + Sync>;

/// A registered source type.
pub type SourceType = ComponentType<dyn AnySource>;
/// A registered sink type.
pub type SinkType = ComponentType<dyn AnySink>;
/// A registered place where accounts come from: what stands under `accounts:`.
pub type AccountsType = ComponentType<dyn AnyAccounts>;
/// A registered transform type.
pub struct TransformType {
    /// Name, schema, parser.
    pub component: ComponentType<dyn AnyTransform>,
    /// See [`TransformSpec::when_discards`].
    pub when_discards: bool,
}

impl<C: ?Sized> ComponentType<C> {
    fn new(
        name: &'static str,
        schema: Schema,
        parse: impl Fn(serde_json::Value) -> Result<Box<C>, ParseProblem> + Send + Sync + 'static,
    ) -> Self {
        Self { name, schema, events: Vec::new(), parse: Box::new(parse) }
    }

    /// Parses a component's own options, typed by its declaration.
    ///
    /// # Errors
    /// The first value that does not fit, with its path.
    pub fn parse(&self, options: serde_json::Value) -> Result<Box<C>, ParseProblem> {
        (self.parse)(options)
    }

    /// The first paragraph of the declaration's doc comment.
    pub fn summary(&self) -> &str {
        let text = self.schema.get("description").and_then(|text| text.as_str()).unwrap_or_default();
        text.split("\n\n").next().unwrap_or_default()
    }
}

/// Compiles a condition for `check`, so that `config` needs no rule language: `Err` holds the place inside the text.
pub type ConditionCheck = fn(&str) -> Result<(), Problem>;

/// Every component type that a build of Sluicebox knows. Nothing registers itself: what ships is what is listed.
#[derive(Default)]
pub struct Registry {
    sources: BTreeMap<&'static str, SourceType>,
    transforms: BTreeMap<&'static str, TransformType>,
    sinks: BTreeMap<&'static str, SinkType>,
    accounts: BTreeMap<&'static str, AccountsType>,
    condition: Option<ConditionCheck>,
    review: Option<RuleReview>,
    schemas: Option<SchemaReader>,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source type; a later one of the same name replaces an earlier.
    pub fn source<S: SourceSpec>(&mut self) -> &mut Self {
        let parse = |value| parse::<S>(value).map(|spec| Box::new(spec) as Box<dyn AnySource>);
        self.sources.insert(S::TYPE, ComponentType::new(S::TYPE, schema::<S>(), parse));
        self
    }

    /// Adds a source type that is no Rust type: one that was declared in a file. A later one of the same name replaces
    /// an earlier. To be called when a program starts: the name lives as long as the program.
    pub fn declared_source(
        &mut self,
        name: &str,
        schema: Schema,
        events: Vec<serde_json::Value>,
        parse: impl Fn(serde_json::Value) -> Result<Box<dyn AnySource>, ParseProblem> + Send + Sync + 'static,
    ) -> &mut Self {
        let name: &'static str = match self.sources.get_key_value(name) {
            Some((known, _)) => known,
            None => String::leak(name.to_owned()),
        };
        self.sources.insert(name, ComponentType { events, ..ComponentType::new(name, schema, parse) });
        self
    }

    /// Adds a transform type.
    pub fn transform<T: TransformSpec>(&mut self) -> &mut Self {
        let parse = |value| parse::<T>(value).map(|spec| Box::new(spec) as Box<dyn AnyTransform>);
        let component = ComponentType::new(T::TYPE, schema::<T>(), parse);
        self.transforms.insert(T::TYPE, TransformType { component, when_discards: T::when_discards() });
        self
    }

    /// Adds a sink type.
    pub fn sink<K: SinkSpec>(&mut self) -> &mut Self {
        let parse = |value| parse::<K>(value).map(|spec| Box::new(spec) as Box<dyn AnySink>);
        self.sinks.insert(K::TYPE, ComponentType::new(K::TYPE, schema::<K>(), parse));
        self
    }

    /// Adds a place where accounts come from.
    pub fn accounts<A: AccountsSpec>(&mut self) -> &mut Self {
        let parse = |value| parse::<A>(value).map(|spec| Box::new(spec) as Box<dyn AnyAccounts>);
        self.accounts.insert(A::TYPE, ComponentType::new(A::TYPE, schema::<A>(), parse));
        self
    }

    /// Sets how `when:` and `key:` are compiled while checking.
    pub fn conditions(&mut self, check: ConditionCheck) -> &mut Self {
        self.condition = Some(check);
        self
    }

    /// Compiles a condition; without a rule language every text passes.
    ///
    /// # Errors
    /// What is wrong with it, with the place inside the text.
    pub fn check_condition(&self, text: &str) -> Result<(), Problem> {
        self.condition.map_or(Ok(()), |check| check(text))
    }

    /// Sets who judges rules by what is known of the events that reach them.
    pub fn reviews(&mut self, review: RuleReview) -> &mut Self {
        self.review = Some(review);
        self
    }

    /// What a rule asks of the events that cannot be; without a judge every rule passes.
    pub fn review(&self, text: &str, form: RuleForm, events: Option<&KnownEvents>) -> Vec<Problem> {
        self.review.map_or_else(Vec::new, |review| review(text, form, events))
    }

    /// Sets who reads the schemas that a pipeline declares.
    pub fn reads_schemas(&mut self, reader: SchemaReader) -> &mut Self {
        self.schemas = Some(reader);
        self
    }

    /// Who reads the schemas that a pipeline declares, if there is someone.
    pub fn schema_reader(&self) -> Option<SchemaReader> {
        self.schemas
    }

    /// All source types by name.
    pub fn sources(&self) -> &BTreeMap<&'static str, SourceType> {
        &self.sources
    }

    /// All transform types by name.
    pub fn transforms(&self) -> &BTreeMap<&'static str, TransformType> {
        &self.transforms
    }

    /// All places where accounts come from, by the key under `accounts:`.
    pub fn account_places(&self) -> &BTreeMap<&'static str, AccountsType> {
        &self.accounts
    }

    /// All sink types by name.
    pub fn sinks(&self) -> &BTreeMap<&'static str, SinkType> {
        &self.sinks
    }
}

fn parse<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, ParseProblem> {
    serde_path_to_error::deserialize(value).map_err(|error| ParseProblem {
        path: Some(error.path().to_string()).filter(|path| path != ".").unwrap_or_default(),
        message: error.into_inner().to_string(),
    })
}

fn schema<T: schemars::JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    SchemaGenerator::new(settings).into_root_schema_for::<T>()
}
