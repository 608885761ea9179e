//! One request, read whole, with the little that all APIs ask of it.

use axum::http::{HeaderMap, Method, header};
use bytes::Bytes;
use percent_encoding::percent_decode_str;

use crate::faults::FaultKind;

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// As received, still percent-encoded.
    pub(crate) path: String,
    /// As received, still percent-encoded, without the question mark.
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The fault that strikes this request.
    pub(crate) fault: Option<FaultKind>,
    /// Its number in the log.
    pub(crate) number: u64,
}

impl Call {
    /// Path and query, byte for byte as they came over the wire.
    pub(crate) fn uri(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// The decoded parameters of the query; as everywhere, a bare `+` means a space.
    pub(crate) fn parameters(&self) -> Vec<(String, String)> {
        let query = self.query.as_deref().unwrap_or_default();
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let query = self.query.as_deref()?;
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
    }

    /// The decoded segments of the path after a prefix; `None` if the path does not begin with it.
    pub(crate) fn segments(&self, prefix: &str) -> Option<Vec<String>> {
        let rest = self.path.strip_prefix(prefix)?;
        Some(
            rest.split('/')
                .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
                .collect(),
        )
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What follows `Bearer` in the `Authorization` header.
    pub(crate) fn bearer(&self) -> Option<&str> {
        self.authorization("Bearer")
    }

    pub(crate) fn authorization(&self, scheme: &str) -> Option<&str> {
        let (given, value) = self.headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        given.eq_ignore_ascii_case(scheme).then_some(value.trim())
    }

    /// How far this one request sees the clock of the server shifted, in seconds.
    pub(crate) fn skew(&self) -> i64 {
        match self.fault {
            Some(FaultKind::Skew(seconds)) => seconds,
            _ => 0,
        }
    }
}

/// Reads a whole number that a parameter gives, within bounds.
pub(crate) fn bounded(text: &str, low: u64, high: u64) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && (low..=high).contains(number))
}
