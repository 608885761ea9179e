//! The command `sluicebox`: the library with every component that ships.

use std::process::ExitCode;

/// The memory of rules is limited by what this counts.
#[global_allocator]
static HEAP: sluicebox_heap::Counting = sluicebox_heap::Counting::system();

fn main() -> ExitCode {
    sluicebox_cli::main(sluicebox_bundle::registry())
}
