//! What a feed holds, without a server.

use std::ops::Range;

use bytes::Bytes;

use crate::account::world;
use crate::feed::Feed;
use crate::options::Api;

/// The events of a generated feed, byte for byte as an emulator with this seed serves them to this account.
///
/// The feed is generated from its beginning up to the end of the range, some two microseconds an event when optimised. Slack has
/// no feed, hence no events.
pub fn events(api: Api, seed: u64, account: u32, range: Range<u64>) -> Vec<Bytes> {
    let mut feed = Feed::new(world(api, seed, account, None), range.end, 0.0);
    feed.generate(range.end);
    let range = range.start..range.end.min(feed.total());
    range.map(|index| Bytes::copy_from_slice(feed.event(index))).collect()
}
