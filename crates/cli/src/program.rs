//! From the arguments of the process to a verb, and from its end to an exit code.

use std::process::ExitCode;

use clap::Parser;
use sluicebox_core::Registry;

use crate::arguments::{Arguments, CursorVerb, DlqVerb, SchemaArguments, SchemaVerb, Verb};
use crate::exit::{Ended, Exit, Stop};
use crate::logs::Logs;
use crate::{
    check, connectors, cursor, dead_letters, demo, emulate, learn, letter_requests, limits, plugin,
    reference, rule, run, tap, terminal, test,
};

/// Runs the command that the arguments of this process ask for, with the components of `registry`.
pub fn main(registry: Registry) -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to stdout and are no failure; clap knows.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    limits::raise_open_files();
    let logs = Logs::start(arguments.logs);
    let exit = match perform(arguments, registry, logs.clone()) {
        Ok(exit) => exit,
        Err(stop) if logs.json => {
            tracing::error!(help = stop.help.as_deref(), "{}", stop.message);
            stop.exit
        }
        Err(stop) => {
            terminal::complain(&stop.to_string());
            stop.exit
        }
    };
    exit.into()
}

fn perform(arguments: Arguments, mut registry: Registry, logs: Logs) -> Ended {
    let built_in = connectors::BuiltIn::of(&registry);
    let problems = connectors::register(&mut registry, &built_in, &arguments)?;
    if !problems.is_empty() {
        return check::refused(&arguments.verb, problems);
    }
    match arguments.verb {
        Verb::Run(arguments) => block_on(run::verb(registry, arguments, logs)),
        Verb::Demo(arguments) => block_on(demo::verb(registry, arguments, logs)),
        Verb::Emulate(arguments) => block_on(emulate::verb(arguments)),
        Verb::Check(arguments) => block_on(check::verb(&registry, &arguments)),
        Verb::Test(tests) => test::verb(&registry, &tests, arguments.logs.verbose > 0),
        Verb::List(arguments) => Ok(reference::list(&registry, &arguments)),
        Verb::Explain(arguments) => reference::explain(&registry, &arguments),
        Verb::Schema(SchemaArguments { verb: None }) => Ok(reference::schema(&registry)),
        Verb::Schema(SchemaArguments { verb: Some(SchemaVerb::Learn(arguments)) }) => learn::verb(&arguments),
        Verb::New(arguments) => reference::new(&registry, &arguments),
        Verb::Plugin(verb) => block_on(plugin::verb(verb, &built_in)),
        Verb::Rule(arguments) => block_on(rule::verb(&registry, arguments, &logs)),
        Verb::Tap(arguments) => block_on(tap::verb(arguments)),
        Verb::Cursor(CursorVerb::Show { pipeline, format, state }) => {
            cursor::show(&state.state_dir, pipeline.as_deref(), format)
        }
        Verb::Cursor(CursorVerb::Set { place, cursor }) => cursor::change(&place, Some(&cursor)),
        Verb::Cursor(CursorVerb::Reset { place }) => cursor::change(&place, None),
        Verb::Dlq(DlqVerb::List { pipeline, format, raw, state }) => {
            dead_letters::list(&state.state_dir, pipeline.as_deref(), format, raw.raw)
        }
        Verb::Dlq(DlqVerb::Replay { choice, state }) => letter_requests::replay(&state.state_dir, &choice),
        Verb::Dlq(DlqVerb::Drop { choice, yes, state }) => {
            letter_requests::drop_letters(&state.state_dir, &choice, yes)
        }
        Verb::Dlq(DlqVerb::Show { ids, raw, state }) => dead_letters::show(&state.state_dir, &ids, raw.raw),
    }
}

/// Runs a verb on a runtime of its own. What still blocks a thread afterwards is not waited for.
fn block_on(verb: impl Future<Output = Ended>) -> Ended {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Stop::failed("cannot start the runtime", &error))?;
    let ended = runtime.block_on(verb);
    runtime.shutdown_background();
    ended
}
