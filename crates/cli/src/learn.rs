//! `schema learn`: JSON Schemas of sample events, for `schema:` of a source.
//!
//! Invariant: a file that was learnt before is only ever added to, and is replaced whole or not at all.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

use serde_json::Value;
use sluicebox_catalogue::Learner;

use crate::arguments::LearnArguments;
use crate::exit::{Ended, Exit, Stop};
use crate::terminal;

/// Bytes of the longest line that is read.
const LONGEST: u64 = 16 << 20;

/// Learns from files of JSON lines and prints the schema, or writes it.
pub(crate) fn verb(arguments: &LearnArguments) -> Ended {
    let before = arguments.output.as_deref().map(earlier).transpose()?.flatten();
    let mut samples = Samples { learner: Learner::new(arguments.type_field.clone()), arguments, wrong: 0 };
    for file in &arguments.files {
        samples.read_file(file)?;
    }
    let count: u64 = samples.learner.seen().map(|(_, count)| count).sum();
    if count == 0 {
        let stop = Stop::new(Exit::Failed, "there is no event to learn from");
        return Err(stop.help("a line is an event as JSON, or an envelope {\"meta\": …, \"event\": …}"));
    }
    let text = format!("{:#}\n", samples.learner.schema(before.as_ref()));
    match &arguments.output {
        Some(file) => {
            write(file, &text)?;
            terminal::complain(&summary(&samples.learner, file, arguments.source.as_deref()));
        }
        None => terminal::print(&text),
    }
    Ok(if samples.wrong > 0 { Exit::Failed } else { Exit::Done })
}

/// What was learnt, and how it is declared.
fn summary(learner: &Learner, file: &Path, source: Option<&str>) -> String {
    let mut text = String::new();
    for (name, count) in learner.seen() {
        let name = name.unwrap_or("events without a type");
        let _ = writeln!(text, "{name}: {count} event{}", if count == 1 { "" } else { "s" });
    }
    let source = source.unwrap_or("<source>");
    let _ = writeln!(text, "declare it: sources.{source}.schema: {}", file.display());
    text
}

/// What was learnt earlier, if the file is there.
fn earlier(file: &Path) -> Result<Option<Value>, Stop> {
    if !file.exists() {
        return Ok(None);
    }
    let unreadable = |error: &dyn std::error::Error| {
        let stop = Stop::failed(format!("cannot add to {}", file.display()), error);
        stop.help("name another file with -o, or remove this one")
    };
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(&error))?;
    let schema: Value = serde_json::from_str(&text).map_err(|error| unreadable(&error))?;
    if schema.is_object() {
        return Ok(Some(schema));
    }
    let stop = Stop::new(Exit::Failed, format!("cannot add to {}: it is no JSON Schema", file.display()));
    Err(stop.help("name another file with -o, or remove this one"))
}

fn write(file: &Path, text: &str) -> Result<(), Stop> {
    let failed = |error: std::io::Error| Stop::failed(format!("cannot write {}", file.display()), &error);
    let mut name = file.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let new = file.with_file_name(name);
    let mut out = File::create(&new).map_err(failed)?;
    out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).map_err(failed)?;
    std::fs::rename(&new, file).map_err(failed)
}

/// Sample events on their way into the learner.
struct Samples<'a> {
    learner: Learner,
    arguments: &'a LearnArguments,
    /// How many lines were no events.
    wrong: u64,
}

impl Samples<'_> {
    fn read_file(&mut self, file: &Path) -> Result<(), Stop> {
        let name = file.display().to_string();
        if name == "-" {
            return self.read("stdin", std::io::stdin().lock());
        }
        let opened = File::open(file).map_err(|error| Stop::usage(format!("cannot read {name}: {error}")))?;
        self.read(&name, BufReader::new(opened))
    }

    fn read(&mut self, name: &str, mut from: impl BufRead) -> Result<(), Stop> {
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            let read = from.by_ref().take(LONGEST).read_until(b'\n', &mut line);
            let count = read.map_err(|error| Stop::failed(format!("cannot read {name}"), &error))?;
            if count == 0 {
                break;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice::<Value>(&line) {
                Ok(event) if event.is_object() => self.see(&event),
                Ok(_) => self.complain(name, number, "expected a JSON object"),
                Err(error) => self.complain(name, number, &error.to_string()),
            }
        }
        Ok(())
    }

    fn complain(&mut self, name: &str, number: u64, why: &str) {
        self.wrong += 1;
        terminal::complain(&format!("{name}:{number}: no event: {why}\n"));
    }

    /// Looks at an event, or at the one in an envelope.
    fn see(&mut self, line: &Value) {
        let is_envelope = line.as_object().is_some_and(|line| line.len() == 2)
            && line["meta"].is_object()
            && line["event"].is_object();
        let wanted = self.arguments.source.as_deref();
        if !is_envelope {
            self.learner.see(line);
        } else if wanted.is_none_or(|source| line["meta"]["source"] == source) {
            self.learner.see(&line["event"]);
        }
    }
}
