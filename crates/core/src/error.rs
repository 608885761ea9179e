//! The one error at the trait seam: what was attempted, on what, and whether to try again.

use std::error::Error as StdError;
use std::time::Duration;

/// The result of every component call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is; the label `class` of `sluicebox_component_errors_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Will pass: network, 5xx, busy. Retried without end.
    Transient,
    /// The other side asked us to wait. Retried after that.
    RateLimited,
    /// This event (or request) can never succeed. In a sink: a dead letter. In a source: pause.
    Permanent,
    /// Credentials are refused. The partition pauses with its cursor kept.
    Auth,
    /// A user's rule failed on this event: a dead letter.
    Script,
    /// The configuration is wrong, as the other side sees it. Pause.
    Config,
    /// Another owner has taken over: this process must stop writing at once (exit 75).
    Fenced,
    /// Our own state or a destination's is unreadable, newer, or behind what we remember. Pause.
    State,
}

impl ErrorClass {
    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::RateLimited => "rate_limited",
            Self::Permanent => "permanent",
            Self::Auth => "auth",
            Self::Script => "script",
            Self::Config => "config",
            Self::Fenced => "fenced",
            Self::State => "state",
        }
    }

    /// Whether waiting can help.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Transient | Self::RateLimited)
    }
}

/// A failed call of a component. The component classifies, the engine decides.
///
/// `Display` is one clause without the cause; the chain is in [`StdError::source`].
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    class: ErrorClass,
    message: String,
    help: Option<String>,
    reason: Option<&'static str>,
    place: Option<Box<(String, usize, usize)>>,
    after: Option<Duration>,
    #[source]
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of a class; `message` says what was being attempted, on what, and what came back.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            help: None,
            reason: None,
            place: None,
            after: None,
            cause: None,
        }
    }

    /// Will pass by itself: retry.
    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Transient, message)
    }

    /// Asked to wait, for `after` if it was said.
    pub fn rate_limited(message: impl Into<String>, after: Option<Duration>) -> Self {
        Self { after, ..Self::new(ErrorClass::RateLimited, message) }
    }

    /// Can never succeed.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Permanent, message)
    }

    /// Credentials refused.
    pub fn auth(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Auth, message)
    }

    /// Configuration refused.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Config, message)
    }

    /// What the person at the keyboard can do about it.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The cause, for the chain.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// A stable word for pauses (`reason` in metrics and logs) where the class is too coarse: `offset_expired`.
    #[must_use]
    pub fn with_reason(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// The place in a rule, a file with line and column from 1, that a dead letter is to name.
    #[must_use]
    pub fn with_place(mut self, file: impl Into<String>, line: usize, column: usize) -> Self {
        self.place = Some(Box::new((file.into(), line, column)));
        self
    }

    /// Not before this time has passed.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.after = Some(after);
        self
    }

    /// What kind of failure it is.
    pub fn class(&self) -> ErrorClass {
        self.class
    }

    /// The stable word for a pause: the reason if one was given, else the class.
    pub fn reason(&self) -> &'static str {
        self.reason.unwrap_or(self.class.as_str())
    }

    /// How long the other side asked us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.after
    }

    /// The place in a rule: file, line and column.
    pub fn place(&self) -> Option<(&str, usize, usize)> {
        self.place.as_ref().map(|place| (place.0.as_str(), place.1, place.2))
    }

    /// What the person at the keyboard can do about it.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The message with every cause behind it, `a: b: c`: printed once, at the edge.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let next = error.to_string();
            if !text.contains(&next) {
                text.push_str(": ");
                text.push_str(&next);
            }
            cause = error.source();
        }
        text
    }
}
