//! One account: its feed, its credentials, and what can be changed about it while it is served.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};

use crate::credentials::Credentials;
use crate::feed::{Feed, World};
use crate::opentrain::{Marketplace, Webhooks};
use crate::options::{Api, DeliveryMode, Options};
use crate::page::History;
use crate::slack::Workspace;
use crate::zenzap::{Storage, TeamChat};

pub(crate) struct Account {
    pub(crate) number: u32,
    pub(crate) feed: RwLock<Feed>,
    pub(crate) access: RwLock<Access>,
    pub(crate) history: Mutex<History>,
    pub(crate) bot: Mutex<Bot>,
    pub(crate) window: Mutex<Window>,
    pub(crate) workspace: Mutex<Workspace>,
    pub(crate) webhooks: Mutex<Webhooks>,
}

/// Who may read what.
pub(crate) struct Access {
    pub(crate) credentials: Credentials,
    pub(crate) scopes: Vec<String>,
    pub(crate) rotation: u32,
    pub(crate) revoked: bool,
}

/// What a Zenzap bot keeps besides its updates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bot {
    pub(crate) mode: DeliveryMode,
    pub(crate) retention: Option<u64>,
    /// Offsets at or before this place are gone, unless they were issued since.
    pub(crate) floor: u64,
    /// How often offsets were made to expire.
    pub(crate) generation: u8,
}

/// The requests of the current minute.
#[derive(Debug, Default)]
pub(crate) struct Window {
    start: Duration,
    requests: u32,
}

impl Window {
    /// Counts a request; if it is one too many, says how long the window still lasts.
    pub(crate) fn admit(&mut self, now: Duration, limit: u32) -> Result<(), Duration> {
        const MINUTE: Duration = Duration::from_secs(60);
        if self.requests == 0 || now >= self.start + MINUTE {
            *self = Self { start: now, requests: 0 };
        }
        if self.requests >= limit {
            return Err((self.start + MINUTE).saturating_sub(now));
        }
        self.requests += 1;
        Ok(())
    }
}

/// What happens in the feed of an account; `None` for an API that has no feed.
pub(crate) fn world(api: Api, seed: u64, account: u32, storage: Option<Storage>) -> Option<Box<dyn World>> {
    match api {
        Api::OpenTrain => Some(Box::new(Marketplace::new(seed, account))),
        Api::Zenzap => Some(Box::new(TeamChat::new(seed, account, storage))),
        Api::Slack => None,
    }
}

impl Account {
    pub(crate) fn new(options: &Options, number: u32, all_scopes: &[&str]) -> Self {
        let api = options.api;
        let scopes = match &options.scopes {
            Some(scopes) => scopes.clone(),
            None => all_scopes.iter().map(ToString::to_string).collect(),
        };
        let world = world(api, options.seed, number, Storage::of(options));
        Self {
            number,
            feed: RwLock::new(Feed::new(world, options.events, options.rate)),
            access: RwLock::new(Access {
                credentials: Credentials::derive(options, number, 0),
                scopes,
                rotation: 0,
                revoked: false,
            }),
            history: Mutex::default(),
            bot: Mutex::new(Bot {
                mode: options.delivery_mode,
                retention: options.retention,
                floor: 0,
                generation: 0,
            }),
            window: Mutex::default(),
            workspace: Mutex::new(Workspace::new(options.seed, number)),
            webhooks: Mutex::new(Webhooks::new(options.seed, number)),
        }
    }

    /// The feed with at least so many of its events generated.
    pub(crate) fn feed_with(&self, count: u64) -> RwLockReadGuard<'_, Feed> {
        {
            let feed = self.feed.read();
            if feed.is_generated(count) {
                return feed;
            }
        }
        self.feed.write().generate(count);
        self.feed.read()
    }

    /// The feed with all that has happened by now, read or not: what a look-up answers does not depend on who polled.
    pub(crate) fn feed_at(&self, now: Duration) -> RwLockReadGuard<'_, Feed> {
        let visible = self.feed.read().visible(now);
        self.feed_with(visible)
    }

    /// Events as JSON lines, exactly as they are served.
    pub(crate) fn lines(&self, range: Range<u64>) -> Bytes {
        self.feed_with(range.end).lines(range)
    }

    pub(crate) fn has_scope(&self, scope: &str) -> bool {
        holds(&self.access.read().scopes, scope)
    }
}

/// Whether a scope is among those granted; a write scope implies its read scope.
pub(crate) fn holds(granted: &[String], scope: &str) -> bool {
    let implied = scope.strip_suffix(":read").map(|family| format!("{family}:write"));
    granted.iter().any(|held| held == scope || Some(held) == implied.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_admits_its_limit_and_then_says_when_it_ends() {
        let at = Duration::from_secs;
        let mut window = Window::default();
        assert_eq!(window.admit(at(10), 2), Ok(()));
        assert_eq!(window.admit(at(20), 2), Ok(()));
        assert_eq!(window.admit(at(30), 2), Err(at(40)));
        assert_eq!(window.admit(at(70), 2), Ok(()));
    }

    #[test]
    fn writing_implies_reading() {
        let granted = ["jobs:write".to_owned(), "team:read".to_owned()];
        assert!(holds(&granted, "jobs:read") && holds(&granted, "team:read"));
        assert!(!holds(&granted, "team:write") && !holds(&granted, "payments:read"));
    }
}
