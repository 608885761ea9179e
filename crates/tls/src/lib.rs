//! The option `tls` as rustls obeys it, for every connector whose client library takes rustls.
//!
//! Invariant: a certificate is verified unless `insecure_skip_verify: true` says otherwise, and no message repeats what
//! a key file holds.

mod client;
mod pem;
mod verifier;

pub use client::client_config;
