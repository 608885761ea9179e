//! The `stdin` source: its options, which are its reference page.
//!
//! Invariant: what was read and is not durable yet is kept, because it cannot be read again.

mod feed;
mod kept;

use async_trait::async_trait;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    BuiltSource, ByteSize, CheckContext, Context, Error, Event, Problem, Reject, Result, SourceClass,
    SourceSpec,
};

use crate::item::Origin;
use crate::line_event::{Line, LineEventOptions, LinePaths, digest, trimmed};
use feed::StdinFeed;

/// Reads JSON lines from standard input until it ends: `zcat old.jsonl.gz | sluicebox run p.yaml`.
///
/// Every line that is a JSON object becomes one event, byte for byte. `meta.id` is `stdin:<account>:<run>/<number>`, with
/// the time when the run began and the number of the line, so the same lines are other events in another run;
/// `meta.type` and `meta.time` come from `event`, `meta.key` is the account. Blank lines are passed over. A line that is no
/// JSON object becomes a dead letter (`parse`), and so does one longer than `max_line` (`too_large`, with its beginning).
/// A last line without a line end is a line.
///
/// A pipeline that has only such sources ends with its input, as with `run --once`: exit code 0 once everything is
/// delivered. While a sink is slow, no more is read, so whoever writes waits.
///
/// **A run that is killed cannot read again**: what it had read and not delivered is lost to it, and giving it the same
/// input again gives everything again. Where that matters, write a file and read it with `file`. Within a run every line
/// is delivered, again if need be.
///
/// One process has one standard input: only one source may read it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StdinSource {
    /// Where a line says what it is.
    #[serde(default)]
    #[schemars(example = event_example())]
    pub event: LineEventOptions,
    /// Longest line; a longer one is a dead letter.
    #[serde(default = "default_max_line")]
    pub max_line: ByteSize,
}

fn event_example() -> serde_json::Value {
    serde_json::json!({ "type": "type", "time": "createdAt" })
}

fn default_max_line() -> ByteSize {
    ByteSize(1 << 20)
}

impl StdinSource {
    fn paths(&self, problems: &mut Vec<Problem>) -> LinePaths {
        LinePaths::compile(&self.event, Self::TYPE, problems)
    }
}

#[async_trait]
impl SourceSpec for StdinSource {
    const TYPE: &'static str = "stdin";

    fn class(&self) -> SourceClass {
        SourceClass::Push
    }

    fn ends(&self) -> bool {
        true
    }

    fn check(&self, cx: &CheckContext<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        let readers = cx.sources.iter().filter(|(_, source_type)| source_type == Self::TYPE);
        let names: Vec<String> = readers.map(|(name, _)| format!("`{name}`")).collect();
        if names.len() > 1 {
            let message = format!("{} would take the same input from each other", names.join(" and "));
            problems.push(Problem::new("type", message).with_help("keep one, and connect everything to it"));
        }
        if !(1024..=1 << 28).contains(&self.max_line.as_usize()) {
            problems
                .push(Problem::new("max_line", format!("expected 1KiB to 256MiB, found {}", self.max_line)));
        }
        self.paths(&mut problems);
        problems
    }

    fn item(&self, item: &Bytes, cx: &Context) -> Option<Result<Event, Box<Reject>>> {
        let line = Line { id: &format!("{:x}", digest(item)), text: trimmed(item) };
        let now = cx.environment.clock.now();
        Some(self.paths(&mut Vec::new()).event(&line, &Origin::new(Self::TYPE, cx), now))
    }

    async fn build(self, cx: &Context) -> Result<BuiltSource> {
        let mut problems = Vec::new();
        let paths = self.paths(&mut problems);
        if let Some(problem) = problems.into_iter().next() {
            return Err(Error::config(problem.message));
        }
        let max_line = self.max_line.as_usize();
        let input = tokio::io::stdin();
        Ok(BuiltSource::single(StdinFeed::new(input, paths, max_line, cx)))
    }
}
