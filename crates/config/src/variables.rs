//! Where the outside comes in: variables, secret files and scripts, all through traits.

use sluicebox_core::{AccountRow, ScriptFiles};

/// What `${VAR}` and `${file:PATH}` stand for. The environment and the disk live in the implementation.
pub trait Variables {
    /// The value of a variable; `None` if it is not set.
    fn get(&self, name: &str) -> Option<String>;

    /// The text of a file, whole.
    ///
    /// # Errors
    /// A clause for the user: `not found`, `permission denied`. Without the file's content.
    fn file(&self, path: &str) -> Result<String, String>;

    /// The rows that the accounts of a source were read as, where they stand outside of files; `None`: nobody has asked
    /// for them, and its options are checked with something that stands for any row.
    fn account_rows(&self, _source: &str) -> Option<&[AccountRow]> {
        None
    }
}

/// Everything that a pipeline file may draw on beside its own text.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// Variables and secret files.
    pub variables: &'a dyn Variables,
    /// Scripts, relative to the pipeline file's folder.
    pub files: &'a dyn ScriptFiles,
    /// Unset variables and missing files become the text `missing` instead of a problem: for `check` without the
    /// secrets at hand, never for running.
    pub allow_missing_secrets: bool,
}
