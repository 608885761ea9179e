//! Answers of status 2xx that are not what the contract says.
//!
//! Invariant: such an answer never moves the cursor. It is asked for again, because a proxy in trouble also answers so;
//! ten in a row are no accident and pause the source.

use sluicebox_core::Error;

const MOST_IN_A_ROW: u32 = 10;

/// Counts malformed answers in a row.
#[derive(Debug, Default)]
pub struct Malformed(u32);

impl Malformed {
    /// The error for one more malformed answer.
    pub fn another(&mut self, message: &str) -> Error {
        self.0 += 1;
        let help = "check that `base_url` names the API itself and not a proxy's page";
        if self.0 < MOST_IN_A_ROW {
            Error::transient(message).with_reason("protocol").with_help(help)
        } else {
            let message = format!("{message}, for the {}th time in a row", self.0);
            Error::permanent(message).with_reason("protocol").with_help(help)
        }
    }

    /// A failed call: a body over the limit counts as malformed, everything else is passed on.
    pub fn judge(&mut self, error: Error) -> Error {
        if error.reason() != "too_large" {
            return error;
        }
        self.another(&error.to_string()).with_help("raise `max_body`, or ask for fewer items with `limit`")
    }

    /// A well-formed answer came.
    pub fn reset(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_in_a_row_pause_and_one_good_answer_starts_the_count_again() {
        let mut malformed = Malformed::default();
        for _ in 0..9 {
            assert!(malformed.another("no page").class().is_retryable());
        }
        malformed.reset();
        assert!(malformed.judge(Error::permanent("big").with_reason("too_large")).class().is_retryable());
        for _ in 0..8 {
            assert!(malformed.another("no page").class().is_retryable());
        }
        let last = malformed.another("no page");
        assert!(!last.class().is_retryable());
        assert_eq!(
            (last.reason(), last.to_string().as_str()),
            ("protocol", "no page, for the 10th time in a row")
        );
    }

    #[test]
    fn other_failures_do_not_count() {
        let mut malformed = Malformed::default();
        for _ in 0..20 {
            assert_eq!(malformed.judge(Error::transient("refused")).to_string(), "refused");
        }
        assert!(malformed.another("no page").class().is_retryable());
    }
}
