//! Whether a page moves the cursor, stays, or breaks the contract.
//!
//! Source: the OpenTrain contract, section 5, decisions 2 and 3. Invariant: numbers of any size are compared as numbers,
//! without losing a digit.

use std::cmp::Ordering;

use sluicebox_polling::digits::compare;

use super::decode::UpdatesPage;

/// What a page does to the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It moves.
    Forward,
    /// It stays, and there is nothing new.
    Still,
    /// The page contradicts itself or the pages before; the text continues "OpenTrain …".
    Fault(&'static str),
}

/// Judges a page that was asked for with the cursor `sent`.
pub(super) fn progress(sent: Option<&str>, page: &UpdatesPage<'_>) -> Progress {
    let brings = page.has_more || !page.items.is_empty();
    match (page.next_cursor.as_deref(), sent) {
        (None, _) if brings => Progress::Fault("sent events or promised more without saying where they end"),
        (None, _) => Progress::Still,
        (Some(_), None) => Progress::Forward,
        (Some(next), Some(sent)) => match compare(next, sent) {
            Ordering::Greater => Progress::Forward,
            Ordering::Equal if brings => {
                Progress::Fault("sent events or promised more without moving the cursor")
            }
            Ordering::Equal => Progress::Still,
            Ordering::Less => Progress::Fault("moved the cursor backwards"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opentrain_updates::decode::page;

    fn judged(sent: Option<&str>, next: &str, events: &str, has_more: bool) -> Progress {
        let body = format!(r#"{{"events":{events},"nextCursor":{next},"hasMore":{has_more}}}"#);
        progress(sent, &page(body.as_bytes()).unwrap())
    }

    #[test]
    fn pages_that_keep_the_contract() {
        assert_eq!(judged(None, "null", "[]", false), Progress::Still);
        assert_eq!(judged(Some("5"), "\"5\"", "[]", false), Progress::Still);
        assert_eq!(judged(Some("5"), "null", "[]", false), Progress::Still);
        assert_eq!(judged(None, "\"5\"", "[{}]", true), Progress::Forward);
        assert_eq!(judged(Some("999"), "\"1000\"", "[{}]", true), Progress::Forward);
        assert_eq!(judged(Some("5"), "6", "[]", true), Progress::Forward);
    }

    #[test]
    fn pages_that_break_it() {
        for (sent, next, events, has_more) in [
            (None, "null", "[]", true),
            (None, "null", "[{}]", false),
            (Some("5"), "null", "[{}]", true),
            (Some("5"), "\"5\"", "[]", true),
            (Some("5"), "\"005\"", "[{}]", false),
            (Some("1000"), "\"999\"", "[{}]", true),
        ] {
            let judged = judged(sent, next, events, has_more);
            assert!(matches!(judged, Progress::Fault(_)), "{sent:?} {next} {events} {has_more}");
        }
    }
}
