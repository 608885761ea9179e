//! What the tests of the workspace share: a folder in which the command runs, its processes, a proxy that
//! breaks connections, what components are built with, scripted answers and a driver for sources that poll, a crowd of
//! owners, and waiting for states.
//!
//! Beside the floors, a dev-dependency only. Invariant: nothing here waits for a while; it waits for a state, and says
//! which one did not come. Everything started in a sandbox ends with it.
#![allow(clippy::panic, reason = "whatever goes wrong here fails the test that asked")]

pub mod contract;
mod crowd;
mod driver;
mod feed;
mod form;
mod homeserver;
mod http;
mod process;
mod proxy;
mod sandbox;
pub mod scripted;
mod served;
mod stub;
mod wait;
mod windows;

pub use crowd::{Crowd, Dice, Events, windows};
pub use driver::{Driver, announced, truth};
pub use feed::{Feed, said};
pub use form::{Form, Login};
pub use homeserver::{Homeserver, HomeserverAnswer};
pub use http::{Answer, get, request};
pub use process::{Finished, Process};
pub use proxy::{Direction, FaultProxy, framing};
pub use sandbox::{Emulated, Sandbox};
pub use served::{Served, assert_patient};
pub use sluicebox_contract::{NoFiles, START_MILLISECONDS, context, environment, event, still_environment};
pub use stub::{Reply, Stub};
pub use wait::{PATIENCE, wait_for};
pub use windows::{commit, position, shard};
