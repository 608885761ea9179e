//! What the guide shows is what these examples are: every block of code in it stands in a file that is compiled, and each
//! template can be copied out of the repository.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The files with this ending below a folder.
fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            files(&path, ending, found);
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
}

/// The blocks of a language on a page, each with the line that it begins in.
fn blocks(page: &str, language: &str) -> Vec<(usize, String)> {
    let (mut found, mut lines) = (Vec::new(), page.lines().enumerate());
    while let Some((number, line)) = lines.next() {
        if line == format!("```{language}") {
            let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            found.push((number + 1, inside.map(|line| line.to_owned() + "\n").collect()));
        }
    }
    found
}

/// Whether a file holds every part of a block, in order; `// …` stands for what is left out.
fn holds(text: &str, block: &str) -> bool {
    let mut rest = text;
    let mut parts = block.split("    // …\n");
    parts.all(|part| match rest.find(part) {
        Some(place) => {
            rest = &rest[place + part.len()..];
            true
        }
        None => false,
    })
}

#[test]
fn every_block_of_the_guide_is_compiled_somewhere() {
    let page = std::fs::read_to_string(root().join("docs/write-a-component.md")).unwrap();
    for (language, ending, least) in [("rust", "rs", 8), ("toml", "toml", 1)] {
        let mut paths = Vec::new();
        files(&root().join("examples"), ending, &mut paths);
        let texts: Vec<String> = paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
        let blocks = blocks(&page, language);
        assert!(blocks.len() >= least, "the page has lost its {language}");
        for (line, block) in blocks {
            let is_there = texts.iter().any(|text| holds(text, &block));
            assert!(is_there, "docs/write-a-component.md:{line}: no example holds this block:\n{block}");
        }
    }
}

#[test]
fn templates_can_be_copied_out_of_the_repository() {
    let crates = root().join("crates");
    let locked = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for name in ["custom-source", "custom-sink", "embed"] {
        let folder = tempfile::tempdir().unwrap();
        let manifest =
            std::fs::read_to_string(root().join("examples").join(name).join("Cargo.toml")).unwrap();
        let moved = manifest.replace("../../crates", crates.to_str().unwrap());
        std::fs::write(folder.path().join("Cargo.toml"), moved).unwrap();
        std::fs::copy(root().join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
        std::fs::create_dir(folder.path().join("src")).unwrap();
        let main = root().join("examples").join(name).join("src/main.rs");
        std::fs::copy(main, folder.path().join("src/main.rs")).unwrap();
        // Resolves every dependency by the lock file, without a network.
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["tree", "--offline", "--prefix", "none"]).current_dir(folder.path());
        let output = cargo.output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let tree = String::from_utf8(output.stdout).unwrap();
        let itself = format!("{name} v0.1.0 ({})", folder.path().canonicalize().unwrap().display());
        assert!(tree.starts_with(&itself), "{name}: a workspace of its own: {tree}");
        for line in tree.lines() {
            let mut words = line.split(' ');
            let (package, version) = (words.next().unwrap(), words.next().unwrap().trim_start_matches('v'));
            let entry = format!("name = \"{package}\"\nversion = \"{version}\"\n");
            assert!(locked.contains(&entry), "{name}: {line} is not what the repository builds with");
        }
    }
}
