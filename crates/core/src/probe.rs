//! What `check --connect` asks a component before anything runs, and what came back.
//!
//! A probe changes nothing at the other side that a later run would not need: it reads, and writes nothing.

use crate::Error;

/// The findings of one component, in the order in which they were made. Without any, there was nothing to ask.
#[derive(Debug, Default)]
pub struct Probe {
    findings: Vec<Finding>,
}

/// One question and its answer.
#[derive(Debug)]
pub struct Finding {
    /// What was looked at, as a noun: `server`, `credentials`, `table`, `permissions`.
    pub subject: String,
    /// How it stands.
    pub standing: Standing,
}

/// How a thing stands that a pipeline needs.
#[derive(Debug)]
pub enum Standing {
    /// As it has to be; a clause with what was found: `PostgreSQL 15.18, TLS`.
    Fine(String),
    /// It works, but a person should know.
    Doubtful {
        /// What was found.
        message: String,
        /// What to do about it.
        help: String,
    },
    /// The pipeline would not run. The error carries what to do.
    Wrong(Error),
}

impl Probe {
    /// Nothing was asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Something is as it has to be.
    pub fn fine(&mut self, subject: impl Into<String>, found: impl Into<String>) {
        self.add(subject, Standing::Fine(found.into()));
    }

    /// Something works, but a person should know.
    pub fn doubtful(
        &mut self,
        subject: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(subject, Standing::Doubtful { message: message.into(), help: help.into() });
    }

    /// The pipeline would not run.
    pub fn wrong(&mut self, subject: impl Into<String>, error: Error) {
        self.add(subject, Standing::Wrong(error));
    }

    /// What was found, in order.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether nothing that was asked would keep the pipeline from running.
    pub fn is_fine(&self) -> bool {
        !self.findings.iter().any(|finding| matches!(finding.standing, Standing::Wrong(_)))
    }

    fn add(&mut self, subject: impl Into<String>, standing: Standing) {
        self.findings.push(Finding { subject: subject.into(), standing });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_does_not_spoil_a_probe_but_an_error_does() {
        let mut probe = Probe::new();
        probe.fine("server", "PostgreSQL 15");
        probe.doubtful("table", "there is none yet", "it is made at the first start");
        assert!(probe.is_fine());
        probe.wrong("credentials", Error::auth("the password is refused"));
        assert!(!probe.is_fine());
        assert_eq!(probe.findings().len(), 3);
    }
}
