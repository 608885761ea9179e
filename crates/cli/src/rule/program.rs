//! A rule that is compiled: a condition, then a script, which is the transform `rhai` as pipelines are given it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use sluicebox_config::{LocatedProblem, document};
use sluicebox_core::{
    CheckContext, Context, Delivery, DiscardReason, Event, Located, Memory, Outputs, Problem, Registry,
    RetryOptions, Shared, Transform, TransformOutcome,
};
use sluicebox_rules::Condition;

use super::intent::{RuleTexts, ScriptText};
use crate::exit::{Exit, Stop};
use crate::outside::Folder;

/// The transform that runs scripts.
const TRANSFORM: &str = "rhai";
/// What messages call the declaration of what is remembered.
const STATE: &str = "--state";
/// What the main output is called where a name is asked for.
pub(super) const MAIN: &str = "main";

/// The texts of a rule, with the names under which messages show them.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    /// What the script declares to remember.
    pub(super) state: Option<Located>,
    pub(super) when: Option<Located>,
    pub(super) script: Option<Located>,
}

impl Texts {
    /// A script, and what it remembers.
    pub(super) fn script(script: Located, state: Option<&str>) -> Self {
        Self { state: state.map(declared), when: None, script: Some(script) }
    }

    /// Reads the texts that the arguments name.
    pub(super) fn read(rule: &RuleTexts) -> Result<Self, Stop> {
        let when = rule.when.as_ref().map(|text| Located::whole_file(text, "--when"));
        let script = match &rule.script {
            Some(ScriptText::Inline(text)) => Some(Located::whole_file(text, "-e")),
            Some(ScriptText::File(path)) => Some(script_file(path)?),
            None => None,
        };
        Ok(Self { state: rule.state.as_deref().map(declared), when, script })
    }

    /// The text that a message calls by this name.
    pub(super) fn named(&self, name: &str) -> Option<&str> {
        let mut texts = [&self.state, &self.when, &self.script].into_iter().flatten();
        texts.find(|text| text.file == name).map(|text| text.text.as_str())
    }
}

/// The text of `--state`.
fn declared(state: &str) -> Located {
    Located::whole_file(state, STATE)
}

/// The text of a script file.
pub(super) fn script_file(path: &Path) -> Result<Located, Stop> {
    let text = crate::outside::read(path)
        .map_err(|why| Stop::usage(format!("cannot read the script {}: {why}", path.display())))?;
    Ok(Located::whole_file(text, path.display().to_string()))
}

/// A compiled rule.
pub(super) struct Program {
    when: Option<Condition>,
    script: Option<Box<dyn Transform>>,
    outputs: Vec<String>,
}

impl Program {
    /// Compiles; the inner error is what is wrong with the texts.
    pub(super) async fn build(
        registry: &Registry,
        texts: &Texts,
    ) -> Result<Result<Self, Vec<LocatedProblem>>, Stop> {
        let mut problems = Vec::new();
        let mut program = Self { when: None, script: None, outputs: Vec::new() };
        if let Some(text) = &texts.when {
            match Condition::compile(text) {
                Ok(condition) => program.when = Some(condition),
                Err(problem) => problems.push(locate(text, &problem)),
            }
        }
        if let Some(text) = &texts.script {
            problems.extend(program.add_script(registry, text, texts.state.as_ref()).await?);
        }
        Ok(if problems.is_empty() { Ok(program) } else { Err(problems) })
    }

    async fn add_script(
        &mut self,
        registry: &Registry,
        text: &Located,
        state: Option<&Located>,
    ) -> Result<Vec<LocatedProblem>, Stop> {
        let remembers =
            match state.map(|state| document::<Map<String, Value>>(STATE, &state.text)).transpose() {
                Ok(remembers) => remembers.unwrap_or_default(),
                Err(report) => return Ok(report.problems),
            };
        let Some(known) = registry.transforms().get(TRANSFORM) else {
            return Err(Stop::new(
                Exit::Configuration,
                "this build has no transform `rhai`, which runs scripts",
            ));
        };
        let [text_key, file_key, line_key, column_key, block_key] = Located::KEYS;
        let source = json!({
            text_key: text.text, file_key: text.file, line_key: text.line, column_key: text.column,
            block_key: text.block,
        });
        let spec = match known.component.parse(json!({ "source": source, "state": remembers })) {
            Ok(spec) => spec,
            Err(problem) => {
                let message = format!("`{}`: {}", problem.path, problem.message);
                return Ok(vec![locate(state.unwrap_or(text), &Problem::new(problem.path, message))]);
            }
        };
        let files = Folder::of(Path::new(&text.file));
        let check = CheckContext { files: &files, sources: &[] };
        let of_state = |problem: &Problem| state.filter(|_| problem.path.starts_with("state."));
        let located = |problem: Problem| match of_state(&problem) {
            // The place inside a text of the declaration is none of the declaration itself.
            Some(state) => {
                let message = format!("`{}`: {}", problem.path, problem.message);
                locate(state, &Problem { message, inside: None, ..problem })
            }
            None => locate(text, &problem),
        };
        let problems: Vec<_> = spec.check(&check).into_iter().map(located).collect();
        if problems.is_empty() {
            self.outputs = spec.outputs(&check);
            self.script = Some(spec.build(&context(), &files).await?);
        }
        Ok(problems)
    }

    /// Refuses the name of an output that the script does not have.
    pub(super) fn must_have(&self, output: &str) -> Result<(), Stop> {
        if output == MAIN || self.outputs.iter().any(|known| known == output) {
            return Ok(());
        }
        let stop = Stop::usage(format!("the rule has no output `{output}`"));
        let known: Vec<_> = std::iter::once(MAIN).chain(self.outputs.iter().map(String::as_str)).collect();
        Err(stop.help(format!("there is {}", known.join(", "))))
    }

    /// What becomes of one event; `memory` is what scripts have remembered so far.
    pub(super) async fn apply(
        &self,
        event: Event,
        memory: &mut Memory,
    ) -> Result<Vec<TransformOutcome>, Stop> {
        if let Some(condition) = &self.when {
            match condition.matches(&event) {
                Ok(true) => {}
                Ok(false) => return Ok(vec![TransformOutcome::Discard(DiscardReason::Filtered)]),
                Err(error) => {
                    return Ok(vec![TransformOutcome::DeadLetter(event, error.reason(), error.into())]);
                }
            }
        }
        let Some(script) = &self.script else { return Ok(vec![TransformOutcome::Emit(None, event)]) };
        let mut out = Outputs::new();
        match script.stateful() {
            Some(stateful) => stateful.apply(vec![event], memory, &mut out)?,
            None => script.apply(vec![event], &mut out).await?,
        }
        // Nobody saves it.
        memory.take_changes();
        Ok(out.into_outcomes().into_iter().map(|(_, outcome)| outcome).collect())
    }
}

/// What the transform is built with. It is nameless, so that log lines of scripts begin with `rule`.
fn context() -> Context {
    Context {
        pipeline: Arc::from("rule"),
        component: Arc::from(""),
        account: Arc::from(""),
        folder: PathBuf::new(),
        delivery: Delivery::AtLeastOnce,
        retry: RetryOptions::default(),
        environment: sluicebox_engine::system(),
        shared: Shared::default(),
    }
}

/// A problem where it stands in its text.
pub(super) fn locate(text: &Located, problem: &Problem) -> LocatedProblem {
    let place = problem.inside.unwrap_or((1, 1));
    let located = LocatedProblem::in_text(&text.file, &text.text, place, &problem.message);
    LocatedProblem { help: problem.help.clone(), ..located }
}
