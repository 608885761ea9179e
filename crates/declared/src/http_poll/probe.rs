//! Asks a declared API, for `check --connect`, whether it can be polled.
//!
//! Invariant: only a feed that keeps its events is asked, and without a cursor; what comes back is thrown away.

use sluicebox_core::{Probe, SourceClass};
use sluicebox_http::Client;
use sluicebox_polling::asking;

use super::HttpPoll;
use super::compiled::Compiled;
use super::page::Page;
use super::refusals;
use super::template::Variables;

/// Asks for one page, unless asking could be taken for reading.
pub(super) async fn probe(options: &HttpPoll, compiled: &Compiled, client: &Client) -> Probe {
    let mut probe = Probe::new();
    if options.source_class() == SourceClass::ConfirmOnRead {
        probe.doubtful(
            "feed",
            "not asked, because asking may count as reading",
            "a first run shows whether it can be polled",
        );
        return probe;
    }
    let initial = options.cursor.as_ref().and_then(|cursor| cursor.initial.as_deref());
    let timeout = options.timeout.map(|_| std::time::Duration::ZERO);
    let variables = Variables { cursor: initial, page: None, limit: compiled.limit, timeout };
    let mut call = match compiled.request.call(&variables) {
        Ok(call) => call,
        Err(error) => {
            probe.doubtful("feed", error.to_string(), "a run with a saved cursor can do without");
            return probe;
        }
    };
    call.limits = Some(asking::limits(options.max_body.as_usize()));
    let answer = match client.send(call).await {
        Ok(answer) => answer,
        Err(error) => {
            asking::unanswered(&mut probe, error);
            return probe;
        }
    };
    probe.fine("server", format!("{} answers", client.base_url()));
    if let Some(error) = refusals::of_status(&answer, client, None) {
        let subject = if matches!(answer.status.as_u16(), 401 | 403) { "credentials" } else { "feed" };
        probe.wrong(subject, error);
        return probe;
    }
    match Page::read(&answer, compiled) {
        Ok(page) => probe.fine("feed", format!("a page of {} items", page.items.len())),
        Err(why) => {
            asking::not_a_page(&mut probe, format!("the answer is not a page: {}", client.blotted(&why)));
        }
    }
    probe
}
