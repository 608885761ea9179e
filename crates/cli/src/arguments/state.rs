//! What can be typed about the state: cursors and dead letters.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ReportFormat;

#[derive(Debug, Args)]
pub(crate) struct StateArguments {
    /// Where the state of all pipelines lies
    #[arg(long, default_value = ".sluicebox", value_name = "DIR")]
    pub(crate) state_dir: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CursorVerb {
    /// Where every source stands; works beside a running instance
    Show {
        /// Only this pipeline
        pipeline: Option<String>,
        #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
        format: ReportFormat,
        #[command(flatten)]
        state: StateArguments,
    },
    /// Move a source to a cursor: its next poll begins there
    Set {
        #[command(flatten)]
        place: CursorPlace,
        /// The cursor, as the API gave it
        cursor: String,
    },
    /// Forget a cursor: the source begins at its `start:` again
    Reset {
        #[command(flatten)]
        place: CursorPlace,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CursorPlace {
    /// The pipeline's name
    pub(crate) pipeline: String,
    /// The source, with its account where they differ
    #[arg(value_name = "SOURCE[/ACCOUNT]")]
    pub(crate) source: String,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DlqVerb {
    /// One line per dead letter; works beside a running instance
    List {
        /// Only this pipeline
        pipeline: Option<String>,
        #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
        format: ReportFormat,
        #[command(flatten)]
        raw: RawArguments,
        #[command(flatten)]
        state: StateArguments,
    },
    /// Send dead letters through the pipeline again, from where they were given up. A running instance does it at
    /// once, otherwise the next run
    Replay {
        #[command(flatten)]
        choice: LetterChoice,
        #[command(flatten)]
        state: StateArguments,
    },
    /// Forget dead letters
    Drop {
        #[command(flatten)]
        choice: LetterChoice,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        state: StateArguments,
    },
    /// Dead letters whole; works beside a running instance
    Show {
        /// Which ones; none: all
        #[arg(value_name = "ID")]
        ids: Vec<String>,
        #[command(flatten)]
        raw: RawArguments,
        #[command(flatten)]
        state: StateArguments,
    },
}

#[derive(Debug, Args)]
pub(crate) struct LetterChoice {
    /// Which ones; none: all
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Only of this pipeline
    #[arg(long, value_name = "NAME")]
    pub(crate) pipeline: Option<String>,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct RawArguments {
    /// Show signed links whole
    #[arg(long)]
    pub(crate) raw: bool,
}
