//! Who may ask: holders of the token; without one, whoever is on this machine and means this machine.

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// What a request must show.
#[derive(Clone)]
pub(crate) struct Access {
    pub(crate) token: Option<String>,
    pub(crate) loopback: bool,
}

impl Access {
    /// Whether the request shows the token, if there is one.
    pub(crate) fn knows_token(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = shown.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        equal(shown.as_bytes(), token.as_bytes())
    }

    /// A web page that lets its own name point at this machine (DNS rebinding) still sends that name.
    fn means_this_machine(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        if !self.loopback {
            return true;
        }
        let header = headers.get(HOST).and_then(|value| value.to_str().ok());
        let Some(host) = uri.host().or(header) else { return false };
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|sign| sign.is_ascii_digit()) => name,
            _ => host,
        };
        matches!(name, "localhost" | "127.0.0.1" | "[::1]")
    }
}

/// Lets a request pass, or answers 401 or 403. Health stays open to probes.
pub(crate) async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    if !access.means_this_machine(request.headers(), request.uri()) {
        return (StatusCode::FORBIDDEN, "this server is for this machine only\n").into_response();
    }
    let open = request.uri().path().starts_with("/health/");
    if !open && !access.knows_token(request.headers()) {
        return (StatusCode::UNAUTHORIZED, "a bearer token is needed\n").into_response();
    }
    next.run(request).await
}

/// Takes as long for a near miss as for a far one.
fn equal(left: &[u8], right: &[u8]) -> bool {
    let differences = left.iter().zip(right).fold(0, |seen, (left, right)| seen | (left ^ right));
    left.len() == right.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (axum::http::HeaderName::from_static(name), axum::http::HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn only_names_of_this_machine_pass_on_loopback() {
        let access = Access { token: None, loopback: true };
        let uri = Uri::from_static("/metrics");
        for (host, passes) in [
            ("127.0.0.1:7575", true),
            ("localhost", true),
            ("[::1]:80", true),
            ("evil.example:7575", false),
            ("localhost.evil.example", false),
        ] {
            assert_eq!(access.means_this_machine(&headers(&[("host", host)]), &uri), passes, "{host}");
        }
        assert!(!access.means_this_machine(&headers(&[]), &uri));
    }

    #[test]
    fn the_whole_token_is_needed() {
        let access = Access { token: Some("secret".to_owned()), loopback: false };
        for (value, passes) in
            [("Bearer secret", true), ("Bearer secre", false), ("Bearer secrets", false), ("secret", false)]
        {
            assert_eq!(access.knows_token(&headers(&[("authorization", value)])), passes, "{value}");
        }
        assert!(!access.knows_token(&headers(&[])));
    }
}
