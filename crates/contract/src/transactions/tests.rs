//! The suite passes a sink that keeps the contract, and catches one for each way to break it.

use std::sync::{Arc, Mutex};

use sluicebox_core::{Error, Opened, Rejected, Result};

use super::*;

/// How a sink goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// Lets anybody commit.
    FencesNobody,
    /// Keeps cursors as text.
    SpoilsCursors,
    /// Commits rows first.
    CommitsInParts,
    /// Positions alone are not worth a commit to it.
    SkipsEmptyWindows,
    /// Always begins at the epoch that it was told.
    ForgetsEpochs,
}

#[derive(Default)]
struct Database {
    epoch: u64,
    rows: Vec<String>,
    positions: Vec<Position>,
}

struct Place {
    flaw: Flaw,
    database: Arc<Mutex<Database>>,
}

struct Owner {
    flaw: Flaw,
    database: Arc<Mutex<Database>>,
    epoch: u64,
}

#[async_trait]
impl Warehouse for Place {
    async fn sink(&mut self) -> Box<dyn TransactionalSink> {
        Box::new(Owner { flaw: self.flaw, database: Arc::clone(&self.database), epoch: 0 })
    }

    async fn rows(&mut self) -> Vec<String> {
        self.database.lock().unwrap().rows.clone()
    }

    fn refused(&self) -> Option<Event> {
        Some(event(0, "{\"bad\":true}"))
    }
}

#[async_trait]
impl TransactionalSink for Owner {
    async fn open(&mut self, shard: &Shard) -> Result<Opened> {
        let mut database = self.database.lock().unwrap();
        let next = if database.epoch >= shard.epoch { database.epoch + 1 } else { shard.epoch };
        database.epoch = if self.flaw == Flaw::ForgetsEpochs { shard.epoch } else { next };
        self.epoch = database.epoch;
        Ok(Opened { epoch: self.epoch, positions: database.positions.clone() })
    }

    async fn commit(&mut self, window: &Window<'_>) -> Result<Committed> {
        let mut database = self.database.lock().unwrap();
        if self.epoch != database.epoch && self.flaw != Flaw::FencesNobody {
            return Err(Error::new(ErrorClass::Fenced, "another owner"));
        }
        if window.events.is_empty() && self.flaw == Flaw::SkipsEmptyWindows {
            return Ok(Committed::All);
        }
        let text = |event: &Event| String::from_utf8_lossy(&event.json()).into_owned();
        let texts: Vec<String> = window.events.iter().map(text).collect();
        if let Some(index) = texts.iter().position(|text| text.contains("bad")) {
            if self.flaw == Flaw::CommitsInParts {
                database.rows.extend(texts[..index].to_vec());
            }
            return Ok(Committed::Nothing(vec![Rejected { index, error: Error::permanent("bad") }]));
        }
        database.rows.extend(texts);
        database.positions = window.positions.to_vec();
        if self.flaw == Flaw::SpoilsCursors {
            for position in &mut database.positions {
                let text =
                    position.safe_cursor.as_ref().map(|cursor| String::from_utf8_lossy(cursor).into_owned());
                position.safe_cursor = text.map(Bytes::from);
            }
        }
        Ok(Committed::All)
    }
}

async fn prove(flaw: Flaw) -> Tally {
    transactional_sink(&mut Place { flaw, database: Arc::default() }).await
}

#[tokio::test]
async fn a_sink_that_keeps_the_contract_passes() {
    assert_eq!(prove(Flaw::None).await.events, 9);
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
    two_owners_at_once_are_caught: FencesNobody, "the owner before is fenced";
    a_cursor_as_text_is_caught: SpoilsCursors, "as they were committed";
    half_a_window_is_caught: CommitsInParts, "nothing of a window with a bad row";
    a_window_of_positions_that_is_skipped_is_caught: SkipsEmptyWindows, "as they were committed";
    an_epoch_that_is_forgotten_is_caught: ForgetsEpochs, "a higher epoch";
}
