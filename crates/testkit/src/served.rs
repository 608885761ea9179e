//! An emulator inside the test's own process: many accounts, faults while it runs, and a look at every request.

use std::ops::Deref;
use std::time::Duration;

use serde_json::Value;
use sluicebox_emulator::{Control, Emulator, Options, RequestRecord, start};
use tokio::runtime::Runtime;

/// A served API; what steers it is what it dereferences to. It ends with this value.
pub struct Served {
    control: Control,
    emulator: Option<Emulator>,
    options: Options,
    url: String,
    runtime: Runtime,
}

impl Deref for Served {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
}

impl Served {
    /// Serves on a free port.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn new(options: Options) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime can be made");
        let emulator = runtime.block_on(start(options.clone())).expect("the emulator starts");
        let options = Options { listen: emulator.address(), ..options };
        let (control, url) = (emulator.control(), emulator.url());
        Self { control, emulator: Some(emulator), options, url, runtime }
    }

    /// What a client takes as base address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// One of the credentials of an account: `token`, or `key`, `secret`, `client_id`, `client_secret`.
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn credential(&self, account: u32, name: &str) -> String {
        let all = serde_json::to_value(self.control.credentials(account)).unwrap_or(Value::Null);
        all[name].as_str().unwrap_or_else(|| panic!("no {name} in {all}")).to_owned()
    }

    /// Switches a fault on, as it is written: `account:1:status=503@2`.
    ///
    /// # Panics
    /// If that is no fault.
    pub fn fault(&self, text: &str) {
        self.control.add_fault(text.parse().unwrap_or_else(|error| panic!("{error}")));
    }

    /// Every visible event of an account exactly as it is served.
    pub fn truth(&self, account: u32) -> Vec<String> {
        self.truth_text(account).lines().map(str::to_owned).collect()
    }

    /// The same as the text of a file: one line an event.
    pub fn truth_text(&self, account: u32) -> String {
        String::from_utf8_lossy(&self.control.events(account)).into_owned()
    }

    /// The polls of an account so far, oldest first.
    pub fn polls(&self, account: u32) -> Vec<RequestRecord> {
        let mut log = self.control.log();
        log.retain(|record| record.account == Some(account) && record.path.ends_with("/updates"));
        log
    }

    /// Drops every connection and listens no more.
    pub fn stop(&mut self) {
        if let Some(emulator) = self.emulator.take() {
            self.runtime.block_on(emulator.stop());
        }
    }

    /// Serves again, at the same address and with the same events; the log begins anew.
    ///
    /// # Panics
    /// If the address was taken meanwhile.
    pub fn restart(&mut self) {
        self.stop();
        let emulator = self.runtime.block_on(start(self.options.clone())).expect("the emulator starts again");
        self.control = emulator.control();
        self.emulator = Some(emulator);
    }
}

/// No request inside a `Retry-After` window, and after an answer that is no page at least half a second of patience.
///
/// # Panics
/// If a client was impatient; `who` says which.
#[track_caller]
pub fn assert_patient(who: &str, polls: &[RequestRecord]) {
    for pair in polls.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        let gap = after.arrived.saturating_sub(before.answered.unwrap_or(before.arrived));
        let asked = before.retry_after.unwrap_or_default();
        assert!(gap >= asked, "{who}: {gap:?} after being told to wait {asked:?}: {before:?}");
        let failed = before.status != Some(200);
        assert!(!failed || gap >= Duration::from_millis(490), "{who}: {gap:?} after {before:?}");
    }
}
