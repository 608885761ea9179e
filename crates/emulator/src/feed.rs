//! The feed of one account: events in the order in which they happened, of which a growing part is visible.
//!
//! Events are rendered once, many behind each other in one buffer with commas between them, so that a page is the copy
//! of one or two stretches of memory. They are generated when they are first needed, always in order, so the bytes of
//! an event depend on nothing but the seed, the account and its place.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

/// Events in one buffer: no buffer grows beyond a few hundred kilobytes, and none is ever moved.
const SEGMENT: usize = 1024;

/// What is known of a rendered event without reading it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    /// The number that orders the event in its feed.
    pub(crate) id: u64,
    /// Which kind of event it is; the meaning is that of the world that made it.
    pub(crate) kind: u8,
}

/// A small world in which things happen, one event after the other, and in which they can be looked up.
pub(crate) trait World: Send + Sync {
    /// Lets the next thing happen and writes its event.
    fn next(&mut self, out: &mut Vec<u8>) -> Mark;

    /// Reads something as it is after the events so far; `None` if there is no such thing. `path` holds the decoded
    /// segments after the prefix of the API.
    fn look_up(&self, path: &[&str], query: &[(String, String)]) -> Option<Value>;
}

#[derive(Debug, Default)]
struct Segment {
    text: Vec<u8>,
    /// Where each event ends in the text.
    ends: Vec<u32>,
    marks: Vec<Mark>,
}

impl Segment {
    fn start(&self, place: usize) -> usize {
        // One past the comma that follows the event before.
        if place == 0 { 0 } else { self.ends[place - 1] as usize + 1 }
    }
}

pub(crate) struct Feed {
    /// Without a world there are no events, whatever is asked for: an API that is only written to.
    world: Option<Box<dyn World>>,
    segments: Vec<Segment>,
    generated: u64,
    visibility: Visibility,
}

/// How many events can be seen: a start, growing at a rate, up to a total.
#[derive(Clone, Copy, Debug)]
struct Visibility {
    total: u64,
    base: u64,
    rate: f64,
    since: Duration,
}

impl Feed {
    pub(crate) fn new(world: Option<Box<dyn World>>, total: u64, rate: f64) -> Self {
        let total = if world.is_some() { total } else { 0 };
        let base = if rate > 0.0 { 0 } else { total };
        let visibility = Visibility { total, base, rate, since: Duration::ZERO };
        Self { world, segments: Vec::new(), generated: 0, visibility }
    }

    /// How many events can be seen at this time since the start.
    pub(crate) fn visible(&self, now: Duration) -> u64 {
        let Visibility { total, base, rate, since } = self.visibility;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast saturates, which is meant"
        )]
        let grown = (now.saturating_sub(since).as_secs_f64() * rate) as u64;
        base.saturating_add(grown).min(total)
    }

    /// When one more event than now will be seen, if nobody interferes.
    pub(crate) fn next_visible(&self, now: Duration) -> Option<Duration> {
        let Visibility { total, base, rate, since } = self.visibility;
        let visible = self.visible(now);
        if rate <= 0.0 || visible >= total {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of events are far below 2^52")]
        let wait = (visible + 1 - base) as f64 / rate;
        // A hair later, so that rounding cannot wake a poller just before the event is there.
        Some(
            since + Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX / 2) + Duration::from_millis(1),
        )
    }

    pub(crate) fn total(&self) -> u64 {
        self.visibility.total
    }

    /// Adds events at the end of the feed; without a rate they can be seen at once.
    pub(crate) fn append(&mut self, count: u64) {
        let count = if self.world.is_some() { count } else { 0 };
        self.visibility.total += count;
        if self.visibility.rate <= 0.0 {
            self.visibility.base += count;
        }
    }

    /// Shows exactly so many events, adding to the feed if it is shorter, and stops the growth.
    pub(crate) fn show(&mut self, count: u64) {
        let count = if self.world.is_some() { count } else { 0 };
        let total = self.visibility.total.max(count);
        self.visibility = Visibility { total, base: count, rate: 0.0, since: Duration::ZERO };
    }

    pub(crate) fn is_generated(&self, count: u64) -> bool {
        self.generated >= count
    }

    /// Generates so many events, if that has not happened yet.
    pub(crate) fn generate(&mut self, count: u64) {
        let Some(world) = &mut self.world else {
            return;
        };
        while self.generated < count {
            if self.segments.last().is_none_or(|segment| segment.marks.len() == SEGMENT) {
                self.segments.push(Segment::default());
            }
            let segment = self.segments.last_mut().expect("a segment was just added if there was none");
            if !segment.marks.is_empty() {
                segment.text.push(b',');
            }
            let mark = world.next(&mut segment.text);
            segment.ends.push(u32::try_from(segment.text.len()).expect("1024 events are far below 4 GiB"));
            segment.marks.push(mark);
            if segment.marks.len() == SEGMENT {
                segment.text.shrink_to_fit();
            }
            self.generated += 1;
        }
    }

    fn locate(index: u64) -> (usize, usize) {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        (index / SEGMENT, index % SEGMENT)
    }

    pub(crate) fn mark(&self, index: u64) -> Mark {
        let (segment, place) = Self::locate(index);
        self.segments[segment].marks[place]
    }

    pub(crate) fn event(&self, index: u64) -> &[u8] {
        let (segment, place) = Self::locate(index);
        let segment = &self.segments[segment];
        &segment.text[segment.start(place)..segment.ends[place] as usize]
    }

    /// The first generated event whose number is above this one; the end, if there is none.
    pub(crate) fn first_after(&self, id: u64) -> u64 {
        let segment =
            self.segments.partition_point(|segment| segment.marks.last().is_some_and(|mark| mark.id <= id));
        let place =
            self.segments.get(segment).map_or(0, |found| found.marks.partition_point(|mark| mark.id <= id));
        ((segment * SEGMENT + place) as u64).min(self.generated)
    }

    /// Writes neighbouring generated events, with commas between them.
    pub(crate) fn copy(&self, range: Range<u64>, out: &mut Vec<u8>) {
        let mut index = range.start;
        while index < range.end {
            if index > range.start {
                out.push(b',');
            }
            let (number, place) = Self::locate(index);
            let segment = &self.segments[number];
            let count = (range.end - index).min((segment.marks.len() - place) as u64);
            let last = place + usize::try_from(count).unwrap_or(usize::MAX) - 1;
            out.extend_from_slice(&segment.text[segment.start(place)..segment.ends[last] as usize]);
            index += count;
        }
    }

    /// Generated events as JSON lines.
    pub(crate) fn lines(&self, range: Range<u64>) -> Bytes {
        let mut out = Vec::new();
        for index in range {
            out.extend_from_slice(self.event(index));
            out.push(b'\n');
        }
        out.into()
    }

    /// Asks the world; see [`World::look_up`].
    pub(crate) fn look_up(&self, path: &[&str], query: &[(String, String)]) -> Option<Value> {
        self.world.as_ref()?.look_up(path, query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(u64);

    impl World for Counting {
        fn next(&mut self, out: &mut Vec<u8>) -> Mark {
            self.0 += 2;
            out.extend_from_slice(format!("{{\"n\":{}}}", self.0).as_bytes());
            Mark { id: self.0, kind: 0 }
        }

        fn look_up(&self, _: &[&str], _: &[(String, String)]) -> Option<Value> {
            None
        }
    }

    #[test]
    fn a_copy_across_segments_is_a_list() {
        let mut feed = Feed::new(Some(Box::new(Counting(0))), 5000, 0.0);
        feed.generate(5000);
        for range in [0..1, 0..5000, 1020..1030, 1024..2048, 1023..3073, 4999..5000, 7..7] {
            let mut out = b"[".to_vec();
            feed.copy(range.clone(), &mut out);
            out.push(b']');
            let list: Vec<Value> = serde_json::from_slice(&out).unwrap();
            let expected: Vec<u64> = range.map(|index| (index + 1) * 2).collect();
            assert_eq!(list.iter().map(|item| item["n"].as_u64().unwrap()).collect::<Vec<_>>(), expected);
        }
        for (id, index) in [(0, 0), (1, 0), (2, 1), (2047, 1023), (2048, 1024), (9999, 4999), (10_000, 5000)]
        {
            assert_eq!(feed.first_after(id), index, "{id}");
        }
    }

    #[test]
    fn events_become_visible_at_the_rate() {
        let second = Duration::from_secs(1);
        let mut feed = Feed::new(Some(Box::new(Counting(0))), 10, 4.0);
        assert_eq!(
            (feed.visible(Duration::ZERO), feed.visible(second), feed.visible(9 * second)),
            (0, 4, 10)
        );
        assert_eq!(feed.next_visible(second), Some(Duration::from_millis(1251)));
        assert_eq!(feed.next_visible(9 * second), None);
        feed.show(12);
        assert_eq!((feed.visible(Duration::ZERO), feed.total()), (12, 12));
        feed.append(3);
        assert_eq!(feed.visible(Duration::ZERO), 15);
    }
}
