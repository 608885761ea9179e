//! Broken exchanges as the one error that components give: in words, classified, without a URL's query.
//!
//! Invariant: what can pass by itself is transient; the rest says what to do.

use std::time::Duration;

use http::Method;
use sluicebox_core::{Error, ErrorClass};
use url::Url;

use crate::base_url::{location_origin, shown};
use crate::{Fault, TransportError};

/// Names one request in messages: `GET https://host/path`.
pub(crate) struct Named<'a>(pub(crate) &'a Method, pub(crate) &'a Url);

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.0, shown(self.1))
    }
}

pub(crate) fn broken(request: &Named<'_>, error: TransportError, received_bytes: usize) -> Error {
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
        _ => failed,
    };
    failed.with_cause(error)
}

pub(crate) fn silent(request: &Named<'_>, waited: Duration, received_bytes: usize) -> Error {
    let seconds = waited.as_secs_f64();
    Error::transient(match received_bytes {
        0 => format!("{request} failed: no answer within {seconds} s"),
        bytes => format!("{request} failed: nothing more came for {seconds} s after {bytes} bytes"),
    })
}

pub(crate) fn too_slow(request: &Named<'_>, waited: Duration, received_bytes: usize) -> Error {
    let seconds = waited.as_secs_f64();
    Error::transient(format!(
        "{request} failed: not complete within {seconds} s ({received_bytes} bytes had come)"
    ))
}

pub(crate) fn too_large(request: &Named<'_>, limit_bytes: usize) -> Error {
    Error::permanent(format!("{request} failed: the body is larger than {limit_bytes} bytes"))
        .with_reason("too_large")
}

pub(crate) fn redirected(request: &Named<'_>, status: u16, location: Option<&str>) -> Error {
    let target = location.and_then(|location| location_origin(request.1, location));
    let target = target.map(|origin| format!(" to {origin}")).unwrap_or_default();
    Error::config(format!(
        "{request} was redirected{target} (status {status}), and redirects are not followed"
    ))
    .with_reason("redirected")
    .with_help("check the address; credentials are only sent to the host that they were given for")
}
