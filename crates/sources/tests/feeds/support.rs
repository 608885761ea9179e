//! Sources of this crate over scripted answers, and the pages that they are given.

use serde_json::Value;
use sluicebox_core::{CheckContext, Context, Problem, Registry, Source};
use sluicebox_testkit::NoFiles;
pub(crate) use sluicebox_testkit::scripted::{Reply, Scripted, context, in_turn, opentrain_page, update};

fn registry() -> Registry {
    let mut registry = Registry::new();
    sluicebox_sources::register(&mut registry);
    registry
}

/// Builds a source from its options.
pub(crate) async fn source(source_type: &str, options: Value, cx: &Context) -> Box<dyn Source> {
    registry().sources()[source_type].parse(options).unwrap().build(cx).await.unwrap().into_single().unwrap()
}

/// What `check` finds in the options of a source.
pub(crate) fn problems(source_type: &str, options: Value) -> Vec<Problem> {
    let cx = CheckContext { files: &NoFiles, sources: &[] };
    registry().sources()[source_type].parse(options).unwrap().check(&cx)
}

/// Whether the declaration refuses the options.
pub(crate) fn parse_error(source_type: &str, options: Value) -> Option<String> {
    registry().sources()[source_type].parse(options).err().map(|problem| problem.message)
}
