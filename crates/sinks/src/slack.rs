//! The `slack` sink: its options, which are its reference page.
//!
//! Source: the public documentation of Slack's incoming webhooks, `chat.postMessage`, Block Kit and rate limits.
//! Invariant: credentials go to Slack's own hosts (or to this machine) and into no message; text of an event can mention
//! or alert nobody.

mod answer;
mod blocks;
mod destination;
mod endpoint;
mod escape;
mod limits;
mod message;
mod poster;
mod probe;
mod rendering;
mod sink;
mod split;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod threads;
mod words;

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluicebox_core::{
    BuiltSink, CheckContext, Context, Delivery, DeliverySupport, Error, Located, Period, Probe, Problem,
    Rendering, Result, Secret, SinkSpec,
};
use sluicebox_http::{Client, Limits, Rate};
use sluicebox_rules::{Expression, Template, TemplateKind};

use blocks::Blocks;
use endpoint::Endpoint;
use message::{Composer, Digest};
use poster::Poster;
use sink::SlackSink;

/// Deadlines and size limit of a request.
const LIMITS: Limits =
    Limits { read: Duration::from_secs(30), total: Duration::from_secs(30), body_bytes: 256 << 10 };

/// Posts events to a Slack channel, one message each or several in a digest.
///
/// There are two ways in. An incoming webhook (`webhook_url`) needs nothing else, but can neither begin threads nor
/// confirm what it posted. With a bot token (`token`, scope `chat:write`) and a `channel`, Slack names every message it
/// took, so prefer this.
///
/// **Text.** `text` is Slack's own markup with `{{ … }}`. What an event gives is escaped, so it can mention or alert
/// nobody; in a link like `<{{ event.url }}|{{ event.title }}>` it is encoded, and the link stays a link only if it leads
/// to `https:`, `http:` or `mailto:`. `blocks` is Block Kit in YAML, whose texts are templates too; `text` is then what
/// notifications and screen readers show. An empty text is sent as `(empty)`.
///
/// **Length.** A text of more than 4,000 characters without blocks becomes up to ten messages, split at lines and words;
/// a longer rest is cut. Texts in blocks are cut to their limits (3,000, headers 150, fields 2,000, all together 12,000),
/// which is logged. What Slack refuses for its content becomes a dead letter with Slack's reasons.
///
/// **Pace.** A channel, and a webhook, takes one message a second, whichever sinks and pipelines of this process write to
/// it. `Retry-After` is obeyed, for a token in all its channels. Messages keep the order of the events. When events come
/// faster than that, use `digest`.
///
/// **Delivery.** At least once: Slack knows no key that would make a message unique. A message is there twice if the
/// process ends between Slack's answer and the saved position, or if an answer is lost on the way (`on_ambiguous`). What
/// was posted counts after five messages at the latest, whatever the size of the batch, but a source's position moves
/// page by page: the end of the process repeats those few messages, and what was posted of a page that is not done. With
/// one message a second and no `digest`, keep the source's `limit` small (20).
///
/// **When it breaks.** A busy Slack is tried again, and nothing overtakes the message that waits. A refused token, a
/// revoked webhook or a missing channel pauses the sink with every position kept, so that no backlog turns into dead
/// letters. A token that came from a file (`${file:…}`) is read again once before that. An answer that is not documented
/// is tried three times, then the event is a dead letter.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "token": "${SLACK_TOKEN}",
    "channel": "C012AB3CD",
    "text": "New payment on *{{ event.contract.title }}*",
    "thread_key": "event.data.contractId"
}))]
pub struct SlackSpec {
    /// The address of an incoming webhook; it is a credential.
    #[serde(default)]
    pub webhook_url: Option<Secret>,
    /// A bot token (`xoxb-…`) with the scope `chat:write`; needs `channel`.
    #[serde(default)]
    pub token: Option<Secret>,
    /// The channel's id (`C…`, `G…`, `D…`); names can change. The bot must be in it, or have `chat:write.public`.
    #[serde(default)]
    #[schemars(example = &"C012AB3CD")]
    pub channel: Option<String>,
    /// Where the Web API lives; for tests, and for the government's Slack.
    #[serde(default = "default_base_url")]
    pub base_url: String,
    /// The message, in Slack's markup; with `blocks`, what a notification shows of them.
    #[schemars(example = &"New payment on *{{ event.contract.title }}*", extend("x-rule" = "template"))]
    pub text: Located,
    /// Block Kit blocks, at most 50. Quote a text that is a template.
    #[serde(default)]
    #[schemars(example = blocks_example())]
    pub blocks: Option<Vec<Value>>,
    /// An expression: events with the same value are replies to the first message of it. Only with `token`. The last
    /// 10,000 keys are remembered, for as long as the process lives: after a restart a key begins a new thread. Nothing
    /// (`()` or an empty text) means no thread.
    #[serde(default)]
    #[schemars(example = &"event.data.contractId", extend("x-rule" = "expression"))]
    pub thread_key: Option<Located>,
    /// Several events in one message.
    #[serde(default)]
    pub digest: Option<DigestOptions>,
    /// Whether Slack shows previews of links and media.
    #[serde(default)]
    pub unfurl_links: bool,
    /// Messages a minute, evenly spaced, or `unlimited`. Slack takes 60 for a channel.
    #[serde(default = "default_rate")]
    pub rate: Rate,
    /// What becomes of a message that may have been posted: the answer was lost, or Slack had an internal error.
    #[serde(default)]
    pub on_ambiguous: OnAmbiguous,
    /// What happens when the channel is missing, archived or closed to the bot.
    #[serde(default)]
    pub on_channel_error: OnChannelError,
}

/// Several events in one message, one event under the other.
///
/// The events that have come together make one digest, which counts as delivered when it was posted; as soon as one is
/// posted the next is gathered. What does not fit into one message (4,000 characters, or 50 blocks) goes on in another.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DigestOptions {
    /// Most events in one message.
    #[schemars(range(min = 1, max = 1000))]
    pub max_events: usize,
    /// Least time between two digests; unset: as fast as `rate`. Events that come in between wait, and the position of
    /// their source with them: set `batch.max_events` and `buffer` to what may come in that time. A stop during the wait
    /// does not post them: they are left to the next start.
    pub every: Option<Period>,
    /// The first line, at most 150 characters: a template over `event.count`, `event.first` and `event.last`, the first
    /// and the last event of the digest.
    #[schemars(example = &"*{{ event.count }} new payments*")]
    pub header: Option<Located>,
}

impl Default for DigestOptions {
    fn default() -> Self {
        Self { max_events: 20, every: None, header: None }
    }
}

/// What becomes of a message that may have been posted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnAmbiguous {
    /// It is posted again: it may be there twice.
    #[default]
    Retry,
    /// It becomes a dead letter: it may be missing.
    DeadLetter,
}

/// What happens when the channel cannot be written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnChannelError {
    /// The sink pauses and every position is kept.
    #[default]
    Pause,
    /// The events become dead letters.
    DeadLetter,
}

fn default_base_url() -> String {
    "https://slack.com/api".to_owned()
}

fn default_rate() -> Rate {
    Rate::per_minute(60)
}

fn blocks_example() -> Value {
    serde_json::json!([
        { "type": "section", "text": { "type": "mrkdwn", "text": "*{{ event.contract.title }}*" } }
    ])
}

fn template(text: &Located, path: &str) -> Result<Template, Problem> {
    Template::compile(text, TemplateKind::Text).map_err(|problem| problem.under(path))
}

/// The first of some problems as an error.
fn first(problems: Vec<Problem>) -> Error {
    let problem = problems.into_iter().next().unwrap_or_else(|| Problem::new("", "misconfigured"));
    Error::config(format!("{}: {}", problem.path, problem.message))
}

impl SlackSpec {
    fn composer(&self) -> Result<Composer, Vec<Problem>> {
        let mut problems = Vec::new();
        let text = template(&self.text, "text").map_err(|problem| problems.push(problem)).ok();
        let blocks = self.blocks.as_deref().map(Blocks::compile).transpose();
        let blocks = blocks.map_err(|more| problems.extend(more)).unwrap_or_default();
        let thread_key = self.thread_key.as_ref().map(Expression::compile).transpose();
        let thread_key =
            thread_key.map_err(|problem| problems.push(problem.under("thread_key"))).unwrap_or_default();
        let digest = self.digest.as_ref().map(|options| {
            let header = options.header.as_ref().map(|text| template(text, "digest.header")).transpose();
            let header = header.map_err(|problem| problems.push(problem)).unwrap_or_default();
            Digest { max_events: options.max_events, header }
        });
        match text {
            Some(text) if problems.is_empty() => Ok(Composer { text, blocks, thread_key, digest }),
            _ => Err(problems),
        }
    }

    fn check_together(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.thread_key.is_some() && self.token.is_none() {
            problems.push(
                Problem::new("thread_key", "a webhook does not say what it posted, so it begins no threads")
                    .with_help("use `token` and `channel`"),
            );
        }
        if let Some(digest) = &self.digest {
            if self.thread_key.is_some() {
                problems.push(Problem::new("thread_key", "a digest holds events of several threads"));
            }
            if !(1..=1000).contains(&digest.max_events) {
                let message = format!("expected 1 to 1000, found {}", digest.max_events);
                problems.push(Problem::new("digest.max_events", message));
            }
        }
        problems
    }
}

#[async_trait]
impl SinkSpec for SlackSpec {
    const TYPE: &'static str = "slack";

    fn delivery(&self) -> DeliverySupport {
        DeliverySupport {
            default: Delivery::AtLeastOnce,
            exactly_once: false,
            why: "Slack knows no key that makes a message unique",
        }
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        let mut problems = Endpoint::of(self).err().unwrap_or_default();
        problems.extend(self.composer().err().unwrap_or_default());
        problems.extend(self.blocks.as_deref().map(limits::check).unwrap_or_default());
        problems.extend(self.check_together());
        problems
    }

    fn rendering(&self) -> Result<Option<Box<dyn Rendering>>> {
        Ok(Some(Box::new(self.composer().map_err(first)?)))
    }

    async fn build(self, cx: &Context) -> Result<BuiltSink> {
        let endpoint = Endpoint::of(&self).map_err(first)?;
        let composer = self.composer().map_err(first)?;
        let poster = Poster {
            client: Client::new(endpoint.options(LIMITS), cx)?,
            destination: endpoint.destination(self.rate, cx),
            channel: endpoint.channel().map(str::to_owned),
            unfurl: self.unfurl_links,
            on_channel_error: self.on_channel_error,
            on_ambiguous: self.on_ambiguous,
            environment: cx.environment.clone(),
            component: cx.component.clone(),
        };
        let every = self.digest.and_then(|digest| digest.every).map_or(Duration::ZERO, |period| period.0);
        Ok(BuiltSink::Plain(Box::new(SlackSink::new(composer, poster, every))))
    }

    async fn probe(&self, cx: &Context) -> Probe {
        probe::run(self, cx).await
    }
}
