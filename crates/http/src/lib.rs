//! The one HTTP client of Sluicebox: credentials, one request budget per credential, deadlines and size limits.
//!
//! Sources poll with it, look-ups ask with it, sinks send with it. Invariant: one call is one attempt, apart from the single retry that
//! fresh credentials deserve; waiting and trying again belong to the caller. No secret, and no query of a URL, is in
//! any error or log line.

mod answer;
mod auth;
mod base_url;
mod blot;
mod budget;
mod call;
mod client;
mod credentials;
mod exchange;
mod failure;
mod hmac_place;
mod hmac_signer;
mod hmac_template;
mod oauth;
mod rate;
mod receiver;
mod reqwest_transport;
mod retry_after;
mod rotating;
mod server_clock;
mod signed_key;
mod signing;
mod tls;
mod transport;
mod webhook;

pub use answer::Answer;
pub use auth::{ApiKey, Auth, Basic, Header, OAuth, Webhook};
pub use base_url::BaseUrl;
pub use blot::blotted;
pub use call::Call;
pub use client::{Client, ClientOptions};
pub use exchange::Limits;
pub use failure::UNKNOWN_OUTCOME;
pub use hmac_template::{
    HmacAlgorithm, HmacTemplate, NonceKind, SecretEncoding, SignatureEncoding, TimestampFormat,
};
pub use rate::Rate;
pub use receiver::Receiver;
pub use reqwest_transport::ReqwestTransport;
pub use retry_after::retry_after;
pub use signing::sign;
pub use transport::{Fault, Request, Response, Transport, TransportError, TransportHandle};
