//! Which rows a window can never be committed with.
//!
//! All of them are found in one transaction that is never committed. The server names the row that it cannot read; a row
//! that the table does not take is found by halving, so that the cost grows with the number of bad rows and not of all.

use std::ops::Range;

use sluicebox_core::Rejected;
use tokio_postgres::{Client, Error as ServerError};

use crate::copy::Rows;
use crate::fault::{About, about, copy_line, guilt_of_row};
use crate::staging::Route;

/// The rows that cannot be copied into the staging table or inserted from there. Within a transaction, which is to be
/// rolled back afterwards.
pub(crate) async fn find(
    client: &Client,
    route: &Route,
    rows: &Rows,
    table: &str,
) -> Result<Vec<Rejected>, ServerError> {
    // What is otherwise checked at the end is checked at each row.
    client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE").await?;
    let mut guilty = Vec::new();
    uncopied(client, route, rows, &mut guilty).await?;
    uninserted(client, route, rows, &mut guilty).await?;
    guilty.sort_by_key(|(row, _)| *row);
    let rejected = |(index, error)| Rejected { index, error: guilt_of_row(error, table) };
    Ok(guilty.into_iter().map(rejected).collect())
}

/// Copies all rows that can be.
async fn uncopied(
    client: &Client,
    route: &Route,
    rows: &Rows,
    guilty: &mut Vec<(usize, ServerError)>,
) -> Result<(), ServerError> {
    let mut parts = Vec::new();
    push(&mut parts, 0..rows.len());
    while let Some(part) = parts.pop() {
        client.batch_execute("SAVEPOINT part").await?;
        let copied = match client.copy_in(&route.copy).await {
            Ok(sink) => rows.send(sink, part.clone()).await,
            Err(error) => Err(error),
        };
        let Err(error) = copied else {
            client.batch_execute("RELEASE SAVEPOINT part").await?;
            continue;
        };
        let error = refusal(client, error).await?;
        match copy_line(&error).map(|line| part.start + line - 1).filter(|row| part.contains(row)) {
            Some(row) => {
                push(&mut parts, row + 1..part.end);
                push(&mut parts, part.start..row);
                guilty.push((row, error));
            }
            None => halve(&mut parts, part, error, guilty),
        }
    }
    Ok(())
}

/// Inserts all rows that can be, in their order.
async fn uninserted(
    client: &Client,
    route: &Route,
    rows: &Rows,
    guilty: &mut Vec<(usize, ServerError)>,
) -> Result<(), ServerError> {
    let mut parts = Vec::new();
    push(&mut parts, 0..rows.len());
    while let Some(part) = parts.pop() {
        client.batch_execute("SAVEPOINT part").await?;
        let bound = |row: usize| i32::try_from(row).unwrap_or(i32::MAX);
        let inserted = client.execute(&route.insert, &[&bound(part.start), &bound(part.end)]).await;
        let Err(error) = inserted else {
            client.batch_execute("RELEASE SAVEPOINT part").await?;
            continue;
        };
        let error = refusal(client, error).await?;
        halve(&mut parts, part, error, guilty);
    }
    Ok(())
}

/// Returns to the savepoint, with the error if it is about a row; any other ends the search.
async fn refusal(client: &Client, error: ServerError) -> Result<ServerError, ServerError> {
    if about(&error) != About::Row {
        return Err(error);
    }
    client.batch_execute("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part").await?;
    Ok(error)
}

/// The part is tried in halves, the first half first; a single row is guilty.
fn halve(
    parts: &mut Vec<Range<usize>>,
    part: Range<usize>,
    error: ServerError,
    guilty: &mut Vec<(usize, ServerError)>,
) {
    if part.len() == 1 {
        guilty.push((part.start, error));
        return;
    }
    let middle = part.start + part.len() / 2;
    push(parts, middle..part.end);
    push(parts, part.start..middle);
}

fn push(parts: &mut Vec<Range<usize>>, part: Range<usize>) {
    if !part.is_empty() {
        parts.push(part);
    }
}
