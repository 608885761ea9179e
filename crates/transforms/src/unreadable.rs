//! What is said of an option `file` whose file cannot be read: it names the file, and where it was looked for.

use sluicebox_core::Problem;

/// The problem of a file that cannot be read; `why` is what [`ScriptFiles::read`](sluicebox_core::ScriptFiles::read)
/// said.
pub(crate) fn unreadable(file: &str, why: &str) -> Problem {
    Problem::new("file", format!("cannot read {file}: {why}"))
        .with_help("the path is relative to the folder of the pipeline file")
}
