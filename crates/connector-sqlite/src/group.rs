//! Turns on one connection: those that queue share a transaction, each may fail alone, one COMMIT ends it for all.

use std::error::Error as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use rusqlite::{Connection, DropBehavior, Transaction, TransactionBehavior};
use sluicebox_core::{Error, ErrorClass};

use crate::fault::classify;

/// How a turn ends that did not fail.
pub(crate) enum Outcome<T> {
    /// Commit what it did.
    Keep(T),
    /// Undo what it did.
    Undo(T),
}

/// A connection on which callers take turns.
pub(crate) struct Turns {
    path: PathBuf,
    table: Mutex<Table>,
    /// Callers that are on their way to a turn, and will surely get one.
    coming: AtomicUsize,
}

/// What the one whose turn it is has in hands.
struct Table {
    connection: Connection,
    /// Those whose turns are in the open transaction.
    group: Option<Arc<Group>>,
}

/// The end of a transaction, for everybody whose turn is in it.
#[derive(Default)]
struct Group {
    end: Mutex<Option<Result<(), Failure>>>,
    ended: Condvar,
}

/// An error that many are told.
#[derive(Clone)]
struct Failure {
    class: ErrorClass,
    message: String,
    cause: Option<String>,
}

impl Turns {
    pub(crate) fn new(connection: Connection, path: PathBuf) -> Self {
        Self { path, table: Mutex::new(Table { connection, group: None }), coming: AtomicUsize::new(0) }
    }

    /// Takes a turn. Returns when what it kept is durable, or nothing of it is there. Blocking.
    ///
    /// # Errors
    /// What `work` failed with, or a refusal to begin or commit.
    pub(crate) fn take<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<Outcome<T>, Error>,
    ) -> Result<T, Error> {
        self.coming.fetch_add(1, Ordering::SeqCst);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        self.coming.fetch_sub(1, Ordering::SeqCst);
        // The others in the transaction must be told its end, whatever this turn does.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.turn(&mut table, work)));
        let group = table.group.clone();
        if self.coming.load(Ordering::SeqCst) == 0 {
            self.commit(&mut table);
        }
        drop(table);
        match outcome.unwrap_or_else(|panic| resume_unwind(panic))? {
            Outcome::Undo(value) => Ok(value),
            Outcome::Keep(value) => group.map_or(Ok(()), |group| group.wait()).map(|()| value),
        }
    }

    /// Runs `work` inside the transaction; what it did stays there only if it says so.
    fn turn<T>(
        &self,
        table: &mut Table,
        work: impl FnOnce(&Connection) -> Result<Outcome<T>, Error>,
    ) -> Result<Outcome<T>, Error> {
        let failed = |error| classify(error, "write to", &self.path);
        let kept = if table.group.is_none() {
            // The first needs no savepoint: undoing him undoes all there is.
            let mut transaction =
                Transaction::new_unchecked(&table.connection, TransactionBehavior::Immediate)
                    .map_err(failed)?;
            let outcome = work(&transaction)?;
            if matches!(outcome, Outcome::Keep(_)) {
                transaction.set_drop_behavior(DropBehavior::Ignore);
            }
            Ok(outcome)
        } else {
            let savepoint = table.connection.savepoint().map_err(failed)?;
            match work(&savepoint) {
                Ok(Outcome::Keep(value)) if !savepoint.is_autocommit() => {
                    savepoint.commit().map(|()| Outcome::Keep(value)).map_err(failed)
                }
                other => other,
            }
        };
        let is_kept = matches!(kept, Ok(Outcome::Keep(_)));
        if !table.connection.is_autocommit() {
            if is_kept {
                table.group.get_or_insert_default();
            }
            return kept;
        }
        // A full disk, or a constraint with ON CONFLICT ROLLBACK, has ended the transaction for everybody.
        let message = format!("the transaction on the database {} was rolled back", self.path.display());
        if let Some(group) = table.group.take() {
            let cause = Some("another sink of the same transaction failed".to_owned());
            group.end(Err(Failure { class: ErrorClass::Transient, message: message.clone(), cause }));
        }
        if is_kept { Err(Error::transient(message)) } else { kept }
    }

    /// Ends the transaction for all whose turns are in it.
    fn commit(&self, table: &mut Table) {
        let Some(group) = table.group.take() else { return };
        let end = table.connection.execute_batch("COMMIT").map_err(|error| {
            if !table.connection.is_autocommit() {
                // What cannot be rolled back is seen at the next BEGIN.
                let _ = table.connection.execute_batch("ROLLBACK");
            }
            Failure::from(&classify(error, "write to", &self.path))
        });
        group.end(end);
    }
}

impl Group {
    fn end(&self, end: Result<(), Failure>) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
        self.ended.notify_all();
    }

    fn wait(&self) -> Result<(), Error> {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match &*end {
                Some(end) => return end.clone().map_err(Error::from),
                None => end = self.ended.wait(end).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let cause = error.source().map(ToString::to_string);
        Self { class: error.class(), message: error.to_string(), cause }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let error = Self::new(failure.class, failure.message);
        match failure.cause {
            Some(cause) => error.with_cause(cause),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::thread;

    const TABLE: &str = "CREATE TABLE t (n INTEGER UNIQUE ON CONFLICT ROLLBACK)";

    fn turns(path: &Path) -> Turns {
        let connection = Connection::open(path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.execute_batch(TABLE).unwrap();
        Turns::new(connection, path.to_owned())
    }

    fn insert(connection: &Connection, number: i64) -> Result<(), Error> {
        let sql = "INSERT INTO t VALUES (?1)";
        connection.execute(sql, [number]).map(drop).map_err(|error| Error::permanent(error.to_string()))
    }

    /// The numbers that are durable.
    fn durable(path: &Path) -> Vec<i64> {
        let connection = Connection::open(path).unwrap();
        let mut statement = connection.prepare("SELECT n FROM t ORDER BY n").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// A first turn that keeps 1 and ends when another caller is queueing, and then `second`.
    fn two<T: Send>(
        turns: &Turns,
        second: impl FnOnce(&Connection) -> Result<Outcome<T>, Error> + Send,
    ) -> (Result<(), Error>, thread::Result<Result<T, Error>>) {
        thread::scope(|scope| {
            let (begun, first_begun) = std::sync::mpsc::channel();
            let first = scope.spawn(move || {
                turns.take(|connection| {
                    begun.send(()).unwrap();
                    while turns.coming.load(Ordering::SeqCst) == 0 {
                        thread::yield_now();
                    }
                    insert(connection, 1).map(Outcome::Keep)
                })
            });
            first_begun.recv().unwrap();
            let second = scope.spawn(|| turns.take(second));
            (first.join().unwrap(), second.join())
        })
    }

    #[test]
    fn turns_that_queue_are_durable_together() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let turns = turns(&path);
        let (first, second) = two(&turns, |connection| {
            assert!(durable(&path).is_empty(), "the first turn waits for this one");
            insert(connection, 2).map(Outcome::Keep)
        });
        assert!(first.is_ok() && second.unwrap().is_ok());
        assert_eq!(durable(&path), [1, 2]);
        turns.take(|connection| insert(connection, 3).map(Outcome::Keep)).unwrap();
        assert_eq!(durable(&path), [1, 2, 3]);
    }

    #[test]
    fn a_turn_that_fails_is_undone_alone() {
        for end in ["undo", "error", "panic"] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("a.db");
            let turns = turns(&path);
            let (first, second) = two(&turns, |connection| {
                insert(connection, 2)?;
                match end {
                    "undo" => Ok(Outcome::Undo(())),
                    "error" => Err(Error::permanent("no")),
                    _ => panic!("a fault of ours"),
                }
            });
            assert!(first.is_ok());
            assert_eq!((second.is_err(), matches!(second, Ok(Err(_)))), (end == "panic", end == "error"));
            assert_eq!(durable(&path), [1]);
            let outcome = turns.take(|connection| insert(connection, 3).map(Outcome::Undo));
            assert!(outcome.is_ok());
            assert_eq!(durable(&path), [1]);
        }
    }

    #[test]
    fn when_the_transaction_is_gone_everybody_in_it_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let turns = turns(&path);
        let (first, second) = two(&turns, |connection| insert(connection, 1).map(Outcome::Keep));
        let error = first.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Transient);
        assert!(error.chain().contains("another sink of the same transaction failed"), "{}", error.chain());
        assert_eq!(second.unwrap().unwrap_err().class(), ErrorClass::Permanent);
        assert!(durable(&path).is_empty());
        turns.take(|connection| insert(connection, 1).map(Outcome::Keep)).unwrap();
        assert_eq!(durable(&path), [1]);
    }
}
