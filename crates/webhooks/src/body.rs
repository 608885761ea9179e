//! Reads the body of a request, and unpacks it, within a size.
//!
//! Invariant: neither the body as sent nor the body unpacked is ever held beyond the limit.

use std::io::Read;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};

/// The raw bytes that a signature covers, or the status that refuses them.
pub(crate) async fn read(headers: &HeaderMap, body: Incoming, limit: usize) -> Result<Bytes, StatusCode> {
    if body.size_hint().lower() > limit as u64 {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let encoding = headers.get(header::CONTENT_ENCODING).map_or(&b"identity"[..], |value| value.as_bytes());
    let is_gzip = match encoding.to_ascii_lowercase().as_slice() {
        b"identity" => false,
        b"gzip" | b"x-gzip" => true,
        _ => return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE),
    };
    let read = Limited::new(body, limit).collect().await;
    let sent = read.map_err(|error| {
        if error.is::<LengthLimitError>() { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST }
    })?;
    let sent = sent.to_bytes();
    if is_gzip { unpack(&sent, limit) } else { Ok(sent) }
}

fn unpack(sent: &[u8], limit: usize) -> Result<Bytes, StatusCode> {
    let mut unpacked = Vec::new();
    let mut bounded = MultiGzDecoder::new(sent).take(limit as u64 + 1);
    bounded.read_to_end(&mut unpacked).map_err(|_| StatusCode::BAD_REQUEST)?;
    if unpacked.len() > limit { Err(StatusCode::PAYLOAD_TOO_LARGE) } else { Ok(unpacked.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let bomb = packed(&vec![b'0'; 10 << 20]);
        assert!(bomb.len() < 20_000);
        assert_eq!(unpack(&bomb, 20_000), Err(StatusCode::PAYLOAD_TOO_LARGE));
        assert_eq!(unpack(&packed(&[b'0'; 100]), 100).unwrap().len(), 100);
        assert_eq!(unpack(&packed(&[b'0'; 101]), 100), Err(StatusCode::PAYLOAD_TOO_LARGE));
    }

    #[test]
    fn what_is_no_gzip_is_a_bad_request() {
        assert_eq!(unpack(b"{}", 100), Err(StatusCode::BAD_REQUEST));
        let whole = packed(b"{}");
        assert_eq!(unpack(&whole[..whole.len() - 4], 100), Err(StatusCode::BAD_REQUEST));
    }
}
