//! Which stretches of time an event belongs to.

use super::store::Span;

/// The spans of a kind of window; all lengths in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spans {
    /// One after the other, from the Unix epoch; `every` is shorter than `size` where they overlap.
    Regular { size: i64, every: i64 },
    /// As long as no two events are further apart than this.
    Session { gap: i64 },
}

impl Spans {
    /// The spans that an event of this time belongs to, earliest first; of a session, what it is by itself.
    pub(super) fn of(self, time: i64) -> Vec<Span> {
        match self {
            Self::Session { gap } => vec![(time, time.saturating_add(gap))],
            Self::Regular { size, every } => {
                let last = time.div_euclid(every).saturating_mul(every);
                let starts = std::iter::successors(Some(last), |start| start.checked_sub(every));
                let holding = starts.map(|start| (start, start.saturating_add(size)));
                let mut spans: Vec<Span> = holding.take_while(|(_, end)| *end > time).collect();
                spans.reverse();
                spans
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_belongs_to_every_span_that_holds_its_time() {
        let tumbling = Spans::Regular { size: 60, every: 60 };
        assert_eq!(tumbling.of(119), [(60, 120)]);
        assert_eq!(tumbling.of(120), [(120, 180)]);
        assert_eq!(tumbling.of(-1), [(-60, 0)]);
        let sliding = Spans::Regular { size: 60, every: 25 };
        assert_eq!(sliding.of(100), [(50, 110), (75, 135), (100, 160)]);
        assert_eq!(sliding.of(111), [(75, 135), (100, 160)]);
        assert_eq!(Spans::Session { gap: 30 }.of(7), [(7, 37)]);
    }
}
