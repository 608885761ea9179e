//! What counting costs: `cargo run --release -p sluicebox-heap --example cost`, on a quiet machine.

#![allow(clippy::print_stdout, reason = "a measurement is shown")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::time::{Duration, Instant};

use sluicebox_heap::Counting;

const ROUNDS: u32 = 5_000_000;
const PAIRS: usize = 15;

fn main() {
    let mut times: [Vec<Duration>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..PAIRS {
        times[0].push(churn(&System));
        times[1].push(churn(&Counting::system()));
    }
    let [plain, counted] = times.map(|mut times| {
        times.sort();
        times[PAIRS / 2].as_secs_f64() * 1e9 / f64::from(ROUNDS)
    });
    println!("allocate and free: {plain:.2} ns plain, {counted:.2} ns counted (medians of {PAIRS})");
}

/// Takes and gives back small blocks, as a program does.
fn churn(allocator: &impl GlobalAlloc) -> Duration {
    let started = Instant::now();
    for round in 0..ROUNDS as usize {
        let Ok(layout) = Layout::from_size_align(16 + (round % 32) * 16, 8) else { continue };
        // SAFETY: the layout has a size above 0, and the block is freed with the layout it was allocated with.
        unsafe {
            let block = allocator.alloc(layout);
            assert!(!black_box(block).is_null());
            allocator.dealloc(block, layout);
        }
    }
    started.elapsed()
}
