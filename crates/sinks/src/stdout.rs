//! The `stdout` sink: JSON lines on standard output.

use std::io::{ErrorKind, Write};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    BuiltSink, Context, Delivery, DeliverySupport, Error, Event, Rejected, Result, Sink, SinkSpec, Written,
};

use crate::lines;

/// Writes events to standard output, one JSON line each.
///
/// Logs go to standard error, so the output can be piped: `sluicebox run p.yaml -q | jq .`. An event counts as delivered
/// when the pipe or terminal has taken it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StdoutSpec {
    /// Write `{"meta": …, "event": …}` instead of the event alone.
    #[serde(default)]
    pub envelope: bool,
}

#[async_trait]
impl SinkSpec for StdoutSpec {
    const TYPE: &'static str = "stdout";

    fn delivery(&self) -> DeliverySupport {
        DeliverySupport {
            default: Delivery::AtLeastOnce,
            exactly_once: false,
            why: "what is printed cannot be taken back",
        }
    }

    async fn build(self, _cx: &Context) -> Result<BuiltSink> {
        Ok(BuiltSink::Plain(Box::new(Stdout { envelope: self.envelope })))
    }
}

struct Stdout {
    envelope: bool,
}

#[async_trait]
impl Sink for Stdout {
    async fn write(&mut self, events: &[Event]) -> Result<Written> {
        let mut written = Written::default();
        let mut buffer = Vec::new();
        for (index, event) in events.iter().enumerate() {
            let start = buffer.len();
            if let Err(error) = lines::append(&mut buffer, event, self.envelope) {
                buffer.truncate(start);
                written.rejected.push(Rejected { index, error });
            }
        }
        let print = move || {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(&buffer).and_then(|()| stdout.flush())
        };
        // A reader that does not read blocks the write: off the runtime.
        let printed = tokio::task::spawn_blocking(print).await;
        printed.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(classify)?;
        Ok(written)
    }
}

fn classify(error: std::io::Error) -> Error {
    if error.kind() == ErrorKind::BrokenPipe {
        return Error::config("nobody reads standard output any more").with_cause(error);
    }
    Error::transient("cannot write to standard output").with_cause(error)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use sluicebox_core::ErrorClass;

    use super::*;
    use sluicebox_testkit::event;

    /// Not a test of its own: prints until somebody stops reading.
    #[tokio::test]
    #[ignore = "the child process of the test below"]
    async fn printer() {
        let mut sink = Stdout { envelope: false };
        let error = loop {
            if let Err(error) = sink.write(&[event(1, r#"{"n":1}"#), event(2, r#"{"n":2}"#)]).await {
                break error;
            }
        };
        assert_eq!(error.class(), ErrorClass::Config);
    }

    #[test]
    fn lines_reach_the_reader_until_it_goes_away() {
        use std::io::{BufRead, BufReader};
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "stdout::tests::printer", "--ignored", "--nocapture", "-q"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let events: Vec<_> = lines.filter(|line| line.starts_with('{')).take(4).collect();
        assert_eq!(events, [r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":1}"#, r#"{"n":2}"#]);
        // The harness itself may fail to print its summary: that the child ends at all shows that the sink has stopped.
        child.wait().unwrap();
    }
}
