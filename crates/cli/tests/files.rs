//! Files as a source, with the real binary: rotated while the process is killed, into a table that shows every repeat.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use sluicebox_testkit::{Sandbox, wait_for};

fn sandbox(options: &str) -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write(
        "p.yaml",
        &format!(
            "sources:\n  logs: {{ type: file, {options} }}\n\
             sinks:\n  rows: {{ type: sqlite, inputs: [logs], path: rows.db, table: events }}\n"
        ),
    );
    sandbox
}

fn append(sandbox: &Sandbox, name: &str, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(sandbox.path(name)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn rows(sandbox: &Sandbox) -> Vec<String> {
    sandbox.rows("rows.db", "SELECT event FROM events ORDER BY rowid")
}

/// A writer that rotates its log in all the ways of logrotate.
struct Writer {
    written: Vec<String>,
    rotations: usize,
}

impl Writer {
    fn write(&mut self, sandbox: &Sandbox, count: usize) {
        for _ in 0..count {
            let line = format!(
                "{{\"n\":{},\"text\":\"{}\"}}",
                self.written.len(),
                "x".repeat(self.written.len() % 90)
            );
            // Torn in the middle, as a writer with a buffer does.
            let (left, right) = line.split_at(line.len() / 2);
            append(sandbox, "logs/app.jsonl", left);
            append(sandbox, "logs/app.jsonl", &format!("{right}\n"));
            self.written.push(line);
        }
    }

    fn rotate(&mut self, sandbox: &Sandbox) {
        let (log, name) = (sandbox.path("logs/app.jsonl"), format!("logs/app.jsonl.{:04}", self.rotations));
        let to = sandbox.path(&name);
        // The order of files is that of their times, which are as fine as a tick of the kernel.
        sleep(Duration::from_millis(15));
        if self.rotations.is_multiple_of(2) {
            fs::rename(&log, &to).unwrap();
            fs::write(&log, "").unwrap();
        } else {
            fs::copy(&log, &to).unwrap();
            OpenOptions::new().write(true).open(&log).unwrap().set_len(0).unwrap();
        }
        if self.rotations % 3 == 2 {
            let mut packed =
                GzEncoder::new(File::create(format!("{}.gz", to.display())).unwrap(), Compression::fast());
            packed.write_all(&fs::read(&to).unwrap()).unwrap();
            packed.finish().unwrap();
            fs::remove_file(&to).unwrap();
        }
        self.rotations += 1;
        sleep(Duration::from_millis(15));
    }
}

#[test]
fn every_line_is_in_the_table_once_through_kills_and_rotations() {
    let sandbox = sandbox("path: \"logs/app.jsonl*\", interval: 10ms");
    let checked = sandbox.run("check --format json p.yaml").expect(0);
    let checked: Value = serde_json::from_str(&checked.stdout).unwrap();
    assert_eq!(checked["routes"][0]["guarantee"], "exactly_once");
    sandbox.write("logs/app.jsonl", "");
    let mut writer = Writer { written: Vec::new(), rotations: 0 };
    let mut log = String::new();
    for round in 0..20_u64 {
        writer.write(&sandbox, 40);
        let known = rows(&sandbox).len();
        let process = sandbox.start("run --admin off p.yaml");
        wait_for("a line more", || (rows(&sandbox).len() > known).then_some(()));
        for _ in 0..round % 4 {
            writer.write(&sandbox, 60);
            if round % 5 != 0 {
                writer.rotate(&sandbox);
            }
        }
        sleep(Duration::from_millis(round * 37 % 60));
        process.kill();
        let said = process.finish().stderr;
        let (written, rotations) = (writer.written.len(), writer.rotations);
        log = format!("{log}-- round {round}, {written} written, {rotations} rotations\n{said}");
        writer.write(&sandbox, 30);
        if round % 2 == 0 {
            writer.rotate(&sandbox);
        }
    }
    let ended = sandbox.run("run --once --admin off p.yaml").expect(0);
    let (rows, written) = (rows(&sandbox), writer.written);
    let wrong = rows.iter().zip(&written).position(|(row, line)| row != line);
    let why =
        format!("{log}{}\n{:?}", ended.stderr, wrong.map(|index| (index, &rows[index], &written[index])));
    assert_eq!(rows.len(), written.len(), "{why}");
    assert!(rows == written, "each line once, in order, byte for byte\n{why}");
    assert!(writer.rotations >= 20, "{}", writer.rotations);
}

#[test]
fn once_ends_at_the_end_and_bad_lines_are_dead_letters() {
    let sandbox = sandbox("path: in/*.csv");
    sandbox.write("in/a.csv", "id,name\n1,\"a,\nb\"\n2\n3,c\n4,torn");
    sandbox.run("run --once --admin off p.yaml").expect(0);
    assert_eq!(rows(&sandbox), ["{\"id\":\"1\",\"name\":\"a,\\nb\"}", "{\"id\":\"3\",\"name\":\"c\"}"]);
    let letters = sandbox.dead_letters();
    assert_eq!((letters.len(), letters[0]["reason"].as_str()), (1, Some("parse")), "{letters:?}");
    append(&sandbox, "in/a.csv", " no more\n");
    sandbox.write("in/b.csv", "id\n9\n");
    sandbox.run("run --once --admin off p.yaml").expect(0);
    assert_eq!(rows(&sandbox)[2..], ["{\"id\":\"4\",\"name\":\"torn no more\"}", "{\"id\":\"9\"}"]);
    sandbox.run("run --once --admin off p.yaml").expect(0);
    assert_eq!((rows(&sandbox).len(), sandbox.dead_letters().len()), (4, 1));
}

#[test]
fn without_tail_a_run_ends_by_itself_and_one_that_misses_its_file_fails() {
    let sandbox = sandbox("path: in.jsonl, tail: false");
    let missing = sandbox.run("run --once --admin off p.yaml").expect(1);
    assert!(missing.stderr.contains("there is no file in.jsonl"), "{}", missing.stderr);
    sandbox.write("in.jsonl", "{\"n\":1}\n{\"n\":2}");
    sandbox.run("run --admin off p.yaml").expect(0);
    assert_eq!(rows(&sandbox), ["{\"n\":1}", "{\"n\":2}"]);
}

/// What is in the complete files of a folder.
fn lines(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let complete = files.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    complete.flat_map(|path| text_lines(&path)).collect()
}

fn text_lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn complete_files_may_be_collected_between_runs() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write(
        "p.yaml",
        "sources:\n  logs: { type: file, path: in.jsonl }\n\
         sinks:\n  o: { type: file, inputs: [logs], path: out/e.jsonl, rotate: { size: 1MiB }, parts: true, \
         delivery: exactly_once }\n",
    );
    fs::create_dir(sandbox.path("taken")).unwrap();
    let mut written = Vec::new();
    for round in 0..4 {
        // The second run has nothing new.
        for number in (0..10).filter(|_| round != 1) {
            let line = format!("{{\"n\":{}}}", round * 10 + number);
            append(&sandbox, "in.jsonl", &format!("{line}\n"));
            written.push(line);
        }
        sandbox.run("run --once --admin off p.yaml").expect(0);
        for entry in fs::read_dir(sandbox.path("out")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(!name.contains(".part"), "{name} is not complete");
            if !name.starts_with('.') {
                let to = sandbox.path("taken").join(&name);
                assert!(!to.exists(), "{name} was given twice");
                fs::rename(sandbox.path("out").join(name), to).unwrap();
            }
        }
        let mut taken = lines(&sandbox.path("taken"));
        taken.sort_by_key(|line| (line.len(), line.clone()));
        assert_eq!(taken, written, "each line once, in round {round}");
    }
}

#[test]
fn two_sinks_of_one_file_are_found_before_they_wait_for_each_other() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    let pipeline = |second: &str| {
        format!(
            "sources:\n  made: {{ type: generate, count: 1 }}\n\
             sinks:\n  one: {{ type: file, inputs: [made], path: out/e.jsonl }}\n  \
             two: {{ type: file, inputs: [made], path: {second} }}\n"
        )
    };
    for (second, code) in [("./out//e.jsonl", 78), ("out/f.jsonl", 0), ("\"out/{{ meta.type }}.jsonl\"", 0)] {
        sandbox.write("p.yaml", &pipeline(second));
        let checked = sandbox.run("check p.yaml").expect(code);
        let is_told = checked.stderr.contains("the sink `one` writes to out/e.jsonl already\n --> p.yaml:5:");
        assert_eq!(is_told, code == 78, "{second}: {}", checked.stderr);
    }
}

#[test]
fn connect_looks_for_the_files() {
    let sandbox = sandbox("path: \"in*.jsonl.gz\"");
    let none = sandbox.run("check --connect p.yaml").expect(0);
    assert!(none.stdout.contains("no such file"), "{}", none.stdout);
    sandbox.write("in.jsonl.gz", "no gzip at all");
    let broken = sandbox.run("check --connect p.yaml").expect(1);
    assert!(
        format!("{}{}", broken.stdout, broken.stderr).contains("in.jsonl.gz cannot be read"),
        "{}",
        broken.stdout
    );
}
