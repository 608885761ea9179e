//! Accounts that stand in a database: read once, before the start, and the pipeline is loaded again with them.
//!
//! `config` asks nobody, so it is done here. Invariant: no cell of a row is ever shown, but for the `id`.

use std::collections::HashMap;

use sluicebox_config::{AccountsPlace, Plan};
use sluicebox_core::{
    AccountRow, Context, Delivery, Environment, Error, ErrorClass, Result, RetryOptions, Shared,
};

/// Whether the plan stands for accounts that nobody has read yet.
pub(crate) fn are_missing(plan: &Plan) -> bool {
    plan.sources.iter().any(|source| source.accounts_from.as_ref().is_some_and(|from| !from.is_read))
}

/// The rows of every source whose accounts stand in a database, by its name. One attempt.
///
/// # Errors
/// As the database says; `State` if there is no account.
pub(crate) async fn rows(plan: &Plan, environment: &Environment) -> Result<HashMap<String, Vec<AccountRow>>> {
    let mut all = HashMap::new();
    for source in &plan.sources {
        let unread = source.accounts_from.as_ref().filter(|from| !from.is_read);
        let Some(AccountsPlace::Rows(place)) = unread.map(|from| &from.place) else { continue };
        let context = Context {
            pipeline: plan.name.as_str().into(),
            component: source.name.as_str().into(),
            account: "".into(),
            folder: plan.folder.clone(),
            delivery: Delivery::AtLeastOnce,
            retry: RetryOptions::default(),
            environment: environment.clone(),
            shared: Shared::default(),
        };
        let mut rows = place.read(&context).await?;
        if rows.is_empty() {
            return Err(Error::new(ErrorClass::State, "the query for accounts gives none"));
        }
        rows.sort();
        all.insert(source.name.to_string(), rows);
    }
    Ok(all)
}
