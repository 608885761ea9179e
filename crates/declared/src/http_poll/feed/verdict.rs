//! What follows an answer that is no page: waiting, pausing, a sweep that is read again, a cursor that is gone.
//!
//! Invariant: a cursor is dropped only if its declaration says so and the gap is told; a page that is gone costs nothing
//! but reading again.

use std::time::Duration;

use sluicebox_core::{Batch, Cursor, Error, Gap, Result};
use sluicebox_http::Answer;
use sluicebox_polling::pace;
use sluicebox_polling::quiet::{Quiet, Trail};

use super::DeclaredFeed;
use crate::http_poll::OnCursorExpired;
use crate::http_poll::refusals::{self, Meaning};

/// First and longest wait after a 429 that does not say how long.
const LIMITED: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

impl DeclaredFeed {
    /// The error for an answer that asks to wait.
    pub(super) fn asked_to_wait(&mut self, answer: &Answer) -> Error {
        let said = answer.retry_after();
        let wait = said.unwrap_or_else(|| pace::growing(LIMITED.0, self.limited, LIMITED.1));
        if said.is_none() {
            self.client.pause_for(wait);
        }
        self.limited = self.limited.saturating_add(1);
        let host = self.client.base_url();
        Error::rate_limited(
            format!("{host} asks to wait {}", refusals::said(answer, &self.client)),
            Some(wait),
        )
    }

    /// What a rule says of an answer: a page without items, or an error.
    pub(super) fn declared(
        &mut self,
        answer: &Answer,
        meaning: Meaning,
        help: Option<String>,
    ) -> Result<Batch> {
        let said = refusals::said(answer, &self.client);
        let host = self.client.base_url();
        let error = match meaning {
            Meaning::Empty => return Ok(self.nothing(answer)),
            Meaning::RateLimited => return Err(self.asked_to_wait(answer)),
            Meaning::Retry => refusals::transient(answer, &self.client),
            Meaning::Auth => Error::auth(format!("{host} refused the credentials {said}")),
            Meaning::Expired if self.page_asked().is_some() => return self.swept_again(&said),
            Meaning::Expired if self.standing.cursor.is_some() => return self.expired(&said, help),
            Meaning::Expired | Meaning::Pause => Error::permanent(format!("{host} refused the poll {said}")),
        };
        Err(match help {
            Some(help) => error.with_help(help),
            None => error,
        })
    }

    /// The cursor is gone.
    fn expired(&mut self, said: &str, help: Option<String>) -> Result<Batch> {
        let message = match self.last_seen {
            Some(time) => format!("the cursor is no longer available; what came after {time} may be lost"),
            None => "the cursor is no longer available; what came since the last run may be lost".to_owned(),
        };
        if self.on_cursor_expired == OnCursorExpired::Stop {
            let help = help.unwrap_or_else(|| {
                "to go on with what the API still has: `sluicebox cursor reset`".to_owned()
            });
            return Err(Error::permanent(format!("{message} {said}"))
                .with_reason("offset_expired")
                .with_help(help));
        }
        let lost_cursor = self.standing.cursor.take().map(Cursor::from);
        self.standing.begun = true;
        (self.trail, self.quiet, self.known) = (Trail::default(), Quiet::default(), None);
        let mut batch = Batch::empty(self.position());
        batch.pace = pace::no_sooner_than(Duration::from_secs(1), &*self.environment.chance);
        // What is lost while history is read away would not have been emitted.
        batch.gap =
            (!self.standing.priming).then_some(Gap { lost_cursor, last_seen: self.last_seen, message });
        Ok(batch)
    }
}
