//! The signature of a request: HMAC-SHA256 over `{milliseconds}.{content}`, in lower-case hex. The content is path and
//! query of a GET, and the body of what has one.
//!
//! Source: the Zenzap contract, section 2a. Invariant: what is signed is what goes on the wire, so the content
//! is read back from the request that is sent and never rebuilt.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use sha2::Sha256;
use sluicebox_core::Timestamp;
use url::Url;

use crate::Request;

/// The signature of `content` (path and query of a GET, else the body) at a time, as 64 lower-case hex digits.
pub fn sign(secret: &str, time: Timestamp, content: impl AsRef<[u8]>) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length (RFC 2104)");
    mac.update(time.as_millis().to_string().as_bytes());
    mac.update(b".");
    mac.update(content.as_ref());
    let mut hex = String::with_capacity(64);
    for byte in mac.finalize().into_bytes() {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// What a signature of `request` covers: its path and query if it is a GET (or HEAD), else its body.
pub(crate) fn signed_content(request: &Request) -> &[u8] {
    match request.method {
        Method::GET | Method::HEAD => path_and_query(&request.url).as_bytes(),
        _ => &request.body,
    }
}

/// Path and query exactly as they stand in the request line.
fn path_and_query(url: &Url) -> &str {
    &url[url::Position::BeforePath..url::Position::AfterQuery]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_equal_the_vectors_of_the_contract() {
        let time = Timestamp::from_millis(1_699_564_800_000);
        for (text, expected) in [
            ("/v2/members?limit=10", "abbaecbac521e93291e97e24e7bb5485a732c5e0e93310832aaa5d761a44fb4c"),
            (
                "/v2/updates?limit=50&timeout=20",
                "cfa8506941abfa29568e6bd5fb83957a6be31a253b5d3d5448897b97212ca49b",
            ),
            (
                "/v2/updates?offset=AAAAAAABAAAAAAAAAAABAA%3D%3D&limit=50&timeout=20",
                "e627cd88a1a342ae0921116e6e8fb035983de1407a41a8fc4e1b6676bfb55f7b",
            ),
            (
                r#"{"topicId":"123","text":"Hello"}"#,
                "7a0cb10722ea6e0555047e9b1a6bcb579fe4a4cf5ea6e14ecdaf88bae36ccddc",
            ),
        ] {
            assert_eq!(sign("test-secret", time, text), expected, "{text}");
        }
    }

    #[test]
    fn the_url_keeps_the_encoding_that_was_signed() {
        let target = "/v2/updates?offset=a%2Bb%2Fc%3D%3D&limit=50&timeout=20";
        let url = Url::parse(&format!("https://api.zenzap.co{target}")).unwrap();
        assert_eq!(path_and_query(&url), target);
    }
}
