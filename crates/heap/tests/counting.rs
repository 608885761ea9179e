//! The allocator as a program has it: installed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::cell::RefCell;
use std::hint::black_box;
use std::thread;

use sluicebox_heap::{Counting, held, is_counting};

#[global_allocator]
static HEAP: Counting = Counting::system();

/// What a piece of code leaves on the heap of this thread.
fn left<T>(work: impl FnOnce() -> T) -> (T, isize) {
    let before = held();
    let value = work();
    (value, held() - before)
}

#[test]
fn every_way_to_allocate_is_counted_and_taken_back() {
    assert!(is_counting());
    let (bytes, counted) = left(|| black_box(Vec::<u8>::with_capacity(1000)));
    assert_eq!(counted, 1000);
    let ((), counted) = left(|| drop(bytes));
    assert_eq!(counted, -1000);
    let (zeroes, counted) = left(|| black_box(vec![0_u64; 500]));
    assert_eq!((zeroes.len(), counted), (500, 4000));
    let (mut grown, counted) = left(|| black_box(Vec::<u8>::with_capacity(10)));
    assert_eq!(counted, 10);
    let ((), counted) = left(|| grown.reserve_exact(1_000_000));
    assert_eq!(counted, 1_000_000 - 10);
    let ((), counted) = left(|| grown.shrink_to(100));
    assert_eq!(counted, 100 - 1_000_000);
    let ((), counted) = left(|| drop(black_box(String::from("gone again"))));
    assert_eq!(counted, 0);
}

#[test]
fn each_thread_has_a_counter_of_its_own() {
    let ((), counted) = left(|| {
        // The handle of the thread is made and freed here; what it allocates inside is its own.
        let inside = thread::spawn(|| left(|| black_box(vec![1_u8; 1 << 20])).1).join().unwrap();
        assert_eq!(inside, 1 << 20);
    });
    assert!(counted.abs() < 1 << 16, "{counted}");
}

#[test]
fn what_another_thread_allocated_makes_the_counter_fall() {
    let bytes = thread::spawn(|| vec![1_u8; 1 << 20]).join().unwrap();
    let ((), counted) = left(|| drop(bytes));
    assert_eq!(counted, -(1 << 20));
}

/// Allocates and frees while the thread's own variables are being dropped.
struct Late(&'static str);

impl Drop for Late {
    fn drop(&mut self) {
        let ((), counted) = left(|| drop(black_box(self.0.repeat(100))));
        assert_eq!(counted, 0);
    }
}

thread_local! {
    static LATE: RefCell<Vec<Late>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn a_thread_that_is_torn_down_may_still_allocate() {
    for _ in 0..50 {
        thread::spawn(|| LATE.with_borrow_mut(|late| late.push(Late("bye")))).join().unwrap();
    }
}
