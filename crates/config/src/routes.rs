//! What every source→sink path promises, and what it was asked for and cannot.
//!
//! A promise depends on the source, on what remembers events on the way, and on the sink; the weakest of them decides.

use std::ops::Range;

use sluicebox_core::{Delivery, DeliverySupport, SourceClass};

use crate::faults::{Fault, Faults};
use crate::graph::{Graph, Vertex};
use crate::load::Drafts;
use crate::node::join;
use crate::repeats::Unsteady;
use crate::{Route, SinkPlan, SourcePlan};

/// What a sink was asked for, with the place of the question.
pub(crate) type Asked = Option<(Delivery, Range<usize>)>;

/// Whether a sink can do what it was asked for, wherever its events come from.
pub(crate) fn check_sink(asked: &Asked, support: DeliverySupport, path: &str, faults: &mut Faults) {
    if let Some((Delivery::ExactlyOnce, range)) = asked
        && !support.exactly_once
    {
        let message = format!("this sink cannot deliver exactly once: {}", support.why);
        let fault = Fault::new(range.clone(), join(path, "delivery"), message);
        faults.add(fault.help("leave `delivery` out, or write `at_least_once`"));
    }
}

/// The route of every source to every sink that its events can reach.
pub(crate) fn routes(
    graph: &Graph,
    vertices: &[Vertex<'_>],
    drafts: &Drafts,
    unsteady: &Unsteady,
    faults: &mut Faults,
) -> Vec<Route> {
    let at = |name: &str| vertices.iter().position(|vertex| vertex.name == name);
    let mut routes = Vec::new();
    for source in &drafts.sources {
        for (sink, asked) in &drafts.sinks {
            let (Some(from), Some(to)) = (at(&source.name), at(&sink.name)) else { continue };
            if !graph.reaching(to)[from] {
                continue;
            }
            let mut route = route(source, sink);
            let mut broken = class_problem(source);
            if broken.is_none() {
                broken = unsteady.between((from, to), graph, (vertices, drafts));
            }
            if let Some(why) = broken.filter(|_| sink.delivery == Delivery::ExactlyOnce) {
                (route.guarantee, route.why) = (Delivery::AtLeastOnce, why);
                refuse(&route, sink, asked, faults);
            }
            if let Some((first, second)) = graph.double(from, to, vertices) {
                let node = vertices[to].inputs;
                let range = node.map_or(vertices[to].label.clone(), |node| faults.focus(node));
                let (source, sink) = (&source.name, &sink.name);
                let message = format!(
                    "events of `{source}` can reach `{sink}` by two paths (`{first}` and \
                                       `{second}`): one that takes both arrives twice"
                );
                faults.warn(Fault::new(range, join(&vertices[to].path, "inputs"), message));
            }
            routes.push(route);
        }
    }
    routes
}

fn route(source: &SourcePlan, sink: &SinkPlan) -> Route {
    let support = sink.config.delivery();
    let (guarantee, why) = match (sink.delivery, source.class) {
        (Delivery::AtLeastOnce, _) if support.default == Delivery::AtLeastOnce => {
            (Delivery::AtLeastOnce, support.why.to_owned())
        }
        (Delivery::AtLeastOnce, _) => (Delivery::AtLeastOnce, "the file asks for `at_least_once`".to_owned()),
        (Delivery::ExactlyOnce, SourceClass::ConfirmOnRead) if source.prefetch => {
            let why = format!(
                "{}; but `{}` prefetches, and a page in flight may be lost",
                support.why, source.name
            );
            (Delivery::ExactlyOnce, why)
        }
        (Delivery::ExactlyOnce, SourceClass::ConfirmOnRead) => (
            Delivery::ExactlyOnce,
            format!("{}; while the position of `{}` is valid upstream", support.why, source.name),
        ),
        (Delivery::ExactlyOnce, _) => (Delivery::ExactlyOnce, support.why.to_owned()),
    };
    Route { source: source.name.clone(), sink: sink.name.clone(), guarantee, why }
}

/// Why no route of a source is exactly once.
fn class_problem(source: &SourcePlan) -> Option<String> {
    match source.class {
        SourceClass::RecordField => {
            Some(format!("`{}` reads by a field of its records, with an overlap", source.name))
        }
        SourceClass::Push if source.accounts.iter().any(|account| account.config.listens()) => Some(format!(
            "`{}` is pushed by its sender, who may send again; repeats are known by the id of the delivery",
            source.name
        )),
        SourceClass::Push if source.accounts.iter().any(|account| account.config.ends()) => Some(format!(
            "`{}` reads what cannot be read again: a run that is killed loses what it had not delivered",
            source.name
        )),
        SourceClass::Push => Some(format!("`{}` is pushed by its sender, who may send again", source.name)),
        SourceClass::RetainedFeed | SourceClass::ConfirmOnRead => None,
    }
}

/// Reports a route that was explicitly asked for more than it can keep.
fn refuse(route: &Route, sink: &SinkPlan, asked: &Asked, faults: &mut Faults) {
    let Some((Delivery::ExactlyOnce, range)) = asked else { return };
    let (from, to, why) = (&route.source, &route.sink, &route.why);
    let message = format!("the route {from} → {to} cannot be exactly once: {why}");
    let path = format!("sinks.{}.delivery", sink.name);
    faults
        .add(Fault::new(range.clone(), path, message).help("leave `delivery` out, or write `at_least_once`"));
}
