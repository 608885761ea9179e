//! The inbox: deliveries that are durable before their senders are answered, kept until every sink has them.
//!
//! One SQLite file for each source and account in the folder of the pipeline's state. Deliveries are numbered as they
//! are committed, and read as a retained feed whose cursor is that number. Invariants: a number is never given twice; a
//! delivery that was answered 2xx is in the file until [`Inbox::remove`] was told that it is durable everywhere; ids
//! are remembered longer than that, so that a delivery that comes again is known.

mod fault;
mod file;
mod number;
mod reader;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use sluicebox_core::{Error, InboxFill, Result};
use tokio::sync::{oneshot, watch};

use crate::{Delivery, Receive, Taken};
pub use reader::Kept;
use reader::Reader;
use writer::{Work, Writer};

/// When a full inbox may have room again.
const ROOM_AFTER: Duration = Duration::from_secs(30);
/// What a row takes beside its texts.
pub(crate) const ROW_BYTES: u64 = 200;

/// How much an inbox holds and remembers.
#[derive(Clone, Copy, Debug)]
pub struct InboxOptions {
    /// Most bytes of deliveries that are not yet durable in every sink.
    pub bytes: u64,
    /// How long the ids of deliveries are remembered.
    pub remember_for: Duration,
    /// How many ids are remembered at most.
    pub remember_most: u64,
}

/// A handle to the inbox; cheap to clone.
#[derive(Clone)]
pub struct Inbox {
    shared: Arc<SharedInbox>,
}

struct SharedInbox {
    queue: Mutex<Queue>,
    /// The bytes of the queue, for those who watch.
    fill: Arc<InboxFill>,
    is_writing: AtomicBool,
    writer: Mutex<Writer>,
    reader: Mutex<Reader>,
    /// The number of the newest durable delivery.
    newest: watch::Sender<u64>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<(Work, oneshot::Sender<Result<Done>>)>,
    /// Bytes in the file and on their way to it.
    bytes: u64,
}

/// What became of a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// The delivery is durable.
    Kept,
    /// The delivery was there before; these bytes were not needed.
    Known(u64),
    /// Deliveries of so many bytes were removed.
    Removed(u64),
}

impl Inbox {
    /// Opens the inbox, or makes it. Blocking.
    ///
    /// # Errors
    /// `State` if the file is unreadable or newer, `Transient` if it cannot be reached.
    pub fn open(path: &Path, options: InboxOptions) -> Result<Self> {
        let connection = file::open(path)?;
        let writer = Writer::new(connection, path, options)?;
        let reader = Reader::new(file::connect(path)?, path);
        let (newest, bytes) = writer.standing()?;
        let shared = SharedInbox {
            fill: Arc::new(InboxFill::new(bytes, options.bytes)),
            queue: Mutex::new(Queue { waiting: Vec::new(), bytes }),
            is_writing: AtomicBool::new(false),
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
            newest: watch::Sender::new(newest),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The number of the newest durable delivery, and news of it; 0 if there was none ever.
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.shared.newest.subscribe()
    }

    /// How full it is, from now on.
    pub fn fill(&self) -> Arc<InboxFill> {
        Arc::clone(&self.shared.fill)
    }

    /// Deliveries after a number, in order: at most so many, and about so many bytes.
    ///
    /// # Errors
    /// `Transient` or `State` if the file cannot be read.
    pub async fn after(&self, number: u64, most: usize, bytes: u64) -> Result<Vec<Kept>> {
        let shared = Arc::clone(&self.shared);
        let read = move || shared.reader.lock().after(number, most, bytes);
        tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(interrupted(error)))
    }

    /// Everything up to this number is durable in every sink: its deliveries are removed, their ids are remembered.
    ///
    /// # Errors
    /// `Transient` or `State` if the file cannot be written.
    pub async fn remove(&self, up_to: u64) -> Result<()> {
        self.submit(Work::Remove(up_to)).await.map(|_| ())
    }

    async fn submit(&self, work: Work) -> Result<Done> {
        let (reply, answer) = oneshot::channel();
        self.shared.queue.lock().waiting.push((work, reply));
        self.write();
        answer.await.unwrap_or_else(|error| Err(interrupted(error)))
    }

    /// Sees to it that somebody writes what waits. While one group is written the next one gathers.
    fn write(&self) {
        if self.shared.is_writing.swap(true, Ordering::AcqRel) {
            return;
        }
        let turn = Turn(self.clone());
        tokio::task::spawn_blocking(move || turn.0.shared.write_waiting());
    }
}

/// The right to write. Given back even by a panic, and taken again if somebody came in between.
struct Turn(Inbox);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.shared.is_writing.store(false, Ordering::Release);
        if !self.0.shared.queue.lock().waiting.is_empty() && tokio::runtime::Handle::try_current().is_ok() {
            self.0.write();
        }
    }
}

impl SharedInbox {
    fn write_waiting(&self) {
        loop {
            let group = std::mem::take(&mut self.queue.lock().waiting);
            if group.is_empty() {
                return;
            }
            let (work, replies): (Vec<_>, Vec<_>) = group.into_iter().unzip();
            let written = self.writer.lock().write(&work);
            match written {
                Ok((done, newest)) => {
                    self.settle(&done);
                    self.newest.send_if_modified(|known| std::mem::replace(known, newest) != newest);
                    for (reply, done) in replies.into_iter().zip(done) {
                        // A sender that is gone will ask again.
                        let _ = reply.send(Ok(done));
                    }
                }
                Err(error) => {
                    let unused = work.iter().map(Work::bytes).sum();
                    self.release(unused);
                    for reply in replies {
                        let _ = reply.send(Err(Error::new(error.class(), error.chain())));
                    }
                }
            }
        }
    }

    fn settle(&self, done: &[Done]) {
        let freed = done.iter().map(|done| match done {
            Done::Kept => 0,
            Done::Known(bytes) | Done::Removed(bytes) => *bytes,
        });
        self.release(freed.sum());
    }

    fn release(&self, bytes: u64) {
        let mut queue = self.queue.lock();
        queue.bytes = queue.bytes.saturating_sub(bytes);
        self.fill.set(queue.bytes);
    }

    /// Takes room for a delivery, if there is.
    fn reserve(&self, bytes: u64) -> bool {
        let mut queue = self.queue.lock();
        let fits = queue.bytes + bytes <= self.fill.limit_bytes();
        if fits {
            queue.bytes += bytes;
            self.fill.set(queue.bytes);
        }
        fits
    }
}

fn interrupted(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::transient("the work on the inbox was interrupted").with_cause(error)
}

#[async_trait]
impl Receive for Inbox {
    async fn receive(&self, delivery: Delivery) -> Taken {
        let work = Work::Keep(delivery);
        if !self.shared.reserve(work.bytes()) {
            return Taken::Full(ROOM_AFTER);
        }
        match self.submit(work).await {
            Ok(Done::Known(_)) => Taken::Known,
            Ok(_) => Taken::Kept,
            Err(error) => Taken::Failed(error.chain()),
        }
    }
}
