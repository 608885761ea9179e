//! The suite passes a sink that keeps the contract, and catches one for each way to break it.

use std::sync::{Arc, Mutex};

use sluicebox_core::{Result, Sink, Written};

use super::*;

/// How a sink goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// Leaves what came after the mark.
    UndoesNothing,
    /// Its mark is that before the last write.
    MarksLate,
    /// Takes no mark for the end of what is there.
    KeepsWithoutMark,
}

struct Place {
    flaw: Flaw,
    lines: Arc<Mutex<Vec<String>>>,
}

struct Writer {
    flaw: Flaw,
    lines: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl MarkedShelf for Place {
    async fn sink(&mut self) -> Box<dyn ResumableSink> {
        Box::new(Writer { flaw: self.flaw, lines: Arc::clone(&self.lines) })
    }

    async fn arrived(&mut self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

#[async_trait]
impl Sink for Writer {
    async fn write(&mut self, events: &[Event]) -> Result<Written> {
        let texts = events.iter().map(|event| String::from_utf8_lossy(&event.json()).into_owned());
        self.lines.lock().unwrap().extend(texts);
        Ok(Written::default())
    }
}

#[async_trait]
impl ResumableSink for Writer {
    async fn restore(&mut self, mark: Option<&[u8]>) -> Result<()> {
        let length = mark.map_or(0, |mark| usize::from(mark[0]));
        let keeps = match self.flaw {
            Flaw::UndoesNothing => mark.is_some(),
            Flaw::KeepsWithoutMark => mark.is_none(),
            Flaw::None | Flaw::MarksLate => false,
        };
        if !keeps {
            self.lines.lock().unwrap().truncate(length);
        }
        Ok(())
    }

    fn mark(&self) -> Vec<u8> {
        let length = self.lines.lock().unwrap().len();
        vec![u8::try_from(length).unwrap().saturating_sub(u8::from(self.flaw == Flaw::MarksLate))]
    }
}

async fn prove(flaw: Flaw) -> Tally {
    resumable_sink(&mut Place { flaw, lines: Arc::default() }).await
}

#[tokio::test]
async fn a_sink_that_keeps_the_contract_passes() {
    assert_eq!(prove(Flaw::None).await.restarts, 10);
}

#[tokio::test]
#[should_panic(expected = "what came after it is undone")]
async fn what_is_left_after_a_mark_is_caught() {
    prove(Flaw::UndoesNothing).await;
}

#[tokio::test]
#[should_panic(expected = "restored to mark 4")]
async fn a_mark_that_is_late_is_caught() {
    prove(Flaw::MarksLate).await;
}

#[tokio::test]
#[should_panic(expected = "nothing is left")]
async fn what_is_left_without_a_mark_is_caught() {
    prove(Flaw::KeepsWithoutMark).await;
}
