//! The command `sluicebox`: the library with every component that ships.

use std::process::ExitCode;

fn main() -> ExitCode {
    sluicebox_cli::main(sluicebox_bundle::registry())
}
