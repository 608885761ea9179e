//! A process of the command, watched while it runs.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};

use crate::wait_for;

/// A process that has ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The exit code; -1 if a signal ended it.
    pub code: i32,
    /// All of stdout.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
}

impl Finished {
    /// The same, if it ended with this code.
    ///
    /// # Panics
    /// If it ended with another; shows what it said.
    #[track_caller]
    #[allow(clippy::return_self_not_must_use, reason = "it is called for what it checks")]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// The log of `--log-format json`.
    ///
    /// # Panics
    /// If a line is no JSON.
    pub fn log(&self) -> Vec<serde_json::Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        self.stderr.lines().map(parse).collect()
    }

    /// Stdout as JSON lines.
    ///
    /// # Panics
    /// If a line is no JSON.
    pub fn json_lines(&self) -> Vec<serde_json::Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        self.stdout.lines().map(parse).collect()
    }
}

/// A running process; it is killed when this is dropped.
pub struct Process {
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

/// What one stream has said so far.
struct Stream {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn read(from: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while from.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                kept.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn so_far(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn whole(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            // A reader that panicked has kept what it read.
            let _ = reader.join();
        }
        self.so_far()
    }
}

impl Process {
    /// Starts a command with its streams watched. Its stdin stays open until the process ends.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stdout = Stream::read(child.stdout.take().expect("stdout is piped"));
        let stderr = Stream::read(child.stderr.take().expect("stderr is piped"));
        Self { child, stdout, stderr }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Stdout so far.
    pub fn stdout(&self) -> String {
        self.stdout.so_far()
    }

    /// Stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.so_far()
    }

    /// Waits until stderr holds a text, and returns the line with it.
    ///
    /// # Panics
    /// If it never comes.
    pub fn wait_for_log(&mut self, text: &str) -> String {
        self.wait_for_text(text, Self::stderr)
    }

    /// Waits until stdout holds a text, and returns the line with it.
    ///
    /// # Panics
    /// If it never comes.
    pub fn wait_for_output(&mut self, text: &str) -> String {
        self.wait_for_text(text, Self::stdout)
    }

    fn wait_for_text(&mut self, text: &str, stream: fn(&Self) -> String) -> String {
        wait_for(&format!("{text:?} in the output"), || {
            let ended = self.child.try_wait().ok().flatten();
            let said = stream(self);
            let line = said.split_inclusive('\n').find(|line| line.contains(text) && line.ends_with('\n'));
            assert!(
                line.is_some() || ended.is_none(),
                "it ended without {text:?}: {said}\n{}",
                self.stderr()
            );
            line.map(|line| line.trim_end().to_owned())
        })
    }

    /// Waits for its admin server, and returns its address: `http://127.0.0.1:PORT`.
    ///
    /// # Panics
    /// If it does not start one.
    pub fn admin(&mut self) -> String {
        let line = self.wait_for_log("the admin server listens on http://");
        let start = line.find("http://").unwrap_or_default();
        line[start..].split(['\"', ' ']).next().unwrap_or_default().to_owned()
    }

    /// Lets its files grow to so many bytes from now on, as a full disk would; `None`: to any size.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn limit_file_size(&self, bytes: Option<u64>) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // The hard limit stays, for only root may raise it again.
        let maximum = getrlimit(Resource::Fsize).maximum;
        let limit = Rlimit { current: bytes.or(maximum), maximum };
        prlimit(pid, Resource::Fsize, limit).expect("a limit of one's own child can be set");
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().ok().flatten().is_some()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGINT.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Sends SIGKILL.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Sends SIGSTOP: it stands still until it is thawed.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Sends SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // A process that has ended needs no signal.
        let _ = pid.map(|pid| kill_process(pid, signal));
    }

    /// Closes its stdin.
    pub fn close_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end.
    pub fn finish(mut self) -> Finished {
        let status = wait_for("the end of the process", || self.child.try_wait().ok().flatten());
        let code = status.code().unwrap_or(-1);
        Finished { code, stdout: self.stdout.whole(), stderr: self.stderr.whole() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
