//! The connectors that ship with the program, as they were when this was built.
//!
//! Invariant: every file of the folder `plugins/http` is in this list, and every one is sound; tests compare.

use std::sync::LazyLock;

use super::Plugin;

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        [$((concat!("plugins/http/", $name, ".yaml"), include_str!(concat!("../../../../plugins/http/", $name, ".yaml")))),+]
    };
}

/// Files with their texts.
const FILES: &[(&str, &str)] = &shipped![
    "couchdb_changes",
    "github_events",
    "opentrain_feed",
    "slack_history",
    "stripe_events",
    "telegram_updates",
    "zenzap_feed",
    "zulip_messages",
];

/// Every connector that ships.
pub fn shipped() -> Vec<Plugin> {
    // A process makes more than one registry, and reading the files is most of that.
    static READ: LazyLock<Vec<Plugin>> =
        LazyLock::new(|| FILES.iter().filter_map(|(file, text)| Plugin::read(file, text).ok()).collect());
    READ.clone()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_listed_and_sound() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/http");
        let files = std::fs::read_dir(folder).unwrap();
        let mut found: Vec<String> = files
            .map(|file| format!("plugins/http/{}", file.unwrap().file_name().to_str().unwrap()))
            .collect();
        found.sort();
        let mut listed: Vec<&str> = FILES.iter().map(|(file, _)| *file).collect();
        listed.sort_unstable();
        assert_eq!(found, listed);
        for (file, text) in FILES {
            Plugin::read(file, text).unwrap_or_else(|report| panic!("{file}: {:?}", report.problems));
        }
    }
}
