//! The two streams of the process: data and reports on stdout, everything else on stderr.
//!
//! Invariant: a reader that goes away (`sluicebox list | head -1`) ends the output, never the process with a panic.

use std::io::{IsTerminal, Write};

/// Writes text to stdout as it stands.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody is left to be told that nobody reads.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes one line to stdout.
pub(crate) fn print_line(line: &str) {
    print(&format!("{line}\n"));
}

/// Writes text to stderr as it stands.
pub(crate) fn complain(text: &str) {
    // As above.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Whether messages on stderr may be coloured: a terminal, and nobody said no (`NO_COLOR`).
pub(crate) fn colour() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && std::io::stderr().is_terminal()
}

/// Whether data on stdout may be coloured: as [`colour`].
pub(crate) fn colour_of_output() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && std::io::stdout().is_terminal()
}

/// The same for reports on stdout.
pub(crate) fn colour_of_report() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && std::io::stdout().is_terminal()
}

/// Asks a question that is answered with yes or no; without a terminal the answer is no.
pub(crate) fn confirm(question: &str) -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    complain(&format!("{question} [y/N] "));
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}
