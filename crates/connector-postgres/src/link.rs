//! A session with all that was prepared in it: the staging table, and the ledger where positions are kept here.
//!
//! Invariant: a session is ours to write with only after its transaction has waited for every earlier one of this
//! pipeline and sink to end.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use sluicebox_core::{Clock, Error, ErrorClass, Position, Result, Shard};
use sluicebox_tables::TableWriter;
use tokio_postgres::Client;

use crate::ddl;
use crate::fault::{About, Failure, about};
use crate::ledger::{self, Ledger};
use crate::names::TableName;
use crate::staging::Staging;
use crate::types::JsonType;
use sluicebox_postgres::{Gate, Session};

/// What every session of ours asks for. A frozen process must not keep the lock of its epoch for ever, so the server
/// ends a transaction that nobody continues; a wait for somebody else's lock ends too, and is tried again. Commits are
/// durable even where the database says otherwise.
pub(crate) const SETTINGS: &str = "SET idle_in_transaction_session_timeout = '10s'; SET statement_timeout = '60s'; \
     SET lock_timeout = '15s'; SET timezone = 'UTC'; SET client_min_messages = 'warning'; \
     SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// Every transaction begins like this, whatever the database has for a default.
pub(crate) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// Where rows go.
pub(crate) struct Destination {
    pub(crate) gate: Gate,
    pub(crate) name: TableName,
    pub(crate) writer: TableWriter,
    pub(crate) json: JsonType,
    pub(crate) pipeline: Arc<str>,
    pub(crate) clock: Arc<dyn Clock>,
    /// How messages name the database.
    pub(crate) shown: String,
    /// Fields whose left-out values were logged.
    pub(crate) noted: Mutex<HashSet<String>>,
}

/// A session, ready to write.
pub(crate) struct Link {
    pub(crate) session: Session,
    pub(crate) staging: Staging,
    /// With the epoch that is ours; none where the positions are kept elsewhere.
    pub(crate) books: Option<Books>,
}

/// The ledger of one pipeline and sink.
pub(crate) struct Books {
    pub(crate) ledger: Ledger,
    pub(crate) shard: Shard,
}

/// How a session becomes the one that writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// By a new epoch.
    Take,
    /// By the epoch that is ours already, after a connection was lost.
    Resume,
}

impl Link {
    /// A session that keeps no positions; the first makes the table if it is missing.
    pub(crate) async fn plain(destination: &Destination, is_first: bool) -> Result<Self> {
        let mut session = destination.gate.connect().await?;
        let staging = prepare(&mut session, destination, is_first).await?;
        Ok(Self { session, staging, books: None })
    }

    /// Takes ownership of the positions of `shard` and reads them; the link knows the epoch.
    pub(crate) async fn take(destination: &Destination, shard: Shard) -> Result<(Self, Vec<Position>)> {
        Self::own(destination, shard, Claim::Take).await
    }

    /// Comes back after a connection was lost: waits for what may still be committed on it, and reads the positions.
    ///
    /// # Errors
    /// `Fenced` if somebody else has taken over.
    pub(crate) async fn resume(destination: &Destination, shard: Shard) -> Result<(Self, Vec<Position>)> {
        Self::own(destination, shard, Claim::Resume).await
    }

    async fn own(destination: &Destination, mut shard: Shard, claim: Claim) -> Result<(Self, Vec<Position>)> {
        let mut session = destination.gate.connect().await?;
        let staging = prepare(&mut session, destination, claim == Claim::Take).await?;
        let Session { client, driver, .. } = &mut session;
        let schema = &destination.name.schema;
        let claimed = driver.drive(async {
            if claim == Claim::Take {
                client.batch_execute(BEGIN).await?;
                ddl::prepare_ledger(client, schema).await?;
                client.batch_execute("COMMIT").await?;
            }
            let ledger = Ledger::prepare(client, schema).await?;
            let positions = claim_locked(client, destination, (&ledger, claim), &mut shard).await?;
            Ok((ledger, positions))
        });
        let (ledger, positions) =
            claimed.await.map_err(|failure: Failure| failure.classify("take over", &destination.shown))?;
        Ok((Self { session, staging, books: Some(Books { ledger, shard }) }, positions))
    }

    /// Reads the table again: somebody else has changed it.
    pub(crate) async fn look_again(&mut self, destination: &Destination) -> Result<()> {
        self.staging = prepare(&mut self.session, destination, false).await?;
        Ok(())
    }
}

/// The table, made if it is missing and may be, and the staging table for it.
async fn prepare(session: &mut Session, destination: &Destination, may_create: bool) -> Result<Staging> {
    let Session { client, driver, .. } = session;
    let Destination { name, writer, json, .. } = destination;
    let prepared = driver.drive(async {
        client.batch_execute(BEGIN).await?;
        let found = ddl::prepare_table(client, name, writer, (*json, may_create)).await?;
        let staging = Staging::make(client, found, &writer.first_columns()).await?;
        client.batch_execute("COMMIT").await?;
        Ok(staging)
    });
    prepared.await.map_err(|failure: Failure| failure.classify("prepare the tables in", &destination.shown))
}

/// Claims the epoch row, waiting for whoever has it; a session that does not let go is ended, if that is allowed.
async fn claim_locked(
    client: &Client,
    destination: &Destination,
    (ledger, claim): (&Ledger, Claim),
    shard: &mut Shard,
) -> Result<Vec<Position>, Failure> {
    let schema = &destination.name.schema;
    let attempt = (ledger, claim);
    match claim_once(client, destination, attempt, (shard, "5s")).await {
        Err(Failure::Server(error)) if is_locked(&error) => {
            client.batch_execute("ROLLBACK").await?;
            if let Err(error) = ledger::end_previous(client, schema, shard).await {
                // Then the server ends it, once its transaction has been idle for long enough.
                tracing::warn!(%error, "the session of the previous owner cannot be ended");
            }
            claim_once(client, destination, attempt, (shard, "10s")).await.map_err(|failure| match failure {
                Failure::Server(error) if is_locked(&error) => still_held(destination, shard, error).into(),
                failure => failure,
            })
        }
        outcome => outcome,
    }
}

/// A session that sleeps in the middle of a COPY is ended by no timeout, and not everybody may end it.
fn still_held(destination: &Destination, shard: &Shard, error: tokio_postgres::Error) -> Error {
    let message =
        format!("another session still holds the positions of `{}` in {}", shard.sink, destination.shown);
    Error::transient(message)
        .with_help(
            "it is asleep and this user may not end it: as its user or as a superuser, `SELECT \
             pg_terminate_backend(backend) FROM _sluicebox_epochs`, or end its process",
        )
        .with_cause(error)
}

fn is_locked(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| code.code() == "55P03")
}

async fn claim_once(
    client: &Client,
    destination: &Destination,
    (ledger, claim): (&Ledger, Claim),
    (shard, patience): (&mut Shard, &str),
) -> Result<Vec<Position>, Failure> {
    let schema = &destination.name.schema;
    client.batch_execute(&format!("{BEGIN}; SET LOCAL lock_timeout = '{patience}'")).await?;
    match claim {
        Claim::Take => shard.epoch = ledger::take(client, schema, shard).await?,
        Claim::Resume => {
            if !ledger::resume(client, schema, shard).await? {
                let owner = ledger.owner(client, shard).await?;
                let is_later = owner.is_some_and(|epoch| epoch > shard.epoch);
                return Err(if is_later { fenced(destination, shard) } else { behind(destination) }.into());
            }
        }
    }
    let positions = ledger.positions(client, shard).await?;
    client.batch_execute("COMMIT").await?;
    Ok(positions)
}

/// A later owner has raised the epoch: then nothing may be written.
pub(crate) fn fenced(destination: &Destination, shard: &Shard) -> Error {
    let message =
        format!("another instance has taken over the positions of `{}` in {}", shard.sink, destination.shown);
    Error::new(ErrorClass::Fenced, message)
}

/// The database has forgotten what it had committed: going on would leave a hole.
pub(crate) fn behind(destination: &Destination) -> Error {
    let message = format!("the database {} is behind what it had committed", destination.shown);
    Error::new(ErrorClass::State, message).with_help(
        "it was restored from a backup, or failed over without its last transactions; start again to choose how to go on",
    )
}

/// Whether somebody else may have changed the table under us.
pub(crate) fn is_about_the_table(failure: &Failure) -> bool {
    matches!(failure, Failure::Server(error) if about(error) == About::Table)
}
