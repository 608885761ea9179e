//! Files under attack: full disks in the middle of a line, torn ends, other writers, rotation, and paths that would leave
//! their folder. No line is lost, doubled or torn.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

use std::fs;
use std::path::{Path, PathBuf};

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
    assert_whole(&feed);
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
