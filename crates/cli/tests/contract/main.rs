//! Every sink passes the same contract with its real server, through a proxy that breaks the wire.
//!
//! Runs in a short form with the other tests; `cargo xtask sink-kills` runs it with 20 kills of the program and 10 of
//! the server for each sink.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says so"
)]

mod local;
mod queue;
mod servers;
mod web;

use sluicebox_testkit::contract::{Effort, Tally};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_sluicebox");

/// The short form, or as many kills as `SLUICEBOX_KILLS` and `SLUICEBOX_SERVER_KILLS` say.
pub(crate) fn effort() -> Effort {
    let read = |name: &str, otherwise: usize| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    };
    Effort::new(read("SLUICEBOX_KILLS", 3), read("SLUICEBOX_SERVER_KILLS", 1))
}

/// Prints what a trial counted.
pub(crate) fn tell(destination: &str, tally: &Tally) {
    println!("{destination}: {tally}");
}

/// The trials of one destination, each a test of its own. `$make` makes a fresh destination, or none if its server is
/// not wanted here (`cargo xtask test --no-services`).
macro_rules! contract {
    (@trial $name:ident, $make:expr, whole) => { $crate::contract!(@plain $name, $make, whole); };
    (@trial $name:ident, $make:expr, slow) => { $crate::contract!(@plain $name, $make, slow); };
    (@trial $name:ident, $make:expr, late_replies) => { $crate::contract!(@plain $name, $make, late_replies); };
    (@trial $name:ident, $make:expr, stopped_and_resumed) => { $crate::contract!(@plain $name, $make, stopped_and_resumed); };
    (@trial $name:ident, $make:expr, rejected) => { $crate::contract!(@plain $name, $make, rejected); };
    (@trial $name:ident, $make:expr, killed) => { $crate::contract!(@long $name, $make, killed); };
    (@trial $name:ident, $make:expr, many_accounts_killed) => { $crate::contract!(@long $name, $make, many_accounts_killed); };
    (@trial $name:ident, $make:expr, server_killed) => { $crate::contract!(@long $name, $make, server_killed); };
    (@trial $name:ident, $make:expr, connections_cut) => { $crate::contract!(@long $name, $make, connections_cut); };
    (@trial $name:ident, $make:expr, taken_over) => {
        #[test]
        fn taken_over() {
            let Some(mut destination) = $make else { return };
            $crate::tell(stringify!($name), &contract::taken_over($crate::PROGRAM, &mut destination, 1));
        }

        #[test]
        fn taken_over_with_many_accounts() {
            let Some(mut destination) = $make else { return };
            $crate::tell(stringify!($name), &contract::taken_over($crate::PROGRAM, &mut destination, 200));
        }
    };
    (@plain $name:ident, $make:expr, $trial:ident) => {
        #[test]
        fn $trial() {
            let Some(mut destination) = $make else { return };
            $crate::tell(stringify!($name), &contract::$trial($crate::PROGRAM, &mut destination));
        }
    };
    (@long $name:ident, $make:expr, $trial:ident) => {
        #[test]
        fn $trial() {
            let Some(mut destination) = $make else { return };
            let tally = contract::$trial($crate::PROGRAM, &mut destination, $crate::effort());
            $crate::tell(stringify!($name), &tally);
        }
    };
    ($name:ident, $make:expr, [$($trial:ident),* $(,)?]) => {
        mod $name {
            #[allow(unused_imports, reason = "what makes a destination may need nothing of its file")]
            use super::*;
            use sluicebox_testkit::contract;
            $($crate::contract!(@trial $name, $make, $trial);)*
        }
    };
}
pub(crate) use contract;
