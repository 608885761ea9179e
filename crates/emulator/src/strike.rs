//! How faults strike an answer: in its place, or in its bytes.
//!
//! Faults that bend a page work where pages are made; those here know nothing of events and cursors.

use std::io::Write;

use flate2::write::GzEncoder;
use flate2::{Compress, Compression, Crc, FlushCompress};

use crate::answer::{Answer, Payload, Reply};
use crate::call::Call;
use crate::faults::{FaultKind, RetryAfter};
use crate::options::Api;
use crate::server::Server;
use crate::{opentrain, slack, zenzap};

const PORTAL: &str = "<!DOCTYPE html><html><body><h1>Welcome to the guest network</h1></body></html>";

/// The reply that a fault gives before the API is asked at all; `None` if it leaves the API to answer.
pub(crate) async fn instead(server: &Server, call: &Call) -> Option<Reply> {
    let answer = match call.fault.as_ref()? {
        FaultKind::Status(status) => failure(server, call, *status),
        FaultKind::SlackError(word) => slack::refusal(call, word),
        FaultKind::RateLimited(when) => {
            let answer = failure(server, call, 429);
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
fn failure(server: &Server, call: &Call, status: u16) -> Answer {
    match server.options.api {
        Api::OpenTrain => opentrain::failure(server, status),
        Api::Zenzap => zenzap::failure(status),
        Api::Slack => slack::failure(call, status),
    }
}

/// What comes of an answer that the API gave: its bytes spoiled, or something else sent in its place although the work
/// was done.
pub(crate) async fn afterwards(server: &Server, call: &Call, answer: Answer) -> Reply {
    let stored = answer.events;
    let mut instead = match call.fault.as_ref() {
        Some(FaultKind::Stored(kind)) if stored > 0 => match &**kind {
            FaultKind::Reset => return Reply::Reset,
            FaultKind::Hang(time) => {
                tokio::time::sleep(*time).await;
                return Reply::Close;
            }
            FaultKind::Status(status) => failure(server, call, *status),
            FaultKind::SlackError(word) => slack::refusal(call, word),
            _ => answer,
        },
        fault => return Reply::Answer(deform(answer, fault)),
    };
    instead.events = stored;
    Reply::Answer(instead)
}

/// Spoils the bytes of an answer, if the fault is one that does.
fn deform(mut answer: Answer, fault: Option<&FaultKind>) -> Answer {
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

/// Padding compressed once and repeated, so that any size costs the time of one mebibyte. A full flush leaves a piece of
/// deflate that stands for itself (RFC 1951 section 3.2.4), and all pieces are one gzip member: clients unpack only one.
fn bomb(body: &[u8], bytes: u64) -> Vec<u8> {
    const PIECE: usize = 1 << 20;
    // RFC 1952 section 2.3: deflate, no flags, no time, no system.
    const HEADER: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];
    let members = body.strip_prefix(b"{").filter(|rest| *rest != b"}");
    let end = members.map_or_else(|| b"\"}".to_vec(), |rest| [b"\",", rest].concat());
    let (begin, padding) = (b"{\"padding\":\"", vec![b'x'; PIECE]);
    let (piece, piece_sum) = (flushed(&padding), sum(&padding));
    let (mut out, mut total) = (HEADER.to_vec(), sum(begin));
    out.extend_from_slice(&flushed(begin));
    for _ in 0..bytes.div_ceil(PIECE as u64) {
        out.extend_from_slice(&piece);
        total.combine(&piece_sum);
    }
    total.combine(&sum(&end));
    out.extend_from_slice(&deflated(&end, FlushCompress::Finish));
    out.extend_from_slice(&total.sum().to_le_bytes());
    out.extend_from_slice(&total.amount().to_le_bytes());
    out
}

fn sum(bytes: &[u8]) -> Crc {
    let mut sum = Crc::new();
    sum.update(bytes);
    sum
}

fn flushed(bytes: &[u8]) -> Vec<u8> {
    deflated(bytes, FlushCompress::Full)
}

fn deflated(bytes: &[u8], flush: FlushCompress) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 1024);
    let mut compress = Compress::new(Compression::fast(), false);
    compress.compress_vec(bytes, &mut out, flush).expect("there is room for more than the bytes themselves");
    out
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_bomb_is_small_and_one_member_that_unpacks_whole() {
        for (body, end) in [("{\"a\":1}", "x\",\"a\":1}"), ("{}", "x\"}")] {
            let bomb = bomb(body.as_bytes(), 5 << 20);
            assert!(bomb.len() < 100_000, "{}", bomb.len());
            let mut unpacked = String::new();
            let mut decoder = flate2::bufread::GzDecoder::new(&bomb[..]);
            decoder.read_to_string(&mut unpacked).unwrap();
            assert!(decoder.into_inner().is_empty(), "nothing follows the member");
            assert!(unpacked.len() > 5 << 20 && unpacked.starts_with("{\"padding\":\"xx"));
            assert!(unpacked.ends_with(end));
        }
    }
}
