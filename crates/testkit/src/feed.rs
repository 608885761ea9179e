//! A pipeline that reads every account of one emulated API, in a sandbox.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use sluicebox_emulator::{Api, Options};

use crate::{Form, Process, Sandbox, Served, wait_for};

/// The sink that [`Feed::new`] gives the pipeline: one row an event, in `rows.db`.
const ROWS: &str = "sinks:\n  rows: { type: sqlite, inputs: [feed], path: rows.db, table: events }\n";

/// A served API and a sandbox whose `p.yaml` reads it: the source is called `feed`, its accounts `a0`, `a1` and so on.
pub struct Feed {
    /// The API.
    pub served: Served,
    sandbox: Sandbox,
    form: Form,
    api: Api,
    accounts: u32,
}

impl Deref for Feed {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.sandbox
    }
}

impl DerefMut for Feed {
    fn deref_mut(&mut self) -> &mut Sandbox {
        &mut self.sandbox
    }
}

impl Feed {
    /// Serves, and writes a pipeline of the built-in source into SQLite.
    pub fn new(program: impl Into<PathBuf>, options: Options) -> Self {
        Self::of(Form::BuiltIn, program, options)
    }

    /// The same with the source in one of its forms.
    pub fn of(form: Form, program: impl Into<PathBuf>, options: Options) -> Self {
        let (api, accounts) = (options.api, options.accounts);
        let feed = Self { served: Served::new(options), sandbox: Sandbox::new(program), form, api, accounts };
        feed.pipeline("", ROWS);
        feed
    }

    /// Writes the same pipeline with more options of its source (one line each), and with other transforms and sinks
    /// unless `rest` is empty.
    pub fn pipeline(&self, options: &str, rest: &str) {
        let rest = if rest.is_empty() { ROWS } else { rest };
        self.write("p.yaml", &format!("sources:\n{}{rest}", self.source(options)));
    }

    fn source(&self, options: &str) -> String {
        let fields = match self.api {
            Api::Zenzap => &["key", "secret"][..],
            _ => &["token"][..],
        };
        let held = if self.api == Api::Zenzap { "    timeout: 1s\n" } else { "" };
        let access = self.form.access_entries(self.api, |name| format!("${{account.{name}}}"));
        let access = format!("    {}\n", access.join("\n    "));
        let (kind, base_url) = (self.form.source_type(self.api), self.served.url());
        let own = options.lines().map(|line| format!("    {}\n", line.trim()));
        let field = |account, name| format!(", {name}: \"{}\"", self.served.credential(account, name));
        let accounts = (0..self.accounts).map(|account| {
            let fields: String = fields.iter().map(|name| field(account, name)).collect();
            format!("      - {{ id: a{account}{fields} }}\n")
        });
        format!(
            "  feed:\n    type: {kind}\n    base_url: {base_url}\n{held}{access}    rate: unlimited\n    interval: 1s\n\
             {}    accounts:\n{}",
            own.collect::<String>(),
            accounts.collect::<String>()
        )
    }

    /// Kills a run after its first polls and a while that differs from round to round.
    pub fn kill_in_flight(&self, arguments: &str, round: u64) {
        let before = self.served.stats().events_served;
        let process = self.start(arguments);
        wait_for("the first polls", || (self.served.stats().events_served > before).then_some(()));
        std::thread::sleep(Duration::from_millis(20 + round * 37 % 300));
        process.kill();
        process.finish();
    }

    /// Runs the pipeline until it is caught up, with a log for machines.
    pub fn once(&self) -> crate::Finished {
        self.run("run --once --log-format json --admin off p.yaml")
    }

    /// Starts the pipeline, with a log for machines and an admin server.
    pub fn begin(&self) -> Process {
        self.start("run --log-format json --admin 127.0.0.1:0 p.yaml")
    }

    /// The events of an account in `rows.db`, in the order of their arrival.
    pub fn rows_of(&self, account: u32) -> Vec<String> {
        let query = format!("SELECT event FROM events WHERE _account = 'a{account}' ORDER BY rowid");
        self.rows("rows.db", &query)
    }

    /// Each event of an account once, in order and byte for byte.
    ///
    /// # Panics
    /// If not; `why` says more.
    #[track_caller]
    pub fn assert_whole(&self, account: u32, why: &str) {
        let (rows, truth) = (self.rows_of(account), self.served.truth(account));
        assert_eq!(rows.len(), truth.len(), "account {account}: rows equal events\n{why}");
        assert!(rows == truth, "account {account}: each event once, in order, byte for byte\n{why}");
    }

    /// What `cursor show` says of an account.
    pub fn cursor(&self, account: u32) -> Value {
        let rows = self.cursors();
        rows.into_iter().find(|row| row["account"] == format!("a{account}")).unwrap_or_default()
    }
}

/// The lines of a JSON log that speak of an account and hold a text.
pub fn said(log: &[Value], account: u32, text: &str) -> Vec<Value> {
    let of_account = |line: &&Value| line["account"] == format!("a{account}");
    let holds = |line: &&Value| line["message"].as_str().is_some_and(|message| message.contains(text));
    log.iter().filter(of_account).filter(holds).cloned().collect()
}
