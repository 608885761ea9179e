//! How faults strike an answer: in its place, or in its bytes.
//!
//! Faults that bend a page work where pages are made; those here know nothing of events and cursors.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::answer::{Answer, Payload, Reply};
use crate::call::Call;
use crate::faults::{FaultKind, RetryAfter};
use crate::options::Api;
use crate::server::Server;
use crate::{opentrain, zenzap};

const PORTAL: &str = "<!DOCTYPE html><html><body><h1>Welcome to the guest network</h1></body></html>";

/// The reply that a fault gives before the API is asked at all; `None` if it leaves the API to answer.
pub(crate) async fn instead(server: &Server, call: &Call) -> Option<Reply> {
    let answer = match call.fault.as_ref()? {
        FaultKind::Status(status) => failure(server, *status),
        FaultKind::RateLimited(when) => {
            let answer = failure(server, 429);
            match when {
                RetryAfter::Absent => answer,
                RetryAfter::Seconds(seconds) => answer.retry_after(*seconds),
                RetryAfter::Date(seconds) => answer.retry_after_date(server.clock.now(0), *seconds),
            }
        }
        FaultKind::Reset => return Some(Reply::Reset),
        FaultKind::Hang(time) => {
            tokio::time::sleep(*time).await;
            return Some(Reply::Close);
        }
        FaultKind::Redirect(address) => Answer::redirect(address),
        FaultKind::Html => Answer::html(PORTAL),
        FaultKind::Expired => Answer::text(409, zenzap::EXPIRED),
        FaultKind::WebhookMode => Answer::text(409, zenzap::WRONG_MODE),
        _ => return None,
    };
    Some(Reply::Answer(answer))
}

/// An error of this status, in the way of the API.
fn failure(server: &Server, status: u16) -> Answer {
    match server.options.api {
        Api::OpenTrain => opentrain::failure(server, status),
        Api::Zenzap => zenzap::failure(status),
    }
}

/// Spoils the bytes of an answer, if the fault is one that does.
pub(crate) fn deform(mut answer: Answer, fault: Option<&FaultKind>) -> Answer {
    let body = answer.body.bytes().clone();
    answer.body = match fault {
        Some(FaultKind::Cut(bytes)) => {
            // At least the last byte is missing, else nothing would be cut.
            let bytes = usize::try_from(*bytes).unwrap_or(usize::MAX).min(body.len().saturating_sub(1));
            Payload::Cut { body, bytes }
        }
        Some(FaultKind::Trickle(rate)) => Payload::Trickle { body, rate: *rate },
        Some(FaultKind::Malformed) => {
            // Broken at the end: a parser that hands out items as they come has seen them all by then.
            let broken = [body.slice(..body.len().saturating_sub(1)), ",,]".into()].concat();
            Payload::Whole(broken.into())
        }
        Some(FaultKind::Utf8) => Payload::Whole(opened(&body, b"\"broken\":\"\xC3\x28 \xFF\xFE\"").into()),
        Some(FaultKind::Oversized(bytes)) => {
            let padding = usize::try_from(*bytes).unwrap_or(usize::MAX).saturating_sub(body.len());
            let member = [b"\"padding\":\"".as_slice(), &vec![b'x'; padding], b"\""].concat();
            Payload::Whole(opened(&body, &member).into())
        }
        Some(FaultKind::Gzip) => return answer.gzipped(gzip(&body)),
        Some(FaultKind::Bomb(bytes)) => return answer.gzipped(bomb(&body, *bytes)),
        _ => return answer,
    };
    answer
}

/// The same JSON object with one more member in front; what is no object is left alone.
fn opened(body: &[u8], member: &[u8]) -> Vec<u8> {
    match body.strip_prefix(b"{") {
        Some(b"}") => [b"{", member, b"}"].concat(),
        Some(rest) => [b"{", member, b",", rest].concat(),
        None => body.to_vec(),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("writing to memory cannot fail");
    encoder.finish().expect("writing to memory cannot fail")
}

/// Padding compressed once and repeated: gzip members follow each other freely (RFC 1952 section 2.2), so any size
/// costs the time of one mebibyte.
fn bomb(body: &[u8], bytes: u64) -> Vec<u8> {
    const PIECE: usize = 1 << 20;
    let piece = gzip(&vec![b'x'; PIECE]);
    let mut out = gzip(b"{\"padding\":\"");
    for _ in 0..bytes.div_ceil(PIECE as u64) {
        out.extend_from_slice(&piece);
    }
    match body.strip_prefix(b"{") {
        Some(b"}") | None => out.append(&mut gzip(b"\"}")),
        Some(rest) => out.append(&mut gzip(&[b"\",", rest].concat())),
    }
    out
}
