//! Accounts that stand in a database: read once, so that each is asked for like one of the pipeline file.

use sluicebox_config::{LocatedProblem, Plan};
use sluicebox_core::{ComponentKind, Error, Probe};
use sluicebox_engine::{Probed, system};
use sluicebox_runtime::AccountReader;

use super::Again;
use crate::pipeline_files;

/// Reads the accounts of a plan, and loads it with them; what was found out on the way. A source whose accounts could not
/// be read has none in the plan.
pub(super) async fn read(plan: Plan, again: Again<'_>) -> (Plan, Vec<Probed>) {
    let readers = AccountReader::unread(&plan, &system());
    if readers.is_empty() {
        return (plan, Vec::new());
    }
    let (mut variables, mut probed) = (again.variables.clone(), Vec::new());
    for reader in &readers {
        let mut probe = Probe::new();
        match reader.read().await {
            Ok(rows) => {
                probe.fine("accounts", format!("the query gives {}", rows.len()));
                variables.give_rows(&reader.source, rows);
            }
            Err(error) => probe.wrong("accounts", error),
        }
        probed.push(of(reader, probe));
    }
    let loaded = pipeline_files::load(&plan.file, again.registry, &variables, again.allow_missing_secrets);
    let mut plan = loaded.unwrap_or_else(|report| {
        report.problems.into_iter().for_each(|problem| tell(&mut probed, problem));
        plan
    });
    for source in &mut plan.sources {
        if source.accounts_from.as_ref().is_some_and(|from| !from.is_read) {
            source.accounts.clear();
        }
    }
    (plan, probed)
}

fn of(reader: &AccountReader, probe: Probe) -> Probed {
    Probed { component: reader.source.clone(), kind: ComponentKind::Source, account: None, probe }
}

/// Adds a problem to what was found out about its source.
fn tell(probed: &mut [Probed], problem: LocatedProblem) {
    let is_its = |one: &Probed| {
        let path = format!("sources.{}", one.component);
        problem.path.strip_prefix(&path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let place = probed.iter().position(is_its).unwrap_or(0);
    let error = Error::config(problem.message);
    if let Some(one) = probed.get_mut(place) {
        one.probe.wrong("accounts", problem.help.into_iter().fold(error, Error::with_help));
    }
}
