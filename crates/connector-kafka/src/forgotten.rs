//! Catching up where a transaction stays open in the position topic, and saying whose it is.
//!
//! One of another pipeline ends by itself. One of our own cannot be open after `init_transactions`, unless the brokers
//! have forgotten it: the coordinator first writes down that a transaction will be committed, then marks every partition,
//! and some versions of Kafka skip a partition whose replicas are all away at that moment, as on a cluster of one broker
//! that was killed (KAFKA-20734). Its records stay invisible, with everything behind them. There is nothing to be done
//! about that from here: a commit needs a visible record in every partition, and an abort would take back what was
//! acknowledged. So the sink waits and says what a person can do.

use std::time::Duration;

use sluicebox_core::{Error, Result, Shard};

use crate::admin::Admin;
use crate::reader::Reader;
use crate::setup::Setup;

/// How long marks may take that are merely on their way.
const ON_THEIR_WAY: Duration = Duration::from_secs(2);

/// Reads to the end of the position topic, after `init_transactions`.
///
/// # Errors
/// Retryable if a transaction stays open, whosever it is, or the brokers do not answer.
pub(crate) fn catch_up(reader: &mut Reader<'_>, admin: &Admin, setup: &Setup, shard: &Shard) -> Result<()> {
    if reader.catch_up(admin, ON_THEIR_WAY)? {
        return Ok(());
    }
    if reader.is_hidden(&setup.base, shard)? {
        let message = "the brokers have forgotten to end a transaction of this sink";
        return Err(Error::transient(message).with_reason("forgotten_transaction").with_help(
            "find it with `kafka-transactions.sh find-hanging`, end it in every partition with its `abort`, and restart: \
             the pipeline goes on from the last position that is visible",
        ));
    }
    if reader.catch_up(admin, setup.timeout)? {
        return Ok(());
    }
    Err(Error::transient("a transaction of another pipeline stays open in the position topic")
        .with_help("it ends by itself after its transaction timeout, if its process is gone"))
}
