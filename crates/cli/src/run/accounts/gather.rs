//! The accounts that a run starts with, where they stand in a database: it waits until they are there.
//!
//! A machine that comes back at night may be up before its database, and a table can be mended by who may not restart
//! pipelines; so only what the pipeline file or the credentials have wrong ends the run.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use sluicebox_config::{LocatedProblem, Plan};
use sluicebox_core::{Backoff, Error, ErrorClass, Registry};
use sluicebox_engine::{Failure, system};
use sluicebox_runtime::AccountReader;
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;
use crate::fleet::Fleet;
use crate::outside::ProcessVariables;
use crate::pipeline_files;
use crate::run::verdict::{self, Verdict};

/// The first wait for a database that is away.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// What it takes to read the accounts of a plan.
pub(in crate::run) struct Gathering<'g> {
    pub(in crate::run) registry: &'g Arc<Registry>,
    /// The run ends by itself, so nobody mends a table meanwhile.
    pub(in crate::run) once: bool,
    pub(in crate::run) drain: &'g CancellationToken,
    pub(in crate::run) fleet: &'g Fleet,
}

/// Why the accounts are not there.
enum Hindrance {
    /// The database gave none.
    Unread(Error),
    /// They are not right.
    Wrong(Vec<LocatedProblem>),
}

impl Hindrance {
    /// Whether waiting can help.
    fn may_pass(&self, once: bool) -> bool {
        match self {
            Self::Unread(error) if once => error.class().is_retryable(),
            Self::Unread(error) => !matches!(error.class(), ErrorClass::Auth | ErrorClass::Config),
            Self::Wrong(_) => !once,
        }
    }

    /// What is the matter, each with what to do about it.
    fn sentences(&self) -> Vec<(String, Option<&str>)> {
        match self {
            Self::Unread(error) => vec![(error.chain(), error.help())],
            Self::Wrong(problems) => {
                problems.iter().map(|one| (one.message.clone(), one.help.as_deref())).collect()
            }
        }
    }
}

impl Gathering<'_> {
    /// The plan with its accounts. One whose accounts are there already stays as it is.
    ///
    /// # Errors
    /// How the pipeline ends, if it cannot be run, or shall not any more.
    pub(in crate::run) async fn accounts(&self, plan: Plan) -> Result<Plan, Verdict> {
        let environment = system();
        let readers = AccountReader::unread(&plan, &environment);
        let Some(longest) = readers.iter().map(|reader| reader.rows.every()).min() else { return Ok(plan) };
        let (mut backoff, mut told) = (Backoff::new(FIRST_WAIT, longest), HashSet::new());
        loop {
            let hindrance = tokio::select! {
                gathered = self.attempt(&plan, &readers) => match gathered {
                    Ok(plan) => return Ok(plan),
                    Err(hindrance) => hindrance,
                },
                () = self.drain.cancelled() => return Err(verdict::of_failure(&Failure::Stopped)),
            };
            if !hindrance.may_pass(self.once) {
                return Err(refused(&hindrance));
            }
            for (sentence, help) in hindrance.sentences() {
                let pipeline = plan.name.as_str();
                self.fleet.waits(pipeline, format!("it waits for its accounts: {sentence}"));
                if told.insert(sentence.clone()) {
                    tracing::error!(pipeline, help, "waiting for the accounts: {sentence}, trying again");
                }
            }
            tokio::select! {
                () = environment.clock.sleep(backoff.next(None, environment.chance.as_ref())) => {}
                () = self.drain.cancelled() => return Err(verdict::of_failure(&Failure::Stopped)),
            }
        }
    }

    async fn attempt(&self, plan: &Plan, readers: &[AccountReader]) -> Result<Plan, Hindrance> {
        let mut variables = ProcessVariables::default();
        for reader in readers {
            variables.give_rows(&reader.source, reader.read().await.map_err(Hindrance::Unread)?);
        }
        let loaded = pipeline_files::load(&plan.file, self.registry, &variables, false);
        loaded.map_err(|report| Hindrance::Wrong(report.problems))
    }
}

fn refused(hindrance: &Hindrance) -> Verdict {
    let sentences = hindrance.sentences().into_iter().map(|(sentence, help)| {
        let help = help.map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{sentence}{help}")
    });
    let all: Vec<String> = sentences.collect();
    Verdict::bad(Exit::Configuration, format!("there are no accounts: {}", all.join("; ")))
}
