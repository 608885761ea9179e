//! Asks OpenTrain, for `check --connect`, whether the feed can be polled and what the token shows of it.
//!
//! Source: the OpenTrain contract, sections 1, 2 and 6. Invariant: nothing is consumed, because the feed keeps its
//! events and the cursor lives with the client; only scopes are reported, never who the token belongs to.

use sluicebox_core::Probe;
use sluicebox_http::{Answer, Client};

use super::{OpenTrainUpdates, decode, scopes, status};
use crate::{Start, asking};

/// Asks for one event, and then for the scopes.
pub(super) async fn probe(options: &OpenTrainUpdates, client: &Client) -> Probe {
    let mut probe = Probe::new();
    let limits = asking::limits(options.max_body.as_usize());
    let cursor = match &options.start {
        Start::Cursor(cursor) => Some(cursor.as_str()),
        Start::Beginning | Start::Now => None,
    };
    let target = match cursor {
        Some(cursor) => format!("/updates?cursor={cursor}&limit=1"),
        None => "/updates?limit=1".to_owned(),
    };
    let answer = match client.get_within(&target, &limits).await {
        Ok(answer) => answer,
        Err(error) => {
            asking::unanswered(&mut probe, error);
            return probe;
        }
    };
    if answer.status.is_success() {
        if !reports_page(&mut probe, &answer, client) {
            return probe;
        }
    } else {
        refused(&mut probe, &answer, client, cursor);
        return probe;
    }
    probe.fine("credentials", "the token is accepted");
    match scopes::granted_to(client).await {
        Ok(granted) => report_scopes(&mut probe, &granted, client),
        // The feed itself is the authority.
        Err(_) => probe.fine("scopes", "the token may read the feed; it does not tell what it may read"),
    }
    probe
}

/// Whether the answer is a page of the feed.
fn reports_page(probe: &mut Probe, answer: &Answer, client: &Client) -> bool {
    let page = match decode::page(&answer.body) {
        Ok(page) => page,
        Err(why) => {
            let status = answer.status.as_u16();
            asking::not_a_page(
                probe,
                format!("OpenTrain answered {status} with something that is not a page of events: {why}"),
            );
            return false;
        }
    };
    let holds = if page.items.is_empty() { "there is nothing new yet" } else { "events are waiting" };
    probe.fine("server", format!("{} answers, {holds}", client.base_url()));
    true
}

fn refused(probe: &mut Probe, answer: &Answer, client: &Client, cursor: Option<&str>) {
    let error = status::refusal(answer, client, cursor);
    let reached = |probe: &mut Probe| probe.fine("server", format!("{} answers", client.base_url()));
    match answer.status.as_u16() {
        401 => {
            reached(probe);
            probe.wrong("credentials", error);
        }
        403 => {
            reached(probe);
            probe.fine("credentials", "the token is accepted");
            probe.wrong("scopes", error);
        }
        400 if error.reason() == "cursor_rejected" => {
            reached(probe);
            probe.wrong("start", error.with_help("give `start.cursor` the number of an event"));
        }
        429 => probe.doubtful("server", error.chain(), "somebody uses the same token now: ask again later"),
        _ => probe.wrong("server", asking::with_help(error, "ask again later, and see OpenTrain's status")),
    }
}

fn report_scopes(probe: &mut Probe, granted: &[String], client: &Client) {
    let hidden = scopes::hidden_types(granted);
    if hidden.is_empty() {
        probe.fine("scopes", "the token shows every event type");
    } else {
        let granted = client.quote(&granted.join(" "));
        let message = format!("the token ({granted}) does not show {}", hidden.join(", "));
        probe.doubtful("scopes", message, "if you need these, make a token with the scopes that they take");
    }
}
