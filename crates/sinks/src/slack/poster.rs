//! Sends one message and says what became of it, in the classes that the engine acts on.
//!
//! Source: sections 1 to 3 and 6 of the Slack contract. Invariant: one call is one request (and one more after a token
//! that was refused and has changed in its file), and only while it is this sink's turn at the destination; what speaks
//! of the destination never has the class of a dead letter unless the user has said so.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Map, Value};
use sluicebox_core::{Environment, Error, ErrorClass};
use sluicebox_http::{Answer, Call, Client};

use super::answer::{self, Refusal, Verdict};
use super::destination::Destination;
use super::message::Message;
use super::words::{self, Kind};
use super::{OnAmbiguous, OnChannelError};

const JSON: &str = "application/json; charset=utf-8";
/// How long to leave a workspace alone that takes no messages.
const LONG_PAUSE: Duration = Duration::from_secs(300);
/// Most of Slack's reasons that an error repeats.
const MOST_DETAILS: usize = 10;
/// The reason of errors after which a message may have been posted, here and in the HTTP client.
const UNKNOWN_OUTCOME: &str = "unknown_outcome";

/// Posts to one destination.
pub(crate) struct Poster {
    pub(crate) client: Arc<Client>,
    pub(crate) destination: Destination,
    /// The channel; `None` for a webhook, which has its own.
    pub(crate) channel: Option<String>,
    pub(crate) unfurl: bool,
    pub(crate) on_channel_error: OnChannelError,
    pub(crate) on_ambiguous: OnAmbiguous,
    pub(crate) environment: Environment,
    pub(crate) component: Arc<str>,
}

/// A message that was not posted, as far as is known.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// What it is about; `None` if the answer is not documented.
    pub(crate) kind: Option<Kind>,
    /// Slack's word.
    pub(crate) word: String,
}

impl Poster {
    /// Posts a message when its turn has come. What identifies it in the channel, if Slack says so.
    pub(crate) async fn post(
        &self,
        message: &Message,
        thread: Option<&str>,
    ) -> Result<Option<String>, Failure> {
        let (target, judge): (_, fn(u16, &[u8]) -> Verdict) = match &self.channel {
            Some(_) => ("/chat.postMessage", answer::of_api),
            None => ("", answer::of_webhook),
        };
        // Slack refuses a token with a status of 200; a webhook's address is all its credentials.
        let refuses_credentials = |answer: &Answer| {
            let verdict = answer::of_api(answer.status.as_u16(), &answer.body);
            matches!(verdict, Verdict::Refused(Refusal { kind: Some(Kind::Credentials), .. }))
        };
        let body = Value::Object(self.body(message, thread)).to_string();
        let turn = self.destination.turn().await;
        let call = Call { refuses_credentials, ..Call::new(Method::POST, target).with_body(JSON, body) };
        let answer = self.client.send(call).await.map_err(|error| self.broken(error))?;
        match judge(answer.status.as_u16(), &answer.body) {
            Verdict::Posted { ts, warnings } => {
                self.tell(&warnings);
                Ok(ts)
            }
            Verdict::Refused(refusal) => {
                let wait = match refusal.kind {
                    Some(Kind::Rate) => answer::wait(&answer),
                    Some(Kind::Pause) => LONG_PAUSE,
                    _ => return Err(self.refused(refusal, &answer)),
                };
                turn.close_for(wait);
                Err(self.asked_to_wait(refusal, wait))
            }
        }
    }

    fn body(&self, message: &Message, thread: Option<&str>) -> Map<String, Value> {
        let mut body = Map::new();
        body.insert("text".to_owned(), message.text.as_str().into());
        body.insert("unfurl_links".to_owned(), self.unfurl.into());
        body.insert("unfurl_media".to_owned(), self.unfurl.into());
        if let Some(channel) = &self.channel {
            body.insert("channel".to_owned(), channel.as_str().into());
        }
        if let Some(blocks) = &message.blocks {
            body.insert("blocks".to_owned(), blocks.clone().into());
        }
        if let Some(ts) = thread {
            body.insert("thread_ts".to_owned(), ts.into());
        }
        body
    }

    fn tell(&self, warnings: &[String]) {
        // What is said of the form of our requests is said of every one of them.
        for warning in warnings.iter().filter(|word| !word.ends_with("_charset")) {
            let warning = self.client.quote(warning);
            tracing::warn!(component = &*self.component, warning, "a message was posted, and Slack warns");
        }
    }

    /// No usable answer came.
    fn broken(&self, error: Error) -> Failure {
        let word = error.reason().to_owned();
        if error.reason() != UNKNOWN_OUTCOME {
            return Failure { error, kind: Some(Kind::Busy), word };
        }
        Failure { error: self.ambiguous(error), kind: Some(Kind::Ambiguous), word }
    }

    /// The message may have been posted: tried again, or left to a person.
    fn ambiguous(&self, error: Error) -> Error {
        match self.on_ambiguous {
            OnAmbiguous::Retry => error,
            OnAmbiguous::DeadLetter => Error::permanent(format!("{error}; the message may have been posted"))
                .with_reason(UNKNOWN_OUTCOME)
                .with_help("look into the channel before you replay it")
                .with_cause(error),
        }
    }

    fn asked_to_wait(&self, refusal: Refusal, wait: Duration) -> Failure {
        let message = self.message(&refusal);
        let jitter = Duration::from_secs(1).mul_f64(self.environment.chance.fraction());
        let error = Error::rate_limited(message, Some(wait + jitter)).with_reason(refusal.reason);
        if refusal.kind == Some(Kind::Pause) {
            let seconds = wait.as_secs();
            let word = self.client.quote(&refusal.word);
            tracing::error!(
                component = &*self.component,
                word,
                seconds,
                "the workspace takes no messages now; events are kept, and tried again"
            );
        }
        Failure { error: self.with_help(error, refusal.reason), kind: refusal.kind, word: refusal.word }
    }

    fn refused(&self, refusal: Refusal, answer: &Answer) -> Failure {
        let message = self.message(&refusal);
        let new = |class| Error::new(class, message.clone()).with_reason(refusal.reason);
        let error = match refusal.kind {
            Some(Kind::Rate | Kind::Pause | Kind::Busy) | None => {
                let error = new(ErrorClass::Transient);
                answer.retry_after().into_iter().fold(error, Error::with_retry_after)
            }
            Some(Kind::Ambiguous) => self.ambiguous(new(ErrorClass::Transient).with_reason(UNKNOWN_OUTCOME)),
            Some(Kind::Message) if words::is_too_large(&refusal.word) => {
                new(ErrorClass::Permanent).with_reason("too_large")
            }
            Some(Kind::Message) => new(ErrorClass::Permanent),
            Some(Kind::Request) => {
                tracing::error!(component = &*self.component, "{message}: please report this as a fault");
                new(ErrorClass::Permanent)
            }
            Some(Kind::Channel) if self.on_channel_error == OnChannelError::DeadLetter => {
                tracing::error!(
                    component = &*self.component,
                    "{message}: dead letters, as `on_channel_error` says"
                );
                new(ErrorClass::Permanent)
            }
            Some(Kind::Channel) => new(ErrorClass::Config),
            Some(Kind::Credentials) => new(ErrorClass::Auth),
        };
        let error = self.with_help(error, refusal.reason);
        Failure { error, kind: refusal.kind, word: refusal.word }
    }

    fn with_help(&self, error: Error, reason: &str) -> Error {
        match reason {
            // Slack's methods never go away; another server has none.
            "gone" if self.channel.is_some() => {
                error.with_help("check `base_url`: Slack's own is `https://slack.com/api`")
            }
            reason => words::help(reason).into_iter().fold(error, Error::with_help),
        }
    }

    fn message(&self, refusal: &Refusal) -> String {
        let target = match &self.channel {
            Some(channel) => format!("channel {channel}"),
            None => "the webhook's channel".to_owned(),
        };
        let word = self.client.quote(&refusal.word);
        let mut message = format!("posting to {target} failed: Slack says `{word}`");
        for detail in refusal.details.iter().take(MOST_DETAILS) {
            message.push_str("; ");
            message.push_str(&self.client.quote(detail));
        }
        message
    }
}
