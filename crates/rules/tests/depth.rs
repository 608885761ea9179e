//! The deepest calls that compile, on the small stack of a worker thread: an overflow there would end the process.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::thread;

use bytes::Bytes;
use sluicebox_core::{Event, Located, Meta};
use sluicebox_rules::Script;

/// What tokio gives its workers.
const STACK_BYTES: usize = 2 << 20;

/// What stands around the call, on both sides, as often as it compiles.
const SHAPES: [(&str, &str); 11] = [
    ("[", "]"),
    ("(1 + ", ")"),
    ("#{ a: ", " }"),
    ("if true { ", " }"),
    ("{ let x = 1; ", " }"),
    ("for i in 0..1 { ", " }"),
    ("while true { ", " }"),
    ("`${", "}`"),
    ("to_string(", ")"),
    ("[1].map(|x| ", ")"),
    ("switch 1 { 1 => ", " }"),
];

fn event() -> Event {
    Event::parse(&Bytes::from_static(b"{}"), Meta::new("s", "a", "a:1")).unwrap()
}

/// The script with the most of a shape that compiles.
fn deepest(script: impl Fn(String) -> String, (open, close): (&str, &str)) -> (usize, Script) {
    let compile = |times: usize| {
        let text = script(format!("{}f(n + 1){}", open.repeat(times), close.repeat(times)));
        Script::compile(&Located::unplaced(text)).ok()
    };
    let scripts = (0..200).map_while(|times| Some((times, compile(times)?)));
    scripts.last().unwrap_or_else(|| panic!("{open} {close} never compiles"))
}

#[test]
fn the_deepest_calls_fit_the_stack_of_a_worker() {
    for shape in SHAPES {
        let (times, script) = deepest(|call| format!("fn f(n) {{ {call} }} f(0);"), shape);
        assert!(times > 1, "{shape:?}");
        let run = move || script.run(&event()).expect_err("it never ends").details().message.clone();
        let said = thread::Builder::new().stack_size(STACK_BYTES).spawn(run).unwrap().join().unwrap();
        let is_ended =
            ["deeper than 16 levels", "more than 1 MiB of stack"].iter().any(|says| said.contains(says));
        assert!(is_ended, "{shape:?} {times} times: {said}");
    }
}
