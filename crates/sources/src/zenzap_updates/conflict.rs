//! The two meanings of 409: a bot in webhook mode, or an offset that is no longer available.
//!
//! Source: the Zenzap contract, section 7. Invariant: an offset is forgotten only if one was sent and the mode is not
//! the reason, so that a bot in the wrong mode never spins.

use sluicebox_core::{Cursor, Error, Gap, Timestamp};
use sluicebox_http::{Answer, Client};

use super::OnOffsetExpired;

/// What a 409 means.
pub(super) enum Conflict {
    /// Only a person can mend it.
    Pause(Error),
    /// The offset is gone, and the policy is to go on without it.
    Gap(Gap),
}

/// Tells the two apart; `policy` is the setting and the time of the last update seen.
pub(super) fn conflict(
    answer: &Answer,
    client: &Client,
    offset: Option<&str>,
    policy: (OnOffsetExpired, Option<Timestamp>),
) -> Conflict {
    let names_mode = answer.body.to_ascii_lowercase().windows(13).any(|window| window == b"delivery mode");
    let Some(offset) = offset.filter(|_| !names_mode) else {
        return Conflict::Pause(wrong_mode(answer, client));
    };
    let said = client.excerpt(answer);
    let (policy, last_seen) = policy;
    let message = match last_seen {
        Some(time) => format!("the offset is no longer available; updates after {time} may be lost"),
        None => "the offset is no longer available; updates since the last run may be lost".to_owned(),
    };
    match policy {
        OnOffsetExpired::Reset => {
            Conflict::Gap(Gap { lost_cursor: Some(Cursor::from(offset)), last_seen, message })
        }
        OnOffsetExpired::Stop => Conflict::Pause(
            Error::permanent(format!("{message} (status 409: {said})"))
                .with_reason("offset_expired")
                .with_help("to go on with what Zenzap still has: `sluicebox cursor reset`"),
        ),
    }
}

/// The error for a bot that cannot be polled.
pub(super) fn wrong_mode(answer: &Answer, client: &Client) -> Error {
    let said = client.excerpt(answer);
    Error::config(format!("the bot is not in polling mode (status 409: {said})"))
        .with_reason("delivery_mode")
        .with_help("set its delivery mode to polling in the Zenzap console; a bot is either polled or sends webhooks")
}
