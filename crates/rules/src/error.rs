//! What goes wrong in a rule, said in the user's terms and with its place.

use std::borrow::Cow;

use rhai::{EvalAltResult, LexError, ParseError, ParseErrorType, Position};
use sluicebox_core::{DeadLetterError, Error, ErrorClass, Located, Problem, Reason};

use crate::origin::Origin;
use crate::program::at;
use crate::view::{META, STATE};
use crate::{budget, functions, limits, tree, write};

/// A rule failed on one event. Becomes a dead letter ([`RuleError::reason`], [`DeadLetterError::from`]).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.message)]
pub struct RuleError(DeadLetterError, Reason);

impl RuleError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(DeadLetterError::new(message), Reason::Script)
    }

    /// The event is valid JSON text, but no tree can hold it, or none within the memory of a rule.
    pub(crate) fn unreadable(error: &serde_json::Error) -> Self {
        if tree::is_too_large(error) {
            let memory = limits::mebibytes(limits::MEMORY);
            return Self::new(format!("the event is too large for a rule: it would hold more than {memory}"))
                .with_help("cut it up first with `split`, or ask for smaller events");
        }
        Self(DeadLetterError::new(format!("the event cannot be read: {error}")), Reason::Parse)
    }

    pub(crate) fn evaluation(error: &EvalAltResult, origin: &Origin) -> Self {
        let (inner, position) = innermost(error);
        let (message, help) = describe(inner);
        let (place, position) = origin.find(position);
        let mut rule_error = Self::new(message).at(place, position);
        rule_error.0.help = help.map(Cow::into_owned);
        rule_error
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    pub(crate) fn at(mut self, place: &Located, position: Position) -> Self {
        self.0.file = Some(place.file.clone()).filter(|file| !file.is_empty());
        let (line, column) = (position.line().unwrap_or(1), position.position().unwrap_or(1));
        let found = place.place(line, column);
        self.0.line = found.map(|(line, _)| line);
        self.0.column = found.map(|(_, column)| column);
        self
    }

    /// `script`, or `parse` for an event that cannot be read.
    pub fn reason(&self) -> Reason {
        self.1
    }

    /// The same for a component that cannot put a dead letter itself: `WHAT: message`, with place and help.
    pub fn to_error(&self, what: &str) -> Error {
        let class = if self.reason() == Reason::Script { ErrorClass::Script } else { ErrorClass::Permanent };
        let error = Error::new(class, format!("{what}: {self}"));
        let error = match &self.0 {
            DeadLetterError { file: Some(file), line: Some(line), column: Some(column), .. } => {
                error.with_place(file, *line, *column)
            }
            _ => error,
        };
        self.0.help.iter().fold(error, Error::with_help)
    }

    /// Message, place and help.
    pub fn details(&self) -> &DeadLetterError {
        &self.0
    }
}

impl From<RuleError> for DeadLetterError {
    fn from(error: RuleError) -> Self {
        error.0
    }
}

/// The error in the script function that failed, not in its callers.
fn innermost(error: &EvalAltResult) -> (&EvalAltResult, Position) {
    let mut error = error;
    let mut position = error.position();
    while let EvalAltResult::ErrorInFunctionCall(_, _, inner, _) = error {
        error = inner;
        position = Some(error.position()).filter(|inner| !inner.is_none()).unwrap_or(position);
    }
    (error, position)
}

const MISSING_HELP: &str =
    "a field is missing or null here: give a default with `??`, or ask first with `\"name\" in event`";

const CALLS_HELP: &str = "use a loop and a list of what is still to do";

/// Message and help.
type Description = (String, Option<Cow<'static, str>>);

fn describe(error: &EvalAltResult) -> Description {
    match error {
        EvalAltResult::ErrorFunctionNotFound(signature, _) => no_function(signature),
        other => {
            let (message, help) = describe_other(other);
            (message, help.map(Cow::Borrowed))
        }
    }
}

/// Rhai says `name (i64, &str | ImmutableString | String)`.
fn no_function(signature: &str) -> Description {
    let (name, arguments) = signature.split_once(" (").unwrap_or((signature, ""));
    let arguments = arguments.strip_suffix(')').unwrap_or(arguments);
    let kinds: Vec<&str> = arguments.split(", ").map(short_kind).collect();
    let about_missing = kinds.contains(&"()");
    let found = format!("no function fits `{name} ({})`", kinds.join(", "));
    let missing = about_missing.then_some(Cow::Borrowed(MISSING_HELP));
    let full_name = if kinds.first() == Some(&STATE) { format!("{STATE}.{name}") } else { name.to_owned() };
    if let Some(usage) = functions::usage(&full_name) {
        return (format!("{found}; there is {usage}"), missing);
    }
    let nearest = functions::nearest(name).map(|name| format!("did you mean `{name}`?").into());
    (found, nearest.or(missing))
}

/// A type of Rhai in a signature.
fn short_kind(type_name: &str) -> &str {
    match type_name {
        "i64" => "integer",
        "f64" => "number",
        "array" => "list",
        "Fn" => "function",
        name if name.contains("tring") => "text",
        name => name,
    }
}

fn describe_other(error: &EvalAltResult) -> (String, Option<&'static str>) {
    use EvalAltResult as E;
    match error {
        E::ErrorDotExpr(_, _) | E::ErrorIndexingType(_, _) if names_unit(error) => (
            "a field cannot be set inside a missing or null value".to_owned(),
            Some("set a map first: `event.a = #{}`"),
        ),
        E::ErrorDotExpr(message, _) => (no_field(message), None),
        E::ErrorMismatchDataType(expected, found, _) | E::ErrorMismatchOutputType(expected, found, _) => {
            let help = (found == "()").then_some(MISSING_HELP);
            (format!("expected {}, found {}", kind(expected), kind(found)), help)
        }
        E::ErrorTooManyOperations(_) => out_of_operations(),
        E::ErrorTerminated(token, _) if is_text(token, budget::OUT_OF_OPERATIONS) => out_of_operations(),
        E::ErrorTerminated(token, _) if is_text(token, budget::OUT_OF_TIME) => (
            format!("the rule was stopped after {} s of CPU time", limits::CPU.as_secs()),
            Some(
                "do less for one event: shorter texts and lists, simpler patterns, fewer loops inside loops",
            ),
        ),
        E::ErrorTerminated(token, _) if is_text(token, budget::OUT_OF_MEMORY) => out_of_memory(),
        E::ErrorTerminated(token, _) if is_text(token, budget::OUT_OF_STACK) => (
            format!("calls inside calls need more than {} of stack", limits::mebibytes(limits::STACK_BYTES)),
            Some(CALLS_HELP),
        ),
        E::ErrorTooManyVariables(_) => (
            format!("more than {} variables are alive at once", limits::VARIABLES),
            Some("put values that belong together into a list or a map"),
        ),
        E::ErrorVariableNotFound(name, _) => (
            format!("`{name}` is not known here"),
            Some("a function sees its parameters only: pass it what it needs"),
        ),
        E::ErrorStackOverflow(_) => (
            format!("functions call each other deeper than {} levels", limits::CALL_LEVELS),
            Some(CALLS_HELP),
        ),
        E::ErrorDataTooLarge(what, _) => too_large(&what.to_lowercase()),
        E::ErrorTerminated(token, _) if token.is_string() => too_large(&token.to_string()),
        E::ErrorAssignmentToConstant(name, _) => (format!("`{name}` is read-only"), None),
        E::ErrorNonPureMethodCallOnConstant(name, _) => {
            (format!("`{name}` would change a value that is read-only here"), None)
        }
        E::ErrorRuntime(value, _) => (thrown(value), None),
        other => (lower_first(&without_place(&other.to_string())), None),
    }
}

fn too_large(size: &str) -> (String, Option<&'static str>) {
    match limits::size(size) {
        Some((what, limit, help)) => (format!("{what} is over the limit of {limit}"), Some(help)),
        None => (format!("{size} is over the limit"), None),
    }
}

fn out_of_operations() -> (String, Option<&'static str>) {
    let message = format!("the rule was stopped after {} operations", limits::OPERATIONS);
    (message, Some("look for a loop that does not end"))
}

fn out_of_memory() -> (String, Option<&'static str>) {
    let message =
        format!("the rule was stopped: it would hold more than {}", limits::mebibytes(limits::MEMORY));
    (message, Some("look for a list or map that grows in a loop, and for copies of large values"))
}

fn names_unit(error: &EvalAltResult) -> bool {
    error.to_string().contains("()")
}

/// Rhai says `Unknown property 'a' - a getter is not registered for type 'i64'`.
fn no_field(message: &str) -> String {
    match message.split('\'').collect::<Vec<_>>()[..] {
        [_, name, _, type_name, ..] => format!("there is no field `{name}` in {}", kind(type_name)),
        _ => lower_first(message),
    }
}

fn is_text(value: &rhai::Dynamic, text: &str) -> bool {
    value.as_immutable_string_ref().is_ok_and(|value| value.as_str() == text)
}

/// What `throw` was given, or what one of our functions said.
fn thrown(value: &rhai::Dynamic) -> String {
    if value.is_unit() {
        "the rule threw an error".to_owned()
    } else if value.is_map() || value.is_array() {
        // As JSON, which ends where it gets too long.
        let json = write::json_within(value, limits::LINE_BYTES);
        json.map_or_else(|error| error.to_string(), |json| limits::line(&String::from_utf8_lossy(&json)))
    } else {
        limits::line(&value.to_string())
    }
}

/// A Rhai type in words.
pub(crate) fn kind(type_name: &str) -> &str {
    match type_name {
        "()" => "nothing (a missing or null field)",
        "bool" => "true or false",
        "i64" => "an integer",
        "f64" => "a number with a fraction",
        "decimal" => "a decimal",
        "map" => "a map",
        "array" => "an array",
        "Fn" => "a function",
        name if name.contains("tring") || name == "&str" => "text",
        name => name,
    }
}

/// Rhai's messages end in their position; ours is shown apart.
fn without_place(message: &str) -> String {
    message.rfind(" (line ").map_or(message, |at| &message[..at]).to_owned()
}

fn lower_first(message: &str) -> String {
    let mut characters = message.chars();
    characters.next().map(|first| first.to_lowercase().chain(characters).collect()).unwrap_or_default()
}

/// The problem of a text that does not compile; `position` is where the user wrote it.
pub(crate) fn problem(error: &ParseError, text: &str, position: Position) -> Problem {
    let mut problem = Problem::new("", lower_first(&without_place(&error.err_type().to_string())));
    match error.err_type() {
        ParseErrorType::Reserved(word) if follows_dot(text, error.position()) => {
            problem.message = format!("`{word}` is a reserved word and cannot follow a dot");
            problem = problem.with_help(format!("write `[\"{word}\"]` instead of `.{word}`"));
        }
        ParseErrorType::PropertyExpected if follows_dot(text, error.position()) => {
            problem = problem.with_help("a field whose name is a reserved word is written `event[\"name\"]`");
        }
        ParseErrorType::Reserved(word) if word == "print" || word == "debug" => {
            problem = problem.with_help("use `log(text)`");
        }
        ParseErrorType::VariableUndefined(name) if name == STATE => {
            "there is no `state` here: none is declared".clone_into(&mut problem.message);
            problem = problem.with_help(
                "a `rhai` script declares it beside itself, `state: { seen: { kind: counter } }`; conditions and templates \
                 have none, functions are handed it",
            );
        }
        ParseErrorType::VariableUndefined(name) => {
            problem.message = format!("`{name}` is not known here");
            problem =
                problem.with_help(format!("a rule sees `event` and `meta`: `event.{name}`, or quote text"));
        }
        ParseErrorType::BadInput(LexError::UnexpectedInput(sign)) if sign == "=" => {
            problem = problem.with_help("to compare, write `==`");
        }
        ParseErrorType::AssignmentToConstant(name) if name == META || name == STATE => {
            problem.message = format!("`{name}` is read-only");
        }
        _ => {}
    }
    at(problem, position)
}

/// Whether the place in the text comes right after a dot.
fn follows_dot(text: &str, position: Position) -> bool {
    let (Some(line), Some(column)) = (position.line(), position.position()) else { return false };
    let before: String =
        text.lines().nth(line - 1).unwrap_or_default().chars().take(column.saturating_sub(1)).collect();
    before.trim_end().ends_with(['.'])
}
