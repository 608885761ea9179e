//! The emulator in a process of its own, with every page rendered beforehand.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sluicebox_emulator::{Api, Options};

use crate::Outcome;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    api: Api,
    #[arg(long)]
    events: u64,
    #[arg(long, default_value_t = 0)]
    latency_milliseconds: u64,
}

/// Serves until standard input ends.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let emulator = sluicebox_emulator::start(Options {
            events: arguments.events,
            latency: Duration::from_millis(arguments.latency_milliseconds),
            prerender: true,
            ..Options::new(arguments.api)
        })
        .await?;
        println!("{}", serde_json::to_string(&emulator.announcement())?);
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
        emulator.stop().await;
        Ok(())
    })
}

/// A running emulator process with the credentials that it announced, empty where it has none; ended when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) key: String,
    pub(crate) secret: String,
}

impl Server {
    /// Starts one and reads where it listens.
    pub(crate) fn start(api: Api, events: u64, latency: Duration) -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", "--api", &api.to_string(), "--events", &events.to_string()])
            .args(["--latency-milliseconds", &latency.as_millis().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or("the emulator has no output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let announcement: serde_json::Value = serde_json::from_str(&line)?;
        let field = |name: &str| announcement[name].as_str().unwrap_or_default().to_owned();
        Ok(Self {
            child,
            url: field("url"),
            token: field("token"),
            key: field("key"),
            secret: field("secret"),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
