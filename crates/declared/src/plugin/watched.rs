//! Watches what comes back over a transport, for whoever writes a connector and wants to see the answer as it is.
//!
//! Invariant: the answer itself is passed on as it comes; of it, only the beginning is kept, and of an answer that is
//! itself a credential (an access token) nothing but its status.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use http::header::{CONTENT_TYPE, DATE, ETAG, HeaderName, LINK, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use sluicebox_http::{Request, Response, Transport, TransportError};

/// Bytes of a body that are kept.
const KEPT_BYTES: usize = 16 << 10;
/// Characters of a body, and of a header, that are shown.
const SHOWN_CHARACTERS: usize = 2000;
/// Headers that say something about a feed, beside those that a declaration names and those of rate limits.
const TELLING: [HeaderName; 7] = [CONTENT_TYPE, DATE, ETAG, LINK, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE];

/// A transport that remembers the last answer.
pub(super) struct Watched {
    inner: Arc<dyn Transport>,
    last: Arc<Mutex<Option<Seen>>>,
}

/// The last answer, as far as it came.
struct Seen {
    status: StatusCode,
    headers: HeaderMap,
    /// The beginning of the body.
    kept: Vec<u8>,
    /// How many bytes of it came.
    bytes: usize,
    /// Whether the body is a credential.
    is_credential: bool,
}

impl Watched {
    pub(super) fn new(inner: Arc<dyn Transport>) -> Self {
        Self { inner, last: Arc::default() }
    }

    /// The last answer, line by line: its status, its headers as far as they tell something (those of `named` too), the
    /// beginning of its body. `hidden` blots out secrets.
    pub(super) fn lines(&self, named: &[HeaderName], hidden: impl Fn(String) -> String) -> Vec<String> {
        let last = self.last.lock();
        let Some(seen) = &*last else { return vec!["none came".to_owned()] };
        let mut lines = vec![seen.status.to_string()];
        for (name, value) in &seen.headers {
            let name = name.as_str();
            let is_named = TELLING.iter().chain(named).any(|telling| telling == name);
            if is_named || name.contains("ratelimit") || name.contains("rate-limit") {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                lines.push(format!("{name}: {}", excerpt(&hidden(value))));
            }
        }
        if seen.is_credential {
            lines.push(format!("({} bytes: an access token)", seen.bytes));
            return lines;
        }
        // Secrets are looked for before anything is cut off, lest a part of one is left.
        let text = hidden(String::from_utf8_lossy(&seen.kept).into_owned());
        let shown = excerpt(&text);
        lines.extend(shown.lines().map(str::to_owned));
        if seen.bytes > seen.kept.len() || shown.len() < text.len() {
            lines.push(format!("… ({} bytes)", seen.bytes));
        } else if seen.bytes == 0 {
            lines.push("(no body)".to_owned());
        }
        lines
    }
}

/// The beginning of a text, without what would move the cursor of a terminal.
fn excerpt(text: &str) -> String {
    let is_plain = |c: char| !c.is_control() || c == '\n';
    text.chars().take(SHOWN_CHARACTERS).map(|c| if is_plain(c) { c } else { ' ' }).collect()
}

#[async_trait]
impl Transport for Watched {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        // A request for an access token (RFC 6749, section 4.4.2).
        let asks_for_token = request.body.starts_with(b"grant_type=");
        *self.last.lock() = None;
        let response = self.inner.send(request).await?;
        *self.last.lock() = Some(Seen {
            status: response.status,
            headers: response.headers.clone(),
            kept: Vec::new(),
            bytes: 0,
            is_credential: asks_for_token && response.status.is_success(),
        });
        let last = Arc::clone(&self.last);
        let body = response.body.inspect(move |chunk| {
            if let (Ok(chunk), Some(seen)) = (chunk, &mut *last.lock()) {
                let room = KEPT_BYTES - seen.kept.len();
                seen.bytes += chunk.len();
                if !seen.is_credential {
                    seen.kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
                }
            }
        });
        Ok(Response { body: body.boxed(), ..response })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Method;

    use super::*;

    struct Always(StatusCode, Vec<(&'static str, &'static str)>, Vec<Bytes>);

    #[async_trait]
    impl Transport for Always {
        async fn send(&self, _request: Request) -> Result<Response, TransportError> {
            let headers = self.1.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            let body = futures::stream::iter(self.2.clone().into_iter().map(Ok)).boxed();
            Ok(Response { status: self.0, headers: headers.collect(), body })
        }
    }

    /// What is shown after an exchange whose body was read to the end.
    async fn shown(answer: Always, body: &'static str) -> Vec<String> {
        let watched = Watched::new(Arc::new(answer));
        let url = "https://api.example.com/x".parse().unwrap();
        let request = Request { method: Method::POST, url, headers: HeaderMap::new(), body: body.into() };
        let response = watched.send(request).await.unwrap();
        response.body.for_each(|_| async {}).await;
        watched.lines(&["x-next".parse().unwrap()], |text| text.replace("hunter2", "…"))
    }

    #[tokio::test]
    async fn the_beginning_of_an_answer_is_shown_without_secrets_and_cookies() {
        let headers = vec![
            ("content-type", "text/html"),
            ("set-cookie", "session=abc"),
            ("x-ratelimit-remaining", "3"),
            ("x-next", "hunter2"),
            ("server", "x"),
        ];
        let body = vec![Bytes::from("<html>hun"), Bytes::from("ter2\u{1b}[2J</html>\nend")];
        assert_eq!(
            shown(Always(StatusCode::BAD_GATEWAY, headers, body), "").await,
            [
                "502 Bad Gateway",
                "content-type: text/html",
                "x-ratelimit-remaining: 3",
                "x-next: …",
                "<html>… [2J</html>",
                "end"
            ]
        );
    }

    #[tokio::test]
    async fn what_is_shown_is_bounded() {
        let chunks = vec![Bytes::from("ä".repeat(30_000)); 3];
        let lines = shown(Always(StatusCode::OK, Vec::new(), chunks), "").await;
        assert_eq!((lines.len(), lines[1].chars().count()), (3, SHOWN_CHARACTERS));
        assert_eq!(lines[2], "… (180000 bytes)");
        assert_eq!(shown(Always(StatusCode::NO_CONTENT, Vec::new(), Vec::new()), "").await[1], "(no body)");
    }

    #[tokio::test]
    async fn an_access_token_is_not_shown_but_its_refusal_is() {
        let token = vec![Bytes::from(r#"{"access_token":"t-1"}"#)];
        let asked = "grant_type=client_credentials";
        let lines = shown(Always(StatusCode::OK, Vec::new(), token.clone()), asked).await;
        assert_eq!(lines, ["200 OK", "(22 bytes: an access token)"]);
        let refused = shown(Always(StatusCode::BAD_REQUEST, Vec::new(), token), asked).await;
        assert_eq!(refused[1], r#"{"access_token":"t-1"}"#);
    }
}
