//! A folder of its own in which the command runs, with an environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::{Finished, Process, request};

/// Where a test runs the command; the folder is removed when this is dropped.
pub struct Sandbox {
    program: PathBuf,
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// An emulator in a process of its own.
pub struct Emulated {
    /// The process.
    pub process: Process,
    /// Its first line: `url` and credentials.
    pub announcement: serde_json::Value,
}

impl Sandbox {
    /// An empty folder for a program: `env!("CARGO_BIN_EXE_sluicebox")`.
    ///
    /// # Panics
    /// If no folder can be made.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        Self { program: program.into(), folder, variables: Vec::new() }
    }

    /// Sets a variable for every process from now on.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.push((name.to_owned(), value.into()));
    }

    /// A path inside the folder.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file, with the folders above it.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        let written = std::fs::create_dir_all(path.parent().expect("a file lies in a folder"))
            .and_then(|()| std::fs::write(&path, text));
        written.unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }

    /// Reads a file as text.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn read(&self, path: &str) -> String {
        let path = self.path(path);
        std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }

    /// Writes `p.yaml`: a source called `feed` that reads a [`Stub::feed`](crate::Stub::feed) in pages of so many, and
    /// the rest of the pipeline.
    pub fn pipe(&self, stub: &crate::Stub, limit: usize, rest: &str) {
        let url = stub.url();
        let source = format!(
            "type: opentrain_updates, base_url: {url}, token: ot_pat_x, rate: unlimited, interval: 1s"
        );
        self.write("p.yaml", &format!("sources:\n  feed: {{ {source}, limit: {limit} }}\n{rest}"));
    }

    /// The first column of a query on a SQLite file, oldest row first; nothing while there is no such table.
    pub fn rows(&self, path: &str, query: &str) -> Vec<String> {
        let read = || -> rusqlite::Result<Vec<String>> {
            let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
            let connection = rusqlite::Connection::open_with_flags(self.path(path), flags)?;
            let mut statement = connection.prepare(query)?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        read().unwrap_or_default()
    }

    /// The positions of every source, as `cursor show --format json` tells them.
    ///
    /// # Panics
    /// If they cannot be read.
    pub fn cursors(&self) -> Vec<serde_json::Value> {
        self.run("cursor show --format json").expect(0).json_lines()
    }

    /// The dead letters, as `dlq list --format json` tells them.
    ///
    /// # Panics
    /// If they cannot be read.
    pub fn dead_letters(&self) -> Vec<serde_json::Value> {
        self.run("dlq list --format json").expect(0).json_lines()
    }

    /// The command with these arguments (split at spaces), in the folder. Its admin server takes no fixed port.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(self.folder.path()).args(arguments.split_whitespace());
        command.env("NO_COLOR", "1").env_remove("SLUICEBOX_ADMIN_TOKEN");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the command to its end.
    pub fn run(&self, arguments: &str) -> Finished {
        let mut process = self.start(arguments);
        process.close_input();
        process.finish()
    }

    /// Starts the command.
    pub fn start(&self, arguments: &str) -> Process {
        Process::start(&mut self.command(arguments))
    }

    /// Starts an emulator: `opentrain --events 500 --fault reset@3`. It ends with this value.
    ///
    /// # Panics
    /// If it does not announce itself.
    pub fn emulate(&self, arguments: &str) -> Emulated {
        let mut process = self.start(&format!("emulate --stop-with-stdin {arguments}"));
        let line = process.wait_for_output("\"url\"");
        let announcement = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line}"));
        Emulated { process, announcement }
    }

    /// Starts an emulator and sets the variables that pipelines use for it: `OPENTRAIN_URL`, `OPENTRAIN_TOKEN`, or
    /// `ZENZAP_URL`, `ZENZAP_KEY`, `ZENZAP_SECRET`, `ZENZAP_CLIENT_ID`, `ZENZAP_CLIENT_SECRET`, or
    /// `SLACK_URL`, `SLACK_TOKEN`, `SLACK_WEBHOOK_URL`, `SLACK_CHANNEL`.
    pub fn emulate_with_variables(&mut self, arguments: &str) -> Emulated {
        let emulated = self.emulate(arguments);
        let api = emulated.text("api").to_uppercase();
        for field in ["url", "token", "key", "secret", "client_id", "client_secret", "webhook_url", "channel"]
        {
            if let Some(value) = emulated.announcement[field].as_str() {
                self.set(&format!("{api}_{}", field.to_uppercase()), value);
            }
        }
        emulated
    }
}

impl Emulated {
    /// A field of the announcement.
    ///
    /// # Panics
    /// If there is none.
    pub fn text(&self, field: &str) -> &str {
        self.announcement[field].as_str().unwrap_or_else(|| panic!("no {field} in {}", self.announcement))
    }

    /// `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> &str {
        self.text("url").trim_end_matches("/api/public/v1")
    }

    /// Uses a control path of the emulator: `control("POST", "append?n=10", "")`.
    ///
    /// # Panics
    /// If it is refused.
    pub fn control(&self, method: &str, path: &str, body: &str) -> String {
        let url = format!("{}/_emulator/{path}", self.origin());
        let answer = request(method, &url, &[], body).unwrap_or_else(|| panic!("{url} does not answer"));
        assert!(answer.status < 300, "{method} {url}: {} {}", answer.status, answer.body);
        answer.body
    }

    /// Every visible event exactly as it is served.
    pub fn events(&self) -> Vec<String> {
        self.control("GET", "events", "").lines().map(str::to_owned).collect()
    }
}
