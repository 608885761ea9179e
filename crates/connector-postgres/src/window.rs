//! One window, one transaction, two waits for the server: first the epoch is locked and the copy begun, then rows,
//! dead letters and positions are sent together with COMMIT.
//!
//! Invariant: nothing that could commit is sent before the server has said that the epoch is ours, and locked.

use bytes::Bytes;
use sluicebox_core::{DeadLetter, Error, Position};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, CopyInSink, Error as ServerError};

use crate::copy::Rows;
use crate::fault::{About, Failure, about, classify};
use crate::link::{BEGIN, Books, Destination, fenced};
use crate::staging::Route;

/// What goes into the ledger beside the rows.
#[derive(Clone, Copy, Default)]
pub(crate) struct Entries<'w> {
    pub(crate) dead_letters: &'w [DeadLetter],
    pub(crate) positions: &'w [Position],
}

/// Begins the transaction, and locks the epoch if there is one. Together with `first`, whose outcome is returned.
pub(crate) async fn begin<T>(
    client: &Client,
    destination: &Destination,
    books: Option<&Books>,
    first: impl Future<Output = Result<T, ServerError>>,
) -> Result<T, Failure> {
    let owner = async {
        match books {
            Some(books) => books.ledger.owner(client, &books.shard).await,
            None => Ok(None),
        }
    };
    let (begun, owner, first) = futures::join!(client.batch_execute(BEGIN), owner, first);
    begun?;
    match books {
        Some(books) if owner? != Some(books.shard.epoch) => Err(fenced(destination, &books.shard).into()),
        _ => Ok(first?),
    }
}

/// Writes rows and entries in one transaction and commits it. Whatever it fails with, the transaction is over.
pub(crate) async fn write(
    client: &Client,
    destination: &Destination,
    books: Option<&Books>,
    (route, rows): (&Route, &Rows),
    entries: Entries<'_>,
) -> Result<(), Failure> {
    if rows.len() == 0 {
        match begin(client, destination, books, std::future::ready(Ok(()))).await {
            Ok(()) => return finish(client, destination, books, async { Ok(()) }, entries).await,
            Err(failure) => return Err(undone(client, failure).await),
        }
    }
    let copy = match begin(client, destination, books, client.copy_in(&route.copy)).await {
        Ok(copy) => copy,
        Err(failure) => return Err(undone(client, failure).await),
    };
    finish(client, destination, books, insert(client, route, rows, copy), entries).await
}

/// Copies all rows and inserts them, without waiting in between.
pub(crate) async fn insert(
    client: &Client,
    route: &Route,
    rows: &Rows,
    copy: CopyInSink<Bytes>,
) -> Result<(), ServerError> {
    let last = i32::try_from(rows.len()).unwrap_or(i32::MAX);
    let bounds: [&(dyn ToSql + Sync); 2] = [&0_i32, &last];
    let (copied, inserted) =
        futures::join!(rows.send(copy, 0..rows.len()), client.execute(&route.insert, &bounds));
    copied.and(inserted).map(drop)
}

/// Sends the rows, the entries and COMMIT in one go.
pub(crate) async fn finish(
    client: &Client,
    destination: &Destination,
    books: Option<&Books>,
    insert: impl Future<Output = Result<(), ServerError>>,
    entries: Entries<'_>,
) -> Result<(), Failure> {
    let Some(Books { ledger, shard }) = books else {
        let (inserted, committed) = futures::join!(insert, client.batch_execute("COMMIT"));
        return Ok(inserted.and(committed)?);
    };
    let Entries { dead_letters, positions } = entries;
    let (inserted, letters, put, committed, kept) = futures::join!(
        insert,
        ledger.add(client, shard, dead_letters),
        ledger.put(client, shard, positions),
        client.batch_execute("COMMIT"),
        // COMMIT is answered without an error even where the server rolls back instead.
        ledger.holds(client, shard, positions.first()),
    );
    inserted?;
    letters.and(put).map_err(|error| not_of_a_row(error, destination))?;
    committed?;
    if kept? {
        return Ok(());
    }
    let message = format!("the database {} did not keep the transaction", destination.shown);
    Err(Error::transient(message).into())
}

/// The ledger's own statements say nothing about a row of the window.
fn not_of_a_row(error: ServerError, destination: &Destination) -> Failure {
    match about(&error) {
        About::Row | About::Table => {
            Failure::Ours(classify(error, "keep the positions in", &destination.shown))
        }
        _ => Failure::Server(error),
    }
}

/// Ends a transaction that nothing came of.
pub(crate) async fn undone(client: &Client, failure: Failure) -> Failure {
    // If the server is gone, so is the transaction.
    let _ = client.batch_execute("ROLLBACK").await;
    failure
}
