//! Asks Zenzap, for `check --connect`, whether the bot can be polled.
//!
//! Source: the Zenzap contract, sections 3, 6 and 7. Only `GET /v2/updates` tells the delivery mode, so that is asked,
//! for one update, without waiting, and *without an offset*: the offset is the only thing by which a client says what it
//! has received, and without one a 409 can only mean the delivery mode. Invariant: no offset is ever sent, and what
//! comes back is thrown away; a later poll is served it again.

use sluicebox_core::{Context, Probe};
use sluicebox_http::{Answer, Auth, Client};

use super::conflict::wrong_mode;
use super::{ZenzapUpdates, attachments, decode, own, status};
use crate::asking;

/// Asks for one update, and with `drop_own` for the bot's own id; and looks where attachments would be kept.
pub(super) async fn probe(options: &ZenzapUpdates, client: &Client, cx: &Context) -> Probe {
    let mut probe = updates(options, client).await;
    if let Some(attachments) = &options.attachments {
        attachments::probe(&mut probe, attachments, cx).await;
    }
    probe
}

async fn updates(options: &ZenzapUpdates, client: &Client) -> Probe {
    let mut probe = Probe::new();
    if options.webhook.is_some() {
        // What is pushed cannot be asked for: a poll would only be told that the mode is another.
        own_messages(&mut probe, options, client).await;
        return probe;
    }
    let limits = asking::limits(options.max_body.as_usize());
    let answer = match client.get_within("/v2/updates?limit=1&timeout=0", &limits).await {
        Ok(answer) => answer,
        Err(error) => {
            asking::unanswered(&mut probe, error);
            return probe;
        }
    };
    if !reports(&mut probe, options, &answer, client) {
        return probe;
    }
    own_messages(&mut probe, options, client).await;
    probe
}

/// Whether the bot's own id can be read, if that is wanted.
async fn own_messages(probe: &mut Probe, options: &ZenzapUpdates, client: &Client) {
    if options.drop_own {
        match own::id(client).await {
            Ok(_) => probe.fine("own messages", "the bot's own id can be read"),
            Err(error) => probe.wrong("own messages", asking::with_help(error, "remove `drop_own`")),
        }
    }
}

/// What the answer means; whether there is more to ask.
fn reports(probe: &mut Probe, options: &ZenzapUpdates, answer: &Answer, client: &Client) -> bool {
    let accepted = match &options.auth {
        Auth::OAuth(_) => "the access token is accepted",
        _ => "the key and the signature are accepted",
    };
    let reached = |probe: &mut Probe| probe.fine("server", format!("{} answers", client.base_url()));
    let refusal = || status::refusal(answer, client, None);
    match answer.status.as_u16() {
        200..=299 => {
            if let Err(why) = decode::page(&answer.body) {
                let message = format!("Zenzap answered with something that is not a page of updates: {why}");
                asking::not_a_page(probe, message);
                return false;
            }
            reached(probe);
            probe.fine("credentials", accepted);
            probe.fine("scopes", "the updates can be read");
            probe.fine("delivery mode", "polling");
            return true;
        }
        401 => {
            reached(probe);
            probe.wrong("credentials", refusal());
        }
        403 => {
            reached(probe);
            probe.fine("credentials", accepted);
            probe.wrong("scopes", refusal());
        }
        409 => {
            reached(probe);
            probe.fine("credentials", accepted);
            probe.wrong("delivery mode", wrong_mode(answer, client));
        }
        429 => probe.doubtful(
            "server",
            refusal().chain(),
            "the bot's requests are used up for now: ask again later",
        ),
        _ => probe.wrong("server", asking::with_help(refusal(), "ask again later, and see Zenzap's status")),
    }
    false
}
