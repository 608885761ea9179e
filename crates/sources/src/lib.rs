//! The light sources: feeds of APIs, and generated events.
//!
//! Each is one configuration struct and one `register` line. Invariant: one `next` is one attempt; what came back is
//! classified here, and waiting, retrying, pausing and saving cursors are the engine's.

mod file;
mod framing;
mod generate;
mod line_event;
mod matrix_sync;
mod opentrain_job_changes;
mod opentrain_updates;
mod splitter;
mod stdin;
mod webhook;
mod zenzap_updates;

use sluicebox_polling::{asking, item, pace, page, protocol, standing};

pub use file::{FileFormat, FileSource, FileStart};
pub use generate::Generate;
pub use line_event::LineEventOptions;
pub use matrix_sync::MatrixSync;
pub use opentrain_job_changes::OpenTrainJobChanges;
pub use opentrain_updates::OpenTrainUpdates;
pub use sluicebox_polling::Start;
pub use stdin::StdinSource;
pub use webhook::Webhook;
pub use zenzap_updates::{
    AttachmentType, ObjectStore, OnOffsetExpired, ZenzapAttachments, ZenzapUpdates, ZenzapWebhook,
};

/// Adds every source of this crate.
pub fn register(registry: &mut sluicebox_core::Registry) {
    registry.source::<FileSource>();
    registry.source::<Generate>();
    registry.source::<MatrixSync>();
    registry.source::<OpenTrainJobChanges>();
    registry.source::<OpenTrainUpdates>();
    registry.source::<Webhook>();
    registry.source::<StdinSource>();
    registry.source::<ZenzapUpdates>();
}
