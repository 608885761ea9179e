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
mod web;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_sluicebox");

/// The trials of one destination, each a test of its own. `$make` makes a fresh destination, or none if its server is
/// not wanted here (`cargo xtask test --no-services`).
macro_rules! contract {
    (@trial $make:expr, whole) => { $crate::contract!(@plain $make, whole); };
    (@trial $make:expr, slow) => { $crate::contract!(@plain $make, slow); };
    (@trial $make:expr, late_replies) => { $crate::contract!(@plain $make, late_replies); };
    (@trial $make:expr, stopped_and_resumed) => { $crate::contract!(@plain $make, stopped_and_resumed); };
    (@trial $make:expr, rejected) => { $crate::contract!(@plain $make, rejected); };
    (@trial $make:expr, killed) => { $crate::contract!(@long $make, killed); };
    (@trial $make:expr, server_killed) => { $crate::contract!(@long $make, server_killed); };
    (@trial $make:expr, connections_cut) => { $crate::contract!(@long $make, connections_cut); };
    (@trial $make:expr, taken_over) => {
        #[test]
        fn taken_over() {
            let Some(mut destination) = $make else { return };
            sluicebox_testkit::contract::taken_over($crate::PROGRAM, &mut destination, 1);
        }

        #[test]
        fn taken_over_with_many_accounts() {
            let Some(mut destination) = $make else { return };
            sluicebox_testkit::contract::taken_over($crate::PROGRAM, &mut destination, 200);
        }
    };
    (@plain $make:expr, $trial:ident) => {
        #[test]
        fn $trial() {
            let Some(mut destination) = $make else { return };
            sluicebox_testkit::contract::$trial($crate::PROGRAM, &mut destination);
        }
    };
    (@long $make:expr, $trial:ident) => {
        #[test]
        fn $trial() {
            let Some(mut destination) = $make else { return };
            let effort = sluicebox_testkit::contract::Effort::from_environment();
            sluicebox_testkit::contract::$trial($crate::PROGRAM, &mut destination, effort);
        }
    };
    ($name:ident, $make:expr, [$($trial:ident),* $(,)?]) => {
        mod $name {
            #[allow(unused_imports, reason = "what makes a destination may need nothing of its file")]
            use super::*;
            $($crate::contract!(@trial $make, $trial);)*
        }
    };
}
pub(crate) use contract;
