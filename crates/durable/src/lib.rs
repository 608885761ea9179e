//! Names of files and folders that are still there after a power failure.
//!
//! Floor 1, for components that keep files of their own. Invariant: what returned `Ok` is on the disk with its name; a file
//! is never replaced.

mod names;
mod permission;

pub use names::{make, remove, rename, sync_name};
pub use permission::{may_write, nearest};
