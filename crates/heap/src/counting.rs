//! The allocator that counts.
//!
//! The counter of a thread is a plain cell in memory of the thread itself: constant from the start, nothing to drop,
//! one addition per call. Memory that one thread allocates and another frees makes the one's counter stay high and the
//! other's fall; whoever limits something therefore looks at the difference over a stretch of code on one thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

thread_local! {
    /// Bytes that this thread has allocated, less those that it has freed.
    static HELD: Cell<isize> = const { Cell::new(0) };
}

/// Passes every call on to `A` and counts the bytes per thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counting<A = System> {
    inner: A,
}

impl Counting {
    /// Before the allocator of the system.
    pub const fn system() -> Self {
        Self::before(System)
    }
}

impl<A> Counting<A> {
    /// Before another allocator, mimalloc for example.
    pub const fn before(inner: A) -> Self {
        Self { inner }
    }
}

/// Bytes that the calling thread has allocated, less those that it has freed; below 0 if it freed what others had
/// allocated, and 0 for ever if [`Counting`] is not installed.
#[inline]
pub fn held() -> isize {
    HELD.try_with(Cell::get).unwrap_or(0)
}

/// Whether [`Counting`] is the allocator of this program.
pub fn is_counting() -> bool {
    let before = held();
    let probe = black_box(Box::new([0_u8; 64]));
    let counted = held() != before;
    drop(probe);
    counted
}

fn add(bytes: usize) {
    // No object is larger than `isize::MAX` bytes, so the casts keep the value.
    let _ = HELD.try_with(|held| held.set(held.get().wrapping_add(bytes.cast_signed())));
}

fn subtract(bytes: usize) {
    let _ = HELD.try_with(|held| held.set(held.get().wrapping_sub(bytes.cast_signed())));
}

// SAFETY: every call goes to `A` with the very arguments that came, and its answer goes back as it is; so whatever `A`
// promises holds here. Counting touches a cell of the thread only: it neither allocates nor unwinds.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counting<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        let memory = unsafe { self.inner.alloc(layout) };
        if !memory.is_null() {
            add(layout.size());
        }
        memory
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc_zeroed`, which is the same.
        let memory = unsafe { self.inner.alloc_zeroed(layout) };
        if !memory.is_null() {
            add(layout.size());
        }
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: `memory` came from `A` through this allocator, with this layout: the caller's contract.
        unsafe { self.inner.dealloc(memory, layout) };
        subtract(layout.size());
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: `memory` came from `A` through this allocator, with this layout: the caller's contract.
        let moved = unsafe { self.inner.realloc(memory, layout, size) };
        if !moved.is_null() {
            subtract(layout.size());
            add(size);
        }
        moved
    }
}
