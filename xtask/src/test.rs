//! `cargo xtask test`: every test of the workspace, documentation examples included.
//!
//! Invariant: cargo's output is passed through untouched, so that its closing lines can be read by people and by CI.

use std::path::Path;

use crate::{Outcome, cargo};

/// What follows `cargo xtask test`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Passed to `cargo test` as they are.
    cargo: Vec<String>,
}

impl Options {
    /// Reads the words after `test`. `--install` and `--no-services` concern servers that tests need; see [`run`].
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let (own, cargo) = match words.iter().position(|word| *word == "--") {
            Some(place) => (&words[..place], &words[place + 1..]),
            None => (words, &[][..]),
        };
        if let Some(unknown) = own.iter().find(|word| !["--install", "--no-services"].contains(word)) {
            return Err(format!("unknown option of test: {unknown} (arguments of cargo test follow `--`)"));
        }
        Ok(Self { cargo: cargo.iter().map(|&word| word.to_owned()).collect() })
    }
}

/// Runs the tests. No test needs a server so far, which makes both options of services agree: nothing to do.
pub(crate) fn run(root: &Path, options: &Options) -> Outcome {
    println!(
        "No test of this version needs a server: nothing is installed, nothing is started, nothing is skipped."
    );
    let mut arguments = vec!["test", "--workspace", "--no-fail-fast"];
    arguments.extend(options.cargo.iter().map(String::as_str));
    cargo::succeeds(root, &arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_dashes_goes_to_cargo() {
        let options = Options::parse(&["--install", "--", "--release", "--", "--nocapture"]);
        let cargo = vec!["--release".to_owned(), "--".to_owned(), "--nocapture".to_owned()];
        assert_eq!(options, Ok(Options { cargo }));
    }

    #[test]
    fn both_options_of_services_are_known_and_others_are_refused() {
        assert_eq!(Options::parse(&["--no-services", "--install"]), Ok(Options::default()));
        let refused = Options::parse(&["--instal"]).unwrap_err();
        assert!(refused.contains("--instal "), "{refused}");
    }
}
