//! Reading a queue back by other code: pika, run by `drain.py` beside this file.
//!
//! Invariant: what was read is out of the queue, and every message is told.

use std::collections::BTreeMap;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::tools;

/// The program; given to Python as text, so that it is there wherever the tests are.
const PROGRAM: &str = include_str!("drain.py");

/// A message as pika read it; a property that it does not have is None.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Message {
    /// The bytes of the message itself.
    #[serde(deserialize_with = "from_base64")]
    pub body: Vec<u8>,
    /// The exchange that it was published to.
    pub exchange: String,
    /// The routing key that it was published with.
    pub routing_key: String,
    /// Whether the broker had given it to a consumer before.
    pub redelivered: bool,
    /// The property `message_id`.
    pub message_id: Option<String>,
    /// The property `type`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The property `timestamp`, in seconds since 1970.
    pub timestamp: Option<i64>,
    /// The property `content_type`.
    pub content_type: Option<String>,
    /// The property `delivery_mode`; 2 is persistent.
    pub delivery_mode: Option<u8>,
    /// The headers.
    pub headers: BTreeMap<String, Value>,
}

/// Takes every message out of a queue.
pub(crate) fn drain(url: &str, queue: &str) -> Result<Vec<Message>> {
    let mut command = Command::new(tools::python()?);
    command.env("PYTHONPATH", tools::pika()?).args(["-c", PROGRAM, url, queue]);
    let lines = tools::run(&mut command)?;
    let message = |line: &str| {
        serde_json::from_str(line).map_err(|cause| Error::during("cannot understand what pika read", cause))
    };
    lines.lines().map(message).collect()
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}
