//! How a pipeline ended, as an exit code and a sentence.

use sluicebox_checkpoints::OpenError;
use sluicebox_engine::Failure;
use sluicebox_runtime::{Ended, RunError, StartError};

use crate::exit::{Exit, Stop, chain};

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

/// It did not start.
pub(crate) fn of_start_error(error: StartError) -> Verdict {
    match error {
        StartError::State(error) => of_open_error(error),
        StartError::Failed(failure) => of_failure(&failure),
        other => Verdict::bad(Exit::Failed, chain(&other)),
    }
}

fn of_open_error(error: OpenError) -> Verdict {
    let Stop { exit, message, help } = error.into();
    Verdict { exit, sentence: message, help }
}

/// It ran and ended.
pub(crate) fn of_end(end: Result<Ended, RunError>) -> Verdict {
    match end {
        Ok(Ended::Finished) => {
            Verdict::good("finished: every source is caught up and everything is delivered")
        }
        Ok(Ended::Drained) => Verdict::good("stopped: everything that was in flight is settled"),
        Err(RunError::Failed(failure)) => of_failure(&failure),
        Err(error) => Verdict::bad(Exit::Failed, error.to_string()),
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
            (of_end(Ok(Ended::Finished)), Exit::Done),
            (of_end(Ok(Ended::Drained)), Exit::Done),
            (of_end(Err(RunError::Paused(vec!["a/a: b".to_owned()]))), Exit::Failed),
            (of_end(Err(RunError::DrainTimeout)), Exit::Failed),
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
