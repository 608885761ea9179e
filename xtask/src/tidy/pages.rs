//! The pages that every reader opens first: present, and short enough to be read.

use super::Finding;
use super::repository::Repository;

const FIRST_PAGES: &[&str] = &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];

/// A map longer than this is not read.
const MAP_LIMIT: usize = 300;

/// Findings about the pages at the root.
pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let is_missing = |page: &&&str| repository.text(page).is_none_or(|text| text.trim().is_empty());
    let missing =
        FIRST_PAGES.iter().filter(is_missing).map(|page| Finding::whole(page, "is missing or empty"));
    let mut findings: Vec<Finding> = missing.collect();
    let lines = repository.text("ARCHITECTURE.md").unwrap_or_default().lines().count();
    if lines > MAP_LIMIT {
        let message = format!("{lines} lines; a map has at most {MAP_LIMIT}, the rest belongs in docs/");
        findings.push(Finding::whole("ARCHITECTURE.md", message));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::repository::TextFile;
    use super::*;

    fn found(architecture_lines: usize) -> Vec<Finding> {
        let page =
            |path: &&str| TextFile { path: (*path).to_owned(), text: "text\n".repeat(architecture_lines) };
        check(&Repository { files: FIRST_PAGES.iter().map(page).collect() })
    }

    #[test]
    fn a_long_map_is_caught() {
        assert_eq!(found(300), []);
        assert_eq!(found(301).len(), 1);
    }

    #[test]
    fn missing_and_empty_pages_are_caught() {
        assert_eq!(check(&Repository { files: Vec::new() }).len(), FIRST_PAGES.len());
        assert_eq!(found(0).len(), FIRST_PAGES.len());
    }
}
