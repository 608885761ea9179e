//! Calling cargo from inside `cargo xtask`.
//!
//! Invariant: a build started from here has the same fingerprint as one started by hand. `cargo run` tells its child
//! about the package it belongs to; were these variables passed on, build scripts would run again for nothing.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};

/// A cargo call at the root of the repository, without input, its output passed through.
pub(crate) fn command<S: AsRef<OsStr>>(root: &Path, arguments: &[S]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(root).args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if describes_a_package(&name) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs cargo and says whether it succeeded.
pub(crate) fn succeeds<S: AsRef<OsStr>>(root: &Path, arguments: &[S]) -> crate::Outcome {
    Ok(command(root, arguments).status()?.success())
}

fn describes_a_package(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let prefixes = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_call_does_not_inherit_this_package() {
        let command = command(Path::new("."), &["version"]);
        let removed: Vec<_> = command.get_envs().filter(|(_, value)| value.is_none()).collect();
        assert!(removed.iter().any(|(name, _)| *name == "CARGO_PKG_NAME"), "removed: {removed:?}");
        assert!(!describes_a_package(OsStr::new("CARGO_HOME")));
        assert!(!describes_a_package(OsStr::new("CARGO_TARGET_DIR")));
    }
}
