//! The rows of accounts that stand in databases: read beside the plan, which is then loaded again with them.
//!
//! `config` asks nobody, and components know no pipeline file; so it is done here. Invariant: no cell of a row is ever
//! shown, but for the `id`.

use std::sync::Arc;

use sluicebox_config::{AccountsPlace, Plan};
use sluicebox_core::{
    AccountRow, AnyAccounts, Context, Delivery, Environment, Error, ErrorClass, Result, RetryOptions, Shared,
};
use smol_str::SmolStr;

/// What reads the rows of one source. A plan is loaded with them by [`Variables::account_rows`](crate::Variables).
#[derive(Clone)]
pub struct AccountReader {
    /// The source's name.
    pub source: SmolStr,
    /// Where the rows stand.
    pub rows: Arc<dyn AnyAccounts>,
    context: Context,
}

impl AccountReader {
    /// The readers of the sources whose rows nobody has read yet.
    pub fn unread(plan: &Plan, environment: &Environment) -> Vec<Self> {
        let unread = plan.sources.iter().filter_map(|source| {
            let from = source.accounts_from.as_ref().filter(|from| !from.is_read)?;
            match &from.place {
                AccountsPlace::Rows(rows) => Some(Self::new(plan, &source.name, rows, environment)),
                AccountsPlace::File(_) => None,
            }
        });
        unread.collect()
    }

    /// A reader for a source of a plan.
    pub fn new(
        plan: &Plan,
        source: &SmolStr,
        rows: &Arc<dyn AnyAccounts>,
        environment: &Environment,
    ) -> Self {
        let context = Context {
            pipeline: plan.name.as_str().into(),
            component: source.as_str().into(),
            account: "".into(),
            folder: plan.folder.clone(),
            delivery: Delivery::AtLeastOnce,
            retry: RetryOptions::default(),
            environment: environment.clone(),
            shared: Shared::default(),
        };
        Self { source: source.clone(), rows: Arc::clone(rows), context }
    }

    /// The rows, sorted; at least one. One attempt.
    ///
    /// # Errors
    /// As the place says; `State` if there is none.
    pub async fn read(&self) -> Result<Vec<AccountRow>> {
        let mut rows = self.rows.read(&self.context).await?;
        if rows.is_empty() {
            let help = "an account comes with its row; to end all of them, stop the pipeline";
            return Err(Error::new(ErrorClass::State, "the query gives no account").with_help(help));
        }
        rows.sort();
        Ok(rows)
    }
}
