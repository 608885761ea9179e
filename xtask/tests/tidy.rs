//! The repository obeys the rules of the house.

use std::process::Command;

#[test]
fn the_repository_is_tidy() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("tidy").output().unwrap();
    assert!(output.status.success(), "\n{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_house_is_drawn_from_the_roof_to_the_ground() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).args(["tidy", "--tree"]).output().unwrap();
    let picture = String::from_utf8(output.stdout).unwrap();
    let place = |floor: &str| picture.find(floor).unwrap_or_else(|| panic!("no {floor} in\n{picture}"));
    assert!(place("roof      cli ") < place("floor 3"), "{picture}");
    assert!(place("floor 3") < place("floor 0   core\n"), "{picture}");
}

#[test]
fn an_unknown_task_is_wrong_usage() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("tidyy").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("tidyy"));
}
