//! From what the user typed to plans: files and folders, each read, checked and reported on by itself.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use sluicebox_config::{Inputs, LocatedProblem, Plan, Report};
use sluicebox_core::Registry;

use crate::exit::{Exit, Stop};
use crate::outside::{Folder, ProcessVariables};

pub(crate) use sluicebox_runtime::unreadable;

/// Every pipeline file that the arguments name: a folder means its `*.yaml` except `*.test.yaml`, sorted.
pub(crate) fn expand(arguments: &[PathBuf]) -> Result<Vec<PathBuf>, Stop> {
    let mut files = Vec::new();
    for argument in arguments {
        if argument.is_dir() {
            files.extend(in_folder(argument)?);
        } else if argument.exists() {
            files.push(argument.clone());
        } else {
            return Err(Stop::usage(format!("{} does not exist", argument.display())));
        }
    }
    Ok(files)
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, Stop> {
    let entries = std::fs::read_dir(folder)
        .map_err(|error| Stop::usage(format!("cannot read the folder {}: {error}", folder.display())))?;
    let is_pipeline = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".yaml") && !name.ends_with(".test.yaml") && path.is_file()
    };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(is_pipeline).collect();
    files.sort();
    if files.is_empty() {
        return Err(Stop::usage(format!("there is no pipeline file (*.yaml) in {}", folder.display())));
    }
    Ok(files)
}

/// Reads and checks one file.
pub(crate) fn load(
    file: &Path,
    registry: &Registry,
    variables: &ProcessVariables,
    allow_missing_secrets: bool,
) -> Result<Plan, Report> {
    sluicebox_runtime::load(file, registry, variables, allow_missing_secrets)
}

/// Two files of one name would share one state: the plans without the later ones, and what is to be said of those.
pub(crate) fn unique(plans: Vec<Plan>) -> (Vec<Plan>, Vec<LocatedProblem>) {
    let mut names = HashSet::new();
    let (kept, taken): (Vec<_>, Vec<_>) = plans.into_iter().partition(|plan| names.insert(plan.name.clone()));
    (kept, taken.into_iter().map(|plan| plan.name_taken).collect())
}

/// What is wrong with the file of tests beside a pipeline file, if there is one.
pub(crate) fn problems_of_tests(
    plan: &Plan,
    variables: &ProcessVariables,
    allow_missing_secrets: bool,
) -> Vec<LocatedProblem> {
    let file = crate::test::beside(&plan.file);
    if !file.exists() {
        return Vec::new();
    }
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) => return unreadable(&file, &error).problems,
    };
    let inputs = Inputs { variables, files: &Folder::of(&plan.file), allow_missing_secrets };
    let tests = sluicebox_config::load_tests(&file, &text, plan, &inputs);
    tests.err().map(|report| report.problems).unwrap_or_default()
}

/// The state folder, absolute; `/` is refused, because a typing error must not litter the root.
pub(crate) fn state_dir(given: &Path) -> Result<PathBuf, Stop> {
    let absolute = std::path::absolute(given)
        .map_err(|error| Stop::new(Exit::Usage, format!("--state-dir {}: {error}", given.display())))?;
    let resolved = absolute.canonicalize().unwrap_or_else(|_| absolute.clone());
    if resolved.parent().is_none() {
        return Err(Stop::usage("--state-dir / is refused").help("name a folder of its own"));
    }
    Ok(absolute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_means_its_pipelines_without_their_tests() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yaml", "a.test.yaml", "notes.md"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let files = expand(&[folder.path().to_owned()]).unwrap();
        let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.yaml", "b.yaml"]);
        assert_eq!(expand(&[folder.path().join("c.yaml")]).unwrap_err().exit, Exit::Usage);
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(expand(&[empty.path().to_owned()]).unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn the_state_folder_is_absolute_and_never_the_root() {
        assert!(state_dir(Path::new(".sluicebox")).unwrap().is_absolute());
        assert_eq!(state_dir(Path::new("/")).unwrap_err().exit, Exit::Usage);
        assert_eq!(state_dir(Path::new("/usr/..")).unwrap_err().exit, Exit::Usage);
    }
}
