//! A program that runs a pipeline inside itself: it reads a folder from its arguments, shows how the pipeline is doing, and
//! drains it when it is interrupted.
//!
//! Invariant: only this file prints and reads arguments; the runtime does neither.

#[cfg(test)]
mod contract;
mod grade;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use sluicebox_runtime::{BuildError, Handle, Runtime};

/// The pipeline is part of the program.
const PIPELINE: &str = include_str!("../pipeline.yaml");

#[tokio::main]
async fn main() -> ExitCode {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".to_owned()));
    match run(folder).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(folder: PathBuf) -> Result<(), Box<dyn std::error::Error>> {
    let mut registry = sluicebox_bundle::registry();
    registry.transform::<grade::Grade>();
    let built = Runtime::builder()
        .registry(registry)
        .pipeline_text("pipeline.yaml", PIPELINE)
        .variable("FOLDER", folder.display().to_string())
        .state_dir(folder.join("state"))
        .once()
        .build();
    if let Err(BuildError::Refused(report)) = &built {
        for problem in &report.problems {
            eprintln!("line {}: {}", problem.line, problem.message);
        }
    }
    let mut running = built?.start().await?;
    let handle = running.handle();
    let ended = tokio::select! {
        ended = running.wait() => ended?,
        () = show(&handle) => unreachable!("it shows for ever"),
        _ = tokio::signal::ctrl_c() => running.drain().await?,
    };
    println!("{ended:?}: {} orders are graded", graded(&handle));
    Ok(())
}

/// How many events the transform has seen.
fn graded(handle: &Handle) -> u64 {
    let components = handle.status().components;
    components.iter().filter(|component| component.name == "graded").map(|component| component.received).sum()
}

/// Tells every second how the pipeline is doing.
async fn show(handle: &Handle) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        println!("{}: {} orders so far", handle.status().state, graded(handle));
    }
}
