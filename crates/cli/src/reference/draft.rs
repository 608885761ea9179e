//! `new`: a pipeline to start from, with every option of its components in view.
//!
//! Invariant: what is written comes from the declarations, as the reference does; what is commented out is what
//! holds anyway, or what nobody can choose for the user.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value, json};
use sluicebox_config::Inputs;
use sluicebox_core::{CheckContext, ComponentKind, Registry};

use super::options::Opt;
use super::subject::Subject;
use super::{example, functions, unknown};
use crate::arguments::NewArguments;
use crate::exit::{Ended, Exit, Stop};
use crate::outside::{Folder, ProcessVariables};
use crate::terminal;

/// Where the draft would lie: scripts and tables are looked for beside it.
const FILE: &str = "pipeline.yaml";
/// Longest remark behind an option, and longest list of what it takes.
const REMARK: usize = 100;
const TAKES: usize = 40;

/// Prints a pipeline of the component types that were named, and what is to be done before it runs.
pub(crate) fn new(registry: &Registry, arguments: &NewArguments) -> Ended {
    let chosen = Chosen::parse(registry, &arguments.shape)?;
    let text = chosen.pipeline(registry);
    terminal::print(&text);
    let steps = steps(registry, &text);
    if !steps.is_empty() {
        terminal::complain(&format!("before it runs:\n{}\n", steps.join("\n")));
    }
    Ok(Exit::Done)
}

/// The component types of a pipeline, in the order in which events meet them.
struct Chosen<'r> {
    sources: Vec<Subject<'r>>,
    transforms: Vec<Subject<'r>>,
    sinks: Vec<Subject<'r>>,
}

impl<'r> Chosen<'r> {
    fn parse(registry: &'r Registry, shape: &str) -> Result<Self, Stop> {
        let parts: Vec<&str> = shape.split('/').collect();
        let (sources, transforms, sinks) = match parts[..] {
            [sources, sinks] => (sources, "", sinks),
            [sources, transforms, sinks] => (sources, transforms, sinks),
            _ => {
                let stop = Stop::usage(format!("expected SOURCE/TRANSFORM,…/SINK, found {shape}"));
                return Err(stop.help("for example: sluicebox new opentrain_updates/filter,rhai/sqlite"));
            }
        };
        let chosen = Self {
            sources: subjects(registry, ComponentKind::Source, sources)?,
            transforms: subjects(registry, ComponentKind::Transform, transforms)?,
            sinks: subjects(registry, ComponentKind::Sink, sinks)?,
        };
        for (kind, found) in [("source", &chosen.sources), ("sink", &chosen.sinks)] {
            if found.is_empty() {
                return Err(Stop::usage(format!("a pipeline needs a {kind}"))
                    .help(format!("`sluicebox list {kind}s` shows all")));
            }
        }
        Ok(chosen)
    }

    fn pipeline(&self, registry: &Registry) -> String {
        let mut names = BTreeSet::new();
        let mut text = format!(
            "# A pipeline to start from. What is commented out is the default, or up to you.\n\
             # `sluicebox explain TYPE` tells all of an option, `sluicebox check {FILE}` what is wrong.\n"
        );
        let mut inputs = Vec::new();
        text.push_str("\nsources:\n");
        for subject in &self.sources {
            let name = name(&mut names, subject);
            component(&mut text, subject, &name, &[], &example::own(subject.schema));
            inputs.push(name);
        }
        let source = inputs.first().cloned().unwrap_or_default();
        if !self.transforms.is_empty() {
            text.push_str("\ntransforms:\n");
        }
        for subject in &self.transforms {
            let name = name(&mut names, subject);
            let options = options(subject, (&source, &self.sources[0]));
            component(&mut text, subject, &name, &inputs, &options);
            let outputs = outputs(registry, subject, &options);
            inputs = vec![name.clone()];
            inputs.extend(outputs.iter().map(|output| format!("{name}.{output}")));
        }
        text.push_str("\nsinks:\n");
        for subject in &self.sinks {
            let name = name(&mut names, subject);
            component(&mut text, subject, &name, &inputs, &example::own(subject.schema));
        }
        text
    }
}

/// The types of a list of names; none of an empty one.
fn subjects<'r>(registry: &'r Registry, kind: ComponentKind, names: &str) -> Result<Vec<Subject<'r>>, Stop> {
    let find = |name: &str| {
        let mut of_kind: Vec<Subject<'r>> =
            Subject::all(registry).into_iter().filter(|subject| subject.kind == kind).collect();
        let place = of_kind.iter().position(|subject| subject.name == name);
        place.map(|place| of_kind.swap_remove(place)).ok_or_else(|| {
            let known: Vec<&str> = of_kind.iter().map(|subject| subject.name).collect();
            let kind = kind.as_str();
            unknown(&format!("there is no {kind} {name}"), name, &known)
                .help_if_none(&format!("`sluicebox list {kind}s` shows all"))
        })
    };
    names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(find).collect()
}

/// A name for a component: its type, told apart from others of that type.
fn name(taken: &mut BTreeSet<String>, subject: &Subject<'_>) -> String {
    let plain = subject.name.to_owned();
    let of_kind = format!("{plain}_{}", subject.kind.as_str());
    let numbered = (2..).map(|number| format!("{plain}_{number}"));
    let mut names = [plain.clone(), of_kind].into_iter().chain(numbered);
    let name = names.find(|name| !taken.contains(name)).unwrap_or(plain);
    taken.insert(name.clone());
    name
}

/// The options of an example, with what they refer to made to exist.
fn options(subject: &Subject<'_>, (source, of_source): (&str, &Subject<'_>)) -> Map<String, Value> {
    if subject.name == functions::TRANSFORM {
        let script = "// `event` is changed in place; `sluicebox explain rhai` tells what a script can do.\nevent.checked = true;\n";
        return Map::from_iter([("source".to_owned(), json!(script))]);
    }
    let mut options = example::own(subject.schema);
    if options.get("auth").is_some_and(|auth| auth.get("same_as").is_some()) {
        let asks = ["token", "auth"].iter().any(|key| of_source.schema["properties"].get(key).is_some());
        let auth = if asks { json!({ "same_as": source }) } else { json!({ "bearer": "${TOKEN}" }) };
        options.insert("auth".to_owned(), auth);
    }
    options
}

/// The named outputs that these options make.
fn outputs(registry: &Registry, subject: &Subject<'_>, options: &Map<String, Value>) -> Vec<String> {
    let parsed = registry.transforms()[subject.name].component.parse(Value::Object(options.clone()));
    let cx = CheckContext { files: &Folder::of(Path::new(FILE)), sources: &[] };
    parsed.map(|transform| transform.outputs(&cx)).unwrap_or_default()
}

/// A component: what it is, the options of an example, and the others commented out.
fn component(
    text: &mut String,
    subject: &Subject<'_>,
    name: &str,
    inputs: &[String],
    options: &Map<String, Value>,
) {
    // Writing into a string cannot fail.
    let _ = writeln!(text, "  # {}\n  {name}:\n    type: {}", sentence(&subject.summary()), subject.name);
    if !inputs.is_empty() {
        let _ = writeln!(text, "    inputs: [{}]", inputs.join(", "));
    }
    if subject.needs_condition {
        let _ = writeln!(text, "    when: {}", example::CONDITION);
    }
    for (key, value) in options {
        example::option(text, key, value, 4);
    }
    let others = subject.options();
    for option in others.iter().filter(|it| !it.path.contains('.') && !options.contains_key(&it.path)) {
        let _ = writeln!(text, "    # {}", line(option));
    }
}

/// An option on one line, which is YAML once its `# ` is removed.
fn line(option: &Opt) -> String {
    let known = option.default.as_ref().or(option.examples.first());
    let value =
        known.filter(|value| !value.is_empty()).map_or("…".to_owned(), |value| example::written(value));
    let takes = if option.takes.len() <= TAKES { format!("{}: ", option.takes) } else { String::new() };
    format!("{}: {value}  # {takes}{}", option.path, sentence(&option.description))
}

/// The first sentence, if it is not too long.
fn sentence(text: &str) -> String {
    let first = text.split_inclusive(". ").next().unwrap_or_default().trim();
    if first.chars().count() <= REMARK {
        return first.to_owned();
    }
    let cut: String = first.chars().take(REMARK).collect();
    let whole = cut.rsplit_once(' ').map_or(cut.as_str(), |(whole, _)| whole);
    format!("{whole} …")
}

/// What is to be done before the draft runs, as the check of a pipeline tells it.
fn steps(registry: &Registry, text: &str) -> Vec<String> {
    let (variables, files) = (ProcessVariables::default(), Folder::of(Path::new(FILE)));
    let inputs = Inputs { variables: &variables, files: &files, allow_missing_secrets: false };
    let Err(report) = sluicebox_config::load(Path::new(FILE), text, registry, &inputs) else {
        return Vec::new();
    };
    let mut steps: Vec<String> = Vec::new();
    for problem in report.problems {
        let help = problem.help.map(|help| format!(" ({help})")).unwrap_or_default();
        let step = format!("  line {}, {}: {}{help}", problem.line, problem.path, problem.message);
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    steps
}
