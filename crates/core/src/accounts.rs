//! Accounts whose rows stand neither in the pipeline file nor beside it: who reads them.
//!
//! Invariant: a row is never shown as a whole, for any cell may be a secret.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Context, Problem, Result};

/// One account as its row says it: the text of each column, `None` where the row holds nothing (NULL).
///
/// Rows have an order, so that the same rows are known again in whatever order they come.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountRow {
    /// The cells by the names of their columns.
    pub columns: BTreeMap<String, Option<String>>,
}

/// The names of the columns alone.
impl fmt::Debug for AccountRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.columns.keys()).finish()
    }
}

/// Declares a place where accounts come from, written `accounts: { TYPE: { … } }`. The struct is the only declaration, as
/// with [`SourceSpec`](crate::SourceSpec).
#[async_trait]
pub trait AccountsSpec: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The one key under `accounts:`.
    const TYPE: &'static str;

    /// Everything wrong with the values that the types cannot say. Pure.
    fn check(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// How often the rows are read again.
    fn every(&self) -> Duration;

    /// Reads every row. One attempt, which ends by itself; whoever asks waits and repeats. No error tells the value of a
    /// cell.
    ///
    /// # Errors
    /// Retryable classes: the place is away. All others: it refuses us, or what it was asked.
    async fn read(&self, cx: &Context) -> Result<Vec<AccountRow>>;
}

/// A parsed [`AccountsSpec`] of any type.
#[async_trait]
pub trait AnyAccounts: Send + Sync {
    /// See [`AccountsSpec::check`].
    fn check(&self) -> Vec<Problem>;
    /// See [`AccountsSpec::every`].
    fn every(&self) -> Duration;
    /// See [`AccountsSpec::read`].
    ///
    /// # Errors
    /// As there.
    async fn read(&self, cx: &Context) -> Result<Vec<AccountRow>>;
}

#[async_trait]
impl<A: AccountsSpec> AnyAccounts for A {
    fn check(&self) -> Vec<Problem> {
        AccountsSpec::check(self)
    }
    fn every(&self) -> Duration {
        AccountsSpec::every(self)
    }
    async fn read(&self, cx: &Context) -> Result<Vec<AccountRow>> {
        AccountsSpec::read(self, cx).await
    }
}
