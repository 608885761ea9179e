//! One workspace: its channels, what was posted to each, and how fast each takes messages.
//!
//! Invariant: messages are stored in the order in which they were accepted, and no two have the same `ts`.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::is_webhook;
use super::post::Post;
use super::refusal::Refusal;
use crate::call::Call;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::credentials::identifier;
use crate::log::Credential;

/// So many messages may come at once before a channel takes them only at its rate.
const BURST: u32 = 3;

/// A message as it was stored. Serialises to one JSON object, with times in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct PostedMessage {
    /// The number of the request that posted it, as in the log.
    pub number: u64,
    /// When it was stored, since the start of the emulator.
    #[serde(serialize_with = "in_seconds")]
    pub stored: Duration,
    /// Which way it came: a token or a webhook.
    pub credential: Credential,
    /// The id of the channel.
    pub channel: String,
    /// Its name within the channel; larger for later messages.
    pub ts: String,
    /// The message that it answers.
    pub thread_ts: Option<String>,
    /// The text, cut if it was far too long.
    pub text: Option<String>,
    /// The blocks.
    pub blocks: Option<Value>,
    /// Every argument as it came.
    pub arguments: Value,
}

fn in_seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

/// The ids of a workspace, which follow from the seed and the account.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) team: String,
    pub(crate) channel: String,
    pub(crate) second_channel: String,
    pub(crate) public_channel: String,
    pub(crate) private_channel: String,
    pub(crate) archived_channel: String,
    pub(crate) user: String,
    pub(crate) bot_user: String,
    pub(crate) bot: String,
}

impl Places {
    pub(crate) fn new(seed: u64, account: u32) -> Self {
        let mut chance = Chance::new(seed, u64::from(account) << 8 | 0xD0);
        let mut id = |kind: char| format!("{kind}{}", identifier(&mut chance));
        Self {
            team: id('T'),
            channel: id('C'),
            second_channel: id('C'),
            public_channel: id('C'),
            private_channel: id('G'),
            archived_channel: id('C'),
            user: id('U'),
            bot_user: id('U'),
            bot: id('B'),
        }
    }
}

#[derive(Debug)]
pub(super) struct Channel {
    pub(super) id: String,
    pub(super) name: &'static str,
    pub(super) member: bool,
    pub(super) private: bool,
    pub(super) archived: bool,
}

pub(crate) struct Workspace {
    places: Places,
    channels: Vec<Channel>,
    messages: Vec<PostedMessage>,
    /// Whether a message starts a thread (or could) by channel and `ts`; a reply cannot be replied to.
    parents: HashMap<(String, String), bool>,
    /// When each channel will have forgotten the messages that it took.
    busy: HashMap<String, Duration>,
    /// The `ts` of the newest message, in microseconds since 1970.
    newest: i64,
}

impl Workspace {
    pub(crate) fn new(seed: u64, account: u32) -> Self {
        let places = Places::new(seed, account);
        let channel = |id: &String, name, member, private, archived| Channel {
            id: id.clone(),
            name,
            member,
            private,
            archived,
        };
        let channels = vec![
            channel(&places.channel, "general", true, false, false),
            channel(&places.second_channel, "alerts", true, false, false),
            channel(&places.public_channel, "announcements", false, false, false),
            channel(&places.private_channel, "board", false, true, false),
            channel(&places.archived_channel, "old-project", true, false, true),
        ];
        Self {
            places,
            channels,
            messages: Vec::new(),
            parents: HashMap::new(),
            busy: HashMap::new(),
            newest: 0,
        }
    }

    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    /// A channel by its id, or by its name with or without `#`.
    pub(super) fn channel(&self, wanted: &str) -> Option<&Channel> {
        let name = wanted.strip_prefix('#').unwrap_or(wanted);
        self.channels.iter().find(|channel| channel.id == wanted || channel.name == name)
    }

    /// The channel of the direct messages to a member.
    pub(super) fn direct(&self, user: &str) -> Option<String> {
        let known = user == self.places.user || user.strip_prefix('D') == self.places.user.strip_prefix('U');
        known.then(|| user.replacen('U', "D", 1))
    }

    /// Counts a message against the limit of its channel; if it is one too many, says in how many seconds it is not.
    pub(super) fn admit(&mut self, channel: &str, now: Duration, rate: f64) -> Result<(), u64> {
        if rate <= 0.0 {
            return Ok(());
        }
        let interval = Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX / 8);
        let busy = self.busy.entry(channel.to_owned()).or_default();
        let start = (*busy).max(now);
        let early = start.saturating_sub(now).saturating_sub(interval * (BURST - 1));
        if !early.is_zero() {
            return Err(u64::try_from(early.as_nanos().div_ceil(1_000_000_000)).unwrap_or(u64::MAX));
        }
        *busy = start + interval;
        Ok(())
    }

    /// Stores a message and answers with it as the Web API shows it.
    pub(super) fn store(
        &mut self,
        call: &Call,
        channel: &str,
        post: Post,
        clock: &Clock,
    ) -> Result<Value, Refusal> {
        if let Some(parent) = &post.thread_ts
            && self.parents.get(&(channel.to_owned(), parent.clone())) != Some(&true)
        {
            return Err("cannot_reply_to_message".into());
        }
        self.newest = (clock.now(0).saturating_mul(1000)).max(self.newest + 1);
        let ts = format!("{}.{:06}", self.newest / 1_000_000, self.newest % 1_000_000);
        let mut message = json!({
            "type": "message", "text": post.text.as_deref().unwrap_or_default(), "ts": ts,
            "user": self.places.bot_user, "bot_id": self.places.bot, "team": self.places.team,
        });
        if let Some(blocks) = &post.blocks {
            message["blocks"] = blocks.clone();
        }
        if let Some(parent) = &post.thread_ts {
            message["thread_ts"] = parent.as_str().into();
        }
        self.parents.insert((channel.to_owned(), ts.clone()), post.thread_ts.is_none());
        self.messages.push(PostedMessage {
            number: call.number,
            stored: clock.elapsed(),
            credential: if is_webhook(&call.path) { Credential::Webhook } else { Credential::Token },
            channel: channel.to_owned(),
            ts,
            thread_ts: post.thread_ts,
            text: post.text,
            blocks: post.blocks,
            arguments: post.arguments,
        });
        Ok(message)
    }

    pub(crate) fn messages(&self) -> Vec<PostedMessage> {
        self.messages.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_takes_a_burst_and_then_its_rate_and_others_are_free() {
        let mut workspace = Workspace::new(1, 0);
        let mut admit = |channel: &str, now: u64| workspace.admit(channel, Duration::from_millis(now), 1.0);
        for _ in 0..BURST {
            assert_eq!(admit("C1", 0), Ok(()));
        }
        assert_eq!(admit("C1", 0), Err(1));
        assert_eq!(admit("C2", 0), Ok(()));
        assert_eq!(admit("C1", 500), Err(1));
        assert_eq!(admit("C1", 1000), Ok(()));
        assert_eq!(admit("C1", 1999), Err(1), "a wait is never too short");
        assert_eq!(admit("C1", 2000), Ok(()));
    }
}
