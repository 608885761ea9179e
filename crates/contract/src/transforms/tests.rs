//! The suite passes transforms that keep the contract, and catches one for each way to break it.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use sluicebox_core::{DiscardReason, Error, Memory, Result, StatefulTransform};

use super::*;
use crate::event;

/// How a transform goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// Says nothing of an event that it drops.
    IsSilent,
    /// Sends one on and drops it as well.
    SaysBoth,
    /// The last one first.
    TurnsAround,
    /// Two children with one id.
    RepeatsAnId,
    /// Ids from a counter.
    CountsItsIds,
    /// Looks at its neighbours in the page.
    SeesThePage,
    /// Keeps what one call is at in a field of all.
    MixesPartitions,
    /// Gives up the page for an event.
    FailsForAnEvent,
}

static BUILT: AtomicUsize = AtomicUsize::new(0);

struct Splitter {
    flaw: Flaw,
    counter: AtomicUsize,
    shared: AtomicUsize,
}

#[async_trait]
impl Transform for Splitter {
    async fn apply(&self, batch: Vec<Event>, out: &mut Outputs) -> Result<()> {
        let count = batch.len();
        let mut batch: Vec<(usize, Event)> = batch.into_iter().enumerate().collect();
        if self.flaw == Flaw::TurnsAround {
            batch.reverse();
        }
        for (index, event) in batch {
            self.shared.store(event.json().len() + event.meta().id.len(), Ordering::SeqCst);
            tokio::task::yield_now().await;
            if &event.json()[..] == b"{}" {
                match self.flaw {
                    Flaw::IsSilent => continue,
                    Flaw::FailsForAnEvent => return Err(Error::permanent("nothing in it")),
                    Flaw::SaysBoth => out.emit(index, event),
                    _ => {}
                }
                out.discard(index, DiscardReason::Filtered);
                continue;
            }
            let text = match self.flaw {
                Flaw::SeesThePage => format!("{{\"of\":{count}}}"),
                Flaw::MixesPartitions => format!("{{\"at\":{}}}", self.shared.load(Ordering::SeqCst)),
                _ => "{\"half\":true}".to_owned(),
            };
            let number = match self.flaw {
                Flaw::CountsItsIds => self.counter.fetch_add(1, Ordering::SeqCst),
                _ => 0,
            };
            let second = if self.flaw == Flaw::RepeatsAnId { number } else { number + 1 };
            out.emit(index, event.child("half", number, Bytes::from(text.clone())));
            out.emit(index, event.child("half", second, Bytes::from(text)));
        }
        Ok(())
    }
}

fn events() -> Vec<Event> {
    vec![event(1, r#"{"a":1}"#), event(2, "{}"), event(3, r#"{"a":"three"}"#)]
}

async fn prove(flaw: Flaw) -> Tally {
    let build = async || {
        let counter = AtomicUsize::new(BUILT.fetch_add(1, Ordering::SeqCst) * 1000);
        Box::new(Splitter { flaw, counter, shared: AtomicUsize::new(0) }) as Box<dyn Transform>
    };
    transform(build, &events()).await
}

#[tokio::test(start_paused = true)]
async fn a_transform_that_keeps_the_contract_passes() {
    assert_eq!(prove(Flaw::None).await.events, 3);
}

/// One test for each flaw, with the law that it breaks.
macro_rules! caught {
    ($prove:ident, $flaws:ident: $($name:ident: $flaw:ident, $law:literal;)+) => {$(
        #[tokio::test(start_paused = true)]
        #[should_panic(expected = $law)]
        async fn $name() {
            $prove($flaws::$flaw).await;
        }
    )+};
}

caught! { prove, Flaw:
    an_event_without_a_verdict_is_caught: IsSilent, "every event has a verdict";
    two_verdicts_are_caught: SaysBoth, "an event ends in one way";
    another_order_is_caught: TurnsAround, "in the order in which they came";
    one_id_for_two_events_is_caught: RepeatsAnId, "twice";
    ids_that_are_counted_are_caught: CountsItsIds, "built anew";
    an_eye_on_the_page_is_caught: SeesThePage, "event by event";
    partitions_that_meet_are_caught: MixesPartitions, "none sees the others";
    an_error_for_one_event_is_caught: FailsForAnEvent, "a dead letter, not an error";
}

/// How a transform that remembers goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Amnesia {
    None,
    /// Counts beside its memory.
    CountsBeside,
}

/// Numbers the events that it has seen.
struct Counter {
    flaw: Amnesia,
    beside: AtomicUsize,
}

#[async_trait]
impl Transform for Counter {
    async fn apply(&self, _batch: Vec<Event>, _out: &mut Outputs) -> Result<()> {
        Err(Error::permanent("it remembers"))
    }

    fn stateful(&self) -> Option<&dyn StatefulTransform> {
        Some(self)
    }
}

impl StatefulTransform for Counter {
    fn max_entries(&self) -> usize {
        10
    }

    fn apply(&self, batch: Vec<Event>, memory: &mut Memory, out: &mut Outputs) -> Result<()> {
        for (index, event) in batch.into_iter().enumerate() {
            let seen = memory.get("seen").map_or(0, |count| usize::from(count[0])) + 1;
            memory.put("seen", vec![u8::try_from(seen).unwrap()], None);
            let beside = self.beside.fetch_add(1, Ordering::SeqCst) + 1;
            let number = if self.flaw == Amnesia::CountsBeside { beside } else { seen };
            out.emit(index, event.with_json(Bytes::from(format!("{{\"number\":{number}}}"))));
        }
        Ok(())
    }
}

async fn prove_memory(flaw: Amnesia) -> Tally {
    let build = async || Box::new(Counter { flaw, beside: AtomicUsize::new(0) }) as Box<dyn Transform>;
    transform(build, &events()).await
}

#[tokio::test(start_paused = true)]
async fn a_transform_that_remembers_in_its_memory_passes() {
    assert_eq!(prove_memory(Amnesia::None).await.restarts, 3);
}

caught! { prove_memory, Amnesia:
    a_count_beside_the_memory_is_caught: CountsBeside, "from its memory as it was saved";
}
