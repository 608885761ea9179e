//! From the text of a pipeline file to a plan, or to everything that is wrong with it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use sluicebox_core::{ComponentKind, Registry};
use smol_str::SmolStr;

use crate::cases::Outline;
use crate::component::{Checker, Header};
use crate::faults::{Fault, Faults, nearest};
use crate::form::found;
use crate::graph::{Graph, Vertex};
use crate::misfit::{hide_by_name, secret_options};
use crate::node::{Kind, Node, join};
use crate::options::{CatalogueOptions, declared};
use crate::repeats::Unsteady;
use crate::review::Reviewed;
use crate::routes::{Asked, routes};
use crate::shape::Walk;
use crate::text::SourceText;
use crate::{
    Inputs, LocatedProblem, Plan, Report, SinkPlan, SourcePlan, TransformPlan, letters, listening, own_files,
    yaml,
};

/// The keys of the file itself.
const TOP: [&str; 6] = ["name", "catalogue", "sources", "transforms", "sinks", "tests"];

/// Parses, fills in, checks and plans one pipeline file.
///
/// `file` is the path as the user typed it (messages show it); `text` its content. Nothing is connected to.
///
/// # Errors
/// Everything that is wrong with the file, at once.
pub fn load(file: &Path, text: &str, registry: &Registry, inputs: &Inputs<'_>) -> Result<Plan, Report> {
    let mut faults = Faults::new(SourceText::new(file.display().to_string(), text));
    let root = yaml::parse(&mut faults);
    if faults.any() {
        hide_by_name(&mut faults, &secret_options(registry));
    }
    let plan = root.and_then(|root| plan(file, &root, registry, inputs, &mut faults));
    if plan.is_none() && !faults.any() {
        let message = "this pipeline cannot be checked without the variables and files that are missing";
        faults.add(Fault::new(0..0, "", message));
    }
    let failed = faults.any();
    let (problems, warnings) = faults.finish();
    match plan {
        Some(plan) if !failed => Ok(Plan { warnings, ..plan }),
        _ => Err(Report { problems }),
    }
}

/// The components of a file as far as they are right.
#[derive(Default)]
pub(crate) struct Drafts {
    pub(crate) sources: Vec<SourcePlan>,
    pub(crate) transforms: Vec<TransformPlan>,
    pub(crate) sinks: Vec<(SinkPlan, Asked)>,
}

impl Drafts {
    /// Gives every component what it reads, and puts transforms after what they read.
    fn connect(&mut self, vertices: &[Vertex<'_>], graph: Graph) {
        let rank = |name: &SmolStr| graph.order.iter().position(|index| vertices[*index].name == *name);
        self.transforms.sort_by_key(|transform| rank(&transform.name));
        let names = vertices.iter().map(|vertex| vertex.name.clone());
        let mut reads: HashMap<SmolStr, _> = names.zip(graph.inputs).collect();
        let mut inputs_of = |name: &SmolStr| reads.remove(name).unwrap_or_default();
        for transform in &mut self.transforms {
            transform.inputs = inputs_of(&transform.name);
        }
        for (sink, _) in &mut self.sinks {
            sink.inputs = inputs_of(&sink.name);
        }
    }

    /// Whether events can leave a component by its main output; so of everything that is no sound transform.
    fn has_main_output(&self, name: &SmolStr) -> bool {
        let transform = self.transforms.iter().find(|plan| plan.name == *name);
        transform.is_none_or(|plan| plan.config.has_main_output())
    }
}

fn plan(
    file: &Path,
    root: &Node,
    registry: &Registry,
    inputs: &Inputs<'_>,
    faults: &mut Faults,
) -> Option<Plan> {
    let name = top(file, root, faults);
    let headers = headers(root, faults);
    letters::check(&headers, faults);
    let neighbours: Vec<(String, String)> = headers
        .iter()
        .map(|header| (header.name.to_string(), header.type_name.unwrap_or_default().to_owned()))
        .collect();
    let folder = file.parent().map(PathBuf::from).unwrap_or_default();
    let mut checker = Checker {
        registry,
        inputs: *inputs,
        folder: &folder,
        neighbours: &neighbours,
        faults,
        rules: Vec::new(),
        declared: Vec::new(),
    };
    let strict = checker.catalogue(root).strict;
    let mut drafts = Drafts::default();
    let mut vertices = Vec::with_capacity(headers.len());
    for header in &headers {
        let outputs = checker.component(header, &mut drafts);
        vertices.push(Vertex {
            kind: header.kind,
            name: header.name.clone(),
            path: header.path(),
            label: header.node.label.clone(),
            inputs: header.node.get("inputs").filter(|_| header.kind != ComponentKind::Source),
            outputs,
            has_main_output: drafts.has_main_output(&header.name),
        });
    }
    let graph = Graph::resolve(&vertices, checker.faults);
    listening::check(&drafts.sources, &headers, checker.faults);
    own_files::check(drafts.sinks.iter().map(|(sink, _)| sink), &headers, checker.faults);
    let tests = checker.tests(root, &Outline::of_drafts(&vertices, &drafts));
    let whole = drafts.sources.len() + drafts.transforms.len() + drafts.sinks.len() == headers.len();
    if !whole || checker.faults.any() {
        return None;
    }
    let unsteady = Unsteady::of(&drafts, &checker.rules, &checker.context());
    let routes = routes(&graph, &vertices, &drafts, &unsteady, checker.faults);
    let declared = std::mem::take(&mut checker.declared);
    checker.review(&Reviewed {
        headers: &headers,
        graph: &graph,
        drafts: &drafts,
        declared: &declared,
        strict,
    });
    drafts.connect(&vertices, graph);
    let name = name?;
    Some(Plan {
        name_taken: name_taken(file, root, checker.faults),
        name,
        file: file.to_owned(),
        folder,
        sources: drafts.sources,
        transforms: drafts.transforms,
        sinks: drafts.sinks.into_iter().map(|(sink, _)| sink).collect(),
        routes,
        warnings: Vec::new(),
        tests,
    })
}

/// Checks the file's own keys; the pipeline's name.
fn top(file: &Path, root: &Node, faults: &mut Faults) -> Option<SmolStr> {
    if let Kind::Scalar(_) | Kind::List(_) | Kind::Null = root.kind {
        let message =
            format!("a pipeline is a map with `sources`, `transforms` and `sinks`, found {}", found(root));
        faults.add(Fault::new(root.label.clone(), "", message));
        return None;
    }
    for entry in root.entries().iter().filter(|entry| !TOP.contains(&entry.key.as_str())) {
        let message = format!("unknown key `{}`", entry.key);
        let fault = Fault::new(entry.key_range.clone(), entry.key.clone(), message);
        faults.add(match nearest(&entry.key, TOP) {
            Some(name) => fault.help(format!("did you mean `{name}`?")),
            None => fault.help("known here: `name`, `catalogue`, `sources`, `transforms`, `sinks`, `tests`"),
        });
    }
    let allowed = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '-';
    let valid = |name: &str| !name.is_empty() && name.chars().all(allowed);
    if let Some(node) = root.get("name") {
        let name = node.text().filter(|name| valid(name));
        if name.is_none() {
            let message = format!("expected a name of `a-z`, `0-9` and `-`, found {}", found(node));
            faults.add(Fault::new(faults.focus(node), "name", message));
        }
        return name.map(SmolStr::new);
    }
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if !valid(&stem) {
        let lower = stem.to_lowercase();
        let better: String = lower.chars().map(|sign| if allowed(sign) { sign } else { '-' }).collect();
        let message =
            format!("the pipeline has no `name`, and `{stem}` cannot be one: only `a-z`, `0-9` and `-` can");
        faults.add(Fault::new(root.label.clone(), "name", message).help(format!("add `name: {better}`")));
        return None;
    }
    Some(SmolStr::new(stem))
}

/// What is said of the file if another pipeline has its name.
fn name_taken(file: &Path, root: &Node, faults: &Faults) -> LocatedProblem {
    let message = format!("{} has the name of another pipeline", file.display());
    let (range, help) = match root.get("name") {
        Some(node) => (faults.focus(node), "give it a `name:` of its own: its state is kept under it"),
        None => (root.label.clone(), "give it a `name:`: without one it has that of its file"),
    };
    faults.shown(&Fault::new(range, "name", message).help(help))
}

/// Every component by section, in the order of the file; names are checked.
fn headers<'n>(root: &'n Node, faults: &mut Faults) -> Vec<Header<'n>> {
    let mut headers: Vec<Header<'n>> = Vec::new();
    if !matches!(root.kind, Kind::Map(_)) {
        return headers;
    }
    for kind in [ComponentKind::Source, ComponentKind::Transform, ComponentKind::Sink] {
        let section = format!("{}s", kind.as_str());
        let node = root.get(&section);
        if let Some(node) = node.filter(|node| matches!(node.kind, Kind::Scalar(_) | Kind::List(_))) {
            let message = format!("expected a map of {section} by name, found {}", found(node));
            faults.add(Fault::new(node.label.clone(), section.clone(), message));
            continue;
        }
        let entries = node.map(Node::entries).unwrap_or_default();
        if entries.is_empty()
            && kind != ComponentKind::Transform
            && !node.is_some_and(|node| matches!(node.kind, Kind::Broken))
        {
            let range = node.map_or(root.label.clone(), |node| node.label.clone());
            faults.add(Fault::new(
                range,
                section.clone(),
                format!("a pipeline needs at least one {}", kind.as_str()),
            ));
        }
        for entry in entries {
            let path = join(&section, &entry.key);
            let allowed =
                |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || "-_".contains(sign);
            if entry.key.is_empty() || !entry.key.chars().all(allowed) {
                let message = format!(
                    "`{}` cannot be a component's name: only `a-z`, `0-9`, `-` and `_` can",
                    entry.key
                );
                faults.add(Fault::new(entry.key_range.clone(), path.clone(), message));
            }
            if let Some(first) = headers.iter().find(|header| header.name == entry.key) {
                let message = format!("the name `{}` is taken", entry.key);
                let help = format!("it is a {} already; names are unique in a pipeline", first.kind.as_str());
                faults.add(Fault::new(entry.key_range.clone(), path, message).help(help));
                continue;
            }
            let type_name = entry.value.get("type").and_then(Node::text);
            headers.push(Header { kind, name: SmolStr::new(&entry.key), node: &entry.value, type_name });
        }
    }
    headers
}

impl Checker<'_> {
    /// The options under `catalogue:`.
    fn catalogue(&mut self, root: &Node) -> CatalogueOptions {
        let Some(node) = root.get("catalogue") else { return CatalogueOptions::default() };
        let schema = declared::<CatalogueOptions>();
        let scope = self.scope();
        let options = Walk { root: &schema, scope, faults: self.faults }.value(&schema, node, "catalogue");
        options.and_then(|options| serde_json::from_value(options).ok()).unwrap_or_default()
    }

    /// Checks one component and drafts it; its named outputs, `None` if they cannot be known.
    fn component(&mut self, header: &Header<'_>, drafts: &mut Drafts) -> Option<Vec<SmolStr>> {
        if !matches!(header.node.kind, Kind::Map(_)) {
            if !matches!(header.node.kind, Kind::Broken) {
                let message = format!("expected a map with a `type`, found {}", found(header.node));
                self.faults.add(Fault::new(header.node.label.clone(), header.path(), message));
            }
            return None;
        }
        let registry = self.registry;
        let name = header.type_name.unwrap_or_default();
        match header.kind {
            ComponentKind::Source => match registry.sources().get(name) {
                Some(component) => {
                    drafts.sources.extend(self.source(component, header));
                    return Some(Vec::new());
                }
                None => self.unknown_type(header),
            },
            ComponentKind::Transform => match registry.transforms().get(name) {
                Some(component) => {
                    let draft = self.transform(component, header)?;
                    let outputs = draft.outputs.clone();
                    drafts.transforms.push(draft);
                    return Some(outputs);
                }
                None => self.unknown_type(header),
            },
            ComponentKind::Sink => match registry.sinks().get(name) {
                Some(component) => drafts.sinks.extend(self.sink(component, header)),
                None => self.unknown_type(header),
            },
        }
        None
    }
}
