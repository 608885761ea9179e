//! What a component is built with in the tests of this crate.

use sluicebox_core::{Context, Delivery};

/// The context of the sink `broker` of the pipeline `orders`.
pub(crate) fn context(delivery: Delivery) -> Context {
    Context { folder: "pipelines".into(), delivery, ..sluicebox_testkit::context("orders", "broker") }
}
