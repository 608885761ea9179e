//! The `rhai` transform: a script changes, splits, routes, drops or gives up events.
//!
//! Invariant: a script that fails on one event touches no other; the event becomes a dead letter with its place.

mod arguments;
mod declaration;
mod examples;
mod pack;
mod packs;
mod shipped;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use sluicebox_core::{
    CheckContext, Context, DiscardReason, Effect, Error, Event, Located, Memory, Outputs, Problem, Reason,
    Result, ScriptFiles, ScriptText, StatefulTransform, Transform, TransformSpec,
};
use sluicebox_rules::{Emitted, Flow, Script, State, Surroundings};
use smol_str::SmolStr;

use self::pack::Pack;
pub use self::packs::{PackParameter, PackScript, ShippedPack, shipped_packs};
pub use self::state::{StateKind, StateOptions};
use crate::unreadable::unreadable;

/// The name of the main output in the ids of children.
const MAIN: &str = "main";

/// Runs a Rhai script on every event.
///
/// The script sees `event`, the upstream JSON, and `meta`, which is read-only. It changes `event` in place:
///
/// ```rhai
/// event.amount_eur = event.data.amountUsd * 0.92;
/// if event.contract.rateUsd > 1000 { to("large") }
/// ```
///
/// Its last value decides what goes on: nothing, `true` or `event` keep the event; `false` or `[]` drop it; a map
/// literal or `replace(map)` replaces it; an array of maps emits those instead, each with an id of its own
/// (`<parent>/<output>/<index>`; the main output is called `main`). Any other value is an error: end the line with `;`.
///
/// `emit(map)` adds an event before it, `drop()` suppresses it, `to("output")` sends it to a named output (read as
/// `name.output` below; the name is literal text), `dead_letter("reason")` gives it up at once, `log(text)` writes a log
/// line.
///
/// A missing field is `()` at any depth; `==` and the orderings with it are false, `!=` is true, calling a method on it
/// is an error: use `event.x ?? 0` or `"x" in event`. A field whose name is a reserved word is written
/// `event["default"]`. An error is a dead letter with reason `script` and its file, line and column.
///
/// A script that others have written is used by name, with arguments: `pack: money/convert` and `with:`. A pack lies in
/// `plugins/rhai/<pack>/` beside the pipeline file, or ships with Sluicebox (`sluicebox list`). What such a script
/// remembers is declared under `state:` as any other; `check` says what it needs.
///
/// State. A script remembers what it declares under `state:`, by name: counters, last values and sets, by key. The key
/// is the declared one, or stands behind the name:
///
/// ```text
/// state:
///   seen: { kind: counter, key: event.data.userId, ttl: 1d }
/// source: |
///   if state.add("seen", 1) > 3 { drop() }
///   event.others = state.get("seen", "somebody else");
/// ```
///
/// It is saved in the very commit of the cursor, so that a restart neither loses nor repeats a count. Each partition
/// (account) has its own. An event that becomes a dead letter changes nothing in it; one that is dropped does.
///
/// What the script leaves alone keeps its bytes; what it changes is written anew. Integers beyond 64 bits are floats
/// inside a script. Limits hold for operations, time, size and depth; there are no files, network, clock or `eval`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "file": "rules/price.rhai" }))]
#[schemars(example = serde_json::json!({ "source": "event.text_length = event.text.len();" }))]
#[schemars(example = serde_json::json!({
    "pack": "money/convert",
    "with": { "field": "data.amount", "into": "amount_eur", "rates": { "USD": 0.92 } }
}))]
pub struct RhaiScript {
    /// The script's file, relative to the pipeline file. Either this, `source` or `pack`.
    #[serde(default)]
    #[schemars(example = "rules/price.rhai")]
    pub file: Option<String>,
    /// The script itself. Either this, `file` or `pack`. `${…}` in it is Rhai's own and not a variable of the environment.
    #[serde(default)]
    #[schemars(extend("contentMediaType" = "application/rhai"))]
    #[schemars(example = "event.text_length = event.text.len();")]
    pub source: Option<Located>,
    /// A script of a pack: `<pack>/<script>`. Either this, `file` or `source`.
    #[serde(default)]
    #[schemars(example = "money/convert")]
    pub pack: Option<String>,
    /// The arguments of a script of a pack, which declares what it takes.
    #[serde(default)]
    pub with: Map<String, Value>,
    /// What the script remembers from event to event, by name: `state.add("seen", 1)`. See "State" above.
    #[serde(default)]
    #[schemars(extend("x-rule" = "expression"))]
    #[schemars(example = serde_json::json!({
        "seen": { "kind": "counter", "key": "event.data.userId", "ttl": "1d" },
        "latest": { "kind": "value", "key": "event.data.contractId" },
        "topics": { "kind": "set", "key": "meta.key", "ttl": "7d", "max_items": 1000 }
    }))]
    pub state: BTreeMap<String, StateOptions>,
}

impl RhaiScript {
    fn compile(&self, files: &dyn ScriptFiles) -> Result<Script, Vec<Problem>> {
        let own = |compiled: Result<Script, Problem>| compiled.map_err(|problem| vec![problem]);
        // A pack says what its scripts need.
        let state = if self.pack.is_some() { None } else { state::declared(&self.state)? };
        let surroundings = Surroundings { state: state.as_ref(), ..Surroundings::default() };
        match (&self.file, &self.source, &self.pack) {
            (None, None, Some(named)) => {
                let (name, script) = pack::split(named).map_err(|problem| vec![problem])?;
                Pack::find(name, files).map_err(|problem| vec![problem])?.compile(
                    script,
                    &self.with,
                    &self.state,
                )
            }
            (None, Some(_), None) | (Some(_), None, None) if !self.with.is_empty() => {
                let problem = Problem::new("with", "only a script of a pack takes arguments");
                Err(vec![problem.with_help("write the values into the script, or make a pack of it")])
            }
            (None, Some(source), None) => {
                own(Script::compile_within(source, &surroundings).map_err(|problem| problem.under("source")))
            }
            (Some(file), None, None) => {
                own(files.read(file).map_err(|why| unreadable(file, &why)).and_then(|text| {
                    let text = Located::whole_file(text, file);
                    Script::compile_within(&text, &surroundings).map_err(|problem| problem.under("file"))
                }))
            }
            (None, None, None) => {
                let problem = Problem::new("", "a script is missing");
                Err(vec![problem.with_help("add `file:`, `source:` or `pack:`")])
            }
            _ => {
                let given = [("file", self.file.is_some()), ("source", self.source.is_some())];
                let given = given.into_iter().chain([("pack", self.pack.is_some())]);
                let given: Vec<&str> = given.filter(|(_, is)| *is).map(|(name, _)| name).collect();
                let message = format!("`{}` exclude each other", given.join("` and `"));
                let last = given.last().copied().unwrap_or_default();
                Err(vec![Problem::new(last, message).with_help("keep one of them")])
            }
        }
    }

    /// Runs the examples of a pack beside the pipeline file; those that ship have been run.
    fn run_examples(&self, files: &dyn ScriptFiles) -> Result<(), Vec<Problem>> {
        let Some(Ok((name, script))) = self.pack.as_deref().map(pack::split) else { return Ok(()) };
        match Pack::find(name, files) {
            Ok(pack) if pack.is_local() => examples::run(&pack, script),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl TransformSpec for RhaiScript {
    const TYPE: &'static str = "rhai";

    fn check(&self, cx: &CheckContext<'_>) -> Vec<Problem> {
        let checked = self.compile(cx.files).and_then(|_| self.run_examples(cx.files));
        checked.err().unwrap_or_default()
    }

    fn outputs(&self, cx: &CheckContext<'_>) -> Vec<String> {
        let script = self.compile(cx.files);
        script
            .map_or_else(|_| Vec::new(), |script| script.outputs().iter().map(ToString::to_string).collect())
    }

    fn remembers(&self) -> bool {
        !self.state.is_empty()
    }

    fn effect_of_scripts(&self, _component: &str, cx: &CheckContext<'_>) -> Effect {
        let own =
            self.scripts(cx).into_iter().next().map(|script| {
                Flow::of_script(&script.text, &Surroundings::default()).map(|flow| flow.effect)
            });
        let effect = match (own, self.pack.as_deref().map(pack::split)) {
            (Some(effect), _) => effect.ok(),
            (None, Some(Ok((name, script)))) => {
                Pack::find(name, cx.files).ok().and_then(|pack| pack.effect(script, &self.with))
            }
            _ => None,
        };
        effect.unwrap_or_default()
    }

    fn scripts(&self, cx: &CheckContext<'_>) -> Vec<ScriptText> {
        let inline = self.source.iter().cloned();
        let inline = inline.map(|text| ScriptText { path: "source", text, is_file: false });
        let file = self.file.iter().filter_map(|file| {
            let text = Located::whole_file(cx.files.read(file).ok()?, file);
            Some(ScriptText { path: "file", text, is_file: true })
        });
        // A script of a pack serves events of any shape, and its examples prove it.
        inline.chain(file).collect()
    }

    async fn build(self, cx: &Context, files: &dyn ScriptFiles) -> Result<Box<dyn Transform>> {
        let script = self.compile(files).map_err(|problems| {
            let told: Vec<String> = problems.iter().map(|problem| problem.message.clone()).collect();
            let error = Error::config(format!("the script does not compile: {}", told.join("; ")));
            problems.into_iter().find_map(|problem| problem.help).into_iter().fold(error, Error::with_help)
        })?;
        tracing::debug!(component = %cx.component, tier = %script.tier(), "script");
        Ok(Box::new(Runner {
            script,
            pipeline: Arc::clone(&cx.pipeline),
            component: Arc::clone(&cx.component),
        }))
    }
}

struct Runner {
    script: Script,
    pipeline: Arc<str>,
    component: Arc<str>,
}

impl Runner {
    fn run(&self, index: usize, event: Event, memory: Option<&mut Memory>, out: &mut Outputs) {
        let outcome = match memory {
            Some(memory) => self.script.run_remembering(&event, memory),
            None => self.script.run(&event),
        };
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => return out.dead_letter(index, event, error.reason(), error.into()),
        };
        for line in outcome.log {
            tracing::info!(
                pipeline = &*self.pipeline,
                component = &*self.component,
                id = event.meta().id.as_str(),
                "{line}"
            );
        }
        if let Some(reason) = outcome.dead_letter {
            return out.dead_letter(index, event, Reason::Explicit, reason);
        }
        if outcome.emitted.is_empty() {
            return out.discard(index, DiscardReason::Filtered);
        }
        let mut children: HashMap<SmolStr, usize> = HashMap::new();
        for emission in outcome.emitted {
            let emitted = match emission.event {
                Emitted::Unchanged => event.clone(),
                Emitted::Changed(json) => event.with_json(json),
                Emitted::Child(json) => {
                    let name = emission.output.clone().unwrap_or_else(|| SmolStr::new_static(MAIN));
                    let number = children.entry(name.clone()).or_default();
                    *number += 1;
                    event.child(&name, *number - 1, json)
                }
            };
            match emission.output {
                Some(output) => out.emit_to(index, output, emitted),
                None => out.emit(index, emitted),
            }
        }
    }
}

#[async_trait]
impl Transform for Runner {
    async fn apply(&self, batch: Vec<Event>, out: &mut Outputs) -> Result<()> {
        for (index, event) in batch.into_iter().enumerate() {
            self.run(index, event, None, out);
        }
        Ok(())
    }

    fn stateful(&self) -> Option<&dyn StatefulTransform> {
        self.script.state().map(|_| self as &dyn StatefulTransform)
    }
}

impl StatefulTransform for Runner {
    fn max_entries(&self) -> usize {
        self.script.state().map_or(0, State::max_entries)
    }

    fn apply(&self, batch: Vec<Event>, memory: &mut Memory, out: &mut Outputs) -> Result<()> {
        for (index, event) in batch.into_iter().enumerate() {
            self.run(index, event, Some(memory), out);
        }
        Ok(())
    }
}
