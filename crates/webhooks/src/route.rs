//! What a receiver hands on, to whom, and what comes of it.
//!
//! Invariant: a [`Delivery`] exists only after its signature was verified.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sluicebox_core::Timestamp;
use smol_str::SmolStr;

/// A verified delivery.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The sender's id of the delivery, the same when it is sent again; a digest of the body if it gave none.
    pub id: SmolStr,
    /// The type of the event; empty if the sender said none.
    pub event_type: SmolStr,
    /// Event time, as the sender states it.
    pub time: Option<Timestamp>,
    /// When it came.
    pub received: Timestamp,
    /// The raw bytes that were signed, unpacked.
    pub body: Bytes,
    /// SHA-256 of all that was signed, of schemes that sign a time: a second one is a replay, whatever its id says.
    pub content: Option<[u8; 32]>,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is taken (an inbox: it is durable). Answered 200.
    Kept,
    /// It was taken before. Answered 200.
    Known,
    /// There is no room now. Answered 503, with the time after which to try again.
    Full(Duration),
    /// It could not be taken; the sender shall try again. Answered 503.
    Failed(String),
}

/// Takes verified deliveries.
#[async_trait]
pub trait Receive: Send + Sync {
    /// Takes one. The sender waits for the answer, ten seconds at most. Cancel-safe: if it is dropped, the delivery was
    /// taken or was not, and comes again.
    async fn receive(&self, delivery: Delivery) -> Taken;
}
