//! Limits of the operating system that stand in the way of many accounts.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the number of open files to what the system allows; thousands of accounts hold a connection each.
pub(crate) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // A refusal leaves the limit as it was, which is enough for most.
    let _ = setrlimit(Resource::Nofile, raised);
}
