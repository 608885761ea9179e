//! How long to wait before trying again: exponential with equal jitter.

use std::time::Duration;

use crate::Chance;

/// Exponential backoff, half fixed and half random, never under 500 ms or under what the other side asked for.
///
/// Pure arithmetic: the caller does the sleeping.
#[derive(Clone, Debug)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
    attempts: u32,
}

impl Backoff {
    /// No wait is shorter than this, so that a retry is never a hot loop.
    pub const FLOOR: Duration = Duration::from_millis(500);

    /// Waits that grow from `initial` by doubling and stay at `max`.
    pub fn new(initial: Duration, max: Duration) -> Self {
        Self { initial: initial.max(Self::FLOOR), max: max.max(Self::FLOOR), attempts: 0 }
    }

    /// The next wait. `asked` (a `Retry-After`) is a lower bound and is not jittered downwards.
    pub fn next(&mut self, asked: Option<Duration>, chance: &dyn Chance) -> Duration {
        let doubled = self.initial.saturating_mul(1_u32.checked_shl(self.attempts).unwrap_or(u32::MAX));
        self.attempts = self.attempts.saturating_add(1);
        let full = doubled.min(self.max);
        let jittered = full / 2 + (full / 2).mul_f64(chance.fraction());
        match asked {
            Some(asked) => asked + Duration::from_secs(1).mul_f64(chance.fraction() * 0.25),
            None => jittered.max(Self::FLOOR),
        }
    }

    /// How many waits were handed out since the last success.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Success: the next failure starts from `initial` again.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
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
    fn waits_double_up_to_the_maximum_and_never_fall_under_the_floor() {
        let mut low = Backoff::new(Duration::from_millis(500), Duration::from_secs(60));
        let mut high = low.clone();
        let (none, all) = (Fixed(0), Fixed(u64::MAX));
        let waits: Vec<_> = (0..10).map(|_| (low.next(None, &none), high.next(None, &all))).collect();
        assert_eq!(waits[0].0, Duration::from_millis(500));
        assert_eq!(waits[3].0, Duration::from_secs(2));
        assert!(waits[3].1 > Duration::from_millis(3990));
        assert_eq!(waits[9].0, Duration::from_secs(30));
        assert!(waits[9].1 <= Duration::from_secs(60));
        low.reset();
        assert_eq!(low.next(None, &none), Duration::from_millis(500));
    }

    #[test]
    fn what_the_other_side_asked_for_is_never_shortened() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        assert!(backoff.next(Some(Duration::from_secs(90)), &Fixed(0)) >= Duration::from_secs(90));
        for _ in 0..100 {
            backoff.next(None, &Fixed(0));
        }
        assert_eq!(backoff.next(None, &Fixed(0)), Duration::from_secs(30));
    }
}
