//! The `file` sink against real files: torn lines, full disks, cuts, rotation, many paths.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use sluicebox_core::{
    BuiltSink, CheckContext, Clock, Context, Delivery, Environment, ErrorClass, Event, ResumableSink, Sink,
    SinkSpec, Timestamp,
};

use sluicebox_testkit::{NoFiles, environment, event};

use super::store::Store;
use crate::{BlackholeSpec, FileSpec};

mod shapes;

struct Still;

#[async_trait]
impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
    async fn sleep(&self, duration: Duration) {
        assert_eq!(duration, Duration::from_millis(10));
    }
}

fn context(delivery: Delivery) -> Context {
    let environment = Environment { clock: Arc::new(Still), ..environment() };
    Context { delivery, environment, ..sluicebox_testkit::context("orders", "archive") }
}

fn spec(path: &str) -> FileSpec {
    serde_json::from_value(json!({ "path": path })).unwrap()
}

async fn plain(path: &Path) -> Box<dyn Sink> {
    match spec(path.to_str().unwrap()).build(&context(Delivery::AtLeastOnce)).await.unwrap() {
        BuiltSink::Plain(sink) => sink,
        _ => unreachable!("at least once is plain"),
    }
}

async fn exact(path: &Path) -> Box<dyn ResumableSink> {
    match spec(path.to_str().unwrap()).build(&context(Delivery::ExactlyOnce)).await.unwrap() {
        BuiltSink::Resumable(sink) => sink,
        _ => unreachable!("exactly once is resumable"),
    }
}

fn batch(numbers: std::ops::Range<usize>) -> Vec<Event> {
    numbers.map(|number| event(number, &format!(r#"{{"n":{number}}}"#))).collect()
}

fn lines(numbers: std::ops::Range<usize>) -> String {
    numbers.fold(String::new(), |lines, number| lines + format!("{{\"n\":{number}}}\n").as_str())
}

/// What another program reads in a file, by its name.
fn unpacked(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let mut text = String::new();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => {
            flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
        }
        Some("zst") => text = String::from_utf8(zstd::decode_all(bytes.as_slice()).unwrap()).unwrap(),
        _ => text = String::from_utf8(bytes).unwrap(),
    }
    text
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn batches_are_appended_in_order_and_folders_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/c.jsonl");
    let mut sink = plain(&path).await;
    sink.write(&batch(0..3)).await.unwrap();
    sink.write(&batch(3..5)).await.unwrap();
    assert_eq!(read(&path), lines(0..5));
    sink.close().await.unwrap();
    plain(&path).await.write(&batch(5..6)).await.unwrap();
    assert_eq!(read(&path), lines(0..6));
}

#[tokio::test]
async fn a_torn_last_line_is_cut_off_at_start() {
    let long = "x".repeat(200_000);
    for torn in ["{\"n\":9", "{", "\0\0\0", &format!("{{\"n\":\"{long}")] {
        for whole in ["", "{\"n\":0}\n"] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("f");
            std::fs::write(&path, format!("{whole}{torn}")).unwrap();
            plain(&path).await.write(&batch(1..2)).await.unwrap();
            assert_eq!(read(&path), format!("{whole}{}", lines(1..2)));
        }
    }
}

#[tokio::test]
async fn a_file_of_another_kind_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.txt");
    std::fs::write(&path, "dear diary\nno end").unwrap();
    let error = plain(&path).await.write(&batch(0..1)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Config);
    assert_eq!(read(&path), "dear diary\nno end");
    let error = plain(dir.path()).await.write(&batch(0..1)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Config);
}

#[tokio::test]
async fn a_rotated_file_begins_anew_and_a_shortened_one_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (path, old) = (dir.path().join("f"), dir.path().join("f.1"));
    let mut sink = plain(&path).await;
    sink.write(&batch(0..1)).await.unwrap();
    std::fs::rename(&path, &old).unwrap();
    sink.write(&batch(1..2)).await.unwrap();
    assert_eq!((read(&old), read(&path)), (lines(0..1), lines(1..2)));
    std::fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    sink.write(&batch(2..3)).await.unwrap();
    assert_eq!(read(&path), lines(2..3));
}

#[tokio::test]
async fn a_file_belongs_to_one_sink() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let (mut one, mut two) = (plain(&path).await, plain(&path).await);
    one.write(&batch(0..1)).await.unwrap();
    assert_eq!(two.write(&batch(1..2)).await.unwrap_err().class(), ErrorClass::Transient);
    one.close().await.unwrap();
    two.write(&batch(1..2)).await.unwrap();
    assert_eq!(read(&path), lines(0..2));
}

#[tokio::test]
async fn events_choose_their_file_and_cannot_leave_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let template = dir.path().join("out/%Y-%m-%d/{{ event.name }}.jsonl");
    let mut sink = plain(&template).await;
    let events = [
        event(0, r#"{"name":"a"}"#),
        event(1, r#"{"name":"../../../b"}"#),
        event(2, r#"{"name":"a","n":2}"#),
        event(3, r#"{"other":1}"#),
        event(4, &format!(r#"{{"name":"{}"}}"#, "x".repeat(300))),
    ];
    let written = sink.write(&events).await.unwrap();
    let rejected: Vec<_> =
        written.rejected.iter().map(|rejected| (rejected.index, rejected.error.class())).collect();
    assert_eq!(rejected, [(3, ErrorClass::Script), (4, ErrorClass::Script)]);
    let day = dir.path().join("out/2026-06-12");
    assert_eq!(read(&day.join("a.jsonl")), "{\"name\":\"a\"}\n{\"name\":\"a\",\"n\":2}\n");
    assert_eq!(std::fs::read_dir(&day).unwrap().count(), 2);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

fn store(spec: &FileSpec) -> Store {
    Store::new(spec.layout(Delivery::AtLeastOnce).unwrap())
}

fn append(files: &mut Store, groups: &[(PathBuf, Vec<u8>)]) -> sluicebox_core::Result<()> {
    files.append(groups, Timestamp::from_millis(0), &())
}

#[test]
fn few_files_are_open_however_many_paths_there_are() {
    let dir = tempfile::tempdir().unwrap();
    for options in [json!({"path": "a"}), json!({"path": "a.gz", "compression": "gzip"})] {
        let spec: FileSpec = serde_json::from_value(options).unwrap();
        let mut files = store(&spec);
        let paths: Vec<PathBuf> =
            (0..300).map(|number| dir.path().join(format!("{number}.{}", spec.path.text))).collect();
        for round in 0..2 {
            let groups: Vec<_> =
                paths.iter().map(|path| (path.clone(), format!("{{{round}\n").into_bytes())).collect();
            append(&mut files, &groups).unwrap();
            assert_eq!(files.open_files(), 64);
        }
        for path in &paths {
            assert_eq!(unpacked(path), "{0\n{1\n");
        }
    }
}

#[test]
fn a_batch_that_fails_leaves_nothing_in_any_file() {
    let dir = tempfile::tempdir().unwrap();
    let (good, bad) = (dir.path().join("good"), dir.path().join("bad"));
    std::fs::write(&good, "{0}\n").unwrap();
    std::fs::create_dir(&bad).unwrap();
    let groups = [(good.clone(), b"{1}\n".to_vec()), (bad.clone(), b"{1}\n".to_vec())];
    let mut files = store(&spec("a"));
    append(&mut files, &groups).unwrap_err();
    assert_eq!(read(&good), "{0}\n");
    std::fs::remove_dir(&bad).unwrap();
    append(&mut files, &groups).unwrap();
    assert_eq!((read(&good), read(&bad)), ("{0}\n{1}\n".to_owned(), "{1}\n".to_owned()));
}

/// Polls a future once and drops it; `true` if it had not ended.
async fn poll_once<T>(mut future: std::pin::Pin<Box<dyn Future<Output = T> + Send + '_>>) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

#[tokio::test]
async fn a_write_whose_caller_went_away_is_not_there_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (path, exact_path) = (dir.path().join("f"), dir.path().join("e"));
    let mut sinks: [Box<dyn Sink>; 2] = [plain(&path).await, {
        let mut sink = exact(&exact_path).await;
        sink.restore(None).await.unwrap();
        sink
    }];
    for sink in &mut sinks {
        sink.write(&batch(0..1)).await.unwrap();
        let events = batch(1..5000);
        if poll_once(sink.write(&events)).await {
            sink.write(&events).await.unwrap();
        }
    }
    assert_eq!(read(&path), lines(0..5000));
    assert_eq!(read(&exact_path), lines(0..5000));
}

#[tokio::test]
async fn an_exact_file_returns_to_its_mark() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let mut sink = exact(&path).await;
    sink.restore(None).await.unwrap();
    sink.write(&batch(0..3)).await.unwrap();
    let mark = sink.mark();
    sink.write(&batch(3..5)).await.unwrap();
    drop(sink);
    std::fs::write(&path, format!("{}{{\"torn", lines(0..5))).unwrap();
    let mut sink = exact(&path).await;
    sink.restore(Some(&mark)).await.unwrap();
    assert_eq!(read(&path), lines(0..3));
    assert_eq!(sink.mark(), mark);
    sink.write(&batch(7..8)).await.unwrap();
    sink.restore(Some(&mark)).await.unwrap();
    assert_eq!(read(&path), lines(0..3), "a sink can return more than once");
}

#[tokio::test]
async fn what_an_exact_file_held_before_the_first_start_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    std::fs::write(&path, "{\"mine\":1}\n").unwrap();
    let mut sink = exact(&path).await;
    sink.restore(None).await.unwrap();
    let first = sink.mark();
    sink.write(&batch(0..1)).await.unwrap();
    sink.restore(None).await.unwrap();
    assert_eq!((read(&path).as_str(), sink.mark()), ("{\"mine\":1}\n", first));
    let elsewhere = dir.path().join("g");
    let mut moved = exact(&elsewhere).await;
    moved.restore(Some(&sink.mark())).await.unwrap();
    assert_eq!(read(&elsewhere), "", "a new path begins a new file");
}

#[tokio::test]
async fn an_exact_file_that_others_change_stops_the_sink() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let mut sink = exact(&path).await;
    sink.restore(None).await.unwrap();
    sink.write(&batch(0..3)).await.unwrap();
    let mark = sink.mark();
    std::fs::write(&path, format!("{}{{}}\n", lines(0..3))).unwrap();
    assert_eq!(sink.write(&batch(3..4)).await.unwrap_err().class(), ErrorClass::State);
    std::fs::write(&path, lines(0..2)).unwrap();
    assert_eq!(sink.write(&batch(3..4)).await.unwrap_err().class(), ErrorClass::State);
    let error = sink.restore(Some(&mark)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::State);
    assert!(error.to_string().contains("has 16 bytes, but the checkpoint knows of 24"), "{error}");
    std::fs::write(&path, lines(0..3)).unwrap();
    sink.restore(Some(&mark)).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(sink.write(&batch(3..4)).await.unwrap_err().class(), ErrorClass::State);
    let mut sink = exact(&path).await;
    assert_eq!(sink.restore(Some(&mark)).await.unwrap_err().class(), ErrorClass::State);
    assert!(!path.exists(), "nothing is made in the place of a file that is missing");
    assert_eq!(sink.restore(Some(b"junk")).await.unwrap_err().class(), ErrorClass::State);
}

/// Not a test of its own: writes in a process whose files may not grow beyond a limit.
#[tokio::test]
#[ignore = "the child process of the test below"]
async fn limited_writer() {
    let dir = PathBuf::from(std::env::var("SLUICEBOX_TEST_FOLDER").unwrap());
    let path = dir.join("exact");
    let mut exact = exact(&path).await;
    exact.restore(None).await.unwrap();
    let mut plain = plain(&dir.join("plain")).await;
    let (mut exact_batches, mut plain_batches) = (0, 0);
    let exact_error = loop {
        match exact.write(&batch(0..100)).await {
            Ok(_) => exact_batches += 1,
            Err(error) => break error,
        }
    };
    let plain_error = loop {
        match plain.write(&batch(0..100)).await {
            Ok(_) => plain_batches += 1,
            Err(error) => break error,
        }
    };
    for error in [exact_error, plain_error] {
        assert_eq!(error.class(), ErrorClass::Transient, "{}", error.chain());
    }
    assert!(exact_batches > 1 && plain_batches > 1);
    assert_eq!(read(&path), lines(0..100).repeat(exact_batches), "nothing of the failed batch is left");
    assert_eq!(read(&dir.join("plain")), lines(0..100).repeat(plain_batches));
    // There is room again: the sinks go on where they stood.
    exact.write(&batch(0..1)).await.unwrap();
    plain.write(&batch(0..1)).await.unwrap();
    assert!(read(&path).ends_with(&lines(0..1)) && read(&dir.join("plain")).ends_with(&lines(0..1)));
}

#[test]
fn a_full_disk_leaves_whole_batches_and_the_sink_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    // SIGXFSZ is ignored, so a write beyond the limit is cut short and then fails, as on a full disk.
    let output = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" --exact file::tests::limited_writer --ignored"])
        .arg(std::env::current_exe().unwrap())
        .env("SLUICEBOX_TEST_FOLDER", dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn options_that_do_not_go_together_are_found_before_it_runs() {
    let columns = json!({"id": "meta.id"});
    for (options, expected) in [
        (json!({"path": "out/a.jsonl"}), vec![]),
        (json!({"path": "out/%Y.jsonl"}), vec![]),
        (json!({"path": "out/{{ event.a }}"}), vec![]),
        (json!({"path": "{{ event.a }}"}), vec!["path"]),
        (json!({"path": "out/{{ event. }}"}), vec!["path"]),
        (json!({"path": "out/"}), vec!["path"]),
        (json!({"path": ""}), vec!["path"]),
        (json!({"path": "a.jsonl.gz", "compression": "gzip"}), vec![]),
        (json!({"path": "a/{{ event.a }}.zst", "compression": "zstd"}), vec![]),
        (json!({"path": "a.jsonl", "compression": "gzip"}), vec!["path"]),
        (json!({"path": "a.jsonl.gz", "compression": "zstd"}), vec!["path"]),
        (json!({"path": "a.jsonl.gz"}), vec!["path"]),
        (json!({"path": "a.csv", "format": "csv", "columns": columns}), vec![]),
        (json!({"path": "a.csv", "format": "csv"}), vec!["columns"]),
        (json!({"path": "a.csv", "format": "csv", "columns": "from_event"}), vec!["columns"]),
        (json!({"path": "a.csv", "format": "csv", "columns": {"a": "event. "}}), vec!["columns.a"]),
        (json!({"path": "a.csv", "format": "csv", "columns": columns, "envelope": true}), vec!["envelope"]),
        (json!({"path": "a.jsonl", "columns": columns}), vec!["columns"]),
        (json!({"path": "a", "rotate": {"size": "1KiB", "every": "1h"}, "parts": true}), vec![]),
        (json!({"path": "a", "rotate": {}}), vec!["rotate"]),
        (json!({"path": "a", "rotate": {"size": "0B"}}), vec!["rotate.size"]),
        (json!({"path": "a", "rotate": {"every": "10ms"}}), vec!["rotate.every"]),
        (json!({"path": "a", "parts": true}), vec!["parts"]),
        (json!({"path": "a", "max_open_files": 0}), vec!["max_open_files"]),
    ] {
        let spec: FileSpec = serde_json::from_value(options.clone()).unwrap();
        let found = SinkSpec::check(&spec, &CheckContext { files: &NoFiles, sources: &[] });
        let paths: Vec<&str> = found.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, expected, "{options}: {found:?}");
        assert!(SinkSpec::delivery(&spec).exactly_once);
    }
    assert!(serde_json::from_value::<FileSpec>(json!({"path": "a", "format": "xml"})).is_err());
}

#[tokio::test]
async fn a_blackhole_takes_everything_in_its_time() {
    let spec: BlackholeSpec = serde_json::from_value(json!({"delay": "10ms"})).unwrap();
    let BuiltSink::Plain(mut sink) = spec.build(&context(Delivery::AtLeastOnce)).await.unwrap() else {
        unreachable!("a blackhole is plain")
    };
    assert!(sink.write(&batch(0..3)).await.unwrap().rejected.is_empty());
}
