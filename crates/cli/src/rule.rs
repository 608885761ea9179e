//! `rule`: rules tried without a pipeline: a filter from JSON lines to JSON lines, or a prompt over sample events.
//!
//! Invariant: a script runs as the transform `rhai` that pipelines are given, so that what is seen here is what a
//! pipeline does.

mod complaints;
mod completion;
mod editor;
mod filter;
mod history;
mod input;
mod intent;
mod open_brackets;
mod program;
mod sample;
mod session;

use std::io::IsTerminal;

use sluicebox_core::Registry;

use self::complaints::Complaints;
use self::intent::{FilterIntent, Intent, PromptIntent};
use self::program::{Program, Texts};
use self::session::Session;
use crate::arguments::RuleArguments;
use crate::exit::{Ended, Exit};
use crate::logs::Logs;
use crate::terminal;

/// Filters, or opens the prompt; see [`intent`] for which.
pub(crate) async fn verb(registry: &Registry, arguments: RuleArguments, logs: &Logs) -> Ended {
    let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    match Intent::of(arguments, is_terminal)? {
        Intent::Filter(intent) => filter(registry, intent, logs.json).await,
        Intent::Prompt(intent) => prompt(registry, intent).await,
    }
}

async fn filter(registry: &Registry, intent: FilterIntent, json: bool) -> Ended {
    let texts = Texts::read(&intent.rule)?;
    let mut complaints = Complaints::new(&texts, json);
    let program = match Program::build(registry, &texts).await? {
        Ok(program) => program,
        Err(problems) => {
            complaints.problems(&problems);
            return Ok(Exit::Configuration);
        }
    };
    if let Some(name) = &intent.output {
        program.must_have(name)?;
    }
    let input = input::open(intent.events.as_deref())?;
    filter::run(&program, input, &intent, &mut complaints).await
}

async fn prompt(registry: &Registry, intent: PromptIntent) -> Ended {
    let samples = match &intent.events {
        Some(file) => sample::of_file(file)?,
        None => sample::made_up(),
    };
    let mut session = Session::new(registry, samples, intent.state, terminal::colour());
    let history = history::place(intent.history.as_deref());
    let greeting = session.greeting(history.as_deref());
    terminal::print(&greeting);
    if let Some(script) = &intent.script {
        terminal::print(&session.load(script).await);
    }
    editor::run(&mut session, history).await
}
