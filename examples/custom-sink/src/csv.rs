//! The `csv` sink: some fields of each event as a line of a CSV file (RFC 4180).
//!
//! Invariant: `Ok` means that the disk has it, and a failed write leaves nothing behind. Retries, batches, dead letters
//! and cursors are the engine's.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use sluicebox_core::{
    BuiltSink, CheckContext, Context, Delivery, DeliverySupport, Error, Event, Probe, Problem, Rejected,
    Result, Sink, SinkSpec, Written,
};
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;

/// Appends some fields of each event to a CSV file.
///
/// A missing field is an empty cell. An event that has a list or a map there becomes a dead letter.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CsvSpec {
    /// The file, relative to the working directory; made if it is missing.
    path: PathBuf,
    /// The fields in the order of the cells, as JSON pointers (RFC 6901).
    #[schemars(length(min = 1), example = ["/id", "/data/status"])]
    fields: Vec<String>,
}

#[async_trait]
impl SinkSpec for CsvSpec {
    const TYPE: &'static str = "csv";

    fn delivery(&self) -> DeliverySupport {
        let why = "a line cannot be committed together with the cursor";
        DeliverySupport { default: Delivery::AtLeastOnce, exactly_once: false, why }
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        let wrong = self.fields.iter().enumerate().filter(|(_, field)| !field.starts_with('/'));
        let problem = |(at, field): (usize, &String)| {
            let message = format!("expected a JSON pointer, found `{field}`");
            Problem::new(format!("fields[{at}]"), message).with_help(format!("write `/{field}`"))
        };
        wrong.map(problem).collect()
    }

    async fn build(self, _cx: &Context) -> Result<BuiltSink> {
        let opened = OpenOptions::new().create(true).append(true).open(&self.path).await;
        let file = opened.map_err(|error| {
            Error::config(format!("cannot open {}", self.path.display())).with_cause(error)
        })?;
        Ok(BuiltSink::Plain(Box::new(CsvSink { file, fields: self.fields })))
    }

    /// For `check --connect`: looks, and makes nothing.
    async fn probe(&self, _cx: &Context) -> Probe {
        let mut probe = Probe::new();
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let error = match tokio::fs::metadata(folder).await {
            Ok(found) if found.is_dir() => {
                probe.fine("folder", format!("{} is there", folder.display()));
                return probe;
            }
            Ok(_) => Error::config(format!("{} is not a folder", folder.display())),
            Err(error) => {
                Error::config(format!("cannot use the folder {}", folder.display())).with_cause(error)
            }
        };
        probe.wrong("folder", error.with_help("make the folder, or choose another `path`"));
        probe
    }
}

struct CsvSink {
    file: File,
    fields: Vec<String>,
}

#[async_trait]
impl Sink for CsvSink {
    async fn write(&mut self, events: &[Event]) -> Result<Written> {
        let (mut lines, mut written) = (String::new(), Written::default());
        for (index, event) in events.iter().enumerate() {
            match line(event, &self.fields) {
                Ok(line) => lines.push_str(&line),
                Err(error) => written.rejected.push(Rejected { index, error }),
            }
        }
        self.append(&lines).await.map_err(|error| Error::transient("cannot append").with_cause(error))?;
        Ok(written)
    }
}

impl CsvSink {
    /// Appends all of it, or nothing.
    async fn append(&mut self, lines: &str) -> std::io::Result<()> {
        let before = self.file.metadata().await?.len();
        let appended = async {
            self.file.write_all(lines.as_bytes()).await?;
            self.file.flush().await?;
            self.file.sync_data().await
        };
        if let Err(error) = appended.await {
            self.file.set_len(before).await?;
            return Err(error);
        }
        Ok(())
    }
}

/// One line for an event.
fn line(event: &Event, fields: &[String]) -> Result<String> {
    let json: Value = serde_json::from_slice(&event.json())
        .map_err(|error| Error::permanent("the event cannot be read").with_cause(error))?;
    let cells = fields.iter().map(|field| match json.pointer(field) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(format!("\"{}\"", text.replace('"', "\"\""))),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
        Some(_) => Err(Error::permanent(format!("`{field}` is no single value"))),
    });
    Ok(cells.collect::<Result<Vec<String>>>()?.join(",") + "\n")
}
