//! The outside as a pipeline file sees it: variables of the environment, secret files, scripts beside the file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use sluicebox_config::Variables;
use sluicebox_core::AccountRow;

pub(crate) use sluicebox_runtime::{Folder, read};

/// Variables of the process, below those that a verb sets itself (`demo`).
#[derive(Clone, Debug, Default)]
pub(crate) struct ProcessVariables {
    set: HashMap<String, String>,
    /// The rows of accounts that were read, by the names of their sources.
    rows: HashMap<String, Vec<AccountRow>>,
}

impl ProcessVariables {
    /// The environment with some variables on top.
    pub(crate) fn with(set: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { set: set.into_iter().collect(), ..Self::default() }
    }

    /// Adds the rows that the accounts of a source were read as.
    pub(crate) fn give_rows(&mut self, source: &str, rows: Vec<AccountRow>) {
        self.rows.insert(source.to_owned(), rows);
    }
}

impl Variables for ProcessVariables {
    fn get(&self, name: &str) -> Option<String> {
        self.set.get(name).cloned().or_else(|| std::env::var(name).ok())
    }

    fn file(&self, path: &str) -> Result<String, String> {
        read(Path::new(path))
    }

    fn account_rows(&self, source: &str) -> Option<&[AccountRow]> {
        self.rows.get(source).map(Vec::as_slice)
    }
}

/// The files of a folder whose names end so, sorted; none where there is no such folder.
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of_kind = |path: &PathBuf| path.is_file() && path.extension().is_some_and(|found| found == extension);
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(of_kind).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_a_verb_sets_hide_those_of_the_process() {
        let variables = ProcessVariables::with([("PATH".to_owned(), "mine".to_owned())]);
        assert_eq!(variables.get("PATH").as_deref(), Some("mine"));
        assert_eq!(ProcessVariables::default().get("PATH"), std::env::var("PATH").ok());
        assert_eq!(variables.get("SLUICEBOX_NOT_SET_ANYWHERE"), None);
    }
}
