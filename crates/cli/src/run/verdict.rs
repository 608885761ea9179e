//! How a pipeline ended, as an exit code and a sentence.

use sluicebox_checkpoints::OpenError;
use sluicebox_engine::{Failure, Outcome};

use crate::exit::{Exit, Stop};

/// The end of one pipeline.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) exit: Exit,
    /// What happened, one line.
    sentence: String,
    help: Option<String>,
}

impl Verdict {
    fn good(sentence: &str) -> Self {
        Self { exit: Exit::Done, sentence: sentence.to_owned(), help: None }
    }

    /// An end that was not meant.
    pub(crate) fn bad(exit: Exit, sentence: impl Into<String>) -> Self {
        Self { exit, sentence: sentence.into(), help: None }
    }

    /// Why it failed, if it did.
    pub(crate) fn error(&self) -> Option<String> {
        (self.exit != Exit::Done).then(|| self.sentence.clone())
    }

    /// Tells the log.
    pub(crate) fn log(&self, pipeline: &str) {
        let (sentence, help) = (&self.sentence, self.help.as_deref());
        if self.exit == Exit::Done {
            tracing::info!(pipeline, "{sentence}");
        } else {
            tracing::error!(pipeline, help, "{sentence}");
        }
    }
}

/// The state could not be opened.
pub(crate) fn of_open_error(error: OpenError) -> Verdict {
    let Stop { exit, message, help } = error.into();
    Verdict { exit, sentence: message, help }
}

/// It ran and ended.
pub(crate) fn of_outcome(outcome: Outcome) -> Verdict {
    match outcome {
        Outcome::Finished => Verdict::good("finished: every source is caught up and everything is delivered"),
        Outcome::Drained => Verdict::good("stopped: everything that was in flight is settled"),
        Outcome::Paused(sources) => {
            Verdict::bad(Exit::Failed, format!("ended with paused sources: {}", sources.join("; ")))
        }
        Outcome::DrainTimeout => Verdict::bad(
            Exit::Failed,
            "the drain took too long: what was in flight is delivered again at the next start",
        ),
        Outcome::Failed(failure) => of_failure(&failure),
    }
}

/// It broke, or did not even start.
pub(crate) fn of_failure(failure: &Failure) -> Verdict {
    let exit = match failure {
        Failure::Fenced(_) => Exit::Held,
        Failure::State(_) | Failure::Config { .. } => Exit::Configuration,
        Failure::Component { .. } | Failure::Paused { .. } | Failure::Panicked(_) => Exit::Failed,
        Failure::Stopped => return Verdict::good("stopped before it had started"),
    };
    Verdict::bad(exit, failure.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_its_code() {
        let config = Failure::Config { component: "a".into(), message: "b".to_owned() };
        let cases = [
            (of_outcome(Outcome::Finished), Exit::Done),
            (of_outcome(Outcome::Drained), Exit::Done),
            (of_outcome(Outcome::Paused(vec!["a/a: b".to_owned()])), Exit::Failed),
            (of_outcome(Outcome::DrainTimeout), Exit::Failed),
            (of_failure(&Failure::Fenced(String::new())), Exit::Held),
            (of_failure(&Failure::State(String::new())), Exit::Configuration),
            (of_failure(&config), Exit::Configuration),
            (of_failure(&Failure::Panicked(String::new())), Exit::Failed),
            (of_failure(&Failure::Stopped), Exit::Done),
        ];
        for (verdict, exit) in cases {
            assert_eq!(verdict.exit, exit, "{verdict:?}");
            assert_eq!(verdict.error().is_some(), exit != Exit::Done);
        }
    }
}
