//! Whether what transforms remember comes out the same when their events come again.
//!
//! After a crash the events since the saved cursor come again, and a sink skips by id what it has of them already. That
//! holds if the transforms that remember make the same events with the same ids (delivery section 1.9), so nothing above
//! them may depend on anything but the events. Invariant: a route is called exactly once only if this holds for it.

use std::collections::BTreeMap;

use sluicebox_core::CheckContext;
use smol_str::SmolStr;

use crate::graph::{Graph, Vertex};
use crate::load::Drafts;
use crate::review::Rule;

/// Components that may make something else of an event that comes again, with the words for it.
pub(crate) struct Unsteady(BTreeMap<SmolStr, String>);

impl Unsteady {
    /// Of a whole pipeline; `rules` are those beside `when:` and `key:`.
    pub(crate) fn of(drafts: &Drafts, rules: &[Rule], cx: &CheckContext<'_>) -> Self {
        let mut unsteady = BTreeMap::new();
        let mut read = |component: &SmolStr, text: &str| {
            if mentions_received(text) {
                let told = format!("`{component}` reads `meta.received`, which is another one by then");
                unsteady.insert(component.clone(), told);
            }
        };
        for rule in rules {
            read(&rule.component, &rule.located.text);
        }
        for source in &drafts.sources {
            source.when.iter().chain(&source.key).for_each(|rule| read(&source.name, &rule.text));
        }
        for transform in &drafts.transforms {
            transform.when.iter().for_each(|rule| read(&transform.name, &rule.text));
            for script in transform.config.scripts(cx) {
                read(&transform.name, &script.text.text);
            }
        }
        for transform in drafts.transforms.iter().filter(|plan| !plan.config.is_repeatable()) {
            let (name, kind) = (&transform.name, transform.component_type);
            unsteady.insert(name.clone(), format!("`{name}` (`{kind}`) may find something else by then"));
        }
        Self(unsteady)
    }

    /// Why a sink may get other events when those of a source come again; `None`: it gets the same.
    pub(crate) fn between(
        &self,
        (from, to): (usize, usize),
        graph: &Graph,
        (vertices, drafts): (&[Vertex<'_>], &Drafts),
    ) -> Option<String> {
        let at = |name: &SmolStr| vertices.iter().position(|vertex| vertex.name == *name);
        let below = graph.reaching(to);
        let remembering = drafts.transforms.iter().filter(|plan| plan.config.remembers());
        for transform in remembering {
            let Some(index) = at(&transform.name).filter(|index| below[*index]) else { continue };
            let above = graph.reaching(index);
            let reached =
                |name: &SmolStr| at(name).is_some_and(|cause| above[cause] && graph.reaching(cause)[from]);
            if let Some((_, told)) = self.0.iter().find(|(name, _)| reached(name)) {
                return Some(format!("after a crash, events come again to `{}`, and {told}", transform.name));
            }
        }
        None
    }
}

/// Whether a rule reads when an event was received: of all that a rule can see, the one thing that is new each time.
fn mentions_received(text: &str) -> bool {
    let text: String = text.chars().filter(|sign| !sign.is_whitespace()).collect();
    ["meta.received", "meta?.received", "meta[\"received\"]", "meta[`received`]"]
        .iter()
        .any(|way| text.contains(way))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_reads_the_time_of_arrival_is_found() {
        for text in
            ["meta.received > x", "let a = meta . received;", "meta[\"received\"]", "meta?.received ?? 1"]
        {
            assert!(mentions_received(text), "{text}");
        }
        for text in ["event.received", "meta.time", "received"] {
            assert!(!mentions_received(text), "{text}");
        }
    }
}
