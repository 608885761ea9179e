//! A feed whose answers come in pages: from one to the next, to the end, or back to the beginning.
//!
//! Invariant: the cursor moves when the last page of a sweep was read, and at no other time.

use std::time::Duration;

use http::StatusCode;
use sluicebox_core::{Batch, Cursor, Error, Result};
use sluicebox_http::Answer;
use sluicebox_polling::pace;
use sluicebox_polling::standing::Standing;

use super::DeclaredFeed;
use crate::http_poll::page::Page;
use crate::http_poll::pages::{Round, Step};
use crate::http_poll::progress::Progress;

/// How often a sweep may begin again before a person has to look.
const MOST_REPETITIONS: u32 = 10;

impl DeclaredFeed {
    /// The page of a sweep that the next request asks for.
    pub(super) fn page_asked(&self) -> Option<&str> {
        self.round.as_ref().and_then(Round::page)
    }

    /// The position to save.
    pub(super) fn position(&self) -> Option<Cursor> {
        let Some(round) = &self.round else { return self.standing.to_cursor() };
        let cursor = round.position(self.standing.cursor.as_deref());
        Standing { cursor, ..self.standing.clone() }.to_cursor()
    }

    /// Goes on to the next page of a sweep, or ends it.
    pub(super) fn turn(&mut self, page: &mut Page<'_>, newest: Option<String>) -> Progress {
        let asked = self.page_asked().map(str::to_owned);
        let next = page.following.take();
        let Some(round) = &mut self.round else { return Progress::Still };
        let step = Step {
            newest,
            page: next.clone(),
            more: page.more,
            is_said: self.compiled.more_path.is_some(),
            items: page.items.len(),
            // What is read away need not be read: the first page holds where it ends.
            only_newest: self.standing.priming && self.compiled.newest_first,
        };
        let progress = round.advance(&mut self.standing.cursor, step);
        let is_mute = progress == Progress::Still && round.was_mute;
        if let Progress::Fault(what) = progress {
            self.complain(what, asked.as_deref(), next.as_deref());
        } else if is_mute {
            self.complain("sent items of which none says where the cursor goes", asked.as_deref(), None);
        }
        progress
    }

    /// The error for pages that led astray ten times without a sweep that came to its end.
    pub(super) fn astray(&mut self, answer: &Answer) -> Option<Error> {
        let round = self.round.as_mut().filter(|round| round.faults >= MOST_REPETITIONS)?;
        let faults = std::mem::take(&mut round.faults);
        let host = self.client.base_url();
        let said = crate::http_poll::refusals::said(answer, &self.client);
        let message =
            format!("the pages of {host} led nowhere {faults} times without an end of the sweep {said}");
        let help = "look at what `cursor.pages` names, and whether the API means that as its next page";
        Some(Error::permanent(message).with_reason("protocol").with_help(help))
    }

    /// A refusal of a request for a page, with what can be done about it.
    pub(super) fn of_page(&self, error: Error, answer: &Answer) -> Error {
        if self.page_asked().is_none() || answer.status != StatusCode::BAD_REQUEST {
            return error;
        }
        error.with_help(
            "a page of a sweep was asked for: if it is no longer available, say so under `errors` (`then: expired`)",
        )
    }

    /// The page is gone: the sweep begins again, and nothing is lost.
    pub(super) fn swept_again(&mut self, said: &str) -> Result<Batch> {
        let Some(round) = &mut self.round else { return Ok(Batch::empty(self.position())) };
        if round.repeated >= MOST_REPETITIONS {
            let message = format!(
                "the pages of a sweep were no longer available {} times in a row, so it never ends {said}",
                round.repeated + 1
            );
            return Err(Error::permanent(message)
                .with_reason("offset_expired")
                .with_help("read faster: raise `limit` or `rate`; or begin nearer: `sluicebox cursor set`"));
        }
        round.begin_again();
        tracing::warn!(
            account = %self.origin.account,
            "a page of a sweep is no longer available; it is read again from its beginning, and what came comes again {said}"
        );
        let wait = pace::growing(Duration::from_secs(1), round.repeated - 1, self.interval);
        let mut batch = Batch::empty(self.position());
        batch.pace = pace::no_sooner_than(wait, &*self.environment.chance);
        Ok(batch)
    }
}
