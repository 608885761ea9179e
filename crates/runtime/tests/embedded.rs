//! Runtimes inside a program: several at once, drained and started again, refused, broken, dropped.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod parts;

use std::time::Duration;

use sluicebox_core::Registry;
use sluicebox_runtime::{
    BuildError, Ended, Failure, Handle, OpenError, RunError, Running, Runtime, StartError,
};
use tokio_util::sync::CancellationToken;

fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.source::<parts::Numbers>().sink::<parts::Lines>().accounts::<parts::Listed>();
    registry
}

/// Numbers into `FOLDER/out`; `more` are options of the source.
fn pipeline(more: &str) -> String {
    format!(
        "sources:\n  numbers: {{ type: numbers{more} }}\n\
         sinks:\n  lines: {{ type: lines, inputs: [numbers], path: \"${{FOLDER}}/out\" }}\n"
    )
}

fn written(folder: &tempfile::TempDir) -> Vec<u64> {
    let text = std::fs::read_to_string(folder.path().join("out")).unwrap_or_default();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

fn built(folder: &tempfile::TempDir, more: &str) -> Runtime {
    let place = folder.path().display().to_string();
    let builder = Runtime::builder().registry(registry()).pipeline_text("orders.yaml", pipeline(more));
    builder.variable("FOLDER", place).state_dir(folder.path().join("state")).build().unwrap()
}

/// Starts; waits while one that is being dropped still holds the state.
async fn started(folder: &tempfile::TempDir, more: &str) -> Running {
    for _ in 0..1000 {
        match built(folder, more).start().await {
            Ok(running) => return running,
            Err(StartError::State(OpenError::Locked { .. })) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the state is held for ever");
}

/// What the metrics count in front of the sink, of each pipeline.
fn received(metrics: &str) -> Vec<&str> {
    let of_sink = |line: &&str| {
        line.starts_with("sluicebox_component_received_events_total") && line.contains("=\"lines\"")
    };
    metrics.lines().filter(of_sink).filter_map(|line| line.rsplit(' ').next()).collect()
}

/// Waits until the sink has made so many events durable.
async fn until_sent(handle: &Handle, count: u64) {
    for _ in 0..2000 {
        let status = handle.status();
        if status.components.iter().any(|it| it.kind == "sink" && it.sent >= count) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{count} events were not sent: {:?}", handle.status());
}

#[tokio::test]
async fn a_source_that_ends_ends_the_run_and_everything_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = built(&folder, ", count: 25");
    assert_eq!((runtime.name(), runtime.is_once(), runtime.routes().len()), ("orders", true, 1));
    let mut running = runtime.start().await.unwrap();
    let handle = running.handle();
    assert_eq!(running.wait().await.unwrap(), Ended::Finished);
    assert_eq!(running.wait().await.unwrap(), Ended::Finished, "the end is told every time");
    assert_eq!(written(&folder), (1..=25).collect::<Vec<_>>());
    assert_eq!((handle.name(), handle.status().state), ("orders", "finished"));
    assert_eq!(received(&handle.metrics()), ["25"]);
}

#[tokio::test]
async fn a_drained_run_goes_on_where_it_stood() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let mut running = started(&folder, "").await;
        let before = written(&folder).len();
        until_sent(&running.handle(), 5).await;
        assert_eq!(running.drain().await.unwrap(), Ended::Drained);
        let numbers = written(&folder);
        assert!(numbers.len() > before);
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "each once, in order");
    }
}

#[tokio::test]
async fn a_wait_that_is_given_up_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = started(&folder, "").await;
    let handle = running.handle();
    tokio::select! {
        biased;
        ended = running.wait() => panic!("it has no end: {ended:?}"),
        () = until_sent(&handle, 3) => {}
    }
    assert_eq!(handle.status().state, "running");
    handle.begin_drain();
    assert_eq!(running.wait().await.unwrap(), Ended::Drained);
}

#[tokio::test]
async fn runtimes_side_by_side_know_nothing_of_each_other() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut endless = started(&folders[0], "").await;
    let mut short = started(&folders[1], ", count: 4").await;
    assert_eq!(short.wait().await.unwrap(), Ended::Finished);
    until_sent(&endless.handle(), 5).await;
    assert_eq!(endless.status().state, "running", "one that ends ends no other");
    assert_eq!(written(&folders[1]), [1, 2, 3, 4]);
    assert_eq!(received(&short.metrics()), ["4"], "metrics are each runtime's own");
    endless.drain().await.unwrap();
}

#[tokio::test]
async fn one_signal_drains_many_and_they_may_share_metrics() {
    let (folder, signal) = (tempfile::tempdir().unwrap(), CancellationToken::new());
    let metrics = std::sync::Arc::new(sluicebox_runtime::Metrics::new());
    let registry = std::sync::Arc::new(registry());
    let mut all = Vec::new();
    for name in ["a", "b"] {
        let runtime = Runtime::builder()
            .registry(std::sync::Arc::clone(&registry))
            .pipeline_text(format!("{name}.yaml"), pipeline(""))
            .variables([("FOLDER", folder.path().join(name).display().to_string())])
            .state_in_memory()
            .metrics(std::sync::Arc::clone(&metrics))
            .drain_on(&signal);
        std::fs::create_dir(folder.path().join(name)).unwrap();
        all.push(runtime.build().unwrap().start().await.unwrap());
    }
    for running in &all {
        until_sent(&running.handle(), 2).await;
    }
    assert!(all[0].metrics().contains("pipeline=\"b\""));
    all[0].drain().await.unwrap();
    assert_eq!(all[1].status().state, "running", "draining one is no signal");
    signal.cancel();
    assert_eq!(all[1].wait().await.unwrap(), Ended::Drained);
}

#[tokio::test]
async fn a_dropped_run_lets_go_of_its_state_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let running = started(&folder, "").await;
    until_sent(&running.handle(), 5).await;
    let second = built(&folder, "").start().await;
    assert!(matches!(second, Err(StartError::State(OpenError::Locked { .. }))), "two would be one too many");
    drop(running);
    let before = written(&folder).len();
    let mut running = started(&folder, "").await;
    until_sent(&running.handle(), 5).await;
    running.drain().await.unwrap();
    let mut numbers = written(&folder);
    assert!(numbers.len() > before);
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "none is missing");
}

#[test]
fn what_is_wrong_with_a_pipeline_is_data_with_its_lines() {
    let text = "sources:\n  numbers: { type: numbers, cuont: 1 }\n  others: { type: nombers }\n\
                sinks:\n  lines: { type: lines, inputs: [numbers], path: \"${PATH}\" }\n";
    let builder = Runtime::builder().registry(registry()).pipeline_text("pipelines/p.yaml", text);
    let Err(BuildError::Refused(report)) = builder.state_in_memory().build() else { panic!("it is wrong") };
    let found: Vec<_> = report.problems.iter().map(|it| (it.file.as_str(), it.line)).collect();
    let file = "pipelines/p.yaml";
    assert!(found.contains(&(file, 2)) && found.contains(&(file, 3)), "{report}");
    let helps: Vec<_> = report.problems.iter().filter_map(|it| it.help.as_deref()).collect();
    assert!(helps.iter().any(|help| help.contains("`count`")), "{helps:?}");
    let variable = report.problems.iter().find(|it| it.line == 5).unwrap();
    assert!(variable.message.contains("PATH"), "the environment is not read: {}", variable.message);
}

#[test]
fn what_is_missing_is_named() {
    let missing = |builder: sluicebox_runtime::Builder| builder.build().err().unwrap().to_string();
    assert_eq!(missing(Runtime::builder()), "the runtime was given no place for its state");
    let builder = Runtime::builder().state_in_memory();
    assert_eq!(missing(builder), "the runtime was given no pipeline");
    let builder = Runtime::builder().state_in_memory().pipeline_text("p.yaml", "");
    assert_eq!(missing(builder), "the runtime was given no registry of components");
    let builder = Runtime::builder().state_in_memory().registry(registry()).pipeline_file("nowhere/p.yaml");
    assert!(missing(builder).starts_with("nowhere/p.yaml:1:1: cannot read the file"));
}

#[tokio::test]
async fn a_component_that_cannot_be_built_is_a_typed_failure() {
    let folder = tempfile::tempdir().unwrap();
    let builder = Runtime::builder().registry(registry()).pipeline_text("p.yaml", pipeline(""));
    let builder = builder.variable("FOLDER", folder.path().join("nowhere").display().to_string());
    let failed = builder.state_in_memory().build().unwrap().start().await.err().unwrap();
    assert!(matches!(failed, StartError::Failed(_)), "{failed:?}");
    assert!(failed.to_string().contains("lines"), "{failed}");
}

#[tokio::test]
async fn a_source_that_pauses_is_told_by_a_run_that_ends() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let text = pipeline(", count: 9, refused_after: 3");
    let builder = Runtime::builder().registry(registry()).pipeline_text("p.yaml", text);
    let runtime = builder.variable("FOLDER", place).state_in_memory().once().build().unwrap();
    let mut running = runtime.start().await.unwrap();
    match running.wait().await {
        Err(RunError::Paused(sources)) => assert!(sources[0].contains("no more than 3"), "{sources:?}"),
        other => panic!("{other:?}"),
    }
    let status = running.status();
    assert_eq!(status.state, "failed");
    assert_eq!(status.partitions[0].paused.as_ref().map(|it| it.reason), Some("auth"));
    assert_eq!(written(&folder), [1, 2, 3]);
}

#[tokio::test]
async fn accounts_in_a_database_are_read_before_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let started = async |ids: &str| {
        let text = pipeline(&format!(", pauses_after: 2, accounts: {{ listed: {{ ids: {ids} }} }}"));
        let builder = Runtime::builder().registry(registry()).pipeline_text("p.yaml", text).state_in_memory();
        builder.variable("FOLDER", &place).once().build().unwrap().start().await
    };
    let mut running = started("[b, a]").await.unwrap();
    assert_eq!(running.wait().await.unwrap(), Ended::Finished);
    let mut numbers = written(&folder);
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 1, 2, 2]);
    let accounts: Vec<_> = running.status().partitions.into_iter().map(|it| it.account).collect();
    assert_eq!(accounts, ["a", "b"]);
    match started("[]").await {
        Err(StartError::Accounts(error)) => assert_eq!(error.to_string(), "the database is away"),
        other => panic!("{:?}", other.err()),
    }
    match started("[a, a]").await {
        Err(StartError::Refused(report)) => assert_eq!(report.problems[0].line, 2, "{report}"),
        other => panic!("{:?}", other.err()),
    }
}

#[tokio::test]
async fn a_component_that_panics_ends_its_own_run_alone() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut other = started(&folders[0], "").await;
    let mut running = started(&folders[1], ", panics_after: 3").await;
    match running.wait().await {
        Err(RunError::Failed(Failure::Panicked(message))) => {
            assert!(message.contains("has a bug"), "{message}");
        }
        ended => panic!("{ended:?}"),
    }
    assert_eq!(running.status().state, "failed");
    until_sent(&other.handle(), 5).await;
    other.drain().await.unwrap();
}

#[tokio::test]
async fn a_drain_that_began_before_the_start_starts_nothing() {
    let (folder, signal) = (tempfile::tempdir().unwrap(), CancellationToken::new());
    let place = folder.path().display().to_string();
    let builder = Runtime::builder().registry(registry()).pipeline_text("p.yaml", pipeline(""));
    let runtime = builder.variable("FOLDER", place).state_in_memory().drain_on(&signal).build().unwrap();
    signal.cancel();
    let started = runtime.start().await;
    assert!(matches!(started, Err(StartError::Failed(Failure::Stopped))), "it is not started");
    assert!(written(&folder).is_empty(), "nothing was polled");
}
