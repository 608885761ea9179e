//! The faults that are on, and the decision which of them strikes a request.
//!
//! Invariant: at most one fault strikes a request. A single fault that was due but gave way to another stays due for
//! the next matching request; a repeating one that gave way skips that turn.

use super::{Fault, FaultKind, Target, When};

#[derive(Debug, Default)]
pub(crate) struct FaultBoard {
    active: Vec<Active>,
}

#[derive(Debug)]
struct Active {
    fault: Fault,
    /// Matching requests since the fault was added.
    seen: u64,
}

impl Active {
    fn due(&self) -> bool {
        match self.fault.when {
            When::Next => true,
            When::Nth(number) => self.seen >= number,
            When::Every(number) => self.seen.is_multiple_of(number),
        }
    }
}

impl FaultBoard {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.active.push(Active { fault, seen: 0 });
    }

    pub(crate) fn clear(&mut self) {
        self.active.clear();
    }

    /// Counts a request and takes the fault that strikes it: the first one due, in the order in which they were added.
    pub(crate) fn strike(&mut self, target: Target, account: Option<u32>) -> Option<FaultKind> {
        let mut struck = None;
        for (place, active) in self.active.iter_mut().enumerate() {
            let wanted = active.fault.account;
            if active.fault.target != target || (wanted.is_some() && wanted != account) {
                continue;
            }
            active.seen += 1;
            if struck.is_none() && active.due() {
                struck = Some(place);
            }
        }
        let place = struck?;
        if matches!(self.active[place].fault.when, When::Every(_)) {
            Some(self.active[place].fault.kind.clone())
        } else {
            Some(self.active.remove(place).fault.kind)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(faults: &[&str], requests: usize) -> Vec<String> {
        let mut board = FaultBoard::default();
        for text in faults {
            board.add(text.parse().unwrap());
        }
        (0..requests)
            .map(|_| board.strike(Target::Poll, Some(0)).map_or(String::new(), |kind| kind.to_string()))
            .collect()
    }

    #[test]
    fn faults_strike_when_they_say() {
        assert_eq!(strikes(&["reset", "html"], 3), ["reset", "html", ""]);
        assert_eq!(strikes(&["reset@2"], 3), ["", "reset", ""]);
        assert_eq!(strikes(&["reset@every:2"], 4), ["", "reset", "", "reset"]);
        assert_eq!(strikes(&["html@every:2", "reset@2"], 3), ["", "html", "reset"]);
    }

    #[test]
    fn faults_strike_only_what_they_are_for() {
        assert_eq!(strikes(&["lookup:reset", "account:1:html"], 2), ["", ""]);
        let mut board = FaultBoard::default();
        board.add("lookup:account:1:reset".parse().unwrap());
        assert_eq!(board.strike(Target::LookUp, None), None);
        assert_eq!(board.strike(Target::LookUp, Some(1)), Some(FaultKind::Reset));
        assert_eq!(board.strike(Target::LookUp, Some(1)), None);
    }
}
