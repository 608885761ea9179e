//! Compiles the graph of a plan into one [`Flow`] per source.

use std::collections::BTreeMap;

use sluicebox_config::Input;
use sluicebox_core::Environment;
use smol_str::SmolStr;

use crate::build::{BuiltSource, BuiltTransform};
use crate::edge::EdgeSender;
use crate::flow::{Flow, Outlet, Reader, Stage};
use crate::letters::Postbox;
use crate::member::SharedMember;

/// A sink as the graph sees it.
pub(crate) struct GraphSink<'a> {
    pub(crate) member: &'a SharedMember,
    pub(crate) inputs: &'a [Input],
    pub(crate) edge: &'a EdgeSender,
}

/// Which sinks a source reaches, and the way there.
pub(crate) struct Route {
    pub(crate) flow: Flow,
    /// Indices of the reached sinks.
    pub(crate) sinks: Vec<usize>,
}

/// The flow below `source`. `transforms` are in topological order, so one pass finds everything that is reached.
pub(crate) fn route(
    source: &BuiltSource,
    transforms: &[BuiltTransform],
    sinks: &[GraphSink<'_>],
    (environment, postboxes): (&Environment, &[Postbox]),
) -> Route {
    let mut reached: BTreeMap<&SmolStr, usize> = BTreeMap::new();
    let mut readers = Vec::new();
    let mut stages: Vec<Stage> = Vec::new();
    for transform in transforms {
        let position = stages.len();
        let fed = connect(
            &transform.inputs,
            Reader::Stage(position),
            &source.member.name,
            &reached,
            (&mut readers, &mut stages),
        );
        if fed {
            reached.insert(&transform.member.name, position);
            stages.push(Stage {
                member: transform.member.clone(),
                transform: transform.transform.clone(),
                retry: transform.retry.clone(),
                main: Vec::new(),
                named: BTreeMap::new(),
            });
        }
    }
    let mut outlets = Vec::new();
    let mut reached_sinks = Vec::new();
    for (index, sink) in sinks.iter().enumerate() {
        let reader = Reader::Outlet(outlets.len());
        if connect(sink.inputs, reader, &source.member.name, &reached, (&mut readers, &mut stages)) {
            outlets.push(Outlet { member: sink.member.clone(), edge: sink.edge.clone() });
            reached_sinks.push(index);
        }
    }
    Route {
        flow: Flow {
            source: source.member.clone(),
            key: source.key.clone(),
            readers,
            stages,
            outlets,
            _postboxes: postboxes.to_vec(),
            environment: environment.clone(),
        },
        sinks: reached_sinks,
    }
}

/// Adds `reader` to every output that feeds it within this source's flow; `false` if none does.
fn connect(
    inputs: &[Input],
    reader: Reader,
    source: &SmolStr,
    reached: &BTreeMap<&SmolStr, usize>,
    (readers, stages): (&mut Vec<Reader>, &mut Vec<Stage>),
) -> bool {
    let mut fed = false;
    for input in inputs {
        if input.component == *source && input.output.is_none() {
            readers.push(reader);
            fed = true;
        } else if let Some(position) = reached.get(&input.component) {
            let stage = &mut stages[*position];
            match &input.output {
                None => stage.main.push(reader),
                Some(output) => stage.named.entry(output.clone()).or_default().push(reader),
            }
            fed = true;
        }
    }
    fed
}
