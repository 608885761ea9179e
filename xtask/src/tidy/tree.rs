//! `cargo xtask tidy --tree`: the picture of the house, roof first.

use std::fmt::Write as _;

use super::arrows::{Place, Room};

const FLOORS: &[(&str, &[Place])] = &[
    ("guests", &[Place::Guest]),
    ("roof", &[Place::Roof]),
    ("floor 3", &[Place::Bundle, Place::Runtime, Place::Trials]),
    ("floor 2", &[Place::Component, Place::Engine]),
    ("floor 1+", &[Place::Shared]),
    ("floor 1", &[Place::Foundation]),
    ("floor 0", &[Place::Core]),
    ("beside", &[Place::Emulator, Place::Services, Place::Contract, Place::Testkit]),
    ("tools", &[Place::Tool]),
];

/// The crates by floors, each with arrows to what it imports; what only tests import stands in brackets.
pub(crate) fn picture(rooms: &[Room]) -> String {
    let width = rooms.iter().map(|room| name(&room.folder).len()).max().unwrap_or(0);
    let mut picture = String::new();
    for (floor, places) in FLOORS {
        let mut label = *floor;
        for room in rooms.iter().filter(|room| room.place.is_some_and(|place| places.contains(&place))) {
            let line = format!("{label:<8}  {:<width$}{}", name(&room.folder), arrows(room));
            let _ = writeln!(picture, "{}", line.trim_end());
            label = "";
        }
    }
    picture
}

fn arrows(room: &Room) -> String {
    let imports: Vec<&str> = room.imports.iter().map(|folder| name(folder)).collect();
    let test_imports: Vec<&str> =
        room.test_imports.difference(&room.imports).map(|folder| name(folder)).collect();
    let mut arrows = String::new();
    if !imports.is_empty() {
        let _ = write!(arrows, "  -> {}", imports.join(" "));
    }
    if !test_imports.is_empty() {
        let _ = write!(arrows, "  [{}]", test_imports.join(" "));
    }
    arrows
}

fn name(folder: &str) -> &str {
    folder.strip_prefix("crates/").unwrap_or(folder)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_roof_comes_first_and_a_floor_is_named_once() {
        let room = |folder: &str, place, imports: &[&str], tests: &[&str]| Room {
            folder: folder.to_owned(),
            place: Some(place),
            imports: imports.iter().map(|&folder| folder.to_owned()).collect::<BTreeSet<_>>(),
            test_imports: tests.iter().map(|&folder| folder.to_owned()).collect(),
        };
        let rooms = [
            room("crates/core", Place::Core, &[], &[]),
            room("crates/config", Place::Foundation, &["crates/core"], &["crates/testkit"]),
            room("crates/http", Place::Foundation, &["crates/core"], &[]),
            room("crates/cli", Place::Roof, &["crates/config", "crates/core"], &[]),
        ];
        let expected = "\
roof      cli     -> config core
floor 1   config  -> core  [testkit]
          http    -> core
floor 0   core
";
        assert_eq!(picture(&rooms), expected);
    }
}
