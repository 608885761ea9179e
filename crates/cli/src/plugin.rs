//! `plugin`: connectors, for those who write them: a scaffold, what is wrong, their tests, and one real poll.

mod scaffold;

use std::collections::BTreeMap;
use std::path::PathBuf;

use sluicebox_bundle::Connector;
use sluicebox_config::LocatedProblem;
use sluicebox_core::{Context, Delivery, RetryOptions, Shared};

use crate::arguments::PluginVerb;
use crate::connectors::BuiltIn;
use crate::diagnostics::{self, Severity};
use crate::exit::{Ended, Exit, Stop};
use crate::{connectors, terminal};

/// Does what the verb says.
pub(crate) async fn verb(verb: PluginVerb, built_in: &BuiltIn) -> Ended {
    match verb {
        PluginVerb::New { name, dir } => scaffold::write(&name, &dir, built_in),
        PluginVerb::Check { files } => Ok(check(&read(&files, built_in)?)),
        PluginVerb::Try { file, options, cursor } => {
            let read = read(&[file], built_in)?;
            attempt(&read, &options, cursor.as_deref()).await
        }
        PluginVerb::Test { files } => Ok(test(read(&files, built_in)?).await),
    }
}

/// The connectors that the arguments name, as far as they can be read.
struct Read {
    connectors: Vec<Connector>,
    problems: Vec<LocatedProblem>,
}

fn read(arguments: &[PathBuf], built_in: &BuiltIn) -> Result<Read, Stop> {
    let mut read = Read { connectors: Vec::new(), problems: Vec::new() };
    for argument in arguments {
        let files = if argument.is_dir() { connectors::files(argument) } else { vec![argument.clone()] };
        if files.is_empty() {
            return Err(Stop::usage(format!("there is no connector (*.yaml) in {}", argument.display())));
        }
        for file in files {
            if !file.exists() {
                return Err(Stop::usage(format!("{} does not exist", file.display())));
            }
            match connectors::read(&file) {
                Ok((connector, _)) => match built_in.problem(&connector) {
                    Some(problem) => read.problems.push(problem),
                    None => read.connectors.push(connector),
                },
                Err(problems) => read.problems.extend(problems),
            }
        }
    }
    terminal::complain(&diagnostics::render(&read.problems, Severity::Error, terminal::colour()));
    Ok(read)
}

fn check(read: &Read) -> Exit {
    for connector in &read.connectors {
        let about = format!(
            "{}: sound; talks to {}; tests: {}",
            connector.name(),
            connector.address(),
            connector.tests()
        );
        terminal::print_line(&about);
    }
    if read.problems.is_empty() { Exit::Done } else { Exit::Configuration }
}

async fn test(read: Read) -> Exit {
    let (mut passed, mut failed) = (0, 0);
    for connector in &read.connectors {
        for outcome in connector.run_tests(&context()).await {
            let word = if outcome.failures.is_empty() { "ok" } else { "FAILED" };
            terminal::print_line(&format!("{}: {} … {word}", connector.name(), outcome.name));
            for failure in &outcome.failures {
                terminal::print_line(&format!("    {failure}"));
            }
            if outcome.failures.is_empty() { passed += 1 } else { failed += 1 }
        }
    }
    terminal::print_line(&format!("{passed} passed, {failed} failed"));
    match (read.problems.is_empty(), failed) {
        (false, _) => Exit::Configuration,
        (true, 0) => Exit::Done,
        (true, _) => Exit::Failed,
    }
}

async fn attempt(read: &Read, options: &[String], cursor: Option<&str>) -> Ended {
    let mut given = BTreeMap::new();
    for option in options {
        let (name, value) = option.split_once('=').ok_or_else(|| {
            Stop::usage(format!(
                "expected `NAME=VALUE`, found `{}`",
                option.split('=').next().unwrap_or_default()
            ))
        })?;
        given.insert(name.to_owned(), value.to_owned());
    }
    let [connector] = &read.connectors[..] else { return Ok(Exit::Configuration) };
    let attempt = connector.try_once(&given, cursor, &context()).await;
    let attempt = attempt.map_err(|message| Stop::new(Exit::Configuration, message))?;
    terminal::print_line(&format!("request: {}", attempt.request));
    for (number, line) in attempt.answer.iter().enumerate() {
        terminal::print_line(&if number == 0 { format!("answer: {line}") } else { format!("    {line}") });
    }
    attempt.found.iter().for_each(|line| terminal::print_line(line));
    let Some(next) = attempt.next_request else { return Ok(Exit::Failed) };
    terminal::print_line(&format!("next request: {next}"));
    Ok(Exit::Done)
}

/// The surroundings of a source in a test: the machine's time, and nothing shared.
fn context() -> Context {
    Context {
        pipeline: "test".into(),
        component: "source".into(),
        account: "account".into(),
        folder: PathBuf::new(),
        delivery: Delivery::AtLeastOnce,
        retry: RetryOptions::default(),
        environment: sluicebox_engine::system(),
        shared: Shared::default(),
    }
}
