//! Where the events of one sink go.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use sluicebox_core::{Error, Event, Result};
use sluicebox_rules::Template;

use crate::file::names;

/// Longest path that the operating system takes, in bytes.
const LONGEST_PATH: usize = 4095;
/// Longest name of a file, in bytes.
const LONGEST_NAME: usize = 255;

/// The paths of a sink: one, or one that each event chooses.
#[derive(Debug)]
pub(crate) struct Paths {
    template: Template,
    /// The path, where it is the same for every event.
    fixed: Option<PathBuf>,
    /// Whether files get other names, which are longer, when they are complete.
    renames: bool,
}

impl Paths {
    pub(crate) fn new(template: Template, renames: bool) -> Self {
        let fixed = template.is_fixed().then(|| PathBuf::from(template.literal_prefix()));
        Self { template, fixed, renames }
    }

    /// The path, where it is the same for every event.
    pub(crate) fn fixed(&self) -> Option<&Path> {
        self.fixed.as_deref()
    }

    /// The folder that no path leaves; empty for the working directory.
    pub(crate) fn folder(&self) -> PathBuf {
        let literal = self.template.literal_prefix();
        literal.rfind('/').map_or_else(PathBuf::new, |slash| PathBuf::from(&literal[..=slash]))
    }

    /// The path for an event.
    ///
    /// # Errors
    /// A dead letter: the template fails, or the path is too long.
    pub(crate) fn of(&self, event: &Event) -> Result<PathBuf> {
        if let Some(path) = &self.fixed {
            return Ok(path.clone());
        }
        let path = self.template.render(event).map_err(|error| error.to_error("the path of the file"))?;
        let path = PathBuf::from(path);
        let longest_name = if self.renames { LONGEST_NAME - names::LONGER_BY } else { LONGEST_NAME };
        let name = path.file_name().map_or(0, OsStr::len);
        if path.as_os_str().len() > LONGEST_PATH || name > longest_name {
            return Err(Error::permanent("the path of the file is too long"));
        }
        Ok(path)
    }
}
