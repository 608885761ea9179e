//! One attempt to fetch one file.
//!
//! Source: the Zenzap contract, section 9. Invariant: no credentials go along, no redirect is followed, and no more than
//! `max_size` bytes are read, declared or not.

use std::time::Duration;

use http::header::ACCEPT;
use http::{HeaderValue, Method};
use sluicebox_core::{ByteSize, Context, Error};
use sluicebox_http::{BaseUrl, Call, Client, ClientOptions, Limits, Rate};

use super::events::Status;
use super::folder::{DISK, Whole};
use super::link::server;
use super::store::Store;

/// Longest silence of a file server.
pub(super) const SILENCE: Duration = Duration::from_secs(15);

/// A file that a message names.
pub(super) struct Wanted<'a> {
    /// Where it is to lie.
    pub(super) path: &'a str,
    /// Where it is to be had.
    pub(super) url: &'a str,
    /// A number that no attempt had before.
    pub(super) number: u64,
}

/// How an attempt ended.
pub(super) enum Attempt {
    /// The file is stored whole now.
    Whole(Whole),
    /// There will be no file, and why.
    Never(Status, String),
    /// The server may give it yet.
    Later(Error),
    /// The disk or the bucket does not take it.
    NotStored(Error),
}

/// Fetches files over clients without credentials.
pub(super) struct Fetcher {
    pub(super) api: BaseUrl,
    pub(super) store: Store,
    pub(super) max_size: ByteSize,
    pub(super) timeout: Duration,
    pub(super) cx: Context,
}

impl Fetcher {
    /// One attempt. Cancel-safe: what it leaves is removed by the next.
    pub(super) async fn attempt(&self, wanted: &Wanted<'_>) -> Attempt {
        let client = match server(wanted.url, &self.api).map(|server| self.client(server)) {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => return Attempt::Never(Status::Failed, error.to_string()),
            Err(why) => return Attempt::Never(Status::Failed, why),
        };
        let mut incoming = match self.store.begin(wanted.path, wanted.number).await {
            Ok(incoming) => incoming,
            Err(error) => return Attempt::NotStored(error),
        };
        let mut call = Call::new(Method::GET, wanted.url.split('#').next().unwrap_or_default());
        call.headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        let ended = match client.receive(call, &mut incoming).await {
            Ok(answer) if answer.status.is_success() => {
                return incoming.end().await.map_or_else(Attempt::NotStored, Attempt::Whole);
            }
            Ok(answer) => refused(answer.status.as_u16()),
            Err(error) => self.failed(error),
        };
        match incoming.give_up().await {
            Ok(()) => ended,
            Err(error) => Attempt::NotStored(error),
        }
    }

    fn client(&self, server: BaseUrl) -> sluicebox_core::Result<std::sync::Arc<Client>> {
        let limits = Limits {
            read: SILENCE.min(self.timeout),
            total: self.timeout,
            body_bytes: self.max_size.as_usize(),
        };
        let options = ClientOptions { base_url: server, auth: None, rate: Rate::Unlimited, limits };
        Client::new(options, &self.cx)
    }

    fn failed(&self, error: Error) -> Attempt {
        match error.reason() {
            DISK => Attempt::NotStored(error),
            "too_large" => Attempt::Never(Status::TooLarge, format!("larger than {}", self.max_size)),
            _ if error.class().is_retryable() => Attempt::Later(error),
            _ => Attempt::Never(Status::Failed, error.to_string()),
        }
    }
}

/// What a status says of the file.
fn refused(status: u16) -> Attempt {
    let said = format!("the server answered {status}");
    match status {
        403 | 404 | 410 => Attempt::Never(Status::Expired, said),
        408 | 425 | 429 | 500.. => Attempt::Later(Error::transient(said)),
        _ => Attempt::Never(Status::Failed, said),
    }
}
