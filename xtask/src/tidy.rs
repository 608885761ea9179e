//! `cargo xtask tidy`: the rules of the house, as far as a program can judge them.
//!
//! A rule that no tool checks is soon an opinion. Each file below holds one family of rules as pure functions over
//! text or over `cargo metadata`, so that its tests can show it a bad sample. Invariant: a finding names the file, the
//! line where there is one, and what to do; every finding is reported at once.

mod arrows;
mod calls;
mod finding;
mod manifests;
mod pages;
mod repository;
mod rust_file;
mod shape;
mod sizes;
mod tree;
mod words;

use std::path::Path;

use cargo_metadata::{Metadata, MetadataCommand};

use crate::Outcome;
use finding::Finding;
use repository::Repository;
use rust_file::RustFile;

/// What cargo knows about the crates of the workspace, without their dependencies' own.
pub(crate) fn metadata(root: &Path) -> Result<Metadata, Box<dyn std::error::Error>> {
    Ok(MetadataCommand::new().manifest_path(root.join("Cargo.toml")).no_deps().exec()?)
}

/// Checks every rule and prints what breaks one.
pub(crate) fn check(root: &Path) -> Outcome {
    let metadata = metadata(root)?;
    let repository = Repository::read(root)?;
    let rust_files = repository.rust_files();
    let findings = findings(&metadata, &repository, &rust_files);
    for finding in &findings {
        println!("{finding}");
    }
    for warning in sizes::warnings(&rust_files) {
        println!("warning: {warning}");
    }
    println!(
        "tidy: {} crates, {} files, {} Rust files with a median of {} lines, {} findings",
        metadata.packages.len(),
        repository.files.len(),
        rust_files.len(),
        sizes::median(&rust_files),
        findings.len()
    );
    Ok(findings.is_empty())
}

/// Prints the house by floors, each crate with what it imports.
pub(crate) fn print_tree(root: &Path) -> Outcome {
    print!("{}", tree::picture(&arrows::rooms(&metadata(root)?)));
    Ok(true)
}

fn findings(metadata: &Metadata, repository: &Repository, rust_files: &[RustFile]) -> Vec<Finding> {
    let mut findings = arrows::check(&arrows::rooms(metadata));
    findings.extend(manifests::check(metadata, repository, rust_files));
    findings.extend(pages::check(repository));
    for file in rust_files {
        findings.extend(shape::check(file));
        findings.extend(sizes::check(file));
        findings.extend(calls::check(file));
    }
    for file in &repository.files {
        findings.extend(words::check(file));
    }
    findings.sort();
    findings
}
