//! Events for the tests of this crate.

use sluicebox_core::Event;
pub(crate) use sluicebox_testkit::event;

/// An event of this key.
pub(crate) fn keyed(number: usize, key: &str) -> Event {
    let mut event = event(number, r#"{"n":1}"#);
    event.meta_mut().key = key.into();
    event
}
