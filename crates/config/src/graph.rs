//! The graph: what every component reads, in which order, and whether every event has somewhere to go.

use std::ops::Range;

use sluicebox_core::ComponentKind;
use smol_str::SmolStr;

use crate::Input;
use crate::faults::{Fault, Faults, nearest};
use crate::node::{Kind, Node, join};

/// A component as the graph sees it, also when its options are wrong.
pub(crate) struct Vertex<'n> {
    pub(crate) kind: ComponentKind,
    pub(crate) name: SmolStr,
    /// `sources.chat`.
    pub(crate) path: String,
    /// The bytes of its name.
    pub(crate) label: Range<usize>,
    /// The value of `inputs:`.
    pub(crate) inputs: Option<&'n Node>,
    /// Outputs beside the main one; `None` if they cannot be known.
    pub(crate) outputs: Option<Vec<SmolStr>>,
    /// Whether events can leave by the main output.
    pub(crate) has_main_output: bool,
}

/// The resolved graph, by index of the component.
pub(crate) struct Graph {
    /// What each component reads.
    pub(crate) inputs: Vec<Vec<Input>>,
    /// Every component after what it reads.
    pub(crate) order: Vec<usize>,
    edges: Vec<Vec<usize>>,
}

impl Graph {
    /// Resolves every input. What is wrong is reported; the graph then holds what is right.
    pub(crate) fn resolve(vertices: &[Vertex<'_>], faults: &mut Faults) -> Self {
        let mut inputs = Vec::with_capacity(vertices.len());
        let before = faults.count();
        for vertex in vertices {
            inputs.push(Reader { vertices, vertex, faults }.inputs());
        }
        let all_known = faults.count() == before;
        let at = |input: &Input| vertices.iter().position(|vertex| vertex.name == input.component);
        let edges: Vec<Vec<usize>> =
            inputs.iter().map(|inputs: &Vec<Input>| inputs.iter().filter_map(at).collect()).collect();
        let order = order(vertices, &edges, faults);
        let graph = Self { inputs, order, edges };
        // While an input is misspelt, who is not read says nothing.
        if all_known {
            graph.check_outputs(vertices, faults);
        }
        graph
    }

    /// Reports outputs that nobody reads.
    fn check_outputs(&self, vertices: &[Vertex<'_>], faults: &mut Faults) {
        let read = |name: &SmolStr, output: Option<&SmolStr>| {
            self.inputs
                .iter()
                .flatten()
                .any(|input| input.component == *name && input.output.as_ref() == output)
        };
        for vertex in vertices.iter().filter(|vertex| vertex.kind != ComponentKind::Sink) {
            let name = &vertex.name;
            let outputs = vertex.outputs.as_deref().unwrap_or_default();
            let any = self.inputs.iter().flatten().any(|input| input.component == *name);
            let at = |message: String| Fault::new(vertex.label.clone(), vertex.path.clone(), message);
            if !any {
                let message = format!("nobody reads `{name}`: its events would go nowhere");
                faults.add(at(message).help("name it in the `inputs` of a transform or a sink"));
                continue;
            }
            for output in outputs.iter().filter(|output| !read(name, Some(output))) {
                let message = format!("nobody reads `{name}.{output}`: its events would go nowhere");
                faults.add(
                    at(message)
                        .help(format!("add `{name}.{output}` to the `inputs` of a transform or a sink")),
                );
            }
            if vertex.has_main_output && !outputs.is_empty() && !read(name, None) {
                let message = format!(
                    "nobody reads the main output of `{name}`: what is not sent to a named output \
                                       is discarded"
                );
                faults.warn(at(message));
            }
        }
    }

    /// Whether events of `from` can arrive at `to`, for every `from`.
    pub(crate) fn reaching(&self, to: usize) -> Vec<bool> {
        let mut reaching = vec![false; self.edges.len()];
        let mut open = vec![to];
        while let Some(vertex) = open.pop() {
            if !std::mem::replace(&mut reaching[vertex], true) {
                open.extend(&self.edges[vertex]);
            }
        }
        reaching
    }

    /// The first two ways that one event of `source` can take to `sink`, if there are two: both begin at the same
    /// output. Ways that part at different outputs are taken by different events.
    pub(crate) fn double(
        &self,
        source: usize,
        sink: usize,
        vertices: &[Vertex<'_>],
    ) -> Option<(SmolStr, SmolStr)> {
        let to_sink = self.reaching(sink);
        for (fork, vertex) in vertices.iter().enumerate() {
            if !to_sink[fork] || !self.reaching(fork)[source] {
                continue;
            }
            let mut readers: Vec<(&Input, usize)> = Vec::new();
            for (reader, inputs) in self.inputs.iter().enumerate().filter(|(reader, _)| to_sink[*reader]) {
                for input in inputs.iter().filter(|input| input.component == vertex.name) {
                    if let Some((_, first)) = readers.iter().find(|(known, _)| *known == input) {
                        return Some((vertices[*first].name.clone(), vertices[reader].name.clone()));
                    }
                    readers.push((input, reader));
                }
            }
        }
        None
    }
}

/// Resolves the inputs of one component.
struct Reader<'a, 'n> {
    vertices: &'a [Vertex<'n>],
    vertex: &'a Vertex<'n>,
    faults: &'a mut Faults,
}

impl Reader<'_, '_> {
    fn inputs(&mut self) -> Vec<Input> {
        let items: &[Node] = match self.vertex.inputs.map(|node| (node, &node.kind)) {
            Some((_, Kind::List(items))) => items,
            Some((node, Kind::Scalar(_))) => std::slice::from_ref(node),
            _ => &[],
        };
        let mut inputs: Vec<Input> = Vec::new();
        for item in items {
            let Some(text) = item.text() else { continue };
            let glob = text.contains('*');
            let found =
                if glob { self.matching(text, item) } else { self.named(text, item).into_iter().collect() };
            for input in found {
                if !inputs.contains(&input) {
                    inputs.push(input);
                } else if !glob {
                    self.fault(item, format!("`{text}` is listed twice"), None);
                }
            }
        }
        inputs
    }

    fn fault(&mut self, item: &Node, message: String, help: Option<String>) {
        let mut fault = Fault::new(self.faults.focus(item), join(&self.vertex.path, "inputs"), message);
        fault.help = help;
        self.faults.add(fault);
    }

    fn readable(&self) -> impl Iterator<Item = &Vertex<'_>> {
        self.vertices.iter().filter(|other| other.kind != ComponentKind::Sink)
    }

    fn matching(&mut self, pattern: &str, item: &Node) -> Vec<Input> {
        let own = &self.vertex.name;
        let matches = self.readable().filter(|other| other.name != *own && glob(pattern, &other.name));
        let found: Vec<Input> =
            matches.map(|other| Input { component: other.name.clone(), output: None }).collect();
        if found.is_empty() {
            self.fault(item, format!("no source or transform matches `{pattern}`"), None);
        }
        found
    }

    fn named(&mut self, text: &str, item: &Node) -> Option<Input> {
        let (name, output) = text.split_once('.').map_or((text, None), |(name, output)| (name, Some(output)));
        let Some(other) = self.vertices.iter().find(|other| other.name == name) else {
            let others = self.readable().filter(|other| other.name != self.vertex.name);
            let names: Vec<&str> = others.map(|other| other.name.as_str()).collect();
            let help = match nearest(name, names.iter().copied()) {
                Some(near) => Some(format!("did you mean `{near}`?")),
                // Their section is missing, which is told by itself.
                None if names.is_empty() => None,
                None => Some(format!(
                    "there are: {}",
                    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
                )),
            };
            self.fault(item, format!("unknown input `{name}`"), help);
            return None;
        };
        if other.kind == ComponentKind::Sink {
            self.fault(item, format!("`{name}` is a sink: nothing comes out of it"), None);
            return None;
        }
        if other.name == self.vertex.name {
            self.fault(item, format!("`{name}` reads itself"), None);
            return None;
        }
        if let (Some(output), Some(known)) = (output, &other.outputs)
            && !known.iter().any(|known| known == output)
        {
            let help = match nearest(output, known.iter().map(SmolStr::as_str)) {
                Some(near) => format!("did you mean `{name}.{near}`?"),
                None if known.is_empty() => format!("`{name}` has only its main output: write `{name}`"),
                None => format!(
                    "it has: {}",
                    known.iter().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ")
                ),
            };
            self.fault(item, format!("`{name}` has no output `{output}`"), Some(help));
            return None;
        }
        Some(Input { component: other.name.clone(), output: output.map(SmolStr::new) })
    }
}

/// Whether a name matches a pattern in which `*` stands for any text.
fn glob(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|tail| {
            tail.char_indices().map(|(at, _)| at).chain([tail.len()]).any(|at| glob(rest, &tail[at..]))
        }),
    }
}

/// Every component after what it reads, else in the order of the file; a cycle is reported and cut.
fn order(vertices: &[Vertex<'_>], edges: &[Vec<usize>], faults: &mut Faults) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::with_capacity(vertices.len());
    let mut left: Vec<usize> = (0..vertices.len()).collect();
    while !left.is_empty() {
        let ready = left.iter().position(|vertex| edges[*vertex].iter().all(|above| order.contains(above)));
        let next = ready.unwrap_or_else(|| {
            let cycle = cycle(left[0], edges, &order);
            let first = cycle.iter().min().copied().unwrap_or(left[0]);
            report_cycle(&cycle, first, vertices, faults);
            left.iter().position(|vertex| *vertex == first).unwrap_or(0)
        });
        order.push(left.remove(next));
    }
    order
}

/// A cycle found by walking up from a component that can never be ready.
fn cycle(start: usize, edges: &[Vec<usize>], done: &[usize]) -> Vec<usize> {
    let mut path = vec![start];
    loop {
        let last = path[path.len() - 1];
        let Some(next) = edges[last].iter().copied().find(|above| !done.contains(above)) else { return path };
        if let Some(first) = path.iter().position(|known| *known == next) {
            return path.split_off(first);
        }
        path.push(next);
    }
}

fn report_cycle(cycle: &[usize], first: usize, vertices: &[Vertex<'_>], faults: &mut Faults) {
    // Found by walking up: events flow the other way.
    let at = cycle.iter().position(|vertex| *vertex == first).unwrap_or(0);
    let round = cycle.iter().cycle().skip(at).take(cycle.len() + 1);
    let names: Vec<&str> = round.map(|vertex| vertices[*vertex].name.as_str()).collect();
    let names: Vec<&str> = names.into_iter().rev().collect();
    let vertex = &vertices[first];
    let range = vertex.inputs.map_or(vertex.label.clone(), |node| faults.focus(node));
    let message = format!("events would run in a circle: {}", names.join(" → "));
    faults.add(Fault::new(range, join(&vertex.path, "inputs"), message));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names() {
        for (pattern, name) in
            [("chat_*", "chat_a"), ("*", "x"), ("a*b*c", "a-b-c"), ("*_x", "a_x"), ("a*", "a")]
        {
            assert!(glob(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("chat_*", "team_chat_a"), ("a*b", "abc"), ("a*b*c", "ac")] {
            assert!(!glob(pattern, name), "{pattern} {name}");
        }
    }
}
