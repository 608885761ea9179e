//! Both APIs as child processes of this command: real servers on real ports, which end with their parent however that
//! ends, because their stdin does.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::exit::{Exit, Stop};

/// The seed of everything that happens in the demo.
pub(crate) const SEED: u64 = 1;

/// How long an emulator may take to stop by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// Both emulators.
pub(crate) struct Emulators {
    running: [Emulator; 2],
}

struct Emulator {
    child: Child,
    announcement: Value,
}

impl Emulators {
    /// Starts both on free ports.
    pub(crate) async fn start(events: u64) -> Result<Self, Stop> {
        let (opentrain, zenzap) =
            tokio::try_join!(Emulator::start("opentrain", events), Emulator::start("zenzap", events))?;
        Ok(Self { running: [opentrain, zenzap] })
    }

    /// The variables that the pipeline file uses.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        for Emulator { announcement, .. } in &self.running {
            let api = announcement["api"].as_str().unwrap_or_default().to_uppercase();
            for (field, value) in announcement.as_object().into_iter().flatten() {
                let value = value.as_str().unwrap_or_default();
                variables.push((format!("{api}_{}", field.to_uppercase()), value.to_owned()));
            }
        }
        variables
    }

    /// Lets events happen in both APIs.
    pub(crate) async fn append(&self, events: u64) -> std::io::Result<()> {
        for emulator in &self.running {
            emulator.append(events).await?;
        }
        Ok(())
    }

    /// Stops both.
    pub(crate) async fn stop(self) {
        for Emulator { mut child, .. } in self.running {
            drop(child.stdin.take());
            if tokio::time::timeout(PATIENCE, child.wait()).await.is_err() {
                // It has ended in the meantime, or it ends now.
                let _ = child.kill().await;
            }
        }
    }
}

impl Emulator {
    async fn start(api: &str, events: u64) -> Result<Self, Stop> {
        let failed =
            |error: std::io::Error| Stop::failed(format!("cannot start the emulator of {api}"), &error);
        let program = std::env::current_exe().map_err(failed)?;
        let mut child = Command::new(program)
            .args(["emulate", api, "--quiet", "--stop-with-stdin"])
            .args(["--events", &events.to_string(), "--seed", &SEED.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for the parent, which still reads from the emulators while it drains.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let stdout = child.stdout.take();
        let mut line = String::new();
        if let Some(stdout) = stdout {
            BufReader::new(stdout).read_line(&mut line).await.map_err(failed)?;
        }
        let announcement = serde_json::from_str(&line)
            .map_err(|_| Stop::new(Exit::Failed, format!("the emulator of {api} did not announce itself")))?;
        Ok(Self { child, announcement })
    }

    async fn append(&self, events: u64) -> std::io::Result<()> {
        let url = self.announcement["url"].as_str().unwrap_or_default();
        let host = url.trim_start_matches("http://").split('/').next().unwrap_or_default();
        let mut stream = TcpStream::connect(host).await?;
        let request = format!(
            "POST /_emulator/append?n={events} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        // How the connection ends after the request says nothing about the emulator.
        let _ = stream.read_to_end(&mut Vec::new()).await;
        Ok(())
    }
}
