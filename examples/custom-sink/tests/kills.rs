//! The contract of sinks with the whole program, which is killed while events flow: each event is in the file, in order,
//! and no more often than the promise allows.

use sluicebox_testkit::contract::{self, Destination, Effort, Promise};

struct File(tempfile::TempDir);

impl Destination for File {
    fn options(&self) -> String {
        format!("type: csv, path: {}, fields: [/id]", self.0.path().join("out.csv").display())
    }

    fn promise(&self) -> Promise {
        Promise::AtLeastOnce
    }

    fn arrived(&mut self) -> Vec<String> {
        let text = std::fs::read_to_string(self.0.path().join("out.csv")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn expected(&self, event: &str) -> String {
        let json: serde_json::Value = serde_json::from_str(event).unwrap();
        json["id"].to_string()
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_custom-sink");

#[test]
fn whole() {
    contract::whole(PROGRAM, &mut File(tempfile::tempdir().unwrap()));
}

#[test]
fn killed() {
    let tally = contract::killed(PROGRAM, &mut File(tempfile::tempdir().unwrap()), Effort::new(3, 0));
    assert_eq!(tally.faults, 3, "{tally}");
}
