//! Files in every shape: compressed, csv, rotated, in parts, by path; torn by crashes and completed after them.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use sluicebox_core::{
    BuiltSink, Clock, Delivery, ErrorClass, Event, ResumableSink, Sink, SinkSpec, Timestamp,
};
use sluicebox_testkit::event;

use super::{batch, context, lines, read, unpacked};
use crate::FileSpec;
use crate::file::compression::Compression;

/// A clock that the test moves.
struct Moved(AtomicI64);

impl Moved {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_781_258_404_120)))
    }

    fn forward(&self, milliseconds: i64) {
        self.0.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for Moved {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
    async fn sleep(&self, _: Duration) {}
}

fn spec(path: &Path, options: &Value) -> FileSpec {
    let mut spec = json!({ "path": path.to_str().unwrap() });
    spec.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    serde_json::from_value(spec).unwrap()
}

async fn plain(path: &Path, options: &Value, clock: &Arc<Moved>) -> Box<dyn Sink> {
    let mut context = context(Delivery::AtLeastOnce);
    context.environment.clock = clock.clone();
    match spec(path, options).build(&context).await.unwrap() {
        BuiltSink::Plain(sink) => sink,
        _ => unreachable!("at least once is plain"),
    }
}

async fn exact(path: &Path, options: &Value, clock: &Arc<Moved>) -> Box<dyn ResumableSink> {
    let mut context = context(Delivery::ExactlyOnce);
    context.environment.clock = clock.clone();
    match spec(path, options).build(&context).await.unwrap() {
        BuiltSink::Resumable(sink) => sink,
        _ => unreachable!("exactly once is resumable"),
    }
}

/// Every file below a folder that a reader would see, by name.
fn visible(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            files.extend(visible(&entry));
        } else if !entry.file_name().unwrap().to_str().unwrap().starts_with('.') {
            files.push(entry);
        }
    }
    files.sort();
    files
}

/// Every part in a folder.
fn parts(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "part")).collect()
}

fn hidden(folder: &Path) -> usize {
    parts(folder).len()
}

fn all(folder: &Path) -> String {
    visible(folder).iter().map(|path| unpacked(path)).collect()
}

fn inode(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().ino()
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[tokio::test]
async fn a_torn_last_frame_is_cut_off_wherever_it_is_torn() {
    for (name, compression) in [("a.gz", "gzip"), ("a.zst", "zstd")] {
        let dir = tempfile::tempdir().unwrap();
        let (path, clock, options) =
            (dir.path().join(name), Moved::new(), json!({ "compression": compression }));
        let mut sink = plain(&path, &options, &clock).await;
        sink.write(&batch(0..5)).await.unwrap();
        sink.write(&batch(5..6)).await.unwrap();
        let whole = bytes(&path);
        sink.write(&batch(6..300)).await.unwrap();
        sink.close().await.unwrap();
        let longer = bytes(&path);
        let mut ends: Vec<Vec<u8>> =
            (whole.len()..longer.len()).step_by(7).map(|end| longer[..end].to_vec()).collect();
        // The disk had the length, but not all of the bytes.
        ends.push([whole.as_slice(), &[0; 50]].concat());
        ends.push(
            [&longer[..whole.len() + 40], vec![0; longer.len() - whole.len() - 40].as_slice()].concat(),
        );
        for torn in ends {
            std::fs::write(&path, &torn).unwrap();
            plain(&path, &options, &clock).await.write(&batch(6..7)).await.unwrap();
            assert_eq!(unpacked(&path), lines(0..7), "{name}: torn at {}", torn.len());
        }
        for other in [b"dear diary".to_vec(), [whole.as_slice(), b"dear diary"].concat()] {
            std::fs::write(&path, &other).unwrap();
            let error = plain(&path, &options, &clock).await.write(&batch(0..1)).await.unwrap_err();
            assert_eq!(error.class(), ErrorClass::Config);
            assert_eq!(bytes(&path), other, "what is not ours is left alone");
        }
    }
}

#[tokio::test]
async fn csv_has_one_header_and_whole_rows() {
    let clock = Moved::new();
    for (name, compression) in [("a.csv", "none"), ("a.csv.gz", "gzip"), ("a.csv.zst", "zstd")] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        let options = json!({
            "format": "csv", "compression": compression, "columns": {"n": "event.n", "t": "event.t"},
        });
        let row =
            |number: usize| event(number, &json!({"n": number, "t": "two\nlines, \"quoted\""}).to_string());
        let text = "\"two\nlines, \"\"quoted\"\"\"\r\n";
        for number in 0..3 {
            let mut sink = plain(&path, &options, &clock).await;
            sink.write(&[row(number)]).await.unwrap();
            if compression == "none" {
                let whole = read(&path);
                // A line break between quotes ends no row.
                std::fs::write(&path, format!("{whole}7,\"two\nlines")).unwrap();
            }
        }
        let mut sink = plain(&path, &options, &clock).await;
        sink.write(&[row(3), event(9, "{\"n\":{\"a\":1}}")]).await.unwrap();
        let rows: String = ["0,", "1,", "2,", "3,"].iter().flat_map(|number| [number, text]).collect();
        assert_eq!(unpacked(&path), format!("n,t\r\n{rows}\"{{\"\"a\"\":1}}\",\r\n"));
        sink.close().await.unwrap();
        let before = bytes(&path);
        let other = json!({
            "format": "csv", "compression": compression, "columns": {"n": "event.n", "u": "event.t"},
        });
        let error = plain(&path, &other, &clock).await.write(&[row(4)]).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Config);
        assert!(error.to_string().ends_with("has other columns than this sink"), "{error}");
        assert_eq!(bytes(&path), before);
    }
}

#[tokio::test]
async fn a_torn_header_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let (path, clock) = (dir.path().join("a.csv"), Moved::new());
    let options = json!({"format": "csv", "columns": {"id": "meta.id"}});
    for torn in ["", "i", "id\r", "\0\0"] {
        std::fs::write(&path, torn).unwrap();
        plain(&path, &options, &clock).await.write(&batch(1..2)).await.unwrap();
        assert_eq!(read(&path), "id\r\nopentrain:a:1\r\n", "{torn:?}");
    }
}

#[tokio::test]
async fn files_are_rotated_by_size_and_with_the_hour() {
    let dir = tempfile::tempdir().unwrap();
    let (path, clock) = (dir.path().join("a.jsonl"), Moved::new());
    let mut sink = plain(&path, &json!({"rotate": {"size": "20B", "every": "1h"}}), &clock).await;
    for number in 0..5 {
        sink.write(&batch(number..number + 1)).await.unwrap();
    }
    let names = |dir: &Path| -> Vec<String> {
        visible(dir).iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(dir.path()), ["a.20260612T100004Z-0001.jsonl", "a.jsonl"]);
    assert_eq!(read(&path), lines(3..5));
    clock.forward(3_600_000);
    sink.write(&batch(5..6)).await.unwrap();
    assert_eq!(
        names(dir.path()),
        ["a.20260612T100004Z-0001.jsonl", "a.20260612T100004Z-0002.jsonl", "a.jsonl"]
    );
    assert_eq!(all(dir.path()), lines(0..6));
    sink.close().await.unwrap();
    assert_eq!(read(&path), lines(5..6), "a stop completes nothing that readers see already");
}

#[tokio::test]
async fn a_part_is_seen_when_it_is_complete() {
    let dir = tempfile::tempdir().unwrap();
    let (path, clock) = (dir.path().join("by/{{ event.k }}.jsonl.gz"), Moved::new());
    let options = json!({
        "compression": "gzip", "rotate": {"every": "1d"}, "parts": true, "max_open_files": 2,
    });
    let row = |key: &str, number: usize| event(number, &json!({"k": key, "n": number}).to_string());
    let mut sink = plain(&path, &options, &clock).await;
    sink.write(&[row("a", 0), row("b", 0)]).await.unwrap();
    let folder = dir.path().join("by");
    assert_eq!((visible(&folder).len(), hidden(&folder)), (0, 2));
    sink.write(&[row("c", 0)]).await.unwrap();
    sink.write(&[row("c", 1)]).await.unwrap();
    assert_eq!(visible(&folder), [folder.join("a.20260612T100004Z-0001.jsonl.gz")], "its handle was needed");
    clock.forward(86_400_000);
    sink.write(&[row("c", 2)]).await.unwrap();
    assert_eq!((visible(&folder).len(), hidden(&folder)), (3, 1), "the day is over");
    // A crash: what is whole of the part is completed at the next start.
    drop(sink);
    let part = parts(&folder).pop().unwrap();
    std::fs::write(&part, [bytes(&part).as_slice(), &[0x1f, 0x8b, 8]].concat()).unwrap();
    let mut sink = plain(&path, &options, &clock).await;
    sink.write(&[row("d", 0)]).await.unwrap();
    assert_eq!((visible(&folder).len(), hidden(&folder)), (4, 1));
    sink.close().await.unwrap();
    assert_eq!((visible(&folder).len(), hidden(&folder)), (5, 0), "a stop completes every part");
    let by_name: Vec<String> = visible(&folder).iter().map(|path| unpacked(path)).collect();
    let rows = |key: &str, numbers: &[usize]| -> String {
        numbers.iter().fold(String::new(), |rows, number| {
            rows + format!("{{\"k\":\"{key}\",\"n\":{number}}}\n").as_str()
        })
    };
    assert_eq!(
        by_name,
        [rows("a", &[0]), rows("b", &[0]), rows("c", &[0, 1]), rows("c", &[2]), rows("d", &[0])]
    );
}

/// Crashes before, in and after every window, with marks that are lost or kept, and bytes of the lost ones torn.
struct Crashes {
    random: u64,
    path: PathBuf,
    options: Value,
    clock: Arc<Moved>,
    sink: Box<dyn ResumableSink>,
    committed: Option<Vec<u8>>,
    /// Events that are committed.
    safe: usize,
    /// Where a reader puts the complete files that it takes.
    taken: PathBuf,
}

impl Crashes {
    async fn new(path: PathBuf, taken: PathBuf, options: Value, seed: u64) -> Self {
        let clock = Moved::new();
        let sink = exact(&path, &options, &clock).await;
        let mut crashes = Self { random: seed, path, options, clock, sink, committed: None, safe: 0, taken };
        crashes.sink.restore(None).await.unwrap();
        crashes.committed = Some(crashes.sink.mark());
        crashes
    }

    fn chance(&mut self, of: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % of
    }

    /// A reader takes about half of the complete files.
    fn take_some(&mut self, folder: &Path) {
        if self.options["parts"] != true {
            return;
        }
        for path in visible(folder) {
            if self.chance(2) == 0 {
                let to = self.taken.join(path.file_name().unwrap());
                assert!(!to.exists(), "two files had the name {}", to.display());
                std::fs::rename(&path, to).unwrap();
            }
        }
    }

    async fn start(&mut self) {
        self.sink = exact(&self.path, &self.options, &self.clock).await;
        self.sink.restore(self.committed.as_deref()).await.unwrap();
    }

    /// The files that readers see, and the parts.
    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut files = parts(folder);
        files.extend(visible(folder));
        files
    }

    async fn run(&mut self, folder: &Path, total: usize) {
        while self.safe < total {
            let upto = (self.safe + 1 + usize::try_from(self.chance(9)).unwrap()).min(total);
            // Often less than a second, by which names are told apart.
            let step = self.chance(4_000).saturating_sub(2_000);
            self.clock.forward(i64::try_from(step).unwrap());
            let events: Vec<Event> = (self.safe..upto).map(numbered).collect();
            let before: BTreeMap<u64, usize> =
                Self::files(folder).iter().map(|path| (inode(path), bytes(path).len())).collect();
            match self.chance(5) {
                // It dies after the write; the mark is lost, and so may be some of the bytes.
                0 => {
                    self.sink.write(&events).await.unwrap();
                    self.sink = exact(&self.path, &self.options, &self.clock).await;
                    for path in Self::files(folder) {
                        let now = bytes(&path);
                        // A file that was completed has another name, but it is the same one.
                        let start = before.get(&inode(&path)).copied().unwrap_or(0);
                        if start < now.len() && self.chance(2) == 0 {
                            std::fs::write(&path, &now[..start + (now.len() - start) / 2]).unwrap();
                        }
                    }
                    self.take_some(folder);
                    self.start().await;
                }
                // The window failed and comes again in the same process.
                1 => {
                    self.sink.write(&events).await.unwrap();
                    self.take_some(folder);
                    self.sink.restore(self.committed.as_deref()).await.unwrap();
                }
                // It dies after the commit, or is stopped.
                roll @ (2 | 3) => {
                    self.sink.write(&events).await.unwrap();
                    self.committed = Some(self.sink.mark());
                    self.safe = upto;
                    if roll == 3 {
                        self.sink.close().await.unwrap();
                    }
                    self.take_some(folder);
                    self.start().await;
                }
                _ => {
                    self.sink.write(&events).await.unwrap();
                    self.committed = Some(self.sink.mark());
                    self.safe = upto;
                }
            }
        }
        self.sink.close().await.unwrap();
    }
}

/// Events of a trial.
const TOTAL: usize = 100;

/// Events of seven keys.
fn numbered(number: usize) -> Event {
    event(number, &format!("{{\"k\":\"k{}\",\"n\":{number}}}", number * number % 7))
}

#[tokio::test]
async fn exact_files_of_every_shape_hold_each_event_once_after_any_crash() {
    let shapes = [
        json!({}),
        json!({"compression": "gzip"}),
        json!({"compression": "zstd", "max_open_files": 2}),
        json!({"rotate": {"size": "100B"}}),
        json!({"rotate": {"size": "150B", "every": "2s"}, "max_open_files": 2}),
        json!({"rotate": {"size": "100B"}, "parts": true}),
        json!({"rotate": {"every": "2s"}, "parts": true, "compression": "gzip", "max_open_files": 3}),
        json!({"rotate": {"size": "1KiB"}, "parts": true, "compression": "zstd", "max_open_files": 1}),
    ];
    for (index, shape) in shapes.iter().enumerate() {
        for name in ["out.jsonl", "out-{{ event.k }}.jsonl"] {
            let dir = tempfile::tempdir().unwrap();
            let suffix = match shape["compression"].as_str() {
                Some("gzip") => ".gz",
                Some("zstd") => ".zst",
                _ => "",
            };
            let path = dir.path().join(format!("{name}{suffix}"));
            let taken = tempfile::tempdir().unwrap();
            let crashes = Crashes::new(path, taken.path().to_owned(), shape.clone(), 7 + index as u64);
            crashes.await.run(dir.path(), TOTAL).await;
            for file in visible(taken.path()) {
                std::fs::rename(&file, dir.path().join(file.file_name().unwrap())).unwrap();
            }
            assert_eq!(hidden(dir.path()), 0, "{shape} {name}");
            let mut by_key: BTreeMap<String, Vec<u64>> = BTreeMap::new();
            // Of one path the rotated files sort before the one that is still written.
            for line in all(dir.path()).lines() {
                let value: Value = serde_json::from_str(line).unwrap();
                by_key.entry(value["k"].to_string()).or_default().push(value["n"].as_u64().unwrap());
            }
            for (key, numbers) in &by_key {
                assert!(numbers.is_sorted(), "{shape} {name} {key}: {numbers:?}");
            }
            let mut numbers: Vec<u64> = by_key.into_values().flatten().collect();
            numbers.sort_unstable();
            assert!(numbers.iter().copied().eq(0..TOTAL as u64), "{shape} {name}: {numbers:?}");
        }
    }
}

#[tokio::test]
async fn a_mark_holds_the_files_that_are_not_final() {
    let dir = tempfile::tempdir().unwrap();
    let (path, clock) = (dir.path().join("a-{{ event.k }}"), Moved::new());
    let mut sink = exact(&path, &json!({"max_open_files": 3}), &clock).await;
    sink.restore(None).await.unwrap();
    let files = |sink: &dyn ResumableSink| {
        let mark: Value = serde_json::from_slice(&sink.mark()).unwrap();
        mark["files"].as_array().unwrap().len()
    };
    assert_eq!(files(sink.as_ref()), 0);
    sink.write(&(0..20).map(numbered).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(files(sink.as_ref()), 4, "all that the window wrote: squares modulo seven");
    sink.write(&[numbered(0)]).await.unwrap();
    assert!(files(sink.as_ref()) <= 3 + 1);
    sink.write(&[numbered(0)]).await.unwrap();
    assert!(files(sink.as_ref()) <= 3, "what has no handle is final");
}

#[tokio::test]
async fn options_may_change_while_files_are_unfinished() {
    let dir = tempfile::tempdir().unwrap();
    let (path, clock) = (dir.path().join("a.jsonl"), Moved::new());
    let parts = json!({"rotate": {"size": "1MiB"}, "parts": true});
    let mut number = 0;
    let mut committed: Option<Vec<u8>> = None;
    for options in [&json!({}), &parts, &parts, &json!({"rotate": {"size": "1B"}}), &parts, &json!({})] {
        let mut sink = exact(&path, options, &clock).await;
        sink.restore(committed.as_deref()).await.unwrap();
        for _ in 0..3 {
            sink.write(&batch(number..number + 1)).await.unwrap();
            number += 1;
            committed = Some(sink.mark());
        }
        sink.write(&batch(99..100)).await.unwrap();
        clock.forward(1000);
    }
    let mut sink = exact(&path, &json!({}), &clock).await;
    sink.restore(committed.as_deref()).await.unwrap();
    assert_eq!(hidden(dir.path()), 0);
    let text = all(dir.path());
    let mut found: Vec<&str> = text.lines().collect();
    found.sort_unstable();
    let expected = lines(0..number);
    let mut expected: Vec<&str> = expected.lines().collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_packed_file_that_logrotate_has_copied_and_cut_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy, clock) = (dir.path().join("a.csv.gz"), dir.path().join("b.csv.gz"), Moved::new());
    let options = json!({"format": "csv", "compression": "gzip", "columns": {"n": "event.n"}});
    let mut sink = plain(&path, &options, &clock).await;
    sink.write(&batch(0..2)).await.unwrap();
    std::fs::copy(&path, &copy).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    sink.write(&batch(2..3)).await.unwrap();
    assert_eq!((unpacked(&copy).as_str(), unpacked(&path).as_str()), ("n\r\n0\r\n1\r\n", "n\r\n2\r\n"));
    std::fs::rename(&path, &copy).unwrap();
    sink.write(&batch(3..4)).await.unwrap();
    assert_eq!((unpacked(&copy).as_str(), unpacked(&path).as_str()), ("n\r\n2\r\n", "n\r\n3\r\n"));
}

#[test]
fn frames_pack_what_is_worth_packing() {
    let text = lines(0..1000);
    for compression in [Compression::Gzip, Compression::Zstd] {
        assert!(compression.pack(text.as_bytes()).unwrap().len() < text.len() / 2);
    }
}

#[tokio::test]
async fn a_packed_exact_file_is_made_with_its_first_frame() {
    let dir = tempfile::tempdir().unwrap();
    let (path, clock, options) = (dir.path().join("a.gz"), Moved::new(), json!({"compression": "gzip"}));
    let mut sink = exact(&path, &options, &clock).await;
    sink.restore(None).await.unwrap();
    let mark = sink.mark();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "an empty file is not gzip");
    sink.write(&batch(0..3)).await.unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "the mark knows of it: no journal");
    drop(sink);
    let mut sink = exact(&path, &options, &clock).await;
    sink.restore(Some(&mark)).await.unwrap();
    sink.write(&batch(0..2)).await.unwrap();
    assert_eq!(unpacked(&path), lines(0..2));
}

#[tokio::test]
async fn a_complete_file_may_be_taken_away_at_any_time() {
    let dir = tempfile::tempdir().unwrap();
    let (path, clock) = (dir.path().join("a.jsonl"), Moved::new());
    let options = json!({"rotate": {"size": "1MiB"}, "parts": true});
    let mut sink = exact(&path, &options, &clock).await;
    sink.restore(None).await.unwrap();
    sink.write(&batch(0..3)).await.unwrap();
    let mark = sink.mark();
    sink.close().await.unwrap();
    let [complete] = visible(dir.path()).try_into().unwrap();
    // It dies after the note and before the name.
    std::fs::rename(&complete, crate::file::names::part(&complete)).unwrap();
    let mut sink = exact(&path, &options, &clock).await;
    sink.restore(Some(&mark)).await.unwrap();
    assert_eq!((visible(dir.path()), read(&complete)), (vec![complete.clone()], lines(0..3)));
    std::fs::remove_file(&complete).unwrap();
    for _ in 0..2 {
        sink.close().await.unwrap();
        sink = exact(&path, &options, &clock).await;
        sink.restore(Some(&mark)).await.unwrap();
    }
    sink.write(&batch(3..5)).await.unwrap();
    let mark = sink.mark();
    let part = parts(dir.path()).remove(0);
    assert_ne!(part, crate::file::names::part(&complete), "in the same second, but another name");
    drop(sink);
    std::fs::remove_file(&part).unwrap();
    let mut sink = exact(&path, &options, &clock).await;
    let error = sink.restore(Some(&mark)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::State, "what was not complete is lost");
}

#[tokio::test]
async fn a_rotated_file_may_be_taken_away_before_the_next_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let (path, clock) = (dir.path().join("a.jsonl"), Moved::new());
    let options = json!({"rotate": {"size": "1B"}});
    let mut sink = exact(&path, &options, &clock).await;
    sink.restore(None).await.unwrap();
    sink.write(&batch(0..3)).await.unwrap();
    let mark = sink.mark();
    sink.write(&batch(3..9)).await.unwrap();
    drop(sink);
    let [complete, active] = visible(dir.path()).try_into().unwrap();
    assert_eq!((read(&complete), &active), (lines(0..3), &path));
    std::fs::remove_file(&complete).unwrap();
    let restored = async || {
        let mut sink = exact(&path, &options, &clock).await;
        sink.restore(Some(&mark)).await.unwrap();
        sink
    };
    drop(restored().await);
    assert_eq!(read(&path), "", "the second window never was");
    // As if it had died before anything was noted of the new file.
    std::fs::remove_file(dir.path().join(".orders.archive.sluicebox-journal")).unwrap();
    let mut sink = restored().await;
    sink.write(&batch(3..5)).await.unwrap();
    assert_eq!(all(dir.path()), lines(3..5));
}
