//! What is written down about files before something happens to them.
//!
//! Invariant: if a note fails, what it was about does not happen.

use sluicebox_core::Result;

use super::Entry;

/// Takes notes for a restart.
pub(crate) trait Notes {
    /// These files, of which no earlier batch knows, get their first byte of this one.
    fn before_writing(&self, entries: &[&Entry]) -> Result<()>;

    /// These files are complete, and get the name by which readers find them.
    fn before_naming(&self, entries: &[&Entry]) -> Result<()>;
}

/// At least once, a restart takes files as they are.
impl Notes for () {
    fn before_writing(&self, _entries: &[&Entry]) -> Result<()> {
        Ok(())
    }

    fn before_naming(&self, _entries: &[&Entry]) -> Result<()> {
        Ok(())
    }
}
