//! The packs that ship with the program, as they were when this was built.
//!
//! Invariant: every file of the folder `plugins/rhai` is in this list; a test compares.

macro_rules! shipped {
    ($($file:literal),+ $(,)?) => {
        [$(($file, include_str!(concat!("../../../../plugins/rhai/", $file)))),+]
    };
}
/// Pack and file (`money/pack.yaml`) with its text.
const FILES: &[(&str, &str)] = &shipped![
    "chat/pack.yaml",
    "chat/first_line.rhai",
    "chat/functions.rhai",
    "chat/links.rhai",
    "chat/mentions.rhai",
    "chat/transcripts.rhai",
    "money/pack.yaml",
    "money/convert.rhai",
    "money/from_minor.rhai",
    "money/functions.rhai",
    "money/to_minor.rhai",
];

/// The text of a file of a shipped pack.
pub(super) fn text(pack: &str, file: &str) -> Option<&'static str> {
    let of = |(path, _): &&(&str, &str)| path.split_once('/') == Some((pack, file));
    FILES.iter().find(of).map(|(_, text)| *text)
}

/// The names of the shipped packs, sorted.
pub(super) fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = FILES.iter().filter_map(|(path, _)| Some(path.split_once('/')?.0)).collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_listed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/rhai");
        let mut found = Vec::new();
        for pack in std::fs::read_dir(&folder).unwrap() {
            for file in std::fs::read_dir(pack.unwrap().path()).unwrap() {
                let file = file.unwrap().path();
                found.push(file.strip_prefix(&folder).unwrap().to_str().unwrap().replace('\\', "/"));
            }
        }
        let mut listed: Vec<&str> = FILES.iter().map(|(path, _)| *path).collect();
        found.sort();
        listed.sort_unstable();
        assert_eq!(found, listed);
    }
}
