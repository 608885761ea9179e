//! Waits with jitter, so that many sources with one interval do not poll in step.

use std::time::Duration;

use sluicebox_core::{Chance, Pace};

/// `interval` give or take ten percent.
pub fn after(interval: Duration, chance: &dyn Chance) -> Pace {
    Pace::After(interval.mul_f64(0.9 + 0.2 * chance.fraction()))
}

/// `wait`, or up to a fifth longer.
pub fn no_sooner_than(wait: Duration, chance: &dyn Chance) -> Pace {
    Pace::After(wait.mul_f64(1.0 + 0.2 * chance.fraction()))
}

/// A wait that doubles from `first` with every step and stays at `longest`; never shorter than `first`.
pub fn growing(first: Duration, step: u32, longest: Duration) -> Duration {
    let doubled = first.saturating_mul(1_u32.checked_shl(step).unwrap_or(u32::MAX));
    doubled.min(longest).max(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u64);
    impl Chance for Fixed {
        fn next_u64(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn jitter_stays_within_ten_percent() {
        let interval = Duration::from_secs(10);
        let Pace::After(low) = after(interval, &Fixed(0)) else { panic!() };
        let Pace::After(high) = after(interval, &Fixed(u64::MAX)) else { panic!() };
        assert_eq!(low, Duration::from_secs(9));
        assert!(high > Duration::from_millis(10_990) && high <= Duration::from_secs(11));
        assert_eq!(no_sooner_than(interval, &Fixed(0)), Pace::After(interval));
    }

    #[test]
    fn growing_waits_double_and_stop() {
        let second = Duration::from_secs(1);
        let waits: Vec<u64> = (0..6).map(|step| growing(second, step, second * 15).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 15, 15]);
        assert_eq!(growing(second, 99, second * 15), second * 15);
        assert_eq!(growing(second, 0, Duration::ZERO), second);
    }
}
