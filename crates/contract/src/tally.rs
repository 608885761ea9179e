//! What a suite did, for whoever wants to see that it was not nothing.

/// What was counted while a contract was proved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events of one pass.
    pub events: usize,
    /// Pages or windows of one pass.
    pub pages: usize,
    /// How often it was built again and went on from something saved.
    pub restarts: usize,
    /// How often a call was given up in the middle.
    pub interruptions: usize,
    /// Faults that struck.
    pub faults: usize,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { events, pages, restarts, interruptions, faults } = self;
        write!(
            f,
            "{events} events in {pages} pages, {restarts} restarts, {interruptions} interruptions, {faults} faults"
        )
    }
}
