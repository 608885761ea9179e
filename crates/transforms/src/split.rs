//! The `split` transform: a list inside an event becomes one event for each of its items.
//!
//! Invariant: the items of one event all go on, in their order, or the event is a dead letter and none does.

mod cut;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluicebox_core::{
    CheckContext, Context, DiscardReason, Error, Event, Outputs, Problem, Result, ScriptFiles, Transform,
    TransformSpec,
};

use crate::map::path::FieldPath;
use cut::{Cutter, Pieces};

/// The name of the main output in the ids of children.
const MAIN: &str = "main";

/// Turns a list inside an event into one event for each of its items.
///
/// The events have the ids `<id>/main/0`, `<id>/main/1` … in the order of the list, and everything else of `meta` is
/// that of the event they come from. An item becomes the event byte for byte, unless it is wrapped or fields come along:
/// `keep` adds fields of the event around the list, `parent` puts all of them under one name. Either all items of an
/// event go on or, if one of them cannot, the event is a dead letter as it came; its position is passed only when every
/// one of its items is delivered.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "path": "data.items", "keep": ["id", "data.customer"] }))]
pub struct Split {
    /// Where the list is: a path into the event, like `data.items` or `data["line-items"]`.
    #[schemars(example = "data.items")]
    pub path: String,
    /// Puts every item into this field of its event (`{"item": …}`). Unset: the item is the event.
    #[serde(default)]
    #[schemars(example = &"item")]
    pub into: Option<String>,
    /// Puts items that are no maps into this field (`{"item": 5}`); maps are events as they are. Unset: an item that is
    /// no map makes the whole event a dead letter with reason `validation`.
    #[serde(default, rename = "as")]
    #[schemars(example = &"item")]
    pub wrap: Option<String>,
    /// Fields of the event around the list that come along, by path, at the same path. What an item has of its own
    /// under that path stays; `into` or `parent` keep the two apart. The list itself never comes along.
    #[serde(default)]
    #[schemars(example = &["id", "data.customer"])]
    pub keep: Vec<String>,
    /// Puts the event around the list, without the list, into this field of every item's event; with `keep`, only those
    /// fields of it. It replaces a field of that name.
    #[serde(default)]
    #[schemars(example = &"order")]
    pub parent: Option<String>,
    /// What becomes of an event whose list is empty.
    #[serde(default)]
    pub empty: OnEmpty,
    /// What becomes of an event that has nothing, or something else than a list, at `path`.
    #[serde(default)]
    pub on_missing: OnMissing,
    /// Most items of one list. An event with more is a dead letter with reason `too_large`, and so is one whose items
    /// together, with what comes along, have more than 64 MiB.
    #[serde(default = "default_max_items")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_items: usize,
}

/// What becomes of an event whose list is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnEmpty {
    /// It is discarded (counted as `filtered`).
    #[default]
    Drop,
    /// It goes on as it is.
    Pass,
}

/// What becomes of an event without a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnMissing {
    /// It is a dead letter with reason `validation`.
    #[default]
    DeadLetter,
    /// It goes on as it is.
    Pass,
    /// It is discarded (counted as `filtered`).
    Drop,
}

fn default_max_items() -> usize {
    10_000
}

impl Split {
    fn cutter(&self) -> std::result::Result<Cutter, Vec<Problem>> {
        let mut problems = self.misfits();
        let mut read = |text: &str, place: &str| {
            FieldPath::parse(text).map_err(|problem| problems.push(problem.under(place))).ok()
        };
        let path = read(&self.path, "path");
        let keep: Vec<Option<FieldPath>> =
            self.keep.iter().enumerate().map(|(index, text)| read(text, &format!("keep[{index}]"))).collect();
        if let Some(path) = &path {
            for (index, kept) in keep.iter().enumerate() {
                if kept.as_ref().is_some_and(|kept| kept.is_within(path)) {
                    let message = format!("`{path}` is the list that is split, and does not come along");
                    problems.push(Problem::new(format!("keep[{index}]"), message));
                }
            }
        }
        let Some(path) = path.filter(|_| problems.is_empty()) else { return Err(problems) };
        Ok(Cutter {
            path,
            into: self.into.clone(),
            wrap: self.wrap.clone(),
            keep: keep.into_iter().flatten().collect(),
            parent: self.parent.as_deref().map(FieldPath::of_field),
            empty: self.empty,
            on_missing: self.on_missing,
            max_items: self.max_items,
        })
    }

    /// What is wrong apart from the paths.
    fn misfits(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (key, name) in [("into", &self.into), ("as", &self.wrap), ("parent", &self.parent)] {
            if name.as_ref().is_some_and(|name| name.is_empty() || name.contains(['.', '['])) {
                problems.push(Problem::new(key, "expected the name of a top-level field"));
            }
        }
        if self.into.is_some() && self.wrap.is_some() {
            let message = "`into` wraps every item, so none is left for `as`";
            problems.push(Problem::new("as", message).with_help("keep one of the two"));
        }
        if self.parent.is_some() && (self.parent == self.into || self.parent == self.wrap) {
            let message = "the item and the event around it cannot have the same field";
            problems.push(Problem::new("parent", message));
        }
        if !(1..=100_000).contains(&self.max_items) {
            let message = format!("expected 1 to 100000, found {}", self.max_items);
            problems.push(Problem::new("max_items", message));
        }
        problems
    }
}

#[async_trait]
impl TransformSpec for Split {
    const TYPE: &'static str = "split";

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        self.cutter().err().unwrap_or_default()
    }

    async fn build(self, _cx: &Context, _files: &dyn ScriptFiles) -> Result<Box<dyn Transform>> {
        let cutter = self.cutter().map_err(|problems| {
            let told = problems.into_iter().map(|problem| format!("`{}`: {}", problem.path, problem.message));
            Error::config(told.collect::<Vec<_>>().join("; "))
        })?;
        Ok(Box::new(Splitter { cutter }))
    }
}

struct Splitter {
    cutter: Cutter,
}

#[async_trait]
impl Transform for Splitter {
    async fn apply(&self, batch: Vec<Event>, out: &mut Outputs) -> Result<()> {
        for (index, event) in batch.into_iter().enumerate() {
            match self.cutter.cut(&event) {
                Ok(Pieces::Items(items)) => {
                    for (number, json) in items.into_iter().enumerate() {
                        out.emit(index, event.child(MAIN, number, json));
                    }
                }
                Ok(Pieces::Whole) => out.emit(index, event),
                Ok(Pieces::None) => out.discard(index, DiscardReason::Filtered),
                Err(refused) => out.dead_letter(index, event, refused.reason, refused.error),
            }
        }
        Ok(())
    }
}
