//! The ready-made pipelines at work: each runs unchanged against emulators over TCP and, where it needs one, a real
//! server. What it leaves behind is read by other code than ours and compared with the feed itself; a short run must
//! leave exactly what lies in its `expected/` folder.
//!
//! `SLUICEBOX_BLESS=1` writes `sample/` and `expected/` anew instead of comparing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod contracts;
mod marketplace_to_kafka;
mod marketplace_to_postgres;
mod marketplace_to_sqlite;
mod payments_to_slack;
mod scene;
mod team_chat_to_amqp;
mod team_chat_to_files;
