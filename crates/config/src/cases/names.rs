//! The names that a test may use: the components of its pipeline.

use sluicebox_core::ComponentKind;
use smol_str::SmolStr;

use crate::Plan;
use crate::graph::Vertex;
use crate::load::Drafts;

/// The components of a pipeline by kind, in the order of the file.
#[derive(Default)]
pub(crate) struct Outline {
    pub(crate) sources: Vec<SmolStr>,
    pub(crate) transforms: Vec<SmolStr>,
    pub(crate) sinks: Vec<SmolStr>,
    /// The transforms whose answers a test can give.
    pub(crate) lookups: Vec<SmolStr>,
    /// The named outputs of transforms, as far as they are known.
    outputs: Vec<(SmolStr, Vec<SmolStr>)>,
    /// Components that something is wrong with: what they are good for is not known.
    unknown: Vec<SmolStr>,
}

impl Outline {
    /// Of a file that may be wrong elsewhere.
    pub(crate) fn of_drafts(vertices: &[Vertex<'_>], drafts: &Drafts) -> Self {
        let mut outline = Self::default();
        for vertex in vertices {
            let name = vertex.name.clone();
            match vertex.kind {
                ComponentKind::Source => outline.sources.push(name),
                ComponentKind::Transform => outline.transforms.push(name),
                ComponentKind::Sink => outline.sinks.push(name),
            }
        }
        for transform in &drafts.transforms {
            outline.transform(transform);
        }
        let known = |name: &SmolStr| drafts.transforms.iter().any(|transform| transform.name == *name);
        outline.unknown = outline.transforms.iter().filter(|name| !known(name)).cloned().collect();
        outline
    }

    /// Of a file that is right.
    pub(crate) fn of_plan(plan: &Plan) -> Self {
        let mut outline = Self {
            sources: plan.sources.iter().map(|source| source.name.clone()).collect(),
            transforms: plan.transforms.iter().map(|transform| transform.name.clone()).collect(),
            sinks: plan.sinks.iter().map(|sink| sink.name.clone()).collect(),
            ..Self::default()
        };
        for transform in &plan.transforms {
            outline.transform(transform);
        }
        outline
    }

    fn transform(&mut self, transform: &crate::TransformPlan) {
        if transform.is_lookup() {
            self.lookups.push(transform.name.clone());
        }
        self.outputs.push((transform.name.clone(), transform.outputs.clone()));
    }

    /// Whether nothing can be said about a component.
    pub(crate) fn is_unknown(&self, name: &str) -> bool {
        self.unknown.iter().any(|unknown| unknown == name)
    }

    /// The outputs of a transform, `main` first; `None` if they cannot be known.
    pub(crate) fn outputs_of(&self, transform: &str) -> Option<Vec<SmolStr>> {
        let (_, outputs) = self.outputs.iter().find(|(name, _)| name == transform)?;
        Some(std::iter::once(SmolStr::new_static("main")).chain(outputs.iter().cloned()).collect())
    }
}
