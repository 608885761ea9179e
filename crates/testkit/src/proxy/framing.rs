//! Where messages end, for the protocols of the servers.
//!
//! Invariant: a framing looks at the front of what has not been forwarded and says how long the first message is, or
//! None while it is not there as a whole. It trusts both sides, which are real programs.

/// The length of the first whole message.
pub type Framing = fn(&[u8]) -> Option<usize>;

/// `PostgreSQL` v3 without TLS: a letter, then a length that counts itself; a start-up message has no letter.
/// Source: `PostgreSQL` documentation, "Message Formats".
pub fn postgres(bytes: &[u8]) -> Option<usize> {
    // The length of a start-up message is far below 2^24, so its first byte is zero.
    let letter = usize::from(*bytes.first()? != 0);
    whole(bytes, letter + length_at(bytes, letter)?)
}

/// AMQP 0.9.1: type, channel, length, payload, end mark; the client begins with eight bytes of protocol header.
/// Source: AMQP 0-9-1, sections 4.2.2 and 4.2.3.
pub fn amqp(bytes: &[u8]) -> Option<usize> {
    let length = if *bytes.first()? == b'A' { 8 } else { 8 + length_at(bytes, 3)? };
    whole(bytes, length)
}

/// Kafka: a length that does not count itself, then a request or a response.
/// Source: Kafka protocol guide, "Protocol Primitive Types" and "Common Request and Response Structure".
pub fn kafka(bytes: &[u8]) -> Option<usize> {
    whole(bytes, 4 + length_at(bytes, 0)?)
}

/// HTTP/1.1 with `Content-Length` bodies: a head, then the body that it announces.
/// Source: RFC 9112, sections 2.1 and 6.2.
pub fn http(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    whole(bytes, head + length.and_then(|length| length.trim().parse().ok()).unwrap_or(0))
}

fn length_at(bytes: &[u8], place: usize) -> Option<usize> {
    let length = bytes.get(place..place + 4)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(length)).ok()
}

fn whole(bytes: &[u8], length: usize) -> Option<usize> {
    (bytes.len() >= length).then_some(length)
}
