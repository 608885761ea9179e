//! The `rhai` transform: a script changes, splits, routes, drops or gives up events.
//!
//! Invariant: a script that fails on one event touches no other; the event becomes a dead letter with its place.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    CheckContext, Context, DiscardReason, Error, Event, Located, Outputs, Problem, Reason, Result,
    ScriptFiles, Transform, TransformSpec,
};
use sluicebox_rules::{Emitted, Script};
use smol_str::SmolStr;

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
/// What the script leaves alone keeps its bytes; what it changes is written anew. Integers beyond 64 bits are floats
/// inside a script. Limits hold for operations, time, size and depth; there are no files, network, clock or `eval`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "file": "rules/price.rhai" }))]
#[schemars(example = serde_json::json!({ "source": "event.text_length = event.text.len();" }))]
pub struct RhaiScript {
    /// The script's file, relative to the pipeline file. Either this or `source`.
    #[serde(default)]
    #[schemars(example = "rules/price.rhai")]
    pub file: Option<String>,
    /// The script itself. Either this or `file`. `${…}` in it is Rhai's own and not a variable of the environment.
    #[serde(default)]
    #[schemars(extend("contentMediaType" = "application/rhai"))]
    #[schemars(example = "event.text_length = event.text.len();")]
    pub source: Option<Located>,
}

impl RhaiScript {
    fn compile(&self, files: &dyn ScriptFiles) -> Result<Script, Problem> {
        match (&self.file, &self.source) {
            (None, Some(source)) => Script::compile(source).map_err(|problem| problem.under("source")),
            (Some(file), None) => {
                let text = files.read(file).map_err(|message| Problem::new("file", message))?;
                Script::compile(&Located::whole_file(text, file)).map_err(|problem| problem.under("file"))
            }
            (None, None) => {
                Err(Problem::new("", "a script is missing").with_help("add `file:` or `source:`"))
            }
            (Some(_), Some(_)) => {
                Err(Problem::new("source", "both `file` and `source` are given")
                    .with_help("keep one of the two"))
            }
        }
    }
}

#[async_trait]
impl TransformSpec for RhaiScript {
    const TYPE: &'static str = "rhai";

    fn check(&self, cx: &CheckContext<'_>) -> Vec<Problem> {
        self.compile(cx.files).err().into_iter().collect()
    }

    fn outputs(&self, cx: &CheckContext<'_>) -> Vec<String> {
        let script = self.compile(cx.files);
        script
            .map_or_else(|_| Vec::new(), |script| script.outputs().iter().map(ToString::to_string).collect())
    }

    async fn build(self, cx: &Context, files: &dyn ScriptFiles) -> Result<Box<dyn Transform>> {
        let script = self.compile(files).map_err(|problem| {
            let error = Error::config(format!("the script does not compile: {}", problem.message));
            problem.help.into_iter().fold(error, Error::with_help)
        })?;
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
    fn run(&self, index: usize, event: Event, out: &mut Outputs) {
        let outcome = match self.script.run(&event) {
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
            self.run(index, event, out);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;
    use sluicebox_core::{CheckContext, TransformOutcome};

    use crate::testing::{Files, apply, build, check, context, event, parse};

    const EVENT: &str = r#"{ "n": 1.10, "list": [{"a":1},{"a":2}] }"#;

    async fn run(script: &str) -> Vec<(usize, String)> {
        let transform = build("rhai", &json!({ "source": script }), &context()).await;
        let tell = |outcome| match outcome {
            TransformOutcome::Emit(output, event) => {
                let json = String::from_utf8(event.json().to_vec()).unwrap();
                format!("{} {} {json}", output.as_deref().unwrap_or("-"), event.meta().id)
            }
            TransformOutcome::Discard(reason) => reason.as_str().to_owned(),
            TransformOutcome::DeadLetter(event, reason, error) => {
                assert_eq!(event.json(), EVENT);
                format!("{} {}", reason.as_str(), error.message)
            }
        };
        let outcomes = apply(&*transform, vec![event("x", "a", EVENT)]).await;
        outcomes.into_iter().map(|(index, outcome)| (index, tell(outcome))).collect()
    }

    fn expected(texts: &[&str]) -> Vec<(usize, String)> {
        texts.iter().map(|text| (0, (*text).to_owned())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn every_outcome_reaches_its_output() {
        assert_eq!(run("event.n > 1").await, expected(&[&format!("- x {EVENT}")]));
        assert_eq!(run("event.n > 2").await, expected(&["filtered"]));
        assert_eq!(run("event.remove(\"list\");").await, expected(&[r#"- x {"n":1.10}"#]));
        assert_eq!(
            run("emit(#{ first: true }); to(\"big\"); event.list").await,
            expected(&[r#"- x/main/0 {"first":true}"#, r#"big x/big/0 {"a":1}"#, r#"big x/big/1 {"a":2}"#])
        );
        assert_eq!(run("dead_letter(\"no\")").await, expected(&["explicit no"]));
        assert!(run("event.nope.len()").await[0].1.starts_with("script no function fits"));
    }

    #[tokio::test(start_paused = true)]
    async fn one_failing_event_touches_no_other() {
        let transform = build("rhai", &json!({ "source": "event.n += 1;" }), &context()).await;
        let batch = vec![event("1", "a", r#"{"n":1}"#), event("2", "a", "{}"), event("3", "a", r#"{"n":3}"#)];
        let outcomes = apply(&*transform, batch).await;
        let kinds: Vec<bool> =
            outcomes.iter().map(|(_, outcome)| matches!(outcome, TransformOutcome::Emit(..))).collect();
        assert_eq!(kinds, [true, false, true]);
    }

    #[test]
    fn scripts_are_checked_where_they_stand() {
        let files = Files(BTreeMap::from([
            ("good.rhai", "to(\"b\"); to(\"a\");"),
            ("bad.rhai", "true;\n  let = 1;"),
        ]));
        assert_eq!(check("rhai", &json!({ "file": "good.rhai" }), &files), []);
        let problems = check("rhai", &json!({ "file": "bad.rhai" }), &files);
        assert_eq!((problems[0].path.as_str(), problems[0].inside), ("file", Some((2, 7))));
        let problems = check("rhai", &json!({ "source": "true;\n  event.default = 1;" }), &files);
        assert_eq!((problems[0].path.as_str(), problems[0].inside), ("source", Some((2, 9))));
        for options in
            [json!({}), json!({ "file": "good.rhai", "source": "true" }), json!({ "file": "gone.rhai" })]
        {
            assert_eq!(check("rhai", &options, &files).len(), 1, "{options}");
        }
        let cx = CheckContext { files: &files, sources: &[] };
        assert_eq!(parse("rhai", &json!({ "file": "good.rhai" })).outputs(&cx), ["a", "b"]);
        assert!(parse("rhai", &json!({ "file": "bad.rhai" })).outputs(&cx).is_empty());
    }
}
