//! What the probes of the sources share: deadlines, and words for a question that got no answer.
//!
//! Invariant: a probe asks with reads that no server counts as received, each within a few seconds.

use std::time::Duration;

use sluicebox_core::{Error, ErrorClass, Probe};
use sluicebox_http::Limits;

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The deadlines of one question, with the size limit of the source.
pub fn limits(body_bytes: usize) -> Limits {
    Limits { read: PATIENCE, total: PATIENCE, body_bytes }
}

/// Reports a call that did not come to an answer: credentials that could not be had, or a server that could not be
/// asked.
pub fn unanswered(probe: &mut Probe, error: Error) {
    let is_about_credentials =
        matches!(error.class(), ErrorClass::Auth | ErrorClass::Config) && error.reason() != "redirected";
    let subject = if is_about_credentials { "credentials" } else { "server" };
    probe.wrong(subject, with_help(error, "check `base_url`, and that this machine can reach it"));
}

/// The probe of a source whose client cannot even be made.
pub fn impossible(error: Error) -> Probe {
    let mut probe = Probe::new();
    unanswered(&mut probe, error);
    probe
}

/// Reports an answer that is no page.
pub fn not_a_page(probe: &mut Probe, message: String) {
    let help = "check that `base_url` names the API itself and not a proxy's page";
    probe.wrong("server", Error::permanent(message).with_reason("protocol").with_help(help));
}

/// The same error with something to do, if it does not say that itself.
pub fn with_help(error: Error, help: &str) -> Error {
    if error.help().is_some() { error } else { error.with_help(help) }
}
