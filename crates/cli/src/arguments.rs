//! What can be typed: every verb with its options.

mod state;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use sluicebox_core::Period;

pub(crate) use self::state::{CursorPlace, CursorVerb, DlqVerb, LetterChoice, RawArguments, StateArguments};

/// Moves events from APIs to where they are needed, losing nothing.
#[derive(Debug, Parser)]
#[command(name = "sluicebox", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    #[command(flatten)]
    pub(crate) logs: LogArguments,
    /// Folder with `http/*.yaml`, connectors [default: `plugins` beside the pipeline file]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) plugins: Option<PathBuf>,
}

/// How much is logged, and how.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct LogArguments {
    /// Log lines on stderr: sentences for people, or JSON lines for machines
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
    /// Only warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// More (`-vv`: everything)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run pipelines until stopped
    Run(RunArguments),
    /// Check everything that can be known without running, and print what every route guarantees
    Check(CheckArguments),
    /// Run the tests of pipelines, in their files and in NAME.test.yaml beside them
    Test(TestArguments),
    /// Show a whole pipeline at work, against emulators of two APIs
    Demo(DemoArguments),
    /// Serve one of the APIs on this machine as its contract says
    Emulate(EmulateArguments),
    /// List the component types
    List(ListArguments),
    /// Explain a component type, or one of its options
    Explain(ExplainArguments),
    /// Print the JSON Schema of the pipeline file, for editors; `schema learn`: schemas of events
    Schema(SchemaArguments),
    /// Print a pipeline to start from
    New(NewArguments),
    /// Connectors: source types written in YAML
    #[command(subcommand)]
    Plugin(PluginVerb),
    /// Try rules: JSON lines in and out with -e, --when or a script; a prompt over sample events without
    Rule(RuleArguments),
    /// Watch events at one component of a running pipeline, or follow one through all of it
    Tap(TapArguments),
    /// Show or move the positions of sources
    #[command(subcommand)]
    Cursor(CursorVerb),
    /// Events that could not be processed: look at them, replay them, drop them
    #[command(subcommand)]
    Dlq(DlqVerb),
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Pipeline files; a folder means its *.yaml except *.test.yaml
    #[arg(required = true, value_name = "FILE|DIR")]
    pub(crate) files: Vec<PathBuf>,
    /// Poll until every source is caught up and everything is delivered, then end
    #[arg(long)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) state: StateArguments,
    #[command(flatten)]
    pub(crate) admin: AdminArguments,
}

#[derive(Debug, Args)]
pub(crate) struct AdminArguments {
    /// Address of the admin server, or `off` [default: 127.0.0.1:7575, or a free port if that is taken]
    #[arg(long, value_name = "ADDR|off")]
    pub(crate) admin: Option<String>,
    /// Token that the admin server asks for; needed beyond loopback
    #[arg(long, env = "SLUICEBOX_ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) admin_token: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Pipeline files; a folder means its *.yaml except *.test.yaml
    #[arg(required = true, value_name = "FILE|DIR")]
    pub(crate) files: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
    /// Also ask every source and sink whether a run would work: reach, credentials, permissions; writes nothing
    #[arg(long, conflicts_with = "allow_missing_secrets")]
    pub(crate) connect: bool,
    /// Unset variables and missing secret files are no problem
    #[arg(long)]
    pub(crate) allow_missing_secrets: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    Text,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct TestArguments {
    /// Pipeline files, or their files of tests; a folder means every pipeline with tests in it and below
    #[arg(required = true, value_name = "FILE|DIR")]
    pub(crate) files: Vec<PathBuf>,
    /// Only tests with this in their name
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// Also tell what no test reached: branches of scripts, answers of conditions, ends of look-ups, components
    #[arg(long)]
    pub(crate) coverage: bool,
    /// Also write the results as the XML that build servers read (`JUnit`)
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Folder for everything that the demo writes
    #[arg(long, default_value = "sluicebox-demo", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Events of each API
    #[arg(long, default_value_t = 2000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) events: u64,
    /// Stay up after the report, with new events arriving
    #[arg(long)]
    pub(crate) keep: bool,
    /// New events per second and API with --keep
    #[arg(long, default_value_t = 2, requires = "keep", value_name = "R", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) rate: u64,
}

#[derive(Debug, Args)]
pub(crate) struct EmulateArguments {
    /// `opentrain`, `zenzap` or `slack`
    #[arg(value_name = "API")]
    pub(crate) api: String,
    /// Address to listen on, loopback only; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// How many events the feed holds
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub(crate) events: u64,
    /// Events that appear per second, 0 (the default) all at once; for slack, messages that a channel takes per second
    /// before it answers 429, 0 any number (default 1)
    #[arg(long, value_name = "R")]
    pub(crate) rate: Option<f64>,
    /// Equal seeds give equal events
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub(crate) seed: u64,
    /// A fault to inject: `KIND[=ARG][@N|@every:N]`, or `all`; repeatable
    #[arg(long, value_name = "FAULT")]
    pub(crate) fault: Vec<String>,
    /// Also post every event to this address, as OpenTrain's webhooks are; the announcement has the `webhook_secret`
    #[arg(long, value_name = "URL")]
    pub(crate) webhook: Option<String>,
    /// Serve the attachments of messages too (zenzap), by links that are good for so long: `1h`
    #[arg(long, value_name = "TIME", value_parser = period)]
    pub(crate) attachments: Option<Period>,
    /// End when stdin does: a parent that dies takes its emulators along
    #[arg(long, hide = true)]
    pub(crate) stop_with_stdin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Only one kind
    #[arg(value_enum)]
    pub(crate) kind: Option<Kinds>,
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kinds {
    Sources,
    Transforms,
    Sinks,
}

#[derive(Debug, Args)]
pub(crate) struct NewArguments {
    /// Component types (`sluicebox list`), separated by commas: `opentrain_updates/filter,rhai/sqlite`
    #[arg(value_name = "SOURCE/TRANSFORM,…/SINK")]
    pub(crate) shape: String,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// A component type (`sluicebox list`), `TYPE.option`, a pack of scripts, `functions`, or a function as `rhai.trim`
    #[arg(value_name = "TYPE[.FIELD]")]
    pub(crate) subject: String,
    /// Only the source or the sink, where a type is both
    #[arg(long, value_enum)]
    pub(crate) kind: Option<Kinds>,
    #[arg(long, value_enum, default_value_t = PageFormat::Text)]
    pub(crate) format: PageFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PageFormat {
    Text,
    Markdown,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArguments {
    #[command(subcommand)]
    pub(crate) verb: Option<SchemaVerb>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SchemaVerb {
    /// Learn JSON Schemas from sample events, one per event type, for `schema:` of a source
    Learn(LearnArguments),
}

#[derive(Debug, Args)]
pub(crate) struct LearnArguments {
    /// Events as JSON lines, bare or in envelopes; `-` is stdin
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Of events in envelopes, only those of this source
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// The field that holds the type of an event [default: what is usual, like `type` and `eventType`]
    #[arg(long, value_name = "FIELD")]
    pub(crate) type_field: Option<String>,
    /// Write the schema there; one that is there already is added to
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginVerb {
    /// Write a connector to start from
    New {
        /// Its name, which becomes a `type:` of sources
        #[arg(value_name = "NAME")]
        name: String,
        /// Where it is written
        #[arg(long, default_value = "plugins/http", value_name = "DIR")]
        dir: PathBuf,
    },
    /// Say what is wrong with connectors, and whom they talk to
    Check {
        /// Files of connectors; a folder means its *.yaml
        #[arg(required = true, value_name = "FILE|DIR")]
        files: Vec<PathBuf>,
    },
    /// Poll once, and show the request, what came, the cursor and the next request; saves nothing
    Try {
        /// The file of a connector
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// An option of the source, like `token=…` or `base_url=…`
        #[arg(short = 'o', long = "option", value_name = "NAME=VALUE")]
        options: Vec<String>,
        /// Begin after this cursor
        #[arg(long, value_name = "CURSOR")]
        cursor: Option<String>,
    },
    /// Run the tests in the files of connectors; nothing leaves this machine
    Test {
        /// Files of connectors; a folder means its *.yaml
        #[arg(required = true, value_name = "FILE|DIR")]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RuleArguments {
    /// A script (`*.rhai`), or sample events as JSON lines (any other name)
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The script itself
    #[arg(short = 'e', long = "execute", value_name = "SCRIPT", allow_hyphen_values = true)]
    pub(crate) script: Option<String>,
    /// Take only the events for which this holds; the others are dropped, before the script sees them
    #[arg(long, visible_alias = "condition", value_name = "CONDITION", allow_hyphen_values = true)]
    pub(crate) when: Option<String>,
    /// What the script remembers from event to event, as it stands under `state:` in a pipeline: `seen: {kind: counter}`
    #[arg(long, value_name = "YAML", allow_hyphen_values = true)]
    pub(crate) state: Option<String>,
    /// Events as JSON lines, bare or in envelopes [default: stdin; in the prompt, made-up ones]
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Option<PathBuf>,
    /// Write only what goes to this output; the main one is called `main` [default: all, in order]
    #[arg(long, value_name = "NAME")]
    pub(crate) output: Option<String>,
    /// Write `{"meta": …, "event": …}`, with `"output"` where that is a named one
    #[arg(long)]
    pub(crate) envelope: bool,
    /// Where the prompt keeps what was typed [default: rule-history in the user's state folder]
    #[arg(long, value_name = "FILE|off")]
    pub(crate) history: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TapArguments {
    /// What comes to this component, and what becomes of it
    #[arg(value_name = "COMPONENT", required_unless_present = "trace")]
    pub(crate) component: Option<String>,
    /// Follow one event from now on, by its `meta.id`, with its children: before and after at every step
    #[arg(long, value_name = "ID", conflicts_with = "component")]
    pub(crate) trace: Option<String>,
    /// The pipeline's name, where several run in one process
    #[arg(long, value_name = "NAME")]
    pub(crate) pipeline: Option<String>,
    /// End after so many steps
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// At most so many steps a second at a component, the others are left out; 0: all
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) rate: u32,
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
    #[command(flatten)]
    pub(crate) raw: RawArguments,
    /// Address of the admin server, as `run` printed it
    #[arg(long, default_value = "127.0.0.1:7575", value_name = "ADDR")]
    pub(crate) admin: SocketAddr,
    /// Token that the admin server asks for
    #[arg(long, env = "SLUICEBOX_ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) admin_token: Option<String>,
}

/// A length of time as pipelines spell it.
fn period(text: &str) -> Result<Period, String> {
    Period::parse(text).ok_or_else(|| "expected a number with its unit, like `90s`, `5m` or `1h`".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_declaration_is_sound() {
        super::Arguments::command().debug_assert();
    }
}
