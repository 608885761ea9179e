//! Steering an emulator from a test while it runs, and reading what it saw.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::account::Account;
use crate::credentials::Credentials;
use crate::faults::Fault;
use crate::log::{RequestRecord, Stats};
use crate::opentrain::WebhookAttempt;
use crate::options::DeliveryMode;
use crate::server::Server;
use crate::slack::PostedMessage;

/// What steers a running emulator. Clones steer the same one.
///
/// Whatever takes the number of an account does nothing, or answers with nothing, if there is no such account.
#[derive(Clone)]
pub struct Control {
    server: Arc<Server>,
}

impl Control {
    pub(crate) fn new(server: Arc<Server>) -> Self {
        Self { server }
    }

    fn with<T>(&self, account: u32, change: impl FnOnce(&Account) -> T) -> Option<T> {
        let result = self.server.account(account).map(change);
        self.server.wake();
        result
    }

    /// Switches a fault on; its requests are counted from now.
    pub fn add_fault(&self, fault: Fault) {
        self.server.faults.lock().add(fault);
    }

    /// Switches every fault off.
    pub fn clear_faults(&self) {
        self.server.faults.lock().clear();
    }

    /// Adds events to the end of a feed. Without a rate they can be seen at once, and held polls are answered.
    pub fn append(&self, account: u32, count: u64) {
        self.with(account, |account| account.feed.write().append(count));
    }

    /// Shows exactly so many events of a feed from now on, whatever the rate was.
    pub fn set_visible(&self, account: u32, count: u64) {
        self.with(account, |account| account.feed.write().show(count));
    }

    /// How many events of a feed can be seen now.
    pub fn visible(&self, account: u32) -> u64 {
        let now = self.server.clock.elapsed();
        self.server.account(account).map_or(0, |account| account.feed.read().visible(now))
    }

    /// How many events a feed holds in total.
    pub fn total(&self, account: u32) -> u64 {
        self.server.account(account).map_or(0, |account| account.feed.read().total())
    }

    /// The visible events of a feed as JSON lines, exactly as they are served: the ground truth of a test.
    pub fn events(&self, account: u32) -> Bytes {
        let visible = self.visible(account);
        self.server.account(account).map_or_else(Bytes::new, |account| account.lines(0..visible))
    }

    /// Lets every offset issued so far expire, together with the events that can be seen now: an old offset is
    /// answered 409, and a poll without one starts with what comes next (Zenzap).
    pub fn expire_offsets(&self, account: u32) {
        let visible = self.visible(account);
        self.with(account, |account| {
            let mut bot = account.bot.lock();
            bot.floor = visible;
            bot.generation = bot.generation.saturating_add(1);
        });
    }

    /// Keeps only so many of the newest visible updates addressable (Zenzap); `None` keeps all.
    pub fn set_retention(&self, account: u32, updates: Option<u64>) {
        self.with(account, |account| account.bot.lock().retention = updates);
    }

    /// Sets how the bot gets its updates (Zenzap); held polls notice.
    pub fn set_delivery_mode(&self, account: u32, mode: DeliveryMode) {
        self.with(account, |account| account.bot.lock().mode = mode);
    }

    /// Sets the scopes that the credentials of an account hold. Access tokens keep the scopes they were issued with.
    pub fn set_scopes(&self, account: u32, scopes: Vec<String>) {
        self.with(account, |account| account.access.write().scopes = scopes);
    }

    /// Shifts the clock of the server, in seconds against the clock of this machine.
    pub fn set_clock_skew(&self, seconds: i64) {
        self.server.clock.set_skew(seconds);
    }

    /// The current credentials of an account.
    pub fn credentials(&self, account: u32) -> Option<Credentials> {
        self.server.account(account).map(|account| account.access.read().credentials.clone())
    }

    /// Refuses the credentials of an account with 401, and its access tokens, until it is given new ones.
    pub fn revoke(&self, account: u32) {
        self.with(account, |account| account.access.write().revoked = true);
    }

    /// Gives an account new credentials; the old ones are refused from now on, and its access tokens have expired.
    pub fn rotate(&self, account: u32) -> Option<Credentials> {
        self.expire_access_tokens(account);
        let options = &self.server.options;
        let fresh = self.with(account, |account| {
            let mut access = account.access.write();
            access.rotation += 1;
            access.revoked = false;
            access.credentials = Credentials::derive(options, account.number, access.rotation);
            access.credentials.clone()
        })?;
        self.server.directory.write().extend(fresh.names().into_iter().map(|name| (name, account)));
        Some(fresh)
    }

    /// Lets the OAuth access tokens of an account expire now (Zenzap); its client can get new ones.
    pub fn expire_access_tokens(&self, account: u32) {
        self.server.access_tokens.lock().expire(account);
    }

    /// The messages that were posted to the workspace of an account, in the order in which they were stored (Slack).
    pub fn messages(&self, account: u32) -> Vec<PostedMessage> {
        self.server.account(account).map(|account| account.workspace.lock().messages()).unwrap_or_default()
    }

    /// Every attempt to deliver a webhook of an account, oldest first; the newest 100,000 are remembered (OpenTrain).
    pub fn webhook_attempts(&self, account: u32) -> Vec<WebhookAttempt> {
        self.server.account(account).map(|account| account.webhooks.lock().attempts()).unwrap_or_default()
    }

    /// The requests so far, oldest first; the newest 200,000 are remembered.
    pub fn log(&self) -> Vec<RequestRecord> {
        self.log_after(0)
    }

    /// The remembered requests with a number above this one.
    pub fn log_after(&self, number: u64) -> Vec<RequestRecord> {
        self.server.log.lock().after(number)
    }

    /// Counts since the start.
    pub fn stats(&self) -> Stats {
        self.server.log.lock().stats()
    }

    /// Time since the start, the scale of the times in the log.
    pub fn elapsed(&self) -> Duration {
        self.server.clock.elapsed()
    }
}
