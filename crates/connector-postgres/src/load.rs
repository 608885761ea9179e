//! A window on its way into the table: fitted to its columns, written, and searched where the table refuses it.

use std::collections::HashSet;

use sluicebox_core::{Error, Event, Rejected, Result};
use sluicebox_tables::{Plan, RowBatch};
use tokio_postgres::Client;

use crate::catalogue;
use crate::copy::Rows;
use crate::ddl;
use crate::fault::{About, Failure, about};
use crate::guilt;
use crate::link::{BEGIN, Books, Destination, Link, is_about_the_table};
use crate::staging::{Route, Staging};
use crate::window::{self, Entries};
use sluicebox_postgres::Session;
use sluicebox_postgres::said;

/// How a load ended without an error.
pub(crate) enum Loaded {
    /// Everything is durable.
    All,
    /// Nothing was written, because these rows can never be.
    Nothing(Vec<Rejected>),
}

impl Link {
    /// Writes events and entries in one transaction. After an error its outcome may be unknown, and the link is to be
    /// given up.
    pub(crate) async fn load(
        &mut self,
        destination: &Destination,
        events: &[Event],
        entries: Entries<'_>,
    ) -> Result<Loaded> {
        let mut outcome = self.attempt(destination, events, entries).await;
        if outcome.as_ref().is_err_and(is_about_the_table) {
            self.look_again(destination).await?;
            outcome = self.attempt(destination, events, entries).await;
        }
        outcome.map_err(|failure| {
            let failure = match failure {
                Failure::Server(error) => Failure::Server(self.session.driver.cause_of(error)),
                ours @ Failure::Ours(_) => ours,
            };
            failure.classify("write to", &destination.shown)
        })
    }

    async fn attempt(
        &mut self,
        destination: &Destination,
        events: &[Event],
        entries: Entries<'_>,
    ) -> Result<Loaded, Failure> {
        let batch = RowBatch::new(events, &destination.pipeline, destination.clock.now());
        let plan = destination.writer.plan(&self.staging.table, &batch)?;
        if !plan.refused.is_empty() {
            return Ok(Loaded::Nothing(plan.refused));
        }
        destination.note_discarded(&plan);
        if !plan.changes.is_empty() {
            return self.grow(destination, &plan, entries).await;
        }
        let rows = match Rows::encode(&plan.rows, &self.staging.wires(&plan.columns)) {
            Ok(rows) => rows,
            Err(rejected) => return Ok(Loaded::Nothing(rejected)),
        };
        let Self { session: Session { client, driver, .. }, staging, books } = self;
        let loading = async {
            let route = staging.route(client, &destination.name, &plan.columns, &destination.writer).await?;
            let written = window::write(client, destination, books.as_ref(), (&route, &rows), entries).await;
            let Some(error) = row_error(written)? else { return Ok(Loaded::All) };
            client.batch_execute(BEGIN).await?;
            let found = guilt::find(client, &route, &rows, &destination.name.shown()).await?;
            client.batch_execute("ROLLBACK").await?;
            nothing(destination, found, &error)
        };
        driver.drive(Box::pin(loading)).await
    }

    /// As above, where the table has to grow first, in the same transaction.
    async fn grow(
        &mut self,
        destination: &Destination,
        plan: &Plan<'_>,
        entries: Entries<'_>,
    ) -> Result<Loaded, Failure> {
        let Self { session: Session { client, driver, .. }, staging, books } = self;
        let loading = async {
            let written = grown_and_written(client, destination, books.as_ref(), plan, entries).await;
            let error = match written {
                Ok(Grown::Written(new)) => {
                    *staging = *new;
                    return Ok(Loaded::All);
                }
                Ok(Grown::Refused(rejected)) => return Ok(Loaded::Nothing(rejected)),
                Err(Failure::Server(error)) if about(&error) == About::Row => error,
                Err(failure) => return Err(failure),
            };
            client.batch_execute(BEGIN).await?;
            let (staging, route) = grow_table(client, destination, plan).await?;
            let found = match Rows::encode(&plan.rows, &staging.wires(&plan.columns)) {
                Ok(rows) => guilt::find(client, &route, &rows, &destination.name.shown()).await?,
                Err(rejected) => rejected,
            };
            client.batch_execute("ROLLBACK").await?;
            nothing(destination, found, &error)
        };
        driver.drive(Box::pin(loading)).await
    }
}

/// How a window ended that the table had to grow for.
enum Grown {
    /// With the staging table for the new columns.
    Written(Box<Staging>),
    Refused(Vec<Rejected>),
}

async fn grown_and_written(
    client: &Client,
    destination: &Destination,
    books: Option<&Books>,
    plan: &Plan<'_>,
    entries: Entries<'_>,
) -> Result<Grown, Failure> {
    let growing = async {
        window::begin(client, destination, books, std::future::ready(Ok(()))).await?;
        let (staging, route) = grow_table(client, destination, plan).await?;
        let rows = match Rows::encode(&plan.rows, &staging.wires(&plan.columns)) {
            Ok(rows) => rows,
            Err(rejected) => return Ok(Err(rejected)),
        };
        let copy = client.copy_in(&route.copy).await?;
        Ok(Ok((staging, route, rows, copy)))
    };
    let (staging, route, rows, copy) = match growing.await {
        Ok(Ok(ready)) => ready,
        Ok(Err(rejected)) => {
            client.batch_execute("ROLLBACK").await?;
            return Ok(Grown::Refused(rejected));
        }
        Err(failure) => return Err(window::undone(client, failure).await),
    };
    let insert = window::insert(client, &route, &rows, copy);
    window::finish(client, destination, books, insert, entries).await?;
    Ok(Grown::Written(Box::new(staging)))
}

/// Makes the changes of a plan, and the staging table and statements for them.
async fn grow_table(
    client: &Client,
    destination: &Destination,
    plan: &Plan<'_>,
) -> Result<(Staging, Route), Failure> {
    let Destination { name, writer, json, .. } = destination;
    ddl::lock(client, &name.schema).await?;
    for change in &plan.changes {
        let statement = ddl::alter(name, change, *json);
        client.batch_execute(&statement).await?;
        tracing::info!(table = %name.shown(), %statement, "the table grows");
    }
    let found = catalogue::read(client, name).await?;
    let found = found.ok_or_else(|| Error::transient(format!("the table {} is gone", name.shown())))?;
    let mut staging = Staging::make(client, found, &writer.first_columns()).await?;
    let route = staging.route(client, name, &plan.columns, writer).await?;
    Ok((staging, route))
}

/// The error of a transaction that a row may be guilty of; `None` if it was committed.
fn row_error(written: Result<(), Failure>) -> Result<Option<tokio_postgres::Error>, Failure> {
    match written {
        Ok(()) => Ok(None),
        Err(Failure::Server(error)) if about(&error) == About::Row => Ok(Some(error)),
        Err(failure) => Err(failure),
    }
}

fn nothing(
    destination: &Destination,
    found: Vec<Rejected>,
    error: &tokio_postgres::Error,
) -> Result<Loaded, Failure> {
    if !found.is_empty() {
        return Ok(Loaded::Nothing(found));
    }
    // Another writer's row was in the way, and is not any more.
    let said = said(error).unwrap_or_default();
    let message = format!("the database {} refused a window whose rows it takes: {said}", destination.shown);
    Err(Error::transient(message).into())
}

impl Destination {
    /// Says once for each field that its values are left out.
    fn note_discarded(&self, plan: &Plan<'_>) {
        if plan.discarded.is_empty() {
            return;
        }
        let mut noted: std::sync::MutexGuard<'_, HashSet<String>> =
            self.noted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for discarded in &plan.discarded {
            if noted.insert(discarded.field.clone()) {
                let (field, why) = (&discarded.field, &discarded.why);
                tracing::warn!(table = %self.name.shown(), field, why, "values of a field are left out");
            }
        }
    }
}
