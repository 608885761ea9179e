//! The two APIs that Sluicebox polls, served on loopback.

mod account;
mod answer;
mod call;
mod chance;
mod clock;
mod connection;
mod control;
mod credentials;
mod emulator;
mod error;
mod faults;
mod feed;
mod history;
mod json;
mod log;
mod opentrain;
mod options;
mod page;
mod private;
mod server;
mod strike;
mod vocabulary;
mod zenzap;

pub use control::Control;
pub use credentials::Credentials;
pub use emulator::{Announcement, Emulator, start};
pub use error::EmulatorError;
pub use faults::{Fault, FaultKind, RetryAfter, Target, When};
pub use history::events;
pub use log::{Credential, RequestRecord, Stats};
pub use options::{Api, DeliveryMode, Options};
