//! The filter: JSON lines in, JSON lines out, in order, one event in memory.
//!
//! Invariant: a line that is no event and an event that is given up touch no other; both are told on stderr and make
//! the exit code 1 at the end. Nobody reading on ends it quietly.

use std::io::{self, BufWriter, ErrorKind, Read, Write};

use sluicebox_core::{Event, Memory, TransformOutcome};

use super::complaints::Complaints;
use super::input::{Line, Lines};
use super::intent::FilterIntent;
use super::program::{MAIN, Program};
use super::sample;
use crate::exit::{Ended, Exit, Stop};

/// Bytes that are written at once.
const WRITE: usize = 64 << 10;

/// What has come so far, and what of it went wrong.
#[derive(Default)]
struct Tally {
    lines: usize,
    events: usize,
    failed: usize,
}

/// Runs the program over every line.
pub(super) async fn run<R: Read>(
    program: &Program,
    mut input: Lines<R>,
    intent: &FilterIntent,
    complaints: &mut Complaints,
) -> Ended {
    let received = sample::now();
    let mut out = BufWriter::with_capacity(WRITE, io::stdout().lock());
    let mut tally = Tally::default();
    // Bounded by what the script declares.
    let mut memory = Memory::new(usize::MAX);
    loop {
        if input.is_drained() && !is_read(out.flush())? {
            break;
        }
        let Some(line) = input.next_line().map_err(|error| Stop::failed("cannot read the events", &error))?
        else {
            break;
        };
        tally.lines += 1;
        let event = match line {
            Line::Text(text) if text.trim_ascii().is_empty() => continue,
            Line::Text(text) => sample::read(text, tally.lines, received),
            Line::TooLong => Err("longer than 16 MiB".to_owned()),
        };
        tally.events += 1;
        let event = match event {
            Ok(event) => event,
            Err(why) => {
                tally.failed += 1;
                complaints.line(tally.lines, &why);
                continue;
            }
        };
        let mut goes_on = true;
        for outcome in program.apply(event, &mut memory).await? {
            match outcome {
                TransformOutcome::Emit(output, event) => {
                    goes_on &= is_read(write(&mut out, output.as_deref(), &event, intent))?;
                }
                TransformOutcome::Discard(_) | TransformOutcome::Absorb => {}
                TransformOutcome::DeadLetter(_, reason, error) => {
                    tally.failed += 1;
                    complaints.letter(tally.lines, reason, &error);
                }
            }
        }
        if !goes_on {
            break;
        }
    }
    is_read(out.flush())?;
    tally.end()
}

impl Tally {
    fn end(&self) -> Ended {
        let Self { failed, events, .. } = self;
        match failed {
            0 => Ok(Exit::Done),
            _ => Err(Stop::new(Exit::Failed, format!("{failed} of {events} events failed"))),
        }
    }
}

/// Writes one event, if it goes to the output that is asked for.
fn write(out: &mut impl Write, output: Option<&str>, event: &Event, intent: &FilterIntent) -> io::Result<()> {
    if intent.output.as_deref().is_some_and(|wanted| wanted != output.unwrap_or(MAIN)) {
        return Ok(());
    }
    if !intent.envelope {
        out.write_all(&event.json())?;
        return out.write_all(b"\n");
    }
    out.write_all(b"{\"meta\":")?;
    serde_json::to_writer(&mut *out, event.meta())?;
    if let Some(output) = output {
        out.write_all(b",\"output\":")?;
        serde_json::to_writer(&mut *out, output)?;
    }
    out.write_all(b",\"event\":")?;
    out.write_all(&event.json())?;
    out.write_all(b"}\n")
}

/// Whether somebody still reads; any other failure to write is one.
fn is_read(written: io::Result<()>) -> Result<bool, Stop> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Stop::failed("cannot write to standard output", &error)),
    }
}
