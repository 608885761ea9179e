//! Why an emulator could not be started or asked for something.

use std::io;
use std::net::SocketAddr;

use crate::options::Api;

/// Why an emulator did not start, or did not understand what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// The name is none of the APIs.
    #[error("no API is called `{name}`: expected `opentrain`, `zenzap` or `slack`")]
    UnknownApi {
        /// The name that was given.
        name: String,
    },
    /// The address can be reached from other machines.
    #[error("refusing to listen on {address}: an emulator serves this machine only, give a loopback address")]
    NotLoopback {
        /// The address that was given.
        address: SocketAddr,
    },
    /// There is nobody to serve.
    #[error("an emulator needs at least one account")]
    NoAccounts,
    /// The rate is negative or no number.
    #[error("the rate must be 0 or more per second, not {rate}")]
    Rate {
        /// The rate that was given.
        rate: f64,
    },
    /// Webhooks of this API are not emulated.
    #[error("webhooks of {api} are not emulated, only those of opentrain")]
    NoWebhooks {
        /// The API.
        api: Api,
    },
    /// Attachments of this API are not emulated.
    #[error("attachments of {api} are not emulated, only those of zenzap")]
    NoAttachments {
        /// The API.
        api: Api,
    },
    /// The webhook is not `http` to this machine.
    #[error("webhooks are delivered to this machine only, over http: `{url}` is something else")]
    Webhook {
        /// The address that was given.
        url: String,
    },
    /// The address could not be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address that was given.
        address: SocketAddr,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The feed could not be generated before the start.
    #[error("the events could not be generated")]
    Generate,
    /// The text is no fault specification.
    #[error("`{text}` is not a fault: {reason}")]
    Fault {
        /// The text that was given.
        text: String,
        /// What was expected.
        reason: String,
    },
}
