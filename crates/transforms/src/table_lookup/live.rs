//! The running look-up: the table of now, and its replacement when the file has changed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::RwLock;
use serde_json::Value;
use sluicebox_core::{CacheTally, Clock, Context, Event, LookupStatus, Outputs, Result, Transform};
use sluicebox_lookups::{Ending, Found, Key, Keys, key_text};
use sluicebox_rules::RuleError;
use tokio::sync::Mutex;

use super::TableLookup;
use super::fault::Fault;
use super::read::{Reader, Signature};
use super::table::Table;

/// The running look-up.
pub(super) struct Live {
    table: RwLock<Arc<Table>>,
    watch: Mutex<Watch>,
    reader: Reader,
    reload: Option<Duration>,
    keys: Keys,
    ending: Ending,
    tally: Arc<CacheTally>,
    clock: Arc<dyn Clock>,
    /// How messages name the table and its key.
    shown: (String, String),
    pipeline: Arc<str>,
    component: Arc<str>,
}

/// What is known of the file.
struct Watch {
    next: Duration,
    seen: Signature,
}

impl Live {
    /// Reads the table for the first time.
    pub(super) async fn start(options: &TableLookup, keys: Keys, cx: &Context) -> Result<Self> {
        let reader = Reader::new(options, &cx.folder);
        let (seen, table) = read(&reader).await;
        let table = table.map_err(|fault| fault.error(&options.file))?;
        let (pipeline, component) = (&*cx.pipeline, &*cx.component);
        tracing::debug!(pipeline, component, rows = table.len(), "the table {} was read", options.file);
        let reload = Some(options.reload.0).filter(|period| !period.is_zero());
        let clock = Arc::clone(&cx.environment.clock);
        let next = clock.elapsed().saturating_add(reload.unwrap_or_default());
        let columns = options.key.as_ref().map_or_else(|| "name".to_owned(), |key| key.0.join(", "));
        Ok(Self {
            table: RwLock::new(Arc::new(table)),
            watch: Mutex::new(Watch { next, seen }),
            reader,
            reload,
            keys,
            ending: Ending::new(&cx.component, options.into.as_deref(), options.on_error),
            tally: Arc::default(),
            clock,
            shown: (options.file.clone(), columns),
            pipeline: Arc::clone(&cx.pipeline),
            component: Arc::clone(&cx.component),
        })
    }

    /// How many keys were in the table, how many were not, and how often it could not be read again.
    pub(super) fn tally(&self) -> Arc<CacheTally> {
        Arc::clone(&self.tally)
    }

    /// The table of now. One of those who ask looks at the file when it is time; the others take what there is.
    async fn current(&self) -> Arc<Table> {
        if let Some(reload) = self.reload
            && let Ok(mut watch) = self.watch.try_lock()
            && self.clock.elapsed() >= watch.next
        {
            watch.next = self.clock.elapsed().saturating_add(reload);
            if self.reader.signature() != watch.seen {
                let (seen, table) = read(&self.reader).await;
                watch.seen = seen;
                self.replace(table);
            }
        }
        Arc::clone(&self.table.read())
    }

    fn replace(&self, table: Result<Table, Fault>) {
        let (pipeline, component, file) = (&*self.pipeline, &*self.component, self.shown.0.as_str());
        match table {
            Ok(table) => {
                tracing::info!(
                    pipeline,
                    component,
                    rows = table.len(),
                    "the table {file} has changed and was read again"
                );
                *self.table.write() = Arc::new(table);
            }
            Err(fault) => {
                self.tally.failure();
                let why = fault.sentence(file);
                tracing::warn!(
                    pipeline,
                    component,
                    "the table has changed and cannot be read, the old one stays: {why}"
                );
            }
        }
    }

    fn look_up(&self, table: &Table, event: &Event) -> Result<Found, RuleError> {
        let values = self.keys.values(event)?;
        let row: Option<Bytes> = Key::of(values.iter().map(key_text)).and_then(|key| table.row(&key));
        if let Some(row) = row {
            self.tally.hit();
            return Ok(Found::Answer(row));
        }
        self.tally.miss();
        let wanted: Vec<String> = values.iter().map(Value::to_string).collect();
        let (file, columns) = &self.shown;
        let reason = format!("{file} has no row whose `{columns}` is {}", wanted.join(", "));
        Ok(Found::nothing(LookupStatus::NotFound, &reason))
    }
}

/// What the file looked like, and then what was in it: a change while it is read is a change after it was seen.
async fn read(reader: &Reader) -> (Signature, Result<Table, Fault>) {
    let again = reader.clone();
    let seen = again.signature();
    let reading = tokio::task::spawn_blocking(move || again.read());
    // A library that panics over a broken file is one more thing that is wrong with the file.
    let table = reading.await.unwrap_or_else(|error| Err(Fault::new(format!("the reading failed: {error}"))));
    (seen, table)
}

#[async_trait]
impl Transform for Live {
    async fn apply(&self, batch: Vec<Event>, out: &mut Outputs) -> Result<()> {
        let table = self.current().await;
        for (index, event) in batch.into_iter().enumerate() {
            let found = self.look_up(&table, &event);
            self.ending.settle(index, event, found, out);
        }
        Ok(())
    }
}
