//! Memory with a stalled sink and a backlog waiting upstream: bounded by the byte budget, and polling stops.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sluicebox_emulator::Api;

use crate::Outcome;
use crate::server::Server;

/// The default of the engine: bytes in flight of a whole pipeline.
const BYTE_BUDGET: u64 = 64 << 20;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Events waiting upstream.
    #[arg(long, default_value_t = 200_000)]
    events: u64,
    /// The program under test.
    #[arg(long, default_value = "target/release/sluicebox")]
    program: PathBuf,
}

/// Prints idle memory, memory when stalled, and the bound.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let idle = peak(arguments, 0)?;
    let stalled = peak(arguments, arguments.events)?;
    let bound = idle + 2 * BYTE_BUDGET;
    let mebibytes = |bytes: u64| bytes >> 20;
    println!("idle process: {} MiB", mebibytes(idle));
    println!("stalled sink, {} events upstream: {} MiB", arguments.events, mebibytes(stalled));
    println!("bound (idle + 2 × {} MiB): {} MiB", mebibytes(BYTE_BUDGET), mebibytes(bound));
    if stalled <= bound { Ok(()) } else { Err("more memory than the bound".into()) }
}

/// Peak resident bytes of a run whose sink hangs, and whether polling stopped.
fn peak(arguments: &Arguments, events: u64) -> Outcome<u64> {
    let server = Server::start(Api::OpenTrain, events, Duration::ZERO)?;
    let folder = tempfile::tempdir_in("target")?;
    let pipeline = format!(
        "sources:\n  feed: {{ type: opentrain_updates, base_url: \"{}\", token: \"${{TOKEN}}\", limit: 200, rate: unlimited }}\n\
         sinks:\n  out: {{ type: blackhole, inputs: [feed], delay: 1h }}\n",
        server.url
    );
    std::fs::write(folder.path().join("memory.yaml"), pipeline)?;
    let mut child = Command::new(std::fs::canonicalize(&arguments.program)?)
        .args(["run", "--admin", "off", "-q", "memory.yaml"])
        .env("TOKEN", &server.token)
        .current_dir(folder.path())
        .stderr(Stdio::null())
        .spawn()?;
    std::thread::sleep(Duration::from_secs(5));
    let before = polls(&server)?;
    std::thread::sleep(Duration::from_secs(5));
    let after = polls(&server)?;
    let peak = high_water(&child);
    end(&mut child)?;
    if events > 0 && after != before {
        return Err(format!("polling went on: {before} polls, then {after}").into());
    }
    peak
}

fn polls(server: &Server) -> Outcome<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let root = server.url.split("/api/").next().unwrap_or_default();
    let url = format!("{root}/_emulator/stats");
    let text = runtime.block_on(async { reqwest::get(url).await?.text().await })?;
    let stats: serde_json::Value = serde_json::from_str(&text)?;
    stats["polls"].as_u64().ok_or_else(|| "the emulator counts no polls".into())
}

/// `VmHWM` of a process, in bytes (proc(5)).
fn high_water(child: &Child) -> Outcome<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).ok_or("no VmHWM")?;
    let kibibytes: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kibibytes << 10)
}

fn end(child: &mut Child) -> Outcome {
    child.kill()?;
    child.wait()?;
    Ok(())
}
