//! The command `sluicebox` with everything that ships and one source of our own.
//!
//! Every verb knows it: `run`, `check`, `list`, `explain`, `schema`. Invariant: nothing here but the list.

#[cfg(test)]
mod contract;
mod spool;

use std::process::ExitCode;

/// The memory of rules is limited by what this counts; without it they run under every other limit.
#[global_allocator]
static HEAP: sluicebox_heap::Counting = sluicebox_heap::Counting::system();

fn main() -> ExitCode {
    let mut registry = sluicebox_bundle::registry();
    registry.source::<spool::Spool>();
    sluicebox_cli::main(registry)
}
