//! The tasks of a contributor: `cargo xtask test | services | ci | gen | kill-loop | storm | rules-fuzz | tidy`.
//!
//! CI runs exactly these and nothing else, so whatever is red there can be repeated here. Invariant: this program
//! imports no crate of any floor, so that it can judge a house that does not compile; `sluicebox-services`, which runs
//! the servers of the tests, is of no floor.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program")]

mod cargo;
mod ci;
mod reference;
mod services;
mod test;
mod tidy;
mod trial;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Whether the task found everything in order, or why it could not be done at all.
type Outcome = std::result::Result<bool, Box<dyn std::error::Error>>;

const USAGE: &str = "\
The tasks of a contributor.

Usage: cargo xtask TASK

  test [--install] [--no-services] [-- ARGS]
                    run every test of the workspace with the servers it needs, started before unless they
                    are up; --install installs what is missing, --no-services leaves out what needs
                    servers; ARGS go to cargo test
  services up [--install]
                    start PostgreSQL, RabbitMQ and Apache Kafka for tests, on ports and folders of their own
  services down     end the servers that were started so
  services status   print which servers are up, and where
  ci                everything that .ci/run runs: lints first, tests last; goes on after a failed step
  gen [--check]     write docs/reference from the declarations of the components, or compare it with them
  kill-loop [N]     kill -9 the program N times (50) while events flow, and compare what arrived
  sink-kills [N]    for each sink: kill -9 the program N times (20) and its real server 10 times, and compare
  webhook-kills [N] kill -9 the program N times (200) while 50 senders retry their webhooks, and compare
  bell [N]          N events (300) that a webhook rings for: how long until each is durable
  storm [N]         N events (20000) of each API with every passing fault switched on
  rules-fuzz [N]    N random conditions and N random scripts (1000000), native against interpreted;
                    SLUICEBOX_RULE_SEED begins elsewhere than at 1
  tidy [--tree]     check the rules of the house, or print the house by floors
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root();
    let outcome = match words.as_slice() {
        ["test", options @ ..] => match test::Options::parse(options) {
            Ok(options) => test::run(&root, &options),
            Err(message) => return wrong_usage(&message),
        },
        ["services", "up"] => services::up(false),
        ["services", "up", "--install"] => services::up(true),
        ["services", "down"] => services::down(),
        ["services", "status"] => services::status(),
        ["ci"] => Ok(ci::run(&root)),
        ["gen"] => reference::write(&root),
        ["gen", "--check"] => reference::check(&root),
        ["tidy"] => tidy::check(&root),
        ["tidy", "--tree"] => tidy::print_tree(&root),
        [name] if trial::is_one(name) => trial::run(&root, name, None),
        [name, amount] if trial::is_one(name) => trial::run(&root, name, Some(amount)),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(true)
        }
        [] => return wrong_usage("no task given"),
        other => return wrong_usage(&format!("unknown task or option: {}", other.join(" "))),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn wrong_usage(message: &str) -> ExitCode {
    eprintln!("xtask: {message}\n\n{USAGE}");
    ExitCode::from(2)
}

/// The root of the repository: this package lies directly under it.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("the package lies inside the repository").to_owned()
}
