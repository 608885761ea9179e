//! `demo`: the first command of the README, end to end.

use sluicebox_testkit::{Sandbox, get, wait_for};

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"))
}

#[test]
fn it_ends_with_data_in_files_and_sqlite_and_proves_it() {
    let sandbox = sandbox();
    let finished = sandbox.run("demo --events 300").expect(0);
    for source in ["marketplace", "team_chat"] {
        let lines = sandbox.read(&format!("sluicebox-demo/archive/{source}.jsonl"));
        assert_eq!(lines.lines().count(), 300, "{source}");
    }
    let counts = finished.stdout.lines().find(|line| line.trim_start().starts_with("archive"));
    let cells: Vec<&str> = counts.expect("a row of the archive").split_whitespace().collect();
    assert_eq!(cells, ["archive", "sink", "file", "600", "600", "0", "0"]);
    assert_eq!(finished.stdout.matches("\n  yes ").count(), 4, "{}", finished.stdout);
    assert!(!finished.stdout.contains("\n  NO "), "{}", finished.stdout);
    assert_eq!(finished.stdout.matches("SELECT ").count(), 3, "three questions with their answers");
    assert!(sandbox.path("sluicebox-demo/warehouse.db").exists());
    assert!(!sandbox.read("sluicebox-demo/sample/marketplace.jsonl").is_empty());

    sandbox.run("check --allow-missing-secrets sluicebox-demo/pipeline.yaml").expect(0);
    let cursors = sandbox.run("cursor show --format json --state-dir sluicebox-demo/.sluicebox").expect(0);
    assert_eq!(cursors.json_lines().len(), 2);
    sandbox.run("demo --events 20").expect(0);
    let lines = sandbox.read("sluicebox-demo/archive/marketplace.jsonl");
    assert_eq!(lines.lines().count(), 20, "its own folder is replaced");
}

#[test]
fn the_folder_of_somebody_else_is_left_alone() {
    let sandbox = sandbox();
    sandbox.write("mine/notes.txt", "mine");
    let finished = sandbox.run("demo --dir mine").expect(2);
    assert!(finished.stderr.contains("mine was not made by the demo"), "{}", finished.stderr);
    assert_eq!(sandbox.read("mine/notes.txt"), "mine");
}

#[test]
fn it_stays_up_with_keep_and_takes_its_emulators_along() {
    let sandbox = sandbox();
    let mut process = sandbox.start("demo --events 30 --keep --rate 20");
    let line = process.wait_for_output("for metrics and");
    let admin = line.split_whitespace().find(|word| word.starts_with("http://")).expect("an address");
    wait_for("new events of both", || {
        let shown = get(&format!("{admin}api/v1/pipelines"))?.json();
        let sources = shown[0]["components"].as_array()?.iter().filter(|it| it["kind"] == "source");
        let busy = sources.filter(|it| it["received"].as_u64() > Some(0)).count();
        (busy == 2).then_some(())
    });
    let emulators = children(process.id());
    assert_eq!(emulators.len(), 2);
    process.interrupt();
    process.finish().expect(0);
    wait_for("the end of the emulators", || emulators.iter().all(|id| !is_alive(*id)).then_some(()));
}

#[test]
fn emulators_end_with_a_parent_that_is_killed() {
    let sandbox = sandbox();
    let mut process = sandbox.start("demo --events 30 --keep");
    process.wait_for_output("for metrics and");
    let emulators = children(process.id());
    assert_eq!(emulators.len(), 2);
    process.kill();
    let finished = process.finish();
    assert_eq!(finished.code, -1);
    wait_for("the end of the emulators", || emulators.iter().all(|id| !is_alive(*id)).then_some(()));
}

/// The processes that a process has started.
fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("a list of processes");
    let ids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| status(*id).is_some_and(|(_, its_parent)| its_parent == parent)).collect()
}

fn is_alive(id: u32) -> bool {
    status(id).is_some_and(|(state, _)| state != 'Z')
}

/// State letter and parent of a process.
fn status(id: u32) -> Option<(char, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
