//! What `test` prints: a line for each test, and below a failed one what was expected and what came.

use std::fmt::Write;
use std::time::Duration;

use serde_json::Value;
use sluicebox_pipeline_tests::{Difference, Mismatch};

use super::gather::Suite;
use super::{End, Ran};

/// Values up to this many characters stay on one line.
const LINE: usize = 100;
/// Lines of a value that are shown.
const MOST_LINES: usize = 40;

/// The marks that colour a text.
struct Paint {
    colour: bool,
}

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn good(&self, text: &str) -> String {
        self.with("32", text)
    }

    fn bad(&self, text: &str) -> String {
        self.with("1;31", text)
    }

    fn strong(&self, text: &str) -> String {
        self.with("1", text)
    }
}

/// The tests of one pipeline.
pub(super) fn suite(suite: &Suite, ran: &[&Ran<'_>], colour: bool) -> String {
    let paint = Paint { colour };
    let file = suite.file.display();
    if suite.cases.is_empty() {
        return format!("{file}: no tests\n");
    }
    if ran.is_empty() {
        return String::new();
    }
    let mut text = format!("{file}\n");
    for ran in ran {
        let word = if ran.passed() { paint.good("ok  ") } else { paint.bad("FAIL") };
        // Writing to a text cannot fail.
        let _ = writeln!(text, "  {word}  {}", ran.case.name);
        text.push_str(&failure(ran, &paint));
    }
    text
}

/// `5 passed, 1 failed in 0.31 s`
pub(super) fn summary(passed: usize, failed: usize, took: Duration) -> String {
    format!("{passed} passed, {failed} failed in {:.2} s", took.as_secs_f64())
}

/// What is to be said of a failed test; nothing of any other.
pub(super) fn plain(ran: &Ran<'_>) -> String {
    failure(ran, &Paint { colour: false })
}

fn failure(ran: &Ran<'_>, paint: &Paint) -> String {
    let case = ran.case;
    let mut text = String::new();
    let arrow = |line: usize, column: usize| format!("        --> {}:{line}:{column}\n", case.file);
    match &ran.end {
        End::Stopped(message) => {
            text.push_str(&arrow(case.place.line, case.place.column));
            let _ = writeln!(text, "        {}", message.replace('\n', "\n        "));
        }
        End::Judged(verdict) => {
            for mismatch in &verdict.mismatches {
                let place = mismatch.place.unwrap_or(case.place);
                text.push_str(&arrow(place.line, place.column));
                text.push_str(&of_mismatch(mismatch, paint));
            }
        }
    }
    text
}

fn of_mismatch(mismatch: &Mismatch, paint: &Paint) -> String {
    let mut text = String::new();
    if let Some(message) = &mismatch.message {
        let subject =
            if mismatch.subject.is_empty() { String::new() } else { format!("{}: ", mismatch.subject) };
        let _ = writeln!(text, "        {}{message}", paint.strong(&subject));
    }
    for difference in &mismatch.differences {
        let Difference { path, expected, got } = difference;
        if mismatch.message.is_none() {
            let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
            let _ = writeln!(text, "        {}", paint.strong(&format!("{}{dot}{path}", mismatch.subject)));
        }
        if mismatch.message.is_none() || expected.is_some() {
            text.push_str(&side("expected", expected.as_ref(), |line| paint.bad(line)));
        }
        if mismatch.message.is_none() || got.is_some() {
            text.push_str(&side("got", got.as_ref(), |line| paint.good(line)));
        }
    }
    text
}

/// One side of a difference; what takes more than a line stands below its word.
fn side(word: &str, value: Option<&Value>, paint: impl Fn(&str) -> String) -> String {
    let Some(value) = value else { return format!("          {word:<8}  nothing\n") };
    let line = value.to_string();
    if line.chars().count() <= LINE {
        return format!("          {word:<8}  {}\n", paint(&line));
    }
    let pretty = serde_json::to_string_pretty(value).unwrap_or(line);
    let mut text = format!("          {word}\n");
    for line in pretty.lines().take(MOST_LINES) {
        let _ = writeln!(text, "            {}", paint(line));
    }
    let more = pretty.lines().count().saturating_sub(MOST_LINES);
    if more > 0 {
        let _ = writeln!(text, "            … {more} more lines");
    }
    text
}
