//! Connectors: source types that are written in YAML, one file each, in the language of `http_poll`.
//!
//! Invariant: a connector that is registered has been read, filled in with samples and checked as a whole; what is
//! wrong with its file is told at its place before any pipeline is looked at.

mod attempt;
mod connector;
mod declaration;
mod either;
mod fill;
mod options;
mod review;
mod shipped;
mod skipping;
mod told;
mod trial;
mod watched;

use std::sync::Arc;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};
use sluicebox_config::Report;
use sluicebox_core::{AnySource, ParseProblem, Registry};

use crate::HttpPoll;
pub use attempt::Attempt;
use connector::Connector;
use declaration::Declaration;
pub use shipped::shipped;
use told::Written;
pub use trial::TrialOutcome;

/// A connector, read from its file.
#[derive(Clone, Debug)]
pub struct Plugin {
    declaration: Arc<Declaration>,
    /// What messages call the file.
    file: String,
    text: String,
}

impl Plugin {
    /// Reads a connector. `file` is what messages call it; its stem is the name that the connector must have.
    ///
    /// # Errors
    /// Everything that is wrong with it, at its place.
    pub fn read(file: &str, text: &str) -> Result<Self, Report> {
        let declaration: Declaration = sluicebox_config::document(file, text)?;
        let plugin =
            Self { declaration: Arc::new(declaration), file: file.to_owned(), text: text.to_owned() };
        let problems = plugin.problems();
        if problems.is_empty() { Ok(plugin) } else { Err(Report { problems }) }
    }

    /// The name of the source type.
    pub fn name(&self) -> &str {
        &self.declaration.name
    }

    /// What it reads, in a sentence.
    pub fn summary(&self) -> &str {
        &self.declaration.summary
    }

    /// Whom it talks to, as the file says it.
    pub fn address(&self) -> String {
        options::address(&self.declaration).unwrap_or_else(|| "whom its users name".to_owned())
    }

    /// How many tests it brings along.
    pub fn tests(&self) -> usize {
        self.declaration.tests.len()
    }

    /// Adds it to the source types; it replaces one of its name.
    pub fn register(self, registry: &mut Registry) {
        let schema = options::schema(&self.declaration, &language());
        let (name, events) = (self.declaration.name.clone(), self.declaration.events.clone());
        registry.declared_source(&name, schema, events, move |given| match given {
            Value::Object(given) => {
                let connector = self.connector(&given).map_err(|refusal| refusal.told)?;
                Ok(Box::new(connector) as Box<dyn AnySource>)
            }
            _ => Err(ParseProblem { path: String::new(), message: "expected a map".to_owned() }),
        });
    }

    /// The source that these options make.
    fn connector(&self, given: &Map<String, Value>) -> Result<Connector, Refusal> {
        let declaration = &self.declaration;
        let knobs = options::knobs(declaration);
        let mut arguments = Map::new();
        for (name, parameter) in &declaration.parameters {
            let value = given.get(name).unwrap_or(&parameter.default);
            if value.is_null() && parameter.required {
                return Err(Refusal::of_option("", format!("missing field `{name}`")));
            }
            if options::needs_text(declaration, name) && fill::is_empty_text(value) {
                let message = "expected a text that is not empty, found an empty text";
                return Err(Refusal::of_option(name, message.to_owned()));
            }
            arguments.insert(name.clone(), value.clone());
        }
        let is_given = |name: &str| arguments.get(name).is_some_and(|value| !value.is_null());
        if let Some(told) = either::misgiven(&declaration.either, is_given) {
            return Err(Refusal { told, inside: None });
        }
        let mut source = fill::fill_options(&declaration.source, &arguments);
        for (name, value) in given {
            if knobs.contains(&name.as_str()) {
                source.insert(name.clone(), value.clone());
            } else if !declaration.parameters.contains_key(name) {
                return Err(Refusal::of_option(name, format!("unknown field `{name}`")));
            }
        }
        let written = Written::new(declaration, given, &arguments);
        let mut source: HttpPoll =
            serde_path_to_error::deserialize(Value::Object(source)).map_err(|error| {
                let inside =
                    ParseProblem { path: error.path().to_string(), message: error.into_inner().to_string() };
                Refusal { told: written.refused(&inside), inside: Some(inside) }
            })?;
        source.hidden = declaration.secrets(&arguments);
        let family = declaration.family.clone().unwrap_or_else(|| declaration.name.clone());
        Ok(Connector { family, written, source })
    }
}

/// Options that make no source.
struct Refusal {
    /// What to say at the options.
    told: ParseProblem,
    /// What is wrong inside the source, if that is where it showed.
    inside: Option<ParseProblem>,
}

impl Refusal {
    fn of_option(path: &str, message: String) -> Self {
        Self { told: ParseProblem { path: path.to_owned(), message }, inside: None }
    }

    /// What to say where no option can be pointed at.
    fn sentence(&self) -> String {
        sentence(&self.told.path, &self.told.message)
    }
}

/// `option: message`.
fn sentence(option: &str, message: &str) -> String {
    if option.is_empty() { message.to_owned() } else { format!("{option}: {message}") }
}

/// JSON Schema of the options of `http_poll`.
fn language() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<HttpPoll>().to_value()
}
