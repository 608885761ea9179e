//! The floors of the house, and which crate may import which.
//!
//! A crate imports floors below it only. Two wings share floor 2 and never meet: components know nothing of the
//! engine and the engine knows no component; they meet in the bundle.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, Metadata};

use super::Finding;

/// Where a crate stands, from the ground up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// Floor 0: the vocabulary, and what stands even below it.
    Core,
    /// Floor 1: what components and engine build on.
    Foundation,
    /// Floor 1, upper half: what connectors share that itself builds on the floor.
    Shared,
    /// Floor 2, one wing: sources, transforms, sinks, connectors.
    Component,
    /// Floor 2, the other wing.
    Engine,
    /// Floor 3: the list of what ships.
    Bundle,
    /// Floor 3 too, without knowing what ships: runs pipelines on the engine inside any program.
    Runtime,
    /// Floor 3 as well, and as ignorant: runs the tests of pipelines on the engine.
    Trials,
    /// Beside the house: the other side of the wire, sharing no code with us.
    Emulator,
    /// Beside the house: real servers for tests and tasks, sharing no code with us either.
    Services,
    /// Beside the house: what every component must keep to, for the tests of anybody's components.
    Contract,
    /// Beside the house: what tests are made of.
    Testkit,
    /// The command line.
    Roof,
    /// Users of the house: examples and benches.
    Guest,
    /// This program.
    Tool,
}

const TABLE: &[(&str, Place)] = &[
    ("crates/core", Place::Core),
    ("crates/heap", Place::Core),
    ("crates/catalogue", Place::Foundation),
    ("crates/checkpoints", Place::Foundation),
    ("crates/config", Place::Foundation),
    ("crates/durable", Place::Foundation),
    ("crates/http", Place::Foundation),
    ("crates/rules", Place::Foundation),
    ("crates/tls", Place::Foundation),
    ("crates/lookups", Place::Shared),
    ("crates/polling", Place::Shared),
    ("crates/postgres", Place::Shared),
    ("crates/tables", Place::Shared),
    ("crates/webhooks", Place::Shared),
    ("crates/sources", Place::Component),
    ("crates/declared", Place::Component),
    ("crates/transforms", Place::Component),
    ("crates/sinks", Place::Component),
    ("crates/lookup-sql", Place::Component),
    ("crates/connector-amqp", Place::Component),
    ("crates/connector-kafka", Place::Component),
    ("crates/connector-postgres", Place::Component),
    ("crates/connector-sqlite", Place::Component),
    ("crates/engine", Place::Engine),
    ("crates/bundle", Place::Bundle),
    ("crates/runtime", Place::Runtime),
    ("crates/pipeline-tests", Place::Trials),
    ("crates/emulator", Place::Emulator),
    ("crates/services", Place::Services),
    ("crates/contract", Place::Contract),
    ("crates/testkit", Place::Testkit),
    ("crates/cli", Place::Roof),
    ("benches", Place::Guest),
    ("xtask", Place::Tool),
];

/// A crate of the workspace and what it imports of it.
pub(crate) struct Room {
    /// Relative to the root of the repository.
    pub(crate) folder: String,
    /// None when the table does not know it.
    pub(crate) place: Option<Place>,
    /// Folders it imports.
    pub(crate) imports: BTreeSet<String>,
    /// Folders that only its tests import.
    pub(crate) test_imports: BTreeSet<String>,
}

/// The crates of the workspace, ordered by place and folder.
pub(crate) fn rooms(metadata: &Metadata) -> Vec<Room> {
    let relative = |path: &cargo_metadata::camino::Utf8Path| {
        path.strip_prefix(&metadata.workspace_root).map(|path| path.as_str().replace('\\', "/")).ok()
    };
    let mut rooms = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(folder) = package.manifest_path.parent().and_then(relative) else { continue };
        let (mut imports, mut test_imports) = (BTreeSet::new(), BTreeSet::new());
        for dependency in &package.dependencies {
            let Some(target) = dependency.path.as_deref().and_then(relative) else { continue };
            let is_for_tests = dependency.kind == DependencyKind::Development;
            if is_for_tests { &mut test_imports } else { &mut imports }.insert(target);
        }
        rooms.push(Room { place: place(&folder), folder, imports, test_imports });
    }
    rooms.sort_by(|left, right| (left.place, &left.folder).cmp(&(right.place, &right.folder)));
    rooms
}

/// Findings: unknown crates, and arrows that point up or sideways.
pub(crate) fn check(rooms: &[Room]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for room in rooms {
        let path = format!("{}/Cargo.toml", room.folder);
        let Some(from) = room.place else {
            let message = "not in the table of floors; give it a place in xtask/src/tidy/arrows.rs";
            findings.push(Finding::whole(&path, message));
            continue;
        };
        let imports = room.imports.iter().map(|target| (target, may_import as fn(Place, Place) -> bool));
        let test_imports = room.test_imports.iter().map(|target| (target, may_import_in_tests as _));
        for (target, allows) in imports.chain(test_imports) {
            if place(target).is_some_and(|to| !allows(from, to)) {
                let message =
                    format!("imports {target}: a crate imports only floors below it (ARCHITECTURE.md)");
                findings.push(Finding::whole(&path, message));
            }
        }
    }
    findings
}

fn place(folder: &str) -> Option<Place> {
    if folder.starts_with("examples/") {
        return Some(Place::Guest);
    }
    TABLE.iter().find(|(known, _)| *known == folder).map(|(_, place)| *place)
}

fn may_import(from: Place, to: Place) -> bool {
    match from {
        Place::Core | Place::Emulator | Place::Services => false,
        Place::Tool => to == Place::Services,
        Place::Foundation | Place::Contract => to == Place::Core,
        Place::Shared | Place::Engine => matches!(to, Place::Core | Place::Foundation),
        Place::Component => matches!(to, Place::Core | Place::Foundation | Place::Shared),
        Place::Bundle => matches!(to, Place::Core | Place::Foundation | Place::Component | Place::Engine),
        Place::Runtime | Place::Trials => matches!(to, Place::Core | Place::Foundation | Place::Engine),
        Place::Testkit => {
            let is_below = matches!(to, Place::Core | Place::Foundation | Place::Engine);
            is_below || matches!(to, Place::Emulator | Place::Services | Place::Contract)
        }
        Place::Roof => to <= Place::Emulator,
        Place::Guest => to <= Place::Roof,
    }
}

/// The testkit, the contract and the emulator are for everyone's tests, but the emulator's own: it stays a stranger.
fn may_import_in_tests(from: Place, to: Place) -> bool {
    let is_beside = matches!(to, Place::Testkit | Place::Contract | Place::Emulator | Place::Services);
    let is_stranger = matches!(from, Place::Emulator | Place::Services | Place::Tool);
    may_import(from, to) || (is_beside && !is_stranger)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(folder: &str, imports: &[&str], test_imports: &[&str]) -> Room {
        let set = |folders: &[&str]| folders.iter().map(|&folder| folder.to_owned()).collect();
        Room {
            folder: folder.to_owned(),
            place: place(folder),
            imports: set(imports),
            test_imports: set(test_imports),
        }
    }

    #[test]
    fn arrows_that_point_down_pass() {
        let rooms = [
            room("crates/engine", &["crates/core", "crates/config"], &["crates/testkit", "crates/emulator"]),
            room("crates/sources", &["crates/core", "crates/http"], &["crates/emulator"]),
            room("crates/bundle", &["crates/sources", "crates/connector-sqlite"], &[]),
            room("crates/runtime", &["crates/engine", "crates/config"], &["crates/testkit"]),
            room("crates/cli", &["crates/bundle", "crates/runtime", "crates/emulator"], &["crates/testkit"]),
            room("examples/custom-sink", &["crates/cli", "crates/core"], &[]),
        ];
        assert_eq!(check(&rooms), []);
    }

    #[test]
    fn arrows_that_point_up_or_sideways_are_caught() {
        let bad = [
            ("crates/core", "crates/http"),
            ("crates/http", "crates/rules"),
            ("crates/sources", "crates/engine"),
            ("crates/engine", "crates/sinks"),
            ("crates/sinks", "crates/sources"),
            ("crates/sinks", "crates/bundle"),
            ("crates/bundle", "crates/cli"),
            ("crates/runtime", "crates/bundle"),
            ("crates/contract", "crates/engine"),
            ("crates/sources", "crates/contract"),
            ("crates/emulator", "crates/core"),
            ("crates/engine", "crates/testkit"),
            ("crates/cli", "crates/testkit"),
            ("xtask", "crates/cli"),
        ];
        for (from, to) in bad {
            let findings = check(&[room(from, &[to], &[])]);
            assert_eq!(findings.len(), 1, "{from} -> {to}");
            assert!(findings[0].to_string().starts_with(&format!("{from}/Cargo.toml: imports {to}")));
        }
    }

    #[test]
    fn tests_are_judged_too() {
        assert_eq!(check(&[room("crates/sources", &[], &["crates/engine"])]).len(), 1);
        assert_eq!(check(&[room("crates/emulator", &[], &["crates/testkit"])]).len(), 1);
    }

    #[test]
    fn a_crate_without_a_place_is_caught() {
        assert_eq!(check(&[room("crates/plumbing", &[], &[])]).len(), 1);
    }
}
