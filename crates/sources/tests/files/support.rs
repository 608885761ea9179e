//! A folder, a clock that is moved by hand, and a source that is read until it rests.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::FutureExt;
use parking_lot::Mutex;
use serde_json::{Value, json};
use sluicebox_core::{
    Batch, Chance, Clock, Context, Cursor, Environment, Error, Event, Gap, Registry, Reject, Source,
    Timestamp,
};

#[derive(Default)]
pub(crate) struct ManualClock(Mutex<Duration>);

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_781_258_400_000)
    }
    fn elapsed(&self) -> Duration {
        *self.0.lock()
    }
    async fn sleep(&self, duration: Duration) {
        *self.0.lock() += duration;
    }
}

struct NoChance;
impl Chance for NoChance {
    fn next_u64(&self) -> u64 {
        0
    }
}

/// A source over a folder, and everything that came out of it.
pub(crate) struct Reading {
    pub(crate) folder: Arc<tempfile::TempDir>,
    options: Value,
    source: Option<Box<dyn Source>>,
    clock: Arc<ManualClock>,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) events: Vec<Event>,
    pub(crate) rejects: Vec<Reject>,
    pub(crate) gaps: Vec<Gap>,
}

impl Reading {
    /// Nothing is opened before the first read. `path` is below the folder.
    pub(crate) fn new(path: &str, more: &Value) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let mut options = json!({ "path": folder.path().join(path) });
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (events, rejects, gaps) = (Vec::new(), Vec::new(), Vec::new());
        let clock = Arc::new(ManualClock::default());
        Self { folder, options, source: None, clock, cursor: None, events, rejects, gaps }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes at the end of a file.
    pub(crate) fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// What logrotate's `copytruncate` does.
    pub(crate) fn copy_and_cut(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).unwrap();
        self.cut(from);
    }

    pub(crate) fn cut(&self, name: &str) {
        OpenOptions::new().write(true).open(self.path(name)).unwrap().set_len(0).unwrap();
    }

    /// What logrotate's `compress` does.
    pub(crate) fn pack(&self, name: &str) {
        let mut packed =
            GzEncoder::new(File::create(self.path(&format!("{name}.gz"))).unwrap(), Compression::fast());
        packed.write_all(&fs::read(self.path(name)).unwrap()).unwrap();
        packed.finish().unwrap();
        fs::remove_file(self.path(name)).unwrap();
    }

    async fn open(&mut self) {
        let environment =
            Environment { clock: Arc::clone(&self.clock) as Arc<dyn Clock>, chance: Arc::new(NoChance) };
        let cx =
            Context { account: "disk".into(), environment, ..sluicebox_testkit::context("test", "files") };
        let mut registry = Registry::new();
        sluicebox_sources::register(&mut registry);
        let spec = registry.sources()["file"].parse(self.options.clone()).unwrap();
        let mut source = spec.build(&cx).await.unwrap().into_single().unwrap();
        source.open(self.cursor.as_ref()).await.unwrap();
        self.source = Some(source);
    }

    /// One page; false at the end, or when nothing is left for now.
    pub(crate) async fn page(&mut self) -> Result<bool, Error> {
        if self.source.is_none() {
            self.open().await;
        }
        let Some(batch) = self.source.as_mut().unwrap().next().await? else { return Ok(false) };
        Ok(self.take(batch))
    }

    /// A poll that is begun, and that nobody waits for; the page, if the disk was faster.
    pub(crate) fn drop_poll(&mut self) -> Option<Batch> {
        self.source.as_mut().unwrap().next().now_or_never().map(|page| page.unwrap().unwrap())
    }

    fn take(&mut self, batch: Batch) -> bool {
        let batch = batch.read();
        self.events.extend(batch.events);
        self.rejects.extend(batch.rejects);
        self.gaps.extend(batch.gap);
        self.cursor = batch.cursor;
        !batch.caught_up
    }

    /// A poll that is begun and taken up by the next one, unless the disk was faster.
    pub(crate) fn begin_poll(&mut self) {
        if let Some(batch) = self.drop_poll() {
            self.take(batch);
        }
    }

    /// Reads until nothing is left; what has come since the last call, line by line.
    pub(crate) async fn read(&mut self) -> Vec<String> {
        let known = self.events.len();
        while self.page().await.unwrap() {}
        self.events[known..].iter().map(text).collect()
    }

    /// The process ends, and another one begins at the cursor of the last page.
    pub(crate) fn kill(&mut self) {
        self.source = None;
    }

    /// Everything in flight is read again in the same process.
    pub(crate) async fn start_over(&mut self, cursor: Option<Cursor>) {
        self.source.as_mut().unwrap().open(cursor.as_ref()).await.unwrap();
    }

    /// So much time passes.
    pub(crate) async fn wait(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// Changes what is saved of each file.
    pub(crate) fn edit_cursor(&mut self, edit: impl Fn(&mut Value)) {
        let mut cursor: Value = serde_json::from_str(&self.cursor.as_ref().unwrap().to_text()).unwrap();
        cursor["files"].as_array_mut().unwrap().iter_mut().for_each(edit);
        self.cursor = Some(Cursor::from(cursor.to_string()));
    }

    /// The names of the files in the cursor.
    pub(crate) fn known(&self) -> Vec<String> {
        let cursor: Value = serde_json::from_str(&self.cursor.as_ref().unwrap().to_text()).unwrap();
        let name = |file: &Value| file["path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        cursor["files"].as_array().unwrap().iter().map(name).collect()
    }

    /// The ids of all events, each of which must be there once.
    pub(crate) fn assert_ids_differ(&self) {
        let mut ids: Vec<&str> = self.events.iter().map(|event| event.meta().id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), self.events.len());
    }
}

fn text(event: &Event) -> String {
    String::from_utf8(event.json().to_vec()).unwrap()
}

/// `{"n":1}` and so on, each with a line end.
pub(crate) fn lines(numbers: std::ops::Range<u32>) -> String {
    events(numbers).iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// The same as events.
pub(crate) fn events(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| format!("{{\"n\":{number}}}")).collect()
}
