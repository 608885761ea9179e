//! Asks OpenTrain, for `check --connect`, whether job changes can be polled.
//!
//! Source: the OpenTrain contract, section 8. Invariant: nothing is consumed, because the position lives with the client.

use sluicebox_core::{Probe, Timestamp};
use sluicebox_http::Client;

use super::position::Position;
use super::{OpenTrainJobChanges, decode, feed, status};
use crate::{Start, asking};

/// Asks for the changes since `start`, else since now, which are few.
pub(super) async fn probe(options: &OpenTrainJobChanges, client: &Client, now: Timestamp) -> Probe {
    let mut probe = Probe::new();
    let asked = match &options.start {
        Start::Cursor(text) => Position::parse(text),
        Start::Beginning | Start::Now => Position::parse(&now.to_string()),
    };
    let position = asked.unwrap_or_default();
    let limits = asking::limits(options.max_body.as_usize());
    let answer = match client.get_within(&feed::target(&position), &limits).await {
        Ok(answer) => answer,
        Err(error) => {
            asking::unanswered(&mut probe, error);
            return probe;
        }
    };
    if !answer.status.is_success() {
        let error = status::refusal(&answer, client, &position);
        if answer.status.as_u16() == 429 {
            probe.doubtful(
                "server",
                error.chain(),
                "somebody else asks from the same address: ask again later",
            );
        } else {
            probe.wrong("server", asking::with_help(error, "ask again later, and see OpenTrain's status"));
        }
        return probe;
    }
    match decode::page(&answer.body) {
        Ok(page) => {
            let count = page.items.len();
            let message =
                format!("{} answers, with {count} changes since {}", client.base_url(), position.since);
            probe.fine("server", message);
        }
        Err(why) => asking::not_a_page(&mut probe, feed::no_page(&answer, &why)),
    }
    probe
}
