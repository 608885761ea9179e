//! One server process: started with a log, awaited, ended together with whoever started it.
//!
//! A private server must not outlive the test process that owns it, however that ends. A guard, a shell that waits
//! for the end of a pipe which only this process holds open, then kills the server. Invariant: dropping a server ends
//! it, unless it was left to later runs with [`Server::leave`].

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::error::{Error, Result};
use crate::process::Started;

/// How long a server may take to be ready; a loaded machine of two cores needs a part of it.
const PATIENCE: Duration = Duration::from_secs(120);
/// How much of a log is shown when a server does not start.
const LOG_END: u64 = 3000;

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    name: &'static str,
    child: Option<Child>,
    guard: Option<Child>,
    pub(crate) started: Started,
    log: PathBuf,
    /// Where in the log this start begins.
    log_start: u64,
}

impl Server {
    /// Starts the command with its output going to the end of `log`.
    pub(crate) fn start(name: &'static str, mut command: Command, log: &Path) -> Result<Self> {
        let cannot = |cause: std::io::Error| Error::during(format!("cannot start {name}"), cause);
        let file = OpenOptions::new().create(true).append(true).open(log).map_err(cannot)?;
        let log_start = file.metadata().map_err(cannot)?.len();
        let errors = file.try_clone().map_err(cannot)?;
        command.stdin(Stdio::null()).stdout(file).stderr(errors).process_group(0);
        let mut child = command.spawn().map_err(cannot)?;
        let Some(started) = Started::of(child.id()) else {
            // Nobody waits for it but us, so its number is its own until we do.
            let status = child.wait().map_err(cannot)?;
            return Err(Error::new(format!("{name} ended at once: {status}")));
        };
        let guard = guard(child.id()).map_err(cannot)?;
        Ok(Self { name, child: Some(child), guard: Some(guard), started, log: log.to_owned(), log_start })
    }

    /// Waits until the server is ready.
    pub(crate) fn await_ready(&mut self, mut is_ready: impl FnMut(&Self) -> bool) -> Result<()> {
        let start = Instant::now();
        loop {
            if let Some(Ok(Some(status))) = self.child.as_mut().map(Child::try_wait) {
                return Err(self.failure(&format!("ended with {status} while it started")));
            }
            if is_ready(self) {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(self.failure(&format!("was not ready after {} s", PATIENCE.as_secs())));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What the server wrote since this start.
    pub(crate) fn log(&self) -> String {
        read_from(&self.log, self.log_start).unwrap_or_default()
    }

    /// Lets the server run on after this process.
    pub(crate) fn leave(mut self) -> Started {
        self.dismiss_guard();
        self.child = None;
        self.started
    }

    /// Asks it to end, waits, and ends it if it does not.
    pub(crate) fn stop(mut self, signal: Signal) {
        self.started.stop(signal);
        self.reap();
    }

    fn failure(&self, what: &str) -> Error {
        let length = std::fs::metadata(&self.log).map_or(0, |metadata| metadata.len());
        let from = self.log_start.max(length.saturating_sub(LOG_END));
        let end = read_from(&self.log, from).unwrap_or_default();
        Error::new(format!("{} {what}; the end of {}:\n{}", self.name, self.log.display(), end.trim_end()))
    }

    fn dismiss_guard(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            // It waits for its input to end; it must not see that happen.
            let _ = guard.kill();
            let _ = guard.wait();
        }
    }

    fn reap(&mut self) {
        self.dismiss_guard();
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.started.kill();
            self.reap();
        }
    }
}

/// Kills the process when ours has ended. It is in a group of its own, for an interrupt from the keyboard would end
/// it before us.
fn guard(pid: u32) -> std::io::Result<Child> {
    Command::new("sh")
        .args(["-c", "read -r _; kill -9 \"-$1\"", "sh", &pid.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

fn read_from(path: &Path, start: u64) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, log: &Path) -> Server {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Server::start("a shell", command, log).unwrap()
    }

    #[test]
    fn a_server_that_ends_while_it_starts_shows_the_end_of_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("server.log");
        std::fs::write(&log, "what an earlier start said\n").unwrap();
        let mut server = shell("echo no room for data; exit 3", &log);
        let failure = server.await_ready(|_| false).unwrap_err().to_string();
        assert!(failure.contains("a shell ended with exit status: 3"), "{failure}");
        assert!(failure.contains("no room for data") && !failure.contains("earlier"), "{failure}");
    }

    #[test]
    fn a_server_ends_when_it_is_dropped_and_not_when_it_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("server.log");
        let (dropped, left) = (shell("sleep 600", &log), shell("sleep 600", &log));
        let started = dropped.started;
        drop(dropped);
        assert!(!started.is_alive());
        let started = left.leave();
        assert!(started.is_alive());
        started.kill();
        assert!(!started.is_alive());
    }
}
