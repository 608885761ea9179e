//! The suite passes a sink that keeps the contract, and catches one for each way to break it.

use std::sync::{Arc, Mutex};

use sluicebox_core::{Error, Rejected, Result, Written};

use super::*;

/// How a sink goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// Says `Ok` before it is there.
    KeepsTheLast,
    /// An instance begins afresh.
    StartsOver,
    /// Names the wrong one.
    BlamesAnother,
    /// Says that waiting helps.
    AsksForPatience,
    /// Refuses in silence.
    SaysNothing,
}

type Place = Arc<Mutex<Vec<String>>>;

struct Memory {
    flaw: Flaw,
    place: Place,
}

struct Writer {
    flaw: Flaw,
    place: Place,
    kept: Vec<String>,
}

#[async_trait]
impl Shelf for Memory {
    async fn sink(&mut self) -> Box<dyn Sink> {
        if self.flaw == Flaw::StartsOver {
            self.place.lock().unwrap().clear();
        }
        Box::new(Writer { flaw: self.flaw, place: Arc::clone(&self.place), kept: Vec::new() })
    }

    async fn arrived(&mut self) -> Vec<String> {
        self.place.lock().unwrap().clone()
    }

    fn refused(&self) -> Option<Event> {
        Some(event(0, "{\"bad\":true}"))
    }
}

#[async_trait]
impl Sink for Writer {
    async fn write(&mut self, events: &[Event]) -> Result<Written> {
        let (mut texts, mut rejected) = (std::mem::take(&mut self.kept), Vec::new());
        for (index, event) in events.iter().enumerate() {
            let text = String::from_utf8_lossy(&event.json()).into_owned();
            let error = match self.flaw {
                Flaw::AsksForPatience => Error::transient("later"),
                _ => Error::permanent("bad"),
            };
            match (text.contains("bad"), self.flaw) {
                (false, _) => texts.push(text),
                (true, Flaw::SaysNothing) => {}
                (true, Flaw::BlamesAnother) => rejected.push(Rejected { index: 0, error }),
                (true, _) => rejected.push(Rejected { index, error }),
            }
        }
        if self.flaw == Flaw::KeepsTheLast {
            self.kept.extend(texts.pop());
        }
        self.place.lock().unwrap().extend(texts);
        Ok(Written::but(rejected))
    }
}

async fn prove(flaw: Flaw) -> Tally {
    sink(&mut Memory { flaw, place: Place::default() }).await
}

#[tokio::test]
async fn a_sink_that_keeps_the_contract_passes() {
    assert_eq!(prove(Flaw::None).await.events, 20);
}

/// One test for each flaw, with the law that it breaks.
macro_rules! caught {
    ($($name:ident: $flaw:ident, $law:literal;)+) => {$(
        #[tokio::test]
        #[should_panic(expected = $law)]
        async fn $name() {
            prove(Flaw::$flaw).await;
        }
    )+};
}

caught! {
    an_early_ok_is_caught: KeepsTheLast, "after `Ok`, instance 0";
    a_sink_that_starts_over_is_caught: StartsOver, "after `Ok`, instance 1";
    a_wrong_index_is_caught: BlamesAnother, "named by its index";
    patience_that_cannot_help_is_caught: AsksForPatience, "waiting does not help";
    a_refusal_in_silence_is_caught: SaysNothing, "named by its index";
}
