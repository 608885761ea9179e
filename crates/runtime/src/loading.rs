//! From a file on the disk to a plan: its text, the scripts beside it, and what is said where something cannot be read.
//!
//! Invariant: a file that cannot be read is a problem of that file, told like every other problem.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sluicebox_config::{Inputs, LocatedProblem, Plan, Report, Variables};
use sluicebox_core::{Registry, ScriptFiles};

/// Reads and checks one pipeline file. Nothing is connected to.
///
/// With `allow_missing_secrets`, unset variables and missing secret files are no problem: for checks, never for a run.
///
/// # Errors
/// Everything that is wrong with the file, at once.
pub fn load(
    file: &Path,
    registry: &Registry,
    variables: &dyn Variables,
    allow_missing_secrets: bool,
) -> Result<Plan, Report> {
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
    let inputs = Inputs { variables, files: &Folder::of(file), allow_missing_secrets };
    sluicebox_config::load(file, &text, registry, &inputs)
}

/// The report on a file that is no text, or is not there.
pub fn unreadable(file: &Path, error: &std::io::Error) -> Report {
    let what = match error.kind() {
        ErrorKind::InvalidData => "not UTF-8 text".to_owned(),
        _ => error.to_string(),
    };
    let problem = LocatedProblem {
        file: file.display().to_string(),
        line: 1,
        column: 1,
        path: String::new(),
        message: format!("cannot read the file: {what}"),
        help: None,
        range: 0..0,
        source: "".into(),
    };
    Report { problems: vec![problem] }
}

/// Scripts and tables relative to the folder of a pipeline file.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder that holds `file`.
    pub fn of(file: &Path) -> Self {
        Self(file.parent().map(Path::to_owned).unwrap_or_default())
    }
}

impl ScriptFiles for Folder {
    fn read(&self, path: &str) -> Result<String, String> {
        read(&self.0.join(path))
    }

    fn folders(&self, path: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.join(path)).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.path().is_dir());
        let mut names: Vec<String> =
            folders.filter_map(|folder| folder.file_name().into_string().ok()).collect();
        names.sort();
        names
    }
}

/// The text of a file.
///
/// # Errors
/// A clause for the user that says why not: `not found`, `permission denied`. Without anything of the file.
pub fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => "not found".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::InvalidData => "not UTF-8 text".to_owned(),
        _ => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_read_beside_the_pipeline_file_and_faults_are_clauses() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.rhai"), "true").unwrap();
        std::fs::write(folder.path().join("b.rhai"), [0xff, 0xfe]).unwrap();
        let files = Folder::of(&folder.path().join("pipeline.yaml"));
        assert_eq!(files.read("a.rhai"), Ok("true".to_owned()));
        assert_eq!(files.read("b.rhai"), Err("not UTF-8 text".to_owned()));
        assert_eq!(files.read("c.rhai"), Err("not found".to_owned()));
    }
}
