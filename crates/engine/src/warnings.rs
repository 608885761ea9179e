//! How often a component may warn of the same thing: a thousand bad events are a few lines and a count.

use std::time::Duration;

/// Lines that are written whole before the others are counted.
const WHOLE: u32 = 20;
/// How long the others are counted before one speaks for them.
const SILENCE: Duration = Duration::from_secs(10);

/// What has been said lately.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    since: Duration,
    said: u32,
    left_out: u64,
}

/// What to do with a warning.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Warning {
    /// Write it.
    Whole,
    /// Write it, and that so many before it were left out.
    After(u64),
    /// Count it only.
    LeftOut,
}

impl Warnings {
    /// Asks for a line at a time of the clock that never goes back.
    pub(crate) fn admit(&mut self, now: Duration) -> Warning {
        if now.saturating_sub(self.since) >= SILENCE {
            let left_out = std::mem::take(&mut self.left_out);
            *self = Self { since: now, said: 1, left_out: 0 };
            return if left_out == 0 { Warning::Whole } else { Warning::After(left_out) };
        }
        if self.said < WHOLE {
            self.said += 1;
            return Warning::Whole;
        }
        self.left_out += 1;
        Warning::LeftOut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_warnings_become_a_few_and_a_count() {
        let mut warnings = Warnings::default();
        let at = |seconds| Duration::from_secs(seconds);
        let first: Vec<Warning> = (0..25).map(|_| warnings.admit(at(1))).collect();
        assert_eq!(first.iter().filter(|warning| **warning == Warning::Whole).count(), 20);
        assert_eq!(warnings.admit(at(12)), Warning::After(5));
        assert_eq!(warnings.admit(at(13)), Warning::Whole);
        assert_eq!(warnings.admit(at(40)), Warning::Whole, "nothing was left out in between");
    }
}
