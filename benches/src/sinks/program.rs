//! The program under test: `run --once` with a pipeline of one source and one sink, watched through its metrics.

use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Marks, events};
use crate::Outcome;

/// How often the metrics are read: a small part of a percent of one core.
const LOOK: Duration = Duration::from_millis(50);

/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// The counter of a sink's durable events.
const COUNTER: &str = "sluicebox_component_sent_events_total{component=\"out\"";

/// How to run the program; its folder goes away in the end.
pub(crate) struct Program {
    path: PathBuf,
    pub(crate) events: u64,
    folder: tempfile::TempDir,
}

impl Program {
    pub(crate) fn new(path: &Path, events: u64) -> Outcome<Self> {
        Ok(Self { path: std::fs::canonicalize(path)?, events, folder: tempfile::tempdir_in("target")? })
    }

    /// Where the program's own files lie, and those of destinations that are files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes all events into `sink`, from an empty checkpoint.
    pub(crate) fn run(&self, sink: &str) -> Outcome<Marks> {
        let folder = self.folder.path();
        let pipeline = format!("sources:\n  feed: {}\nsinks:\n  out: {sink}\n", events::source(self.events));
        let file = format!("{}.yaml", events::PIPELINE);
        std::fs::write(folder.join(&file), pipeline)?;
        let state = tempfile::tempdir_in(folder)?;
        let admin = free_address()?;
        let child = Command::new(&self.path)
            .args(["run", "--once", "-q", "--admin", &admin.to_string(), "--state-dir"])
            .arg(state.path())
            .arg(&file)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        watch(Running(child), admin)
    }
}

/// A program that is ended when it is forgotten.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads the counter until the program ends.
fn watch(mut running: Running, admin: SocketAddr) -> Outcome<Marks> {
    let start = Instant::now();
    let mut marks = Marks::default();
    loop {
        if let Some(status) = running.0.try_wait()? {
            let mut said = String::new();
            if let Some(stderr) = running.0.stderr.take() {
                BufReader::new(stderr).read_to_string(&mut said)?;
            }
            return if status.success() { Ok(marks) } else { Err(said.into()) };
        }
        if start.elapsed() > PATIENCE {
            return Err("the program does not come to an end".into());
        }
        // It may not listen yet, or not any more.
        if let Some(count) = delivered(admin) {
            marks.push(start.elapsed(), count);
        }
        std::thread::sleep(LOOK);
    }
}

fn delivered(admin: SocketAddr) -> Option<u64> {
    let mut connection = TcpStream::connect(admin).ok()?;
    let request = format!("GET /metrics HTTP/1.0\r\nHost: {admin}\r\n\r\n");
    connection.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).ok()?;
    let line = answer.lines().find(|line| line.starts_with(COUNTER))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

/// An address at which nobody listens.
fn free_address() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
