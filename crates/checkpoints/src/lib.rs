//! Where a pipeline remembers: cursors, sink positions and dead letters, in one SQLite file per pipeline.
//!
//! The engine writes through [`SqliteStore`], which holds the pipeline's lock; `cursor show` and `dlq list` read beside
//! it through [`StateReader`]. Invariant: a state that cannot be trusted is refused with the name of the file; it is
//! never replaced by an empty one.

mod checksum;
mod dead_letters;
mod fault;
mod folder;
mod head;
mod lock;
mod memories;
mod memory;
mod open_error;
mod reader;
mod records;
mod requests;
mod schema;
mod store;
mod wal;

pub use dead_letters::StoredDeadLetter;
pub use folder::pipelines;
pub use memory::MemoryStore;
pub use open_error::OpenError;
pub use reader::{CursorRow, StateReader};
pub use requests::{Action, ask, is_running};
pub use store::{MovedCursor, SqliteStore};
