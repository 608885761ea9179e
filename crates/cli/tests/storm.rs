//! A storm: both feeds, programmed and declared, with every kind of passing fault. Nothing lost, nothing corrupted,
//! nothing out of order, no request inside a Retry-After window, never a hot loop.
//!
//! Runs in a short form with the other tests; `cargo xtask storm` runs it with 20,000 events from each API.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says so"
)]

use std::process::Stdio;
use std::time::Duration;

use sluicebox_emulator::{Api, Control, Emulator, Fault, FaultKind, Options, RequestRecord, When, start};
use sluicebox_testkit::{Form, for_both_forms};

/// What the environment asks for: events from each API, or the short form.
fn events() -> (u64, bool) {
    let asked = std::env::var("SLUICEBOX_STORM_EVENTS").ok().and_then(|events| events.parse().ok());
    (asked.unwrap_or(2000), asked.is_some())
}

/// Every passing fault; in the short form each strikes once, with good answers in between.
fn faults(full: bool) -> Vec<Fault> {
    let set = Fault::transient_set().into_iter();
    if full {
        return set.collect();
    }
    let quick = set.filter(|fault| !matches!(fault.kind, FaultKind::Hang(_) | FaultKind::Trickle(_)));
    let numbered = quick.enumerate();
    numbered.map(|(at, fault)| Fault { when: When::Nth(2 + 3 * at as u64), ..fault }).collect()
}

async fn emulator(api: Api) -> Emulator {
    let (events, full) = events();
    start(Options { events, faults: faults(full), ..Options::new(api) }).await.unwrap()
}

fn a_storm_of_faults_loses_and_corrupts_nothing(form: Form) {
    tokio::runtime::Runtime::new().unwrap().block_on(storm(form));
}

for_both_forms!(a_storm_of_faults_loses_and_corrupts_nothing);

/// Both sources into tables and files.
fn pipeline(form: Form) -> String {
    let source = |name: &str, api: Api, prefix: &str, more: &str| {
        let variable = |name: &str| format!("${{{prefix}_{}}}", name.to_uppercase());
        let (kind, access) = (form.source_type(api), form.access_entries(api, variable).join(", "));
        format!(
            "  {name}: {{ type: {kind}, base_url: \"{}\", {access}, limit: \"${{LIMIT}}\", interval: 1s, rate: unlimited{more} }}\n",
            variable("url")
        )
    };
    let marketplace = source("marketplace", Api::OpenTrain, "OT", "");
    let chat = source("chat", Api::Zenzap, "ZZ", ", timeout: 2s, start: beginning");
    format!(
        "sources:\n{marketplace}{chat}\
         sinks:\n  \
           ot: {{ type: sqlite, inputs: [marketplace], path: storm.db, table: ot }}\n  \
           zz: {{ type: sqlite, inputs: [chat], path: storm.db, table: zz }}\n  \
           files: {{ type: file, inputs: [marketplace, chat], path: \"out/{{{{ meta.source }}}}.jsonl\" }}\n"
    )
}

async fn storm(form: Form) {
    let (open_train, zenzap) = (emulator(Api::OpenTrain).await, emulator(Api::Zenzap).await);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("storm.yaml"), pipeline(form)).unwrap();
    let (ot, zz) = (json(&open_train), json(&zenzap));
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_sluicebox"))
        .args(["run", "--once", "--admin", "off", "storm.yaml"])
        .current_dir(folder.path())
        .envs([("OT_URL", text(&ot, "url")), ("OT_TOKEN", text(&ot, "token")), ("ZZ_URL", text(&zz, "url"))])
        .envs([("ZZ_KEY", text(&zz, "key")), ("ZZ_SECRET", text(&zz, "secret"))])
        .env("LIMIT", if events().1 { "100" } else { "20" })
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    for (control, table, source) in
        [(open_train.control(), "ot", "marketplace"), (zenzap.control(), "zz", "chat")]
    {
        let truth = lines(&control.events(0));
        let connection = rusqlite::Connection::open(folder.path().join("storm.db")).unwrap();
        let mut statement = connection.prepare(&format!("SELECT event FROM {table} ORDER BY rowid")).unwrap();
        let rows: Vec<String> =
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows.len(), truth.len(), "{table}: rows equal events\n{log}");
        assert!(rows == truth, "{table}: each event once, in order, byte for byte");
        let file = lines(&std::fs::read(folder.path().join(format!("out/{source}.jsonl"))).unwrap());
        assert!(file == truth, "{source}: the file holds the same");
        assert_patient(&control, source);
    }
}

fn json(emulator: &Emulator) -> serde_json::Value {
    serde_json::to_value(emulator.announcement()).unwrap()
}

fn text(announcement: &serde_json::Value, field: &str) -> String {
    announcement[field].as_str().unwrap().to_owned()
}

fn lines(bytes: &[u8]) -> Vec<String> {
    std::str::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

/// No request inside a Retry-After window, and at most two a second while nothing can be done.
fn assert_patient(control: &Control, name: &str) {
    let log = control.log();
    let polls: Vec<&RequestRecord> = log.iter().filter(|it| it.path.ends_with("/updates")).collect();
    let mut limited = 0;
    let mut failed = 0;
    for pair in polls.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        let gap = after.arrived.saturating_sub(before.answered.unwrap_or(before.arrived));
        if let Some(asked) = before.retry_after {
            limited += 1;
            assert!(
                gap >= asked,
                "{name}: asked again {gap:?} after being told to wait {asked:?}: {before:?}"
            );
        }
        if before.status.is_none_or(|status| status != 200) {
            failed += 1;
            assert!(
                gap >= Duration::from_millis(490),
                "{name}: {gap:?} after a failure: {before:?} {after:?}"
            );
        }
    }
    println!("{name}: {} polls, {failed} failed, {limited} asked to wait", polls.len());
    assert!(failed > 0 && limited > 0, "the storm struck");
}
