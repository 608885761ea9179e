//! Connectors that are not built in: found in folders, read, and added to the source types before a verb begins.
//!
//! Invariant: a connector never takes the name of a built-in type, and two files never mean one name in silence.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sluicebox_bundle::{Connector, shipped_connectors};
use sluicebox_config::LocatedProblem;
use sluicebox_core::Registry;

use crate::arguments::{Arguments, Verb};
use crate::exit::Stop;
use crate::outside;
use crate::pipeline_files::unreadable;

/// The folder that is looked for beside a pipeline file.
const FOLDER: &str = "plugins";
/// The folder in it that holds connectors.
const CONNECTORS: &str = "http";

/// The names of source types that no connector may take: all but those of connectors that ship.
#[derive(Debug)]
pub(crate) struct BuiltIn(BTreeSet<String>);

impl BuiltIn {
    /// Those of a registry that knows no connectors but those that ship.
    pub(crate) fn of(registry: &Registry) -> Self {
        let mut names: BTreeSet<String> = registry.sources().keys().map(ToString::to_string).collect();
        for connector in shipped_connectors() {
            names.remove(connector.name());
        }
        Self(names)
    }

    /// Whether a connector must not have this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// What is wrong with the name of a connector, at its place.
    pub(crate) fn problem(&self, connector: &Connector) -> Option<LocatedProblem> {
        let name = connector.name();
        let message = format!("`{name}` is the name of a built-in source");
        self.has(name).then(|| connector.misnamed(&message, "give the connector, and its file, another name"))
    }
}

/// Adds every connector that the arguments lead to; what is wrong with the files comes back.
pub(crate) fn register(
    registry: &mut Registry,
    built_in: &BuiltIn,
    arguments: &Arguments,
) -> Result<Vec<LocatedProblem>, Stop> {
    let folders = match &arguments.plugins {
        Some(folder) if folder.is_dir() => vec![folder.clone()],
        Some(folder) => {
            return Err(Stop::usage(format!("--plugins {}: there is no such folder", folder.display())));
        }
        None => beside(&arguments.verb),
    };
    let mut known: BTreeMap<String, (PathBuf, String)> = BTreeMap::new();
    let mut problems = Vec::new();
    for file in folders.iter().flat_map(|folder| files(&folder.join(CONNECTORS))) {
        match read(&file) {
            Ok((connector, text)) => {
                if let Some(problem) = built_in.problem(&connector) {
                    problems.push(problem);
                    continue;
                }
                let name = connector.name().to_owned();
                if let Some((other, _)) = known.get(&name).filter(|(_, other)| *other != text) {
                    let (other, file) = (other.display(), file.display());
                    let message = format!("two connectors are called `{name}`: {other} and {file}");
                    return Err(Stop::usage(message)
                        .help("run the pipelines apart, or name one folder with --plugins"));
                }
                connector.register(registry);
                known.insert(name, (file, text));
            }
            Err(found) => problems.extend(found),
        }
    }
    Ok(problems)
}

/// Reads one connector with its text.
pub(crate) fn read(file: &Path) -> Result<(Connector, String), Vec<LocatedProblem>> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return Err(unreadable(file, &error).problems),
    };
    let connector = Connector::read(&file.display().to_string(), &text).map_err(|report| report.problems)?;
    Ok((connector, text))
}

/// The connectors in a folder, sorted.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    outside::files(folder, "yaml")
}

/// The folders of connectors beside the pipelines of a verb, else in the working directory.
fn beside(verb: &Verb) -> Vec<PathBuf> {
    let pipelines: &[PathBuf] = match verb {
        Verb::Run(arguments) => &arguments.files,
        Verb::Check(arguments) => &arguments.files,
        Verb::Test(arguments) => &arguments.files,
        Verb::List(_) | Verb::Explain(_) | Verb::Schema(_) | Verb::New(_) => {
            return vec![PathBuf::from(FOLDER)];
        }
        _ => &[],
    };
    let folder_of = |file: &PathBuf| {
        let folder = if file.is_dir() { file.as_path() } else { file.parent().unwrap_or(Path::new("")) };
        folder.join(FOLDER)
    };
    let mut folders: Vec<PathBuf> = pipelines.iter().map(folder_of).collect();
    folders.sort();
    folders.dedup();
    folders
}
