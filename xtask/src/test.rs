//! `cargo xtask test`: every test of the workspace, documentation examples included, with the servers that it needs.
//!
//! Servers that were up before stay up; the others are ended after the tests. Invariant: cargo's output is passed
//! through untouched and nothing is printed after it when all went well, so that its closing lines can be read by
//! people and by CI.

use std::path::Path;

use crate::{Outcome, cargo, services};

/// What follows `cargo xtask test`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Whether missing servers are installed.
    install: bool,
    /// Whether tests that need servers are left out.
    no_services: bool,
    /// Passed to `cargo test` as they are.
    cargo: Vec<String>,
}

impl Options {
    /// What CI uses.
    pub(crate) fn with_install() -> Self {
        Self { install: true, ..Self::default() }
    }

    /// Reads the words after `test`.
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let (own, cargo) = match words.iter().position(|word| *word == "--") {
            Some(place) => (&words[..place], &words[place + 1..]),
            None => (words, &[][..]),
        };
        let mut options =
            Self { cargo: cargo.iter().map(|&word| word.to_owned()).collect(), ..Self::default() };
        for word in own {
            match *word {
                "--install" => options.install = true,
                "--no-services" => options.no_services = true,
                unknown => {
                    return Err(format!(
                        "unknown option of test: {unknown} (arguments of cargo test follow `--`)"
                    ));
                }
            }
        }
        if options.install && options.no_services {
            return Err("--install and --no-services contradict each other".to_owned());
        }
        Ok(options)
    }
}

/// Runs the tests. A server that cannot be had fails the run, but not before every test had its turn.
pub(crate) fn run(root: &Path, options: &Options) -> Outcome {
    if options.no_services {
        println!("{SKIPPED}");
        return run_cargo(root, options, "skip");
    }
    let up = services::start(options.install)?;
    let passed = run_cargo(root, options, "require");
    if !up.started.is_empty() {
        sluicebox_services::down(&up.started)?;
    }
    if !up.failures.is_empty() {
        eprintln!("xtask: not every server was up (above); `--install` installs, `--no-services` leaves out");
    }
    Ok(passed? && up.failures.is_empty())
}

const SKIPPED: &str = "\
Left out, because --no-services was given: whatever talks to a real server. That is the kafka, amqp and postgres
connectors against Apache Kafka, RabbitMQ and PostgreSQL, their faults and kills included, the pipelines that land
there, the changes of a CouchDB database out of PouchDB Server, the rooms of a Matrix account at Synapse, attachments in a
bucket of S3Proxy, and the tests of the servers themselves. These tests are counted as passed though they return at once.";

fn run_cargo(root: &Path, options: &Options, services: &str) -> Outcome {
    let mut arguments = vec!["test", "--workspace", "--no-fail-fast"];
    arguments.extend(options.cargo.iter().map(String::as_str));
    Ok(cargo::command(root, &arguments).env("SLUICEBOX_SERVICES", services).status()?.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_dashes_goes_to_cargo() {
        let options = Options::parse(&["--install", "--", "--release", "--", "--nocapture"]);
        let cargo = vec!["--release".to_owned(), "--".to_owned(), "--nocapture".to_owned()];
        assert_eq!(options, Ok(Options { cargo, ..Options::with_install() }));
    }

    #[test]
    fn options_of_services_are_known_and_others_are_refused() {
        assert_eq!(Options::parse(&["--no-services"]).map(|options| options.no_services), Ok(true));
        let refused = Options::parse(&["--instal"]).unwrap_err();
        assert!(refused.contains("--instal "), "{refused}");
        assert!(Options::parse(&["--install", "--no-services"]).is_err());
    }
}
