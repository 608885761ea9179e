//! Asks a homeserver, for `check --connect`, whether the account can be read.
//!
//! Source: the Matrix Client-Server API, `GET /account/whoami` and `GET /joined_rooms`. Invariant: no sync is made, so that
//! nothing that waits for the device is taken from it.

use serde::Deserialize;
use sluicebox_core::{Error, Probe};
use sluicebox_http::{Answer, Client};

use super::{MatrixSync, status};
use crate::asking;

#[derive(Deserialize)]
struct Account {
    user_id: String,
    #[serde(default)]
    device_id: Option<String>,
}

#[derive(Deserialize)]
struct Joined {
    joined_rooms: Vec<String>,
}

/// Asks who the token belongs to, and with `rooms` whether the account is in them.
pub(super) async fn probe(options: &MatrixSync, client: &Client) -> Probe {
    let mut probe = Probe::new();
    let Some(answer) = ask(&mut probe, options, client, "/_matrix/client/v3/account/whoami").await else {
        return probe;
    };
    let Ok(account) = serde_json::from_slice::<Account>(&answer.body) else {
        let message = "the server answered `GET /account/whoami` with something that names no account";
        asking::not_a_page(&mut probe, message.to_owned());
        return probe;
    };
    probe.fine("server", format!("{} answers", client.base_url()));
    let device = account.device_id.map(|device| format!(", device {device}")).unwrap_or_default();
    probe.fine("credentials", format!("the token is that of {}{device}", account.user_id));
    if let Some(rooms) = &options.rooms {
        look_for(&mut probe, rooms, options, client).await;
    }
    probe
}

/// Whether the account is in the rooms that are to be read.
async fn look_for(probe: &mut Probe, rooms: &[String], options: &MatrixSync, client: &Client) {
    let Some(answer) = ask(probe, options, client, "/_matrix/client/v3/joined_rooms").await else { return };
    let Ok(joined) = serde_json::from_slice::<Joined>(&answer.body) else {
        let message = "the server answered `GET /joined_rooms` with something that is no list of rooms";
        asking::not_a_page(probe, message.to_owned());
        return;
    };
    let missing: Vec<&str> =
        rooms.iter().filter(|room| !joined.joined_rooms.contains(room)).map(String::as_str).collect();
    if missing.is_empty() {
        probe.fine("rooms", format!("the account is in all {} of them", rooms.len()));
    } else {
        let help = "invite the account and let it join; nothing is read of a room before that";
        probe.wrong(
            "rooms",
            Error::config(format!("the account is not in {}", missing.join(", "))).with_help(help),
        );
    }
}

/// One question; `None`: what came back is told.
async fn ask(probe: &mut Probe, options: &MatrixSync, client: &Client, target: &str) -> Option<Answer> {
    let limits = asking::limits(options.max_body.as_usize());
    let answer = match client.get_within(target, &limits).await {
        Ok(answer) => answer,
        Err(error) => {
            asking::unanswered(probe, error);
            return None;
        }
    };
    let refusal = || status::refusal(&answer, client, None);
    match answer.status.as_u16() {
        200..=299 => return Some(answer),
        401 | 403 => {
            probe.fine("server", format!("{} answers", client.base_url()));
            probe.wrong("credentials", refusal());
        }
        429 => probe.doubtful(
            "server",
            format!("the homeserver asks to wait {}", status::said(&answer, client)),
            "ask again later",
        ),
        _ => probe.wrong(
            "server",
            asking::with_help(refusal(), "ask again later, and look at the homeserver's own log"),
        ),
    }
    None
}
