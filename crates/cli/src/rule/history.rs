//! Where the prompt keeps what was typed: a file in the user's state folder, unless told otherwise.
//!
//! `$XDG_STATE_HOME/sluicebox/rule-history`, that is by default `~/.local/state/sluicebox/rule-history`; on Windows in
//! `%LOCALAPPDATA%`. Where none of these is known, nothing is kept.

use std::ffi::OsString;
use std::path::PathBuf;

/// The file; `None`: nothing is kept. `wanted` is a file, or `off`.
pub(super) fn place(wanted: Option<&str>) -> Option<PathBuf> {
    match wanted {
        Some("off") => None,
        Some(file) => Some(file.into()),
        None => default_place(|name| std::env::var_os(name)),
    }
}

fn default_place(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // A relative path in one of these is an error by the XDG specification, and to be ignored.
    let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = folder("XDG_STATE_HOME")
        .or_else(|| folder("HOME").map(|folder| folder.join(".local").join("state")))
        .or_else(|| folder("LOCALAPPDATA"))?;
    Some(state.join("sluicebox").join("rule-history"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_lies_in_the_state_folder_of_the_user() {
        let known = |pairs: &'static [(&str, &str)]| {
            default_place(|name| {
                pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
            })
        };
        assert_eq!(known(&[]), None);
        for (pairs, expected) in [
            (&[("XDG_STATE_HOME", "/s"), ("HOME", "/a/home")] as &'static [_], "/s/sluicebox/rule-history"),
            (
                &[("XDG_STATE_HOME", "relative"), ("HOME", "/a/home")],
                "/a/home/.local/state/sluicebox/rule-history",
            ),
        ] {
            assert_eq!(known(pairs), Some(expected.into()));
        }
        assert_eq!(place(Some("off")), None);
        assert_eq!(place(Some("./off")), Some("./off".into()));
    }
}
