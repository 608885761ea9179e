//! What becomes of the records of a batch that were not written.

use std::collections::HashSet;

use sluicebox_core::{Error, Event, Rejected};

use crate::fault::{Fault, refusal};
use crate::producer::Failed;
use crate::record::{Recipe, Texts};

/// How librdkafka gathers records: what is in one request is refused together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packing {
    /// Bytes of a request; a larger record goes alone.
    pub(crate) batch_bytes: usize,
    /// Every record goes alone, to find the one that is too large.
    pub(crate) alone: bool,
}

/// Failures, sorted by what to do.
#[derive(Default)]
pub(crate) struct Verdict {
    /// Records that can never be written.
    pub(crate) guilty: Vec<Rejected>,
    /// Records to send again.
    pub(crate) again: Vec<Rejected>,
    /// Why nothing can be written.
    pub(crate) stop: Option<Error>,
    /// Records were refused only because of what they shared a request with; the topic of one of them.
    pub(crate) crowded: Option<String>,
}

impl Verdict {
    /// Sorts the failures of a batch.
    pub(crate) fn of(failed: Vec<Failed>, events: &[Event], recipe: &Recipe, packing: Packing) -> Self {
        let mut verdict = Self::default();
        let topic = recipe.topic.fixed();
        for (index, code) in failed {
            let Some(event) = events.get(index) else {
                // A dead letter or a position: nothing of ours may be left out.
                verdict.stop.get_or_insert_with(|| refusal(code, topic));
                continue;
            };
            match Fault::of(code) {
                Fault::TooLarge => verdict.too_large(index, event, recipe, packing),
                Fault::Record => verdict.guilty.push(Rejected { index, error: refusal(code, topic) }),
                Fault::UnknownTopic if topic.is_none() => {
                    verdict.guilty.push(Rejected { index, error: refusal(code, topic) });
                }
                Fault::Transient | Fault::Fenced => {
                    verdict.again.push(Rejected { index, error: refusal(code, topic) });
                }
                Fault::Auth | Fault::Config | Fault::UnknownTopic => {
                    verdict.stop.get_or_insert_with(|| refusal(code, topic));
                }
            }
        }
        verdict
    }

    /// A request is refused whole if it is larger than the topic takes: whoever shared it may be innocent.
    fn too_large(&mut self, index: usize, event: &Event, recipe: &Recipe, packing: Packing) {
        let code = rdkafka::types::RDKafkaErrorCode::MessageSizeTooLarge;
        let mut texts = Texts::default();
        let Ok(record) = recipe.record(event, &mut texts) else { return };
        if packing.alone || record.size() >= packing.batch_bytes {
            self.guilty.push(Rejected { index, error: refusal(code, recipe.topic.fixed()) });
            return;
        }
        self.crowded = Some(record.topic.to_owned());
        let error =
            Error::transient("a request was larger than the topic takes; its records go one by one now");
        self.again.push(Rejected { index, error });
    }

    /// Adds every later event of a key that has to be sent again, so that the order of the key holds.
    pub(crate) fn keep_order(&mut self, events: &[Event]) {
        let Some(first) = self.again.iter().map(|rejected| rejected.index).min() else { return };
        let mut again: HashSet<usize> = self.again.iter().map(|rejected| rejected.index).collect();
        let guilty: HashSet<usize> = self.guilty.iter().map(|rejected| rejected.index).collect();
        let mut keys = HashSet::new();
        for (index, event) in events.iter().enumerate().skip(first) {
            if again.contains(&index) {
                keys.insert(&event.meta().key);
            } else if keys.contains(&event.meta().key) && !guilty.contains(&index) {
                let error = Error::transient("an earlier event of its key has to be written again");
                self.again.push(Rejected { index, error });
                again.insert(index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_events::keyed;
    use rdkafka::types::RDKafkaErrorCode as C;
    use std::collections::BTreeMap;

    const WIDE: Packing = Packing { batch_bytes: 1000, alone: false };

    fn recipe(topic: &str) -> Recipe {
        Recipe::compile(&topic.into(), None, &BTreeMap::new(), crate::record::Value::default()).unwrap()
    }

    fn indices(rejected: &[Rejected]) -> Vec<usize> {
        rejected.iter().map(|rejected| rejected.index).collect()
    }

    #[test]
    fn later_events_of_a_key_wait_for_the_earlier() {
        let events: Vec<_> =
            ["a", "b", "a", "a", "b"].iter().enumerate().map(|(at, key)| keyed(at, key)).collect();
        let failed = vec![(1, C::InvalidRecord), (2, C::NotEnoughReplicas)];
        let mut verdict = Verdict::of(failed, &events, &recipe("orders"), WIDE);
        verdict.keep_order(&events);
        assert_eq!((indices(&verdict.guilty), indices(&verdict.again)), (vec![1], vec![2, 3]));
        assert!(verdict.again.iter().all(|rejected| rejected.error.class().is_retryable()));
    }

    #[test]
    fn a_record_that_shared_a_request_is_not_guilty_of_its_size() {
        let events = [keyed(0, "a"), keyed(1, &"k".repeat(2000))];
        let failed = || vec![(0, C::MessageSizeTooLarge), (1, C::MessageSizeTooLarge)];
        let verdict = Verdict::of(failed(), &events, &recipe("orders"), WIDE);
        assert_eq!((indices(&verdict.guilty), indices(&verdict.again)), (vec![1], vec![0]));
        assert_eq!(verdict.crowded.as_deref(), Some("orders"));
        let alone = Packing { alone: true, ..WIDE };
        let verdict = Verdict::of(failed(), &events, &recipe("orders"), alone);
        assert_eq!(indices(&verdict.guilty), [0, 1]);
    }

    #[test]
    fn a_topic_that_an_event_names_is_its_own_fault() {
        let events = [keyed(0, "a")];
        let failed = || vec![(0, C::UnknownTopic)];
        assert!(Verdict::of(failed(), &events, &recipe("orders"), WIDE).stop.is_some());
        let verdict = Verdict::of(failed(), &events, &recipe("orders.{{ meta.type }}"), WIDE);
        assert!(verdict.stop.is_none() && indices(&verdict.guilty) == [0]);
    }
}
