//! What every crate's folder must hold: lints, a sentence of description, code; and where features may stand.

use cargo_metadata::{Metadata, Package};

use super::repository::Repository;
use super::{Finding, RustFile};

/// The only crate that may be built in more than one shape.
const MAY_HAVE_FEATURES: &str = "crates/bundle";

/// The only crate that may hold unsafe code, and so cannot take the lints of the workspace, which forbid it.
const MAY_BE_UNSAFE: &str = "crates/heap";

/// Folders that people copy out of the workspace, and that may lean on nothing in it.
const TEMPLATES: &str = "examples/";

/// Findings about the manifests and settings of every crate.
pub(crate) fn check(metadata: &Metadata, repository: &Repository, rust_files: &[RustFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(folder) = folder(metadata, package) else { continue };
        let path = format!("{folder}/Cargo.toml");
        let has_features = package.features.keys().any(|name| name != "default");
        let description = package.description.as_deref().unwrap_or_default();
        let code: Vec<&RustFile> =
            rust_files.iter().filter(|file| file.path.starts_with(&format!("{folder}/"))).collect();
        let rules = [
            (has_features && folder != MAY_HAVE_FEATURES, "only crates/bundle has features"),
            (description.is_empty(), "needs a description: one clause that says what the crate is"),
            (
                !folder.starts_with(TEMPLATES)
                    && folder != MAY_BE_UNSAFE
                    && !takes_workspace_lints(repository.text(&path)),
                "needs `[lints]` with `workspace = true`",
            ),
            (
                folder.starts_with(TEMPLATES) && leans_on_the_workspace(repository.text(&path)),
                "is copied out of the workspace, so nothing in it may say `workspace = true`",
            ),
            (!holds_code(&code), "the crate is empty; an empty room is not built ahead"),
        ];
        findings
            .extend(rules.iter().filter(|(broken, _)| *broken).map(|(_, why)| Finding::whole(&path, *why)));
    }
    findings.extend(clippy_settings(repository));
    findings
}

fn folder(metadata: &Metadata, package: &Package) -> Option<String> {
    let folder = package.manifest_path.parent()?.strip_prefix(&metadata.workspace_root).ok()?;
    Some(folder.as_str().replace('\\', "/"))
}

fn takes_workspace_lints(manifest: Option<&str>) -> bool {
    let section = manifest.and_then(|text| text.split_once("[lints]"));
    section
        .is_some_and(|(_, after)| after.lines().nth(1).is_some_and(|line| line.trim() == "workspace = true"))
}

fn leans_on_the_workspace(manifest: Option<&str>) -> bool {
    let is_code = |line: &&str| !line.trim_start().starts_with('#');
    manifest.is_some_and(|text| text.lines().filter(is_code).any(|line| line.contains("workspace = true")))
}

/// Whether anything stands in the crate besides the declarations of a `lib.rs` and an empty `main`.
fn holds_code(files: &[&RustFile]) -> bool {
    let is_declaration = |line: &&str| {
        let line = line.trim();
        let starts = ["mod ", "pub mod ", "use ", "pub use ", "#!["];
        line.is_empty() || line == "fn main() {}" || starts.iter().any(|start| line.starts_with(start))
    };
    files.iter().any(|file| file.code.lines().any(|line| !is_declaration(&line)))
}

/// Clippy reads the nearest `clippy.toml` only: a crate that adds bans must repeat the settings of the root.
fn clippy_settings(repository: &Repository) -> Vec<Finding> {
    let root = repository.text("clippy.toml").unwrap_or_default();
    let own = repository.files.iter().filter(|file| file.path.ends_with("/clippy.toml"));
    let mut findings = Vec::new();
    for file in own {
        for line in root.lines().filter(|line| !file.text.lines().any(|own| own == *line)) {
            findings.push(Finding::whole(&file.path, format!("repeat the root's setting: {line}")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::repository::TextFile;
    use super::*;

    fn sample(manifest_features: &str, manifest: &str, code: &str) -> Vec<String> {
        sample_in("crates/a", manifest_features, manifest, code)
    }

    fn sample_in(folder: &str, manifest_features: &str, manifest: &str, code: &str) -> Vec<String> {
        let metadata = format!(
            r#"{{"packages": [{{"name": "a", "version": "0.1.0", "id": "a", "source": null, "license": null,
                "description": "Sorts events.", "dependencies": [], "targets": [], "features": {manifest_features},
                "manifest_path": "/house/{folder}/Cargo.toml", "metadata": null, "edition": "2024"}}],
                "workspace_members": ["a"], "workspace_default_members": ["a"], "resolve": null,
                "target_directory": "/house/target", "version": 1, "workspace_root": "/house", "metadata": null}}"#
        );
        let metadata: Metadata = serde_json::from_str(&metadata).unwrap();
        let manifest = TextFile { path: format!("{folder}/Cargo.toml"), text: manifest.to_owned() };
        let code = RustFile::new(&format!("{folder}/src/lib.rs"), code);
        let findings = check(&metadata, &Repository { files: vec![manifest] }, &[code]);
        findings.into_iter().map(|finding| finding.message).collect()
    }

    const LINTS: &str = "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n";

    #[test]
    fn a_crate_in_order_passes() {
        assert_eq!(sample("{}", LINTS, "//! A.\npub fn register() {}\n"), [""; 0]);
    }

    #[test]
    fn features_outside_the_bundle_are_caught() {
        let found = sample(r#"{"kafka": []}"#, LINTS, "//! A.\npub fn register() {}\n");
        assert_eq!(found, ["only crates/bundle has features"]);
    }

    #[test]
    fn a_crate_without_the_lints_is_caught() {
        assert_eq!(sample("{}", "[package]\n[lints]\nrust = {}\n", "fn a() {}\n").len(), 1);
    }

    #[test]
    fn a_template_leans_on_nothing_of_the_workspace() {
        let found = |manifest: &str| sample_in("examples/a", "{}", manifest, "fn a() {}\n");
        assert_eq!(found("# workspace = true\n[package]\nname = \"a\"\n"), [""; 0]);
        assert_eq!(found(LINTS).len(), 1);
        assert_eq!(found("[dependencies]\nserde.workspace = true\n").len(), 1);
    }

    #[test]
    fn an_empty_crate_is_caught() {
        let found = sample("{}", LINTS, "//! Placeholder.\n");
        assert_eq!(found, ["the crate is empty; an empty room is not built ahead"]);
    }

    #[test]
    fn a_crate_with_bans_of_its_own_keeps_the_settings_of_the_root() {
        let file = |path: &str, text: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
        let settings = |own: &str| {
            let files = vec![file("clippy.toml", "a = 1\nb = 2\n"), file("crates/core/clippy.toml", own)];
            clippy_settings(&Repository { files }).len()
        };
        assert_eq!(settings("a = 1\nb = 2\nc = 3\n"), 0);
        assert_eq!(settings("a = 1\nc = 3\n"), 1);
    }
}
