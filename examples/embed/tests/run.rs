//! The example's program runs its pipeline to the end, and a second run adds nothing.

use std::process::Command;

#[test]
fn every_order_is_graded_once() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let output = Command::new(env!("CARGO_BIN_EXE_embed")).arg(folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("Finished: "), "{said}{output:?}");
        let lines = std::fs::read_to_string(folder.path().join("orders.jsonl")).unwrap();
        assert_eq!(lines.lines().count(), 20);
        assert!(lines.lines().all(|line| line.ends_with(r#""price":120,"grade":"dear"}"#)), "{lines}");
    }
}

#[test]
fn a_start_that_fails_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("no-folder");
    std::fs::write(&file, "").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_embed")).arg(file).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: "), "{output:?}");
}
