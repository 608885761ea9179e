//! Files under attack: full disks in the middle of a line, torn ends, other writers, rotation, and paths that would leave
//! their folder. No line is lost, doubled or torn.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sluicebox_emulator::{Api, Options};
use sluicebox_testkit::{Feed, Sandbox, Stub, wait_for};

const ONCE: &str = "run --once --log-format json --admin off p.yaml";

/// A feed into three files: a plain one, one by a template, one exactly once.
const FILES: [&str; 3] = ["plain.jsonl", "by/a0.jsonl", "exact.jsonl"];

fn into_files(events: u64) -> Feed {
    let feed = Feed::new(env!("CARGO_BIN_EXE_sluicebox"), Options { events, ..Options::new(Api::OpenTrain) });
    feed.pipeline(
        "limit: 50",
        "sinks:\n  plain: { type: file, inputs: [feed], path: plain.jsonl }\n  \
         by: { type: file, inputs: [feed], path: \"by/{{ meta.account }}.jsonl\" }\n  \
         exact: { type: file, inputs: [feed], path: exact.jsonl, delivery: exactly_once }\n",
    );
    feed
}

fn text(feed: &Feed, name: &str) -> String {
    fs::read_to_string(feed.path(name)).unwrap_or_default()
}

/// The whole feed as lines.
fn whole(feed: &Feed) -> String {
    feed.served.truth_text(0)
}

fn wait_for_all(feed: &Feed) {
    for name in FILES {
        wait_for(name, || (text(feed, name).len() >= whole(feed).len()).then_some(()));
    }
}

/// Waits until the position of the last poll is saved: a limit would stop the state too, and what is not saved comes
/// twice into a plain file after a death.
fn wait_for_checkpoint(feed: &Feed) {
    wait_for("the checkpoint", || {
        let last = feed.served.polls(0).pop()?.query?;
        let asked = last.split('&').find_map(|pair| pair.strip_prefix("cursor="))?.to_owned();
        (feed.cursor(0)["cursor"] == asked).then_some(())
    });
}

fn assert_whole(feed: &Feed) {
    for name in FILES {
        assert!(text(feed, name) == whole(feed), "{name}: each line once, in order and whole");
    }
}

/// The disk is full in the middle of a line: the half is cut off at once, and the sink waits. Death does not change it.
#[test]
fn a_disk_that_is_full_in_the_middle_of_a_line_leaves_no_half() {
    for dies in [false, true] {
        let feed = into_files(200);
        let mut process = feed.begin();
        wait_for_all(&feed);
        wait_for_checkpoint(&feed);
        let before = whole(&feed);
        process.limit_file_size(Some(before.len() as u64 + 150));
        feed.served.append(0, 60);
        for name in FILES {
            process.wait_for_log(&format!("cannot write to the file {name}: File too large"));
        }
        for name in FILES {
            wait_for("the half to be cut off", || (text(&feed, name) == before).then_some(()));
        }
        if dies {
            process.kill();
            assert_eq!(process.finish().code, -1);
            feed.once().expect(0);
        } else {
            process.limit_file_size(None);
            wait_for_all(&feed);
            process.terminate();
            process.finish().expect(0);
        }
        assert_whole(&feed);
    }
}

/// From the very start, as `ulimit` sets it: the command lives, waits and can be stopped; later it goes on.
#[test]
fn a_process_under_a_limit_lives_and_what_it_could_not_write_comes_later() {
    let feed = into_files(2000);
    let program = env!("CARGO_BIN_EXE_sluicebox");
    let mut command = std::process::Command::new("bash");
    // In KiB: enough to begin with, not for the files.
    let script = "ulimit -S -f 100; exec \"$0\" run --admin off p.yaml";
    command.args(["-c", script, program]).current_dir(feed.path(""));
    assert!(whole(&feed).len() > 150 << 10, "more than fits");
    let mut process = sluicebox_testkit::Process::start(&mut command);
    process.wait_for_log("cannot write to the file plain.jsonl: File too large");
    assert!(!process.has_ended());
    for name in FILES {
        let text = text(&feed, name);
        assert!(whole(&feed).starts_with(&text), "{name}: a beginning of the feed");
        assert!(text.is_empty() || text.ends_with('\n'), "{name}: no half");
    }
    process.terminate();
    process.wait_for_log("draining");
    process.terminate();
    process.finish().expect(1);
    feed.once().expect(0);
    assert!(text(&feed, "exact.jsonl") == whole(&feed), "each line once, in order and whole");
    // The limit holds for the state too: what it could not save comes again into files that promise no more.
    for name in &FILES[..2] {
        let text = text(&feed, name);
        let mut seen = BTreeSet::new();
        let first: Vec<&str> = text.lines().filter(|line| seen.insert(*line)).collect();
        assert!(first == whole(&feed).lines().collect::<Vec<_>>(), "{name}: each line, in order and whole");
    }
}

#[test]
fn a_torn_last_line_is_cut_off_at_the_next_start() {
    for torn in ["{\"id\":\"10", "{", "\0\0\0\0\0\0"] {
        let feed = into_files(40);
        feed.once().expect(0);
        for name in FILES {
            let mut file = fs::OpenOptions::new().append(true).open(feed.path(name)).unwrap();
            std::io::Write::write_all(&mut file, torn.as_bytes()).unwrap();
        }
        feed.served.append(0, 20);
        feed.once().expect(0);
        assert_whole(&feed);
    }
}

#[test]
fn what_is_no_json_line_is_not_cut_off() {
    let feed = into_files(40);
    feed.write("plain.jsonl", "a shopping list");
    let ended = feed.once().expect(1);
    assert!(ended.stderr.contains("plain.jsonl does not end in a JSON line"), "{}", ended.stderr);
    assert_eq!(text(&feed, "plain.jsonl"), "a shopping list");
    assert!(feed.cursor(0)["cursor"].is_null(), "nothing is acknowledged");
    fs::remove_file(feed.path("plain.jsonl")).unwrap();
    feed.once().expect(0);
    let plain: Vec<String> = text(&feed, "plain.jsonl").lines().map(str::to_owned).collect();
    assert_eq!(plain, feed.served.truth(0));
    assert!(text(&feed, "exact.jsonl") == whole(&feed));
}

#[test]
fn an_exact_file_is_cut_back_to_its_mark_and_a_shorter_one_is_refused() {
    let feed = into_files(40);
    feed.once().expect(0);
    let marked = text(&feed, "exact.jsonl");
    // Whole lines beyond the mark: written, and the checkpoint never heard of it.
    feed.write("exact.jsonl", &format!("{marked}{{\"id\":\"beyond\"}}\n{{\"id\":\"the mark\"}}\n"));
    feed.served.append(0, 20);
    feed.once().expect(0);
    assert_whole(&feed);
    let marked = text(&feed, "exact.jsonl");
    feed.write("exact.jsonl", &marked[..marked.len() - 10]);
    feed.served.append(0, 20);
    let ended = feed.once().expect(78);
    assert!(ended.stderr.contains("events that were delivered are missing"), "{}", ended.stderr);
    assert_eq!(text(&feed, "exact.jsonl").len(), marked.len() - 10, "it is left alone");
    feed.write("exact.jsonl", &marked);
    feed.once().expect(0);
    assert_whole(&feed);
}

#[test]
fn a_file_that_is_rotated_away_is_made_anew() {
    let feed = into_files(40);
    feed.pipeline("limit: 50", "sinks:\n  plain: { type: file, inputs: [feed], path: plain.jsonl }\n");
    let process = feed.begin();
    wait_for("the first lines", || (text(&feed, "plain.jsonl").lines().count() == 40).then_some(()));
    fs::rename(feed.path("plain.jsonl"), feed.path("plain.1.jsonl")).unwrap();
    feed.served.append(0, 20);
    wait_for("the later lines", || (text(&feed, "plain.jsonl").lines().count() == 20).then_some(()));
    process.terminate();
    process.finish().expect(0);
    assert!(text(&feed, "plain.1.jsonl") + &text(&feed, "plain.jsonl") == whole(&feed));
}

/// Every file below a folder.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn no_event_leads_a_path_out_of_its_folder() {
    let values = [
        json!("../../etc"),
        json!("../../../../../../../../tmp/sluicebox-escaped"),
        json!("/etc/passwd"),
        json!(".."),
        json!("."),
        json!("a/b"),
        json!("a\u{0}b"),
        json!("a\nb"),
        json!("%2e%2e%2f"),
        json!("..\\..\\x"),
        json!("~root"),
        json!(""),
        json!(null),
        json!("x".repeat(300)),
        json!("good"),
    ];
    let events: Vec<String> =
        (1..).zip(&values).map(|(id, value)| Stub::event(id, &json!({ "x": value }).to_string())).collect();
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.pipe(
        &Stub::feed(events.clone()),
        100,
        "sinks:\n  out: { type: file, inputs: [feed], path: \"in/here/{{ event.data.x }}.jsonl\" }\n  \
         folders: { type: file, inputs: [feed], path: \"in/{{ event.data.x }}/out.jsonl\" }\n",
    );
    sandbox.run(ONCE).expect(0);
    let known = [sandbox.path("p.yaml"), sandbox.path(".sluicebox")];
    let mut written = Vec::new();
    for file in files_below(&sandbox.path(""))
        .into_iter()
        .filter(|file| !known.iter().any(|known| file.starts_with(known)))
    {
        let place =
            file.strip_prefix(sandbox.path("in")).unwrap_or_else(|_| panic!("{} escaped", file.display()));
        assert_eq!(place.components().count(), 2, "one segment stays one segment: {}", place.display());
        written.extend(fs::read_to_string(&file).unwrap().lines().map(str::to_owned));
    }
    assert!(
        !Path::new("/tmp/sluicebox-escaped").exists() && !Path::new("/tmp/sluicebox-escaped.jsonl").exists()
    );
    let letters = sandbox.dead_letters();
    let dead = |value: &Value| letters.iter().filter(|letter| letter["event"]["data"]["x"] == *value).count();
    for (event, value) in events.iter().zip(&values) {
        let lines = written.iter().filter(|line| *line == event).count();
        assert_eq!(
            lines + dead(value),
            2,
            "{value}: a line or a dead letter from each sink: {lines} lines, {letters:#?}"
        );
    }
    assert_eq!(["", "good"].map(|value| dead(&json!(value))), [2, 0]);
    assert_eq!(dead(&json!(null)), 2);
}

#[test]
fn a_path_without_a_literal_beginning_is_refused_before_it_runs() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    for path in ["{{ event.data.x }}.jsonl", "{{ event.data.x }}/out.jsonl"] {
        sandbox.pipe(
            &Stub::feed(Vec::new()),
            100,
            &format!("sinks:\n  out: {{ type: file, inputs: [feed], path: \"{path}\" }}\n"),
        );
        let checked = sandbox.run("check p.yaml").expect(78);
        let said = checked.stdout + &checked.stderr;
        assert!(said.contains("p.yaml:4:") && said.contains("literal"), "{path}: {said}");
        sandbox.run(ONCE).expect(78);
    }
}

/// What a reader finds in a folder, by name: complete files come before the one that is still written.
fn visible(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let entries = entries.map(|entry| entry.unwrap());
    let mut paths: Vec<PathBuf> = entries
        .filter(|entry| !entry.file_name().to_str().unwrap().starts_with('.'))
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths
}

/// What other code than the sink's reads in a file; an error says what it cannot read.
fn unpacked(path: &Path) -> io::Result<String> {
    let bytes = fs::read(path)?;
    let mut text = String::new();
    match path.extension().and_then(OsStr::to_str) {
        Some("gz") => flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text)?,
        Some("zst") => zstd::Decoder::new(bytes.as_slice())?.read_to_string(&mut text)?,
        _ => bytes.as_slice().read_to_string(&mut text)?,
    };
    Ok(text)
}

/// Files of every shape, exactly once, each with its folder and options.
const SHAPES: [(&str, &str, &str); 6] = [
    ("gzip", "out.jsonl.gz", "compression: gzip"),
    ("zstd", "out.jsonl.zst", "compression: zstd"),
    ("by", "{{ event.type }}/{{ meta.account }}.jsonl.gz", "compression: gzip, max_open_files: 2"),
    ("rotated", "out.jsonl", "rotate: { size: 8KiB, every: 1s }"),
    ("parts", "out.jsonl.gz", "compression: gzip, parts: true, rotate: { size: 2KiB, every: 1s }"),
    (
        "parts_by",
        "{{ event.type }}.jsonl.zst",
        "compression: zstd, parts: true, rotate: { every: 1s }, max_open_files: 2",
    ),
];

/// Looks at everything that readers may see in the folders of parts, again and again: each file can be read, ends with a
/// whole line, and never changes.
fn watch(folders: &[PathBuf; 2], stop: &AtomicBool) -> usize {
    let mut seen: BTreeMap<PathBuf, String> = BTreeMap::new();
    loop {
        let ends = stop.load(Ordering::SeqCst);
        for path in folders.iter().flat_map(|folder| visible(folder)) {
            let text = unpacked(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(text.ends_with('\n'), "{} ends within a line", path.display());
            let before = seen.entry(path.clone()).or_insert_with(|| text.clone());
            assert!(*before == text, "{} changed after it was seen", path.display());
        }
        if ends {
            return seen.len();
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Killed again and again: each event is once in every shape of files, in order, and readable by other tools.
#[test]
fn exact_files_of_every_shape_survive_kills() {
    let options = Options { events: 3000, accounts: 2, rate: 700.0, ..Options::new(Api::OpenTrain) };
    let feed = Feed::new(env!("CARGO_BIN_EXE_sluicebox"), options);
    let sinks: String = SHAPES
        .iter()
        .flat_map(|(folder, path, options)| {
            let head = format!("  {folder}: {{ type: file, inputs: [feed], delivery: exactly_once, ");
            [head, format!("path: \"{folder}/{path}\", {options}, batch: {{ max_events: 40 }} }}\n")]
        })
        .collect();
    feed.pipeline("limit: 20", &format!("sinks:\n{sinks}"));
    let stop = Arc::new(AtomicBool::new(false));
    let (folders, stopped) = ([feed.path("parts"), feed.path("parts_by")], Arc::clone(&stop));
    let reader = std::thread::spawn(move || watch(&folders, &stopped));
    for round in 0..5_u64 {
        let process = feed.start("run --log-format json --admin off p.yaml");
        let before = feed.served.stats().events_served;
        wait_for("polls", || (feed.served.stats().events_served > before).then_some(()));
        std::thread::sleep(Duration::from_millis(150 + round * 97 % 400));
        process.kill();
        process.finish();
        assert!(!reader.is_finished(), "the reader found something: it will say what");
    }
    (0..2).for_each(|account| feed.served.set_visible(account, 3000));
    feed.once().expect(0);
    stop.store(true, Ordering::SeqCst);
    let complete = reader.join().unwrap();
    assert!(complete > 4, "only {complete} complete files were ever seen");
    for (folder, _, _) in SHAPES {
        let files = files_below(&feed.path(folder));
        assert!(
            !files.iter().any(|path| path.extension() == Some(OsStr::new("part"))),
            "{folder}: {files:?}"
        );
        assert_each_once(&feed, folder, &files);
        for path in files.iter().filter(|path| path.extension() == Some(OsStr::new("gz"))) {
            let tested = std::process::Command::new("gzip").arg("-t").arg(path).status().unwrap();
            assert!(tested.success(), "{}", path.display());
        }
    }
}

/// Each event of both accounts is in the files once, and in order within a file.
fn assert_each_once(feed: &Feed, folder: &str, files: &[PathBuf]) {
    let mut found = Vec::new();
    let places: BTreeMap<String, usize> = (0..2)
        .flat_map(|account| feed.served.truth(account).into_iter().enumerate())
        .map(|(place, line)| (line, place))
        .collect();
    let accounts: Vec<BTreeSet<String>> =
        (0..2).map(|account| feed.served.truth(account).into_iter().collect()).collect();
    let written = files.iter().filter(|path| path.extension() != Some(OsStr::new("sluicebox-journal")));
    for path in written {
        let text = unpacked(path).unwrap();
        for account in &accounts {
            let of_account = text.lines().filter(|line| account.contains(*line)).map(|line| places[line]);
            assert!(of_account.is_sorted(), "{folder}: {} is out of order", path.display());
        }
        found.extend(text.lines().map(str::to_owned));
    }
    found.sort_unstable();
    let mut truth: Vec<String> = (0..2).flat_map(|account| feed.served.truth(account)).collect();
    truth.sort_unstable();
    assert!(found == truth, "{folder}: {} lines of {} events", found.len(), truth.len());
}

/// The disk is full in the middle of a frame: the half is cut off, and what could not be written comes later.
#[test]
fn a_full_disk_leaves_whole_frames() {
    let mut noise = 7_u64;
    let mut random = move || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise
    };
    let mut data = || (0..1000).fold(String::new(), |text, _| text + format!("{:016x}", random()).as_str());
    let events: Vec<String> =
        (1..=300).map(|id| Stub::event(id, &json!({ "x": data() }).to_string())).collect();
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    let sink = |name: &str, kind: &str, delivery: &str| {
        format!(
            "  {name}: {{ type: file, inputs: [feed], path: {name}.{}, compression: {kind}, delivery: {delivery}, batch: {{ max_events: 50 }} }}\n",
            if kind == "gzip" { "gz" } else { "zst" }
        )
    };
    let sinks = [
        sink("a", "gzip", "exactly_once"),
        sink("b", "zstd", "exactly_once"),
        sink("c", "gzip", "at_least_once"),
        sink("d", "zstd", "at_least_once"),
    ];
    sandbox.pipe(&Stub::feed(events.clone()), 50, &format!("sinks:\n{}", sinks.concat()));
    let mut command = std::process::Command::new("bash");
    // In KiB: enough to begin with, not for the files.
    let script = "ulimit -S -f 1100; exec \"$0\" run --admin off p.yaml";
    command.args(["-c", script, env!("CARGO_BIN_EXE_sluicebox")]).current_dir(sandbox.path(""));
    let mut process = sluicebox_testkit::Process::start(&mut command);
    let files = ["a.gz", "b.zst", "c.gz", "d.zst"];
    let whole = events.join("\n") + "\n";
    for file in files {
        process.wait_for_log(&format!("cannot write to the file {file}: File too large"));
        wait_for("the half to be cut off", || {
            let text = unpacked(&sandbox.path(file));
            text.is_ok_and(|text| !text.is_empty() && whole.starts_with(&text)).then_some(())
        });
    }
    process.terminate();
    process.wait_for_log("draining");
    process.terminate();
    process.finish().expect(1);
    sandbox.run(ONCE).expect(0);
    for file in files {
        assert!(unpacked(&sandbox.path(file)).unwrap() == whole, "{file}: each line once and in order");
    }
}

#[test]
fn csv_goes_on_under_its_header_and_refuses_another() {
    let feed = into_files(40);
    let csv = |columns: &str| {
        let sink =
            format!("type: file, inputs: [feed], path: rows.csv, format: csv, columns: {{ {columns} }}");
        feed.pipeline("limit: 50", &format!("sinks:\n  rows: {{ {sink}, delivery: exactly_once }}\n"));
    };
    csv("type: event.type, id: meta.id, data: event.data");
    feed.once().expect(0);
    feed.served.append(0, 20);
    feed.once().expect(0);
    let rows = text(&feed, "rows.csv");
    assert_eq!(rows.split("\r\n").next(), Some("type,id,data"), "in the order of the pipeline file");
    assert_eq!(rows.matches("\r\n").count(), 61);
    assert_eq!(rows.matches("opentrain:a0:").count(), 60);
    csv("id: meta.id, type: event.type, data: event.data");
    let ended = feed.once();
    assert_ne!(ended.code, 0);
    assert!(ended.stderr.contains("rows.csv has other columns than this sink"), "{}", ended.stderr);
    assert_eq!(text(&feed, "rows.csv"), rows);
}
