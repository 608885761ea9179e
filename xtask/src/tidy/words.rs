//! Words that no text file may hold: marks of unfinished work, package registries, one machine's paths.

use super::Finding;
use super::calls::occurs;
use super::repository::TextFile;

// Spelled in two halves, so that this file obeys its own rules.
const UNFINISHED: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];

/// Where packages come from is a setting of the machine, not of the project.
const REGISTRIES: &[&str] = &[
    concat!("crates", ".io"),
    concat!("npmjs", ".org"),
    concat!("pypi", ".org"),
    concat!("maven.apache", ".org"),
    concat!("maven", "central"),
    concat!("proxy.golang", ".org"),
    concat!("docker", ".io"),
    concat!("gh", "cr.io"),
];

const MACHINE_FOLDERS: &[&str] = &["home", "root", "Users", "work"];

/// Findings of one text file.
pub(crate) fn check(file: &TextFile) -> Vec<Finding> {
    // Cargo writes its own lock files, origin of every package included.
    if file.path.rsplit('/').next() == Some("Cargo.lock") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        if let Some(mark) = UNFINISHED.iter().find(|mark| occurs(line, mark)) {
            findings.push(Finding::at(&file.path, index, format!("`{mark}`: finish it or open an issue")));
        }
        if let Some(host) = REGISTRIES.iter().find(|host| line.contains(*host)) {
            findings.push(Finding::at(&file.path, index, format!("`{host}`: name no package registry")));
        }
        if let Some(folder) = MACHINE_FOLDERS.iter().find(|folder| begins_path(line, folder)) {
            let message = format!("`/{folder}/`: a path of one machine; write it relative to the repository");
            findings.push(Finding::at(&file.path, index, message));
        }
    }
    findings
}

/// Whether an absolute path into `/folder/` stands in the line; a URL or a longer path that contains it does not count.
fn begins_path(line: &str, folder: &str) -> bool {
    let path = format!("/{folder}/");
    line.match_indices(&path).any(|(place, _)| {
        let before = line[..place].chars().next_back();
        !before.is_some_and(|letter| letter.is_alphanumeric() || "_-./}~*".contains(letter))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<Finding> {
        check(&TextFile { path: path.to_owned(), text: text.to_owned() })
    }

    #[test]
    fn every_word_is_caught_with_its_line() {
        let paths = MACHINE_FOLDERS.iter().map(|folder| format!("path: /{folder}/me/a.yaml"));
        let others = UNFINISHED.iter().chain(REGISTRIES).map(|word| format!("see {word}: later"));
        for bad in paths.chain(others) {
            let findings = found("docs/guide.md", &format!("first line\n{bad}\n"));
            assert_eq!(findings.len(), 1, "{bad}: {findings:?}");
            assert_eq!(findings[0].line, Some(2), "{bad}");
        }
    }

    #[test]
    fn relative_paths_urls_and_longer_words_pass() {
        let text = "target/work/a https://example.org/home/x crates/root/b ${HOME}/work/c MASTODON\n";
        assert_eq!(found("docs/guide.md", text), []);
    }

    #[test]
    fn the_lock_file_is_written_by_cargo() {
        assert_eq!(found("Cargo.lock", REGISTRIES[0]), []);
        assert_eq!(found("benches/rules/Cargo.lock", REGISTRIES[0]), []);
    }
}
