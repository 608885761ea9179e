//! How the command ends: the exit codes that scripts rely on, and the error that leads to each.

use std::fmt;

/// What the process tells its caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done, also after a drain.
    #[default]
    Done = 0,
    /// Failed while running.
    Failed = 1,
    /// Wrong usage, or a file that does not exist.
    Usage = 2,
    /// Another instance holds the state, or has fenced this one.
    Held = 75,
    /// The configuration is wrong, or the state is unreadable or newer.
    Configuration = 78,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A verb that could not do its work: what happened, what to do, and the exit code.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) exit: Exit,
    /// One line.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) help: Option<String>,
}

/// What a verb returns.
pub(crate) type Ended = Result<Exit, Stop>;

impl Stop {
    /// A failure with its exit code.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), help: None }
    }

    /// Wrong usage.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A failure at run time, with the chain of its causes.
    pub(crate) fn failed(message: impl fmt::Display, cause: &dyn std::error::Error) -> Self {
        Self::new(Exit::Failed, format!("{message}: {}", chain(cause)))
    }

    /// What to do about it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What to do about it, if nothing better has been said.
    pub(crate) fn help_if_none(mut self, help: &str) -> Self {
        self.help.get_or_insert_with(|| help.to_owned());
        self
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| writeln!(f, "help: {help}"))
    }
}

impl From<sluicebox_checkpoints::OpenError> for Stop {
    fn from(error: sluicebox_checkpoints::OpenError) -> Self {
        let exit = match error {
            sluicebox_checkpoints::OpenError::Locked { .. } => Exit::Held,
            _ => Exit::Configuration,
        };
        Self::new(exit, chain(&error)).help(error.help())
    }
}

impl From<sluicebox_core::Error> for Stop {
    fn from(error: sluicebox_core::Error) -> Self {
        let exit = match error.class() {
            sluicebox_core::ErrorClass::Fenced => Exit::Held,
            sluicebox_core::ErrorClass::State | sluicebox_core::ErrorClass::Config => Exit::Configuration,
            _ => Exit::Failed,
        };
        let stop = Self::new(exit, error.chain());
        match error.help() {
            Some(help) => stop.help(help),
            None => stop,
        }
    }
}

/// An error with all its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_manual() {
        let codes = [Exit::Done, Exit::Failed, Exit::Usage, Exit::Held, Exit::Configuration];
        assert_eq!(codes.map(|exit| exit as u8), [0, 1, 2, 75, 78]);
    }
}
