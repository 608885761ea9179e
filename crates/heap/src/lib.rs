//! How many bytes of the heap each thread holds: what the memory limit of rules goes by.
//!
//! [`Counting`] stands before another allocator and passes every call on; beside it adds to a counter of the thread
//! that calls. A program that wants the limit installs it, in its `main.rs`:
//!
//! ```
//! #[global_allocator]
//! static HEAP: sluicebox_heap::Counting = sluicebox_heap::Counting::system();
//!
//! fn main() {
//!     assert!(sluicebox_heap::is_counting());
//! }
//! ```
//!
//! A library must not choose the allocator of a program, so linking this crate alone installs nothing: without those
//! lines [`held`] stays at 0 and rules run without a limit of memory, under all the others.
//!
//! Invariant: nothing here allocates, locks, panics or is set up on first use, so it is safe wherever an allocator is
//! called: before `main`, inside a panic, and while a thread is torn down. This is the one crate with unsafe code.

mod counting;

pub use counting::{Counting, held, is_counting};
