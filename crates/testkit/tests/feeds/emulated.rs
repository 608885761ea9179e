//! Sources over the emulators, in haste.

use serde_json::Value;
use sluicebox_emulator::{Api, Emulator, Options};
use sluicebox_testkit::{Driver, Login, announced};

use crate::{FORM, registry};

/// An emulator of an API with one account and so many events.
pub(crate) fn options(api: Api, events: u64) -> Options {
    Options { events, ..Options::new(api) }
}

/// The source of an emulated API, with more options over `base`; waits pass `haste` times faster.
pub(crate) async fn driver(
    (emulator, api, login): (&Emulator, Api, Login),
    base: &Value,
    more: &Value,
    haste: u32,
) -> Driver {
    let announced = announced(emulator);
    let mut options = FORM.access(api, login, |name| announced[name].clone());
    for part in [base, more] {
        options.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
    }
    options["base_url"] = announced["url"].clone();
    Driver::new(&registry(), FORM.source_type(api), options, haste).await
}
