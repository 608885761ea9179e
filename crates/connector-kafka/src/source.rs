//! The `kafka` source: reads the partitions that a consumer group assigns, and tells the group what is durable.
//!
//! One thread (`keeper`) owns the consumer: it serves the group, asks where partitions stand and begins to read them;
//! another (`clerk`) commits. Each
//! partition has a queue of its own in librdkafka, bounded in bytes, from which its source takes pages (`reading`): a
//! partition whose queue is full is fetched no more, and holds up no other. Invariant: a record is passed over only by a
//! position that is durable, in our checkpoint or in the group.

mod clerk;
mod decode;
mod group;
mod keeper;
mod lane;
mod look;
mod member;
mod place;
mod probe;
mod reading;
mod spec;

pub use spec::{Format, Isolation, KafkaSourceSpec, OnOffsetExpired, Part, Start};
