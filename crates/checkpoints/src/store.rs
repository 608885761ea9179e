//! The store that a running pipeline writes: lock, file and the one connection that changes it.
//!
//! Invariant: a commit is on disk, whole, when it returns; a commit that fails has changed nothing.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use sluicebox_core::{
    CheckpointStore, Commit, Cursor, Error, ErrorClass, PartitionRecord, Request, State, Timestamp, Wish,
};

use crate::fault::Fault;
use crate::folder::Folder;
use crate::head::Head;
use crate::lock::Lock;
use crate::{OpenError, dead_letters, memories, records, requests, schema, wal};

/// How long SQLite waits for a reader that is in the way.
pub(crate) const BUSY_WAIT: Duration = Duration::from_secs(5);

/// The state of one pipeline in `DIR/<pipeline>/state.db`, locked for this process as long as the store lives.
///
/// Clones share the connection and the lock.
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Mutex<Writer>>,
}

/// A cursor that a person moved.
#[derive(Clone, Debug)]
pub struct MovedCursor {
    /// The partition as it was; `None` if there was none.
    pub before: Option<PartitionRecord>,
    /// The partition as it is now.
    pub after: PartitionRecord,
}

/// The connection and what it needs to notice that the file is not its own any more. Fields drop in order: the
/// connection writes its log back before the lock goes.
struct Writer {
    connection: Connection,
    path: PathBuf,
    requests: PathBuf,
    /// Device and inode of the file that was opened.
    identity: (u64, u64),
    /// The generation that we wrote last; `None` after a commit of unknown outcome.
    generation: Option<u64>,
    /// Held, not used: letting go of it frees the pipeline.
    _lock: Lock,
}

impl SqliteStore {
    /// Opens the state of a pipeline, making it on the first start. Checks every page and every record. Blocking.
    ///
    /// # Errors
    /// [`OpenError`]; an existing state is never replaced.
    pub fn open(dir: &Path, pipeline: &str) -> Result<Self, OpenError> {
        let folder = Folder::of(dir, pipeline)?;
        folder.make()?;
        let mut lock = Lock::take(&folder.lock())?;
        let path = folder.state();
        if !path.exists() {
            if lock.state_existed() || folder.wal().exists() {
                return Err(folder.vanished());
            }
            schema::create(&folder)?;
        }
        folder.check_length()?;
        wal::check(&folder.wal())?;
        lock.remember_state()?;
        Ok(Self { shared: Arc::new(Mutex::new(Writer::open(&folder, lock)?)) })
    }

    /// Moves a cursor by hand: the next start begins there, what sinks recorded before does not count any more, and what
    /// transforms remember of the partition is forgotten, for it belongs to the place where the cursor stood.
    /// Blocking.
    ///
    /// # Errors
    /// As [`CheckpointStore::commit`].
    pub fn set_cursor(
        &self,
        source: &str,
        account: &str,
        cursor: Option<Cursor>,
        now: Timestamp,
    ) -> Result<MovedCursor, Error> {
        let mut writer = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, state) = writer.load()?;
        let mut partitions = state.partitions.into_iter();
        let before = partitions.find(|record| record.source == source && record.partition == account);
        let epoch = state.epoch + 1;
        let after = PartitionRecord {
            source: source.into(),
            partition: account.into(),
            epoch,
            safe_seq: before.as_ref().map_or(0, |record| record.safe_seq) + 1,
            cursor: cursor.map(|cursor| cursor.as_bytes().to_vec().into()),
            committed_at: now,
            newest_event: before.as_ref().and_then(|record| record.newest_event),
            paused: None,
            floor_epoch: epoch,
        };
        writer.change("move a cursor in", |connection, head| {
            head.epoch = epoch;
            records::remove_positions(connection, head, source, account)?;
            memories::forget_all(connection, head, source, account)?;
            records::put_partition(connection, head, &after)
        })?;
        Ok(MovedCursor { before, after })
    }

    /// Forgets a cursor: the source begins at its `start:` again. Blocking.
    ///
    /// # Errors
    /// As [`CheckpointStore::commit`].
    pub fn reset_cursor(&self, source: &str, account: &str, now: Timestamp) -> Result<MovedCursor, Error> {
        self.set_cursor(source, account, None, now)
    }

    /// Forgets dead letters by their ids; how many were there. Blocking.
    ///
    /// # Errors
    /// As [`CheckpointStore::commit`].
    pub fn forget_dead_letters(&self, ids: &[String]) -> Result<usize, Error> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).forget_letters(ids)
    }

    /// Runs blocking work beside the runtime.
    async fn blocking<T, W>(&self, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce(&mut Writer) -> Result<T, Error> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let run = move || work(&mut shared.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(run).await.unwrap_or_else(|error| {
            Err(Error::new(ErrorClass::State, "the work on the state was interrupted").with_cause(error))
        })
    }
}

#[async_trait]
impl CheckpointStore for SqliteStore {
    async fn load(&self) -> Result<State, Error> {
        self.blocking(|writer| {
            let (_, state) = writer.load()?;
            let open = dead_letters::open(&writer.connection);
            let open_letters = open.map_err(|fault| fault.into_error("load", &writer.path))?;
            Ok(State { open_letters, ..state })
        })
        .await
    }

    async fn commit(&self, commit: Commit) -> Result<(), Error> {
        if commit.is_empty() {
            return Ok(());
        }
        self.blocking(move |writer| {
            writer.change("commit to", |connection, head| apply(connection, head, &commit))
        })
        .await
    }

    async fn requests(&self, after: u64, most: usize) -> Result<Vec<Request>, Error> {
        self.blocking(move |writer| {
            let lines = requests::after(&writer.requests, after, most)?;
            lines.iter().map(|(line, is_first)| writer.request(line, *is_first)).collect()
        })
        .await
    }

    async fn requests_done(&self, up_to: u64) -> Result<(), Error> {
        self.blocking(move |writer| {
            let done = requests::up_to(&writer.requests, up_to)?;
            let ids: Vec<String> = done.into_iter().map(|line| line.id).collect();
            if ids.is_empty() {
                return Ok(());
            }
            writer.forget_letters(&ids)?;
            requests::clear(&writer.requests, up_to)
        })
        .await
    }
}

fn apply(connection: &Connection, head: &mut Head, commit: &Commit) -> Result<(), Fault> {
    head.epoch = commit.epoch.unwrap_or(head.epoch).max(head.epoch);
    for record in &commit.partitions {
        records::put_partition(connection, head, record)?;
    }
    for (name, record) in &commit.sinks {
        records::put_sink(connection, head, name, record)?;
    }
    for key in &commit.taken_back {
        dead_letters::take_back(connection, head, key)?;
    }
    for letter in &commit.dead_letters {
        dead_letters::add(connection, head, letter)?;
    }
    for (name, entries) in &commit.memories {
        memories::put(connection, head, name, entries)?;
    }
    Ok(())
}

impl Writer {
    fn request(&self, line: &requests::Line, is_first: bool) -> Result<Request, Error> {
        if !is_first {
            return Ok(Request { number: line.number, wish: Wish::Drop });
        }
        let found = dead_letters::find(&self.connection, "", &line.id);
        let found = found.map_err(|fault| fault.into_error("read a dead letter of", &self.path))?;
        let wish = match found {
            Some(stored) if line.action == requests::Action::Replay => Wish::Replay(Box::new(stored.letter)),
            _ => Wish::Drop,
        };
        Ok(Request { number: line.number, wish })
    }

    /// Forgets those that are still there.
    fn forget_letters(&mut self, ids: &[String]) -> Result<usize, Error> {
        let mut forgotten = 0;
        self.change("forget dead letters of", |connection, head| {
            for id in ids {
                forgotten += usize::from(dead_letters::remove(connection, head, id)?);
            }
            Ok(())
        })?;
        Ok(forgotten)
    }

    fn open(folder: &Folder, lock: Lock) -> Result<Self, OpenError> {
        let (path, requests) = (folder.state(), folder.requests());
        let mut connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        schema::upgrade(&mut connection).map_err(|fault| fault.into_open_error(&path))?;
        schema::check(&connection, &path)?;
        let prepare = || -> Result<u64, Fault> {
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
            check_pages(&connection)?;
            let (head, _) = records::load(&connection)?;
            dead_letters::check(&connection, &head)?;
            Ok(head.generation)
        };
        let generation = Some(prepare().map_err(|fault| fault.into_open_error(&path))?);
        let identity = identity(&path).map_err(OpenError::io(&path))?;
        Ok(Self { connection, path, requests, identity, generation, _lock: lock })
    }

    fn load(&mut self) -> Result<(Head, State), Error> {
        let load = || -> Result<_, Fault> {
            let transaction = self.connection.unchecked_transaction()?;
            let loaded = records::load(&transaction)?;
            transaction.commit()?;
            Ok(loaded)
        };
        load().map_err(|fault| fault.into_error("load", &self.path))
    }

    /// One transaction: `work` changes rows and head, then the head is written with the next generation.
    fn change(
        &mut self,
        attempt: &str,
        work: impl FnOnce(&Connection, &mut Head) -> Result<(), Fault>,
    ) -> Result<(), Error> {
        if identity(&self.path).ok() != Some(self.identity) {
            let message = format!("the state in {} was removed while it was in use", self.path.display());
            return Err(Error::new(ErrorClass::State, message).with_help("start again"));
        }
        let known = self.generation.take();
        let run = || -> Result<Option<u64>, Fault> {
            let transaction =
                rusqlite::Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
            let mut head = Head::read(&transaction)?;
            if known.is_some_and(|generation| generation != head.generation) {
                return Ok(None);
            }
            head.generation += 1;
            work(&transaction, &mut head)?;
            head.write(&transaction)?;
            transaction.commit()?;
            Ok(Some(head.generation))
        };
        match run() {
            Ok(Some(generation)) => {
                self.generation = Some(generation);
                Ok(())
            }
            Ok(None) => {
                self.generation = known;
                let message = format!("another process has written the state in {}", self.path.display());
                Err(Error::new(ErrorClass::Fenced, message))
            }
            Err(fault) => Err(fault.into_error(attempt, &self.path)),
        }
    }
}

/// Opens an existing file; never makes one.
pub(crate) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, OpenError> {
    let connect = || -> Result<Connection, Fault> {
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY_WAIT)?;
        connection.pragma_update(None, "cell_size_check", true)?;
        Ok(connection)
    };
    connect().map_err(|fault| fault.into_open_error(path))
}

/// Walks every page, every row and every index.
fn check_pages(connection: &Connection) -> Result<(), Fault> {
    let verdict: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(Fault::Broken(verdict)) }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}
