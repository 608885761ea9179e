//! Sets the stage of a test, runs the plan on it, and looks at what came out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sluicebox_checkpoints::MemoryStore;
use sluicebox_config::{Plan, TestCase};
use sluicebox_core::{Error, Result, RowSource, ScriptFiles, Shared, StandInRows};
use sluicebox_engine::{Metrics, Outcome, RunOptions, Surroundings};
use sluicebox_http::TransportHandle;
use smol_str::SmolStr;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::compare::{Results, Verdict};
use crate::ledger::Ledger;
use crate::letters::Letter;
use crate::staging::{letter_sinks, lookups, staged};
use crate::wire::Wire;

/// A run that takes longer, by the clock of the test, is taken for one that never ends.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// Runs one test on a plan of its pipeline, which is used up.
///
/// To be called outside of any runtime: it makes one of its own, on this thread.
///
/// # Errors
/// The machine gives no runtime, or the plan cannot be put on the stage.
pub fn run(case: &TestCase, plan: Plan, files: Arc<dyn ScriptFiles>) -> Result<Verdict> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let runtime = runtime.map_err(|error| Error::transient("cannot start a runtime").with_cause(error))?;
    runtime.block_on(play(case, plan, files))
}

async fn play(case: &TestCase, plan: Plan, files: Arc<dyn ScriptFiles>) -> Result<Verdict> {
    let ledger = Ledger::default();
    let pipeline = plan.name.clone();
    let wire = Wire::new(lookups(&plan)?, &case.lookups, ledger.clone());
    let posts = letter_sinks(&plan);
    let plan = staged(case, plan, &ledger)?;
    let sinks: Vec<SmolStr> = plan.sinks.iter().map(|sink| sink.name.clone()).collect();
    let (store, metrics) = (MemoryStore::new(), Arc::new(Metrics::new()));
    let environment = clock::environment(case.now);
    let shared = Shared::default();
    let wire = Arc::new(wire);
    shared.publish("", "", Arc::new(StandInRows(Arc::clone(&wire) as Arc<dyn RowSource>)));
    shared.publish("", "", Arc::new(TransportHandle(wire)));
    let surroundings = Surroundings {
        store: Arc::new(store.clone()),
        files,
        metrics: Arc::clone(&metrics),
        shared,
        options: RunOptions { once: true, ..RunOptions::new(environment.clone()) },
        drain: CancellationToken::new(),
    };
    let (error, mut reached) = perform(plan, surroundings).await;
    // Dead letters reach a sink by no edge.
    reached.extend(ledger.sinks());
    let posted = |sink: &SmolStr| {
        let taken = ledger.taken_by(sink);
        taken.iter().flat_map(|taken| &taken.events).filter_map(Letter::posted).collect::<Vec<_>>()
    };
    let mut letters: Vec<Letter> =
        store.dead_letters().iter().map(|letter| Letter::stored(letter, &pipeline)).collect();
    letters.extend(sinks.iter().filter(|sink| posts.contains(sink)).flat_map(posted));
    let results = Results {
        case,
        ledger: &ledger,
        state: store.state(),
        letters,
        error,
        exposition: metrics.render(),
        took: environment.clock.elapsed(),
        reached,
    };
    Ok(results.verdict())
}

/// Runs the plan to its end: why it failed, if it did, and the components that an event reached.
async fn perform(plan: Plan, surroundings: Surroundings) -> (Option<String>, BTreeSet<SmolStr>) {
    let drain = surroundings.drain.clone();
    let running = match sluicebox_engine::start(plan, surroundings).await {
        Ok(running) => running,
        Err(failure) => return (Some(failure.to_string()), BTreeSet::new()),
    };
    let watch = running.watch();
    let mut ending = std::pin::pin!(running.wait());
    let error = tokio::select! {
        outcome = &mut ending => error_of(outcome),
        () = tokio::time::sleep(LONGEST) => {
            drain.cancel();
            let _ = ending.await;
            let days = LONGEST.as_secs() / 86_400;
            Some(format!(
                "it did not end within {days} days by the clock of the test: something is tried again without end"
            ))
        }
    };
    watch.refresh_metrics();
    let components = watch.status().components.into_iter();
    let reached = components.filter(|component| component.received > 0);
    (error, reached.map(|component| component.name.into()).collect())
}

/// Why a run failed, if it did.
fn error_of(outcome: Outcome) -> Option<String> {
    match outcome {
        Outcome::Finished | Outcome::Drained => None,
        Outcome::Paused(paused) => Some(format!("paused: {}", paused.join("; "))),
        Outcome::DrainTimeout => Some("what was in flight could not be written".to_owned()),
        Outcome::Failed(failure) => Some(failure.to_string()),
    }
}
