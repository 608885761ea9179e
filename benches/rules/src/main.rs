//! Rules against VRL: the same filter and the same mapping over the same events, bytes in, bytes out, one thread.
//!
//! Every way is run in every round, one after the other, and the medians of the rounds are compared, so that a busy
//! machine slows all of them alike. Before anything is measured, all ways must agree on every event.

mod events;
mod filters;
mod mappings;
mod vrl_program;

use std::hint::black_box;
use std::time::{Duration, Instant};

use sluicebox_core::Event;

/// How often each way is measured.
const ROUNDS: usize = 9;
/// How often a round goes over the events.
const PASSES: usize = 40;

/// One way of doing the same work; gives something that depends on every event.
struct Way<'a> {
    name: &'static str,
    run: Box<dyn Fn(&Event) -> usize + 'a>,
}

impl<'a> Way<'a> {
    fn new(name: &'static str, run: impl Fn(&Event) -> usize + 'a) -> Self {
        Self { name, run: Box::new(run) }
    }
}

/// Whether a measurement was asked for: any whose title holds the word given, or all.
fn is_wanted(title: &str) -> bool {
    std::env::args().nth(1).is_none_or(|word| title.contains(&word))
}

/// Runs all ways round by round, then shows nanoseconds per event and how much faster than each the first is.
fn compare(title: &str, events: &[Event], ways: &[Way<'_>]) {
    let mut times = vec![Vec::with_capacity(ROUNDS); ways.len()];
    for round in 0..=ROUNDS {
        for (way, times) in ways.iter().zip(&mut times) {
            let time = measure(events, way);
            // The first round warms up.
            if round > 0 {
                times.push(time);
            }
        }
    }
    let medians: Vec<f64> = times.iter_mut().map(|times| median(times)).collect();
    println!("{title}");
    for (way, median) in ways.iter().zip(&medians) {
        println!("  {:38} {median:8.0} ns/event   {:5.2} x", way.name, median / medians[0]);
    }
}

fn measure(events: &[Event], way: &Way<'_>) -> Duration {
    let start = Instant::now();
    for _ in 0..PASSES {
        for event in events {
            black_box((way.run)(black_box(event)));
        }
    }
    start.elapsed() / u32::try_from(PASSES * events.len()).expect("a count of this size fits")
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times[times.len() / 2].as_nanos() as f64
}

fn main() {
    let events = events::chats(1000);
    let bytes: usize = events.iter().map(|event| event.json().len()).sum();
    println!(
        "{} events of {} bytes on average, medians of {ROUNDS} rounds\n",
        events.len(),
        bytes / events.len()
    );
    filters::run(&events);
    mappings::run(&events);
}
