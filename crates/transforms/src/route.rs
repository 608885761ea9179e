//! The `route` transform: conditions send events to named outputs.
//!
//! Invariant: the routes are asked in the order of the file, and an event that none of them matches is either on the
//! main output or counted as `unrouted`.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use sluicebox_core::{
    CheckContext, Context, DiscardReason, Effect, Error, Event, Located, Outputs, Problem, Result,
    ScriptFiles, Transform, TransformSpec,
};
use sluicebox_rules::{Condition, RuleError};
use smol_str::SmolStr;

/// The name that the main output has in ids.
const MAIN: &str = "main";

/// Sends events to named outputs by conditions.
///
/// A route `large` of a component `judge` is read below as `judge.large`; every route must be read by somebody. The
/// routes are asked in the order of the file. With `mode: first`, an event leaves by the first route that matches, as
/// it came and with its id. With `mode: all`, it leaves by every route that matches, each time as an event of its own
/// with the id `<id>/<route>/0`, so that a sink that reads two routes can tell the two apart.
///
/// What no route matches leaves by the main output (read as `judge`) or, with `unmatched: drop`, is discarded and
/// counted as `unrouted`. An event on which a condition fails, or is neither true nor false, is a dead letter with
/// reason `script`, and leaves by no route at all.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "routes": [
    { "large": "event.amount > 1000" },
    { "refund": "meta.type == \"payment.refunded\"" }
] }))]
pub struct Route {
    /// The routes: a list, because the order counts, of one name and one condition each
    /// (`- large: event.amount > 1000`).
    #[schemars(schema_with = "routes")]
    pub routes: Vec<BTreeMap<String, Located>>,
    /// Whether an event takes the first route that matches, or all of them.
    #[serde(default)]
    pub mode: RouteMode,
    /// What becomes of an event that no route matches.
    #[serde(default)]
    pub unmatched: Unmatched,
}

/// How many routes an event takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RouteMode {
    /// The first that matches.
    #[default]
    First,
    /// Every one that matches.
    All,
}

/// What becomes of an event that no route matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unmatched {
    /// It leaves by the main output.
    #[default]
    Main,
    /// It is discarded (counted as `unrouted`).
    Drop,
}

fn routes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "x-rule": "expression",
        "items": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": {
                "type": ["string", "boolean"], "format": "located", "x-interpolate": false
            },
            "x-help": "one name and its condition: `- large: event.amount > 1000`"
        },
        "x-help": "routes are asked in order, so they are a list: `- large: event.amount > 1000`"
    })
}

impl Route {
    /// The name of every route with its condition; entries that are none are left out.
    fn named(&self) -> impl Iterator<Item = (usize, &String, &Located)> {
        let single = self.routes.iter().enumerate().filter(|(_, route)| route.len() == 1);
        single.flat_map(|(index, route)| route.iter().map(move |(name, condition)| (index, name, condition)))
    }

    fn compile(&self) -> std::result::Result<Vec<(SmolStr, Condition)>, Vec<Problem>> {
        let mut problems = self.misfits();
        let mut compiled = Vec::new();
        for (index, name, text) in self.named() {
            match Condition::compile(text) {
                Ok(condition) => compiled.push((SmolStr::from(name), condition)),
                Err(problem) => problems.push(problem.under(&format!("routes[{index}].{name}"))),
            }
        }
        if problems.is_empty() { Ok(compiled) } else { Err(problems) }
    }

    /// What is wrong apart from the conditions.
    fn misfits(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.routes.is_empty() {
            problems.push(Problem::new("routes", "expected at least one route"));
        }
        for (index, route) in self.routes.iter().enumerate().filter(|(_, route)| route.len() != 1) {
            let message = format!("expected one name with its condition, found {}", route.len());
            let help = "begin every route with a dash: `- large: event.amount > 1000`";
            problems.push(Problem::new(format!("routes[{index}]"), message).with_help(help));
        }
        let mut seen = BTreeSet::new();
        let mut always: Option<&String> = None;
        for (index, name, condition) in self.named() {
            let mut report = |message: String, help: &str| {
                problems.push(Problem::new(format!("routes[{index}].{name}"), message).with_help(help));
            };
            if name == MAIN {
                report(
                    format!("`{MAIN}` is the output of what no route matches"),
                    "give the route another name",
                );
            } else if !is_name(name) {
                report(
                    format!("`{name}` cannot be the name of an output"),
                    "use letters, digits, `_` and `-`",
                );
            } else if !seen.insert(name) {
                report(format!("the route `{name}` is there twice"), "join the conditions with `||`");
            }
            if let Some(before) = always.filter(|_| self.mode == RouteMode::First) {
                let help = "put the route that always matches last, or use `unmatched: main`";
                report(format!("nothing ever gets here: `{before}` matches every event"), help);
            }
            always = always.or((condition.text.trim() == "true").then_some(name));
        }
        problems
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|sign| sign.is_alphanumeric() || sign == '_' || sign == '-')
}

#[async_trait]
impl TransformSpec for Route {
    const TYPE: &'static str = "route";

    fn effect(&self, _component: &str) -> Effect {
        Effect::None
    }

    fn has_main_output(&self) -> bool {
        self.unmatched == Unmatched::Main
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        self.compile().err().unwrap_or_default()
    }

    fn outputs(&self, _cx: &CheckContext<'_>) -> Vec<String> {
        let good = self.named().map(|(_, name, _)| name).filter(|name| is_name(name) && *name != MAIN);
        let names: BTreeSet<&String> = good.collect();
        names.into_iter().cloned().collect()
    }

    async fn build(self, _cx: &Context, _files: &dyn ScriptFiles) -> Result<Box<dyn Transform>> {
        let routes = self.compile().map_err(|problems| {
            let told = problems.into_iter().map(|problem| format!("`{}`: {}", problem.path, problem.message));
            Error::config(told.collect::<Vec<_>>().join("; "))
        })?;
        Ok(Box::new(Junction { routes, mode: self.mode, unmatched: self.unmatched }))
    }
}

struct Junction {
    routes: Vec<(SmolStr, Condition)>,
    mode: RouteMode,
    unmatched: Unmatched,
}

impl Junction {
    /// The routes that an event takes.
    fn matching(&self, event: &Event) -> std::result::Result<Vec<&SmolStr>, RuleError> {
        let mut matching = Vec::new();
        for (name, condition) in &self.routes {
            if condition.matches(event)? {
                matching.push(name);
                if self.mode == RouteMode::First {
                    break;
                }
            }
        }
        Ok(matching)
    }

    fn send(&self, index: usize, event: Event, out: &mut Outputs) {
        let matching = match self.matching(&event) {
            Ok(matching) => matching,
            Err(error) => return out.dead_letter(index, event, error.reason(), error.into()),
        };
        match (matching.as_slice(), self.mode, self.unmatched) {
            ([], _, Unmatched::Main) => out.emit(index, event),
            ([], _, Unmatched::Drop) => out.discard(index, DiscardReason::Unrouted),
            ([first, ..], RouteMode::First, _) => out.emit_to(index, (*first).clone(), event),
            (all, RouteMode::All, _) => {
                for name in all {
                    out.emit_to(index, (*name).clone(), event.child(name, 0, event.json()));
                }
            }
        }
    }
}

#[async_trait]
impl Transform for Junction {
    async fn apply(&self, batch: Vec<Event>, out: &mut Outputs) -> Result<()> {
        for (index, event) in batch.into_iter().enumerate() {
            self.send(index, event, out);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
