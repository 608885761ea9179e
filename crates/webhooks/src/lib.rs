//! Webhooks as Sluicebox takes them: a small HTTP receiver, the signatures of senders, a bell, and a durable inbox.
//!
//! A source asks for a route (an address, a path, a [`Scheme`], secrets) with [`listen`] while it is built, and says
//! who takes what comes: a [`Bell`], which only wakes a poller, or an [`Inbox`], which keeps every delivery on disk.
//! Invariants: nobody sees a body before its signature was verified over its raw bytes; a delivery is answered 2xx only
//! after whoever takes it says so; every size, time and count that a stranger can influence is bounded.

mod answer;
mod bell;
mod body;
mod endpoint;
mod identity;
mod inbox;
mod receiver;
mod refusals;
mod route;
mod scheme;
mod verifier;

pub use bell::Bell;
pub use endpoint::{BellOptions, Endpoint, check_endpoint, default_body_limit};
pub use inbox::{Inbox, InboxOptions, Kept};
pub use receiver::{Listening, listen};
pub use route::{Delivery, Receive, Taken};
pub use scheme::Scheme;
pub use verifier::{Refusal, Verifier};
