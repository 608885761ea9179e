//! A schema from the pipeline file or a file beside it, compiled, with every fault at its place.

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;
use sluicebox_core::{Problem, ScriptFiles};

use super::place;
use super::references::{Home, Neighbours};
use crate::unreadable::unreadable;

/// Most files that one schema may lead to.
const NEIGHBOURS: usize = 100;
/// Steps that a `pattern` with look-around may go back on one text.
const BACKTRACKS: usize = 100_000;

const DRAFTS: &str =
    "write `https://json-schema.org/draft/2020-12/schema` or `http://json-schema.org/draft-07/schema#`";

/// Whether `$schema` names a draft that the validator knows.
fn is_draft(address: &str) -> bool {
    let bare = address.trim_end_matches('#');
    let name = bare.strip_prefix("https://").or_else(|| bare.strip_prefix("http://")).unwrap_or(bare);
    let name = name.strip_prefix("json-schema.org/").and_then(|name| name.strip_suffix("/schema"));
    matches!(name, Some("draft/2020-12" | "draft/2019-09" | "draft-07" | "draft-06" | "draft-04"))
}

/// A schema in the pipeline file.
///
/// # Errors
/// What is wrong, at its place below `schema`.
pub(super) fn inline(schema: &Value, formats: bool, files: &dyn ScriptFiles) -> Result<Validator, Problem> {
    compile(schema, "", formats, files).map_err(|fault| {
        let path = place::in_options(&fault.pointer, schema);
        Problem { path, ..fault.problem }.under("schema")
    })
}

/// A schema in a file.
///
/// # Errors
/// What is wrong, with its line and column in the file.
pub(super) fn of_file(file: &str, formats: bool, files: &dyn ScriptFiles) -> Result<Validator, Problem> {
    let text = files.read(file).map_err(|why| unreadable(file, &why))?;
    let schema: Value = serde_json::from_str(&text).map_err(|error| {
        let said = error.to_string();
        let message = said.split(" at line").next().unwrap_or_default();
        Problem::new("file", format!("this is not JSON: {message}"))
            .inside(error.line(), error.column().max(1))
    })?;
    compile(&schema, file, formats, files).map_err(|fault| {
        let problem = fault.problem.under("file");
        match place::in_file(&fault.pointer, &text) {
            Some((line, column)) => problem.inside(line, column),
            None => problem,
        }
    })
}

/// What is wrong, and where in the schema.
struct Fault {
    problem: Problem,
    pointer: Box<str>,
}

fn compile(schema: &Value, file: &str, formats: bool, files: &dyn ScriptFiles) -> Result<Validator, Fault> {
    if !schema.is_object() {
        let problem = Problem::new("", "expected a schema, which is a map");
        return Err(Fault { problem, pointer: Box::default() });
    }
    let draft = schema.get("$schema");
    if let Some(unknown) = draft.filter(|draft| !draft.as_str().is_some_and(is_draft)) {
        let problem = Problem::new("", format!("there is no JSON Schema draft {unknown}")).with_help(DRAFTS);
        return Err(Fault { problem, pointer: "/$schema".into() });
    }
    let home = Home::new(schema, file);
    let neighbours = Neighbours::default();
    let options = jsonschema::options()
        .with_base_uri(home.address.clone())
        .with_retriever(neighbours.clone())
        .with_pattern_options(PatternOptions::fancy_regex().backtrack_limit(BACKTRACKS))
        .should_validate_formats(formats);
    loop {
        let error = match options.build(schema) {
            Ok(validator) => return Ok(validator),
            Err(error) => error,
        };
        let wanted = neighbours.take_wanted();
        if wanted.is_empty() || neighbours.count() > NEIGHBOURS {
            return Err(fault(&error, schema));
        }
        for address in wanted {
            let document = home.read(&address, files).map_err(|problem| {
                let pointer = Home::reference_to(schema, &address).unwrap_or_default();
                Fault { problem, pointer: pointer.into() }
            })?;
            neighbours.add(address, document);
        }
    }
}

/// The place is that of the faulty keyword: in what was checked, if the schema itself did not fit its draft, else where
/// the keyword stands.
fn fault(error: &ValidationError<'_>, schema: &Value) -> Fault {
    let (checked, keyword) = (error.instance_path().as_str(), error.schema_path().as_str());
    let pointer = if checked.is_empty() && schema.pointer(keyword).is_some() { keyword } else { checked };
    let message = match error.kind() {
        Kind::Format { format } if format == "regex" => {
            format!("{} is no regular expression", error.instance())
        }
        Kind::Referencing(cause) => format!("`$ref` leads nowhere: {cause}"),
        _ => format!("this is no JSON Schema: {error}"),
    };
    Fault { problem: Problem::new("", message), pointer: pointer.into() }
}
