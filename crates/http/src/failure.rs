//! Broken exchanges as the one error that components give: in words, classified, without a URL's query.
//!
//! Invariant: what can pass by itself is transient; the rest says what to do. Where a request may have taken effect
//! although no answer came, the error says so by its reason.

use std::time::Duration;

use http::Method;
use sluicebox_core::{Error, ErrorClass};
use url::Url;

use crate::base_url::location_origin;
use crate::{Fault, TransportError};

/// The reason of an error after which nobody knows whether a request with an effect was carried out; see
/// [`crate::Client::send`].
pub const UNKNOWN_OUTCOME: &str = "unknown_outcome";

/// One request as messages name it: `GET https://host/path`.
pub(crate) struct Named {
    method: Method,
    url: Url,
    shown: String,
    /// Whether the other side may be changed by the request, so that a lost answer matters.
    pub(crate) has_effect: bool,
}

impl Named {
    /// A request for `url`, which messages show as `shown`.
    pub(crate) fn new(method: &Method, url: &Url, shown: String) -> Self {
        let has_effect = !method.is_safe();
        Self { method: method.clone(), url: url.clone(), shown, has_effect }
    }

    /// The same request, known to be harmless if it is made twice.
    pub(crate) fn harmless(self) -> Self {
        Self { has_effect: false, ..self }
    }

    /// The error, marked if the request may have been carried out.
    fn after_sending(&self, error: Error) -> Error {
        if self.has_effect { error.with_reason(UNKNOWN_OUTCOME) } else { error }
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.shown)
    }
}

pub(crate) fn broken(request: &Named, error: TransportError, received_bytes: usize) -> Error {
    let class = match error.fault {
        Fault::Unsendable => ErrorClass::Permanent,
        _ => ErrorClass::Transient,
    };
    let message = match error.fault {
        Fault::Body => format!("{request} failed: the body was cut short after {received_bytes} bytes"),
        fault => format!("{request} failed: {}", fault.as_str()),
    };
    let failed = Error::new(class, message);
    let failed = match error.fault {
        Fault::Certificate => failed.with_help(
            "check the clock and the system's certificates (package ca-certificates), and that nothing intercepts the connection",
        ),
        Fault::Broken | Fault::Body => request.after_sending(failed),
        _ => failed,
    };
    failed.with_cause(error)
}

pub(crate) fn silent(request: &Named, waited: Duration, received_bytes: usize) -> Error {
    let seconds = waited.as_secs_f64();
    request.after_sending(Error::transient(match received_bytes {
        0 => format!("{request} failed: no answer within {seconds} s"),
        bytes => format!("{request} failed: nothing more came for {seconds} s after {bytes} bytes"),
    }))
}

pub(crate) fn too_slow(request: &Named, waited: Duration, received_bytes: usize) -> Error {
    let seconds = waited.as_secs_f64();
    request.after_sending(Error::transient(format!(
        "{request} failed: not complete within {seconds} s ({received_bytes} bytes had come)"
    )))
}

pub(crate) fn too_large(request: &Named, limit_bytes: usize) -> Error {
    Error::permanent(format!("{request} failed: the body is larger than {limit_bytes} bytes"))
        .with_reason("too_large")
}

pub(crate) fn redirected(request: &Named, status: u16, location: Option<&str>) -> Error {
    let target = location.and_then(|location| location_origin(&request.url, location));
    let target = target.map(|origin| format!(" to {origin}")).unwrap_or_default();
    Error::config(format!(
        "{request} was redirected{target} (status {status}), and redirects are not followed"
    ))
    .with_reason("redirected")
    .with_help("check the address; credentials are only sent to the host that they were given for")
}
