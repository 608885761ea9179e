//! From what the user typed to suites: each a pipeline with the tests in its file and in the file beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sluicebox_config::{Inputs, Plan, Report, TestCase, Variables};
use sluicebox_core::{Registry, ScriptFiles};

use sluicebox_rules::Coverage;
use smol_str::SmolStr;

use super::beside;
use crate::exit::Stop;
use crate::outside::Folder;
use crate::pipeline_files::unreadable;

/// A pipeline and its tests.
pub(crate) struct Suite {
    pub(crate) file: PathBuf,
    text: String,
    pub(crate) cases: Vec<TestCase>,
    /// Every component, in the order in which events go.
    pub(crate) components: Vec<SmolStr>,
    pub(crate) lookups: Vec<SmolStr>,
    /// Sees what the rules do, where that is asked for.
    pub(crate) observer: Coverage,
}

/// The variables that a test sets; nothing of the machine.
struct OfTest<'t>(&'t BTreeMap<String, String>);

impl Variables for OfTest<'_> {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    fn file(&self, _path: &str) -> Result<String, String> {
        Err("a test reads no secrets".to_owned())
    }
}

impl Suite {
    /// The pipeline for one run.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn plan(&self, registry: &Registry, case: &TestCase) -> Result<Plan, Report> {
        load(&self.file, &self.text, registry, &case.variables)
    }

    /// The scripts beside the pipeline.
    pub(crate) fn files(&self) -> Arc<dyn ScriptFiles> {
        Arc::new(Folder::of(&self.file))
    }
}

fn load(
    file: &Path,
    text: &str,
    registry: &Registry,
    variables: &BTreeMap<String, String>,
) -> Result<Plan, Report> {
    let (variables, files) = (OfTest(variables), Folder::of(file));
    let inputs = Inputs { variables: &variables, files: &files, allow_missing_secrets: true };
    sluicebox_config::load(file, text, registry, &inputs)
}

/// The suites of the files and folders, and what is wrong with any of them.
pub(crate) fn suites(registry: &Registry, arguments: &[PathBuf]) -> Result<(Vec<Suite>, Vec<Report>), Stop> {
    let (mut suites, mut problems) = (Vec::new(), Vec::new());
    for file in pipelines(arguments)? {
        match suite(registry, file) {
            Ok(suite) => suites.push(suite),
            Err(reports) => problems.extend(reports),
        }
    }
    Ok((suites, problems))
}

fn suite(registry: &Registry, file: PathBuf) -> Result<Suite, Vec<Report>> {
    let none = BTreeMap::new();
    let text = read(&file).map_err(|report| vec![report])?;
    let plan = load(&file, &text, registry, &none).map_err(|report| vec![report])?;
    let beside = beside(&file);
    let mut cases = plan.tests.clone();
    if beside.exists() {
        let text = read(&beside).map_err(|report| vec![report])?;
        let (variables, files) = (OfTest(&none), Folder::of(&file));
        let inputs = Inputs { variables: &variables, files: &files, allow_missing_secrets: true };
        let more = sluicebox_config::load_tests(&beside, &text, &plan, &inputs);
        cases.extend(more.map_err(|report| vec![report])?);
    }
    let sources = plan.sources.iter().map(|source| &source.name);
    let transforms = plan.transforms.iter().map(|transform| &transform.name);
    let components =
        sources.chain(transforms).chain(plan.sinks.iter().map(|sink| &sink.name)).cloned().collect();
    let lookups = plan.transforms.iter().filter(|transform| transform.is_lookup());
    let lookups = lookups.map(|transform| transform.name.clone()).collect();
    Ok(Suite { file, text, cases, components, lookups, observer: Coverage::new() })
}

fn read(file: &Path) -> Result<String, Report> {
    std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))
}

/// The pipeline files: those that are named, those of the files of tests that are named, and of a folder all that have
/// tests, in it and below.
fn pipelines(arguments: &[PathBuf]) -> Result<BTreeSet<PathBuf>, Stop> {
    let mut files = BTreeSet::new();
    for argument in arguments {
        if argument.is_dir() {
            let before = files.len();
            below(argument, &mut files)?;
            if files.len() == before {
                return Err(Stop::usage(format!(
                    "there is no pipeline with tests in {}",
                    argument.display()
                )));
            }
        } else if argument.exists() {
            files.insert(pipeline_of(argument)?);
        } else {
            return Err(Stop::usage(format!("{} does not exist", argument.display())));
        }
    }
    Ok(files)
}

/// The pipeline that a file of tests stands beside; any other file is one itself.
fn pipeline_of(file: &Path) -> Result<PathBuf, Stop> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let Some(stem) = name.strip_suffix(".test.yaml") else { return Ok(file.to_owned()) };
    let pipeline = file.with_file_name(format!("{stem}.yaml"));
    if pipeline.exists() {
        return Ok(pipeline);
    }
    let message = format!("{} stands beside no pipeline", file.display());
    Err(Stop::usage(message).help(format!("the pipeline is expected in {}", pipeline.display())))
}

fn below(folder: &Path, files: &mut BTreeSet<PathBuf>) -> Result<(), Stop> {
    let entries = std::fs::read_dir(folder)
        .map_err(|error| Stop::usage(format!("cannot read the folder {}: {error}", folder.display())))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') {
                below(&path, files)?;
            }
        } else if name.ends_with(".test.yaml") {
            files.insert(pipeline_of(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "yaml") && has_tests(&path) {
            files.insert(path);
        }
    }
    Ok(())
}

/// Whether a file has a section `tests` and sources to test.
fn has_tests(file: &Path) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let has = |section: &str| text.lines().any(|line| line.starts_with(section));
    has("tests:") && has("sources:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_means_the_pipelines_with_tests_in_it_and_below() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        };
        let inside = write("a/inside.yaml", "sources:\nsinks:\ntests:\n");
        let tested = write("b/c/tested.yaml", "sources:\nsinks:\n");
        let tests = write("b/c/tested.test.yaml", "tests:\n");
        write("b/untested.yaml", "sources:\nsinks:\n");
        write("b/compose.yaml", "services:\n");
        let found = pipelines(&[root.path().to_owned()]).unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [inside, tested.clone()]);
        assert_eq!(pipelines(&[tests]).unwrap().into_iter().collect::<Vec<_>>(), [tested]);
        let lonely = write("d/lonely.test.yaml", "tests:\n");
        assert!(pipelines(&[lonely]).unwrap_err().message.contains("beside no pipeline"));
    }
}
