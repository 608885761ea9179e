//! Makes a resumable sink (a file that can be cut back) transactional: the checkpoint holds mark and position.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use sluicebox_core::{
    CheckpointStore, Commit, Committed, Error, ErrorClass, Opened, Result, ResumableSink, Shard, SinkRecord,
    TransactionalSink, Window,
};
use smol_str::SmolStr;

use crate::checkpointer::Checkpointer;

/// A resumable sink and its record in the checkpoint, as one transactional sink.
pub(crate) struct CheckpointedSink {
    sink: Box<dyn ResumableSink>,
    checkpointer: Checkpointer,
    /// For the one commit before the checkpointer runs.
    store: Arc<dyn CheckpointStore>,
    record: SinkRecord,
    name: SmolStr,
    /// The mark that the checkpoint holds. Written bytes beyond it do not count yet.
    committed: Option<Vec<u8>>,
    /// Whether bytes beyond the mark may have been written by an attempt that failed.
    dirty: bool,
}

impl CheckpointedSink {
    /// Saves where the sink stood before its first write: bytes that a killed first attempt leaves behind would
    /// otherwise pass for what had been there before.
    async fn commit_first_mark(&mut self) -> Result<()> {
        let mark = self.sink.mark();
        let record = SinkRecord { mark: Some(Bytes::copy_from_slice(&mark)), positions: Vec::new() };
        self.store.commit(Commit { sinks: vec![(self.name.clone(), record)], ..Commit::default() }).await?;
        self.committed = Some(mark);
        Ok(())
    }

    /// `record` is what the checkpoint remembers of the sink.
    pub(crate) fn new(
        sink: Box<dyn ResumableSink>,
        checkpointer: Checkpointer,
        store: Arc<dyn CheckpointStore>,
        record: SinkRecord,
    ) -> Self {
        let committed = record.mark.as_ref().map(|mark| mark.to_vec());
        Self { sink, checkpointer, store, record, name: SmolStr::default(), committed, dirty: false }
    }
}

#[async_trait]
impl TransactionalSink for CheckpointedSink {
    async fn open(&mut self, shard: &Shard) -> Result<Opened> {
        self.name = shard.sink.clone();
        self.sink.restore(self.committed.as_deref()).await?;
        if self.committed.is_none() {
            self.commit_first_mark().await?;
        }
        Ok(Opened { epoch: shard.epoch, positions: self.record.positions.clone() })
    }

    async fn commit(&mut self, window: &Window<'_>) -> Result<Committed> {
        if self.dirty {
            self.sink.restore(self.committed.as_deref()).await?;
            self.dirty = false;
        }
        if !window.events.is_empty() {
            self.dirty = true;
            let written = self.sink.write(window.events).await?;
            if !written.rejected.is_empty() {
                return Ok(Committed::Nothing(written.rejected));
            }
        }
        let mark = self.sink.mark();
        let record =
            SinkRecord { mark: Some(Bytes::copy_from_slice(&mark)), positions: window.positions.to_vec() };
        if !self.checkpointer.commit_sink(&self.name, record).await {
            return Err(Error::new(
                ErrorClass::State,
                "the pipeline stopped before its checkpoint was written",
            ));
        }
        self.committed = Some(mark);
        self.dirty = false;
        Ok(Committed::All)
    }

    async fn close(&mut self) -> Result<()> {
        self.sink.close().await
    }
}
