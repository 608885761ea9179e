//! The `file` sink: events in files, durable before they are acknowledged.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    BuiltSink, ByteSize, CheckContext, Context, Delivery, DeliverySupport, Error, Located, Period, Probe,
    Problem, Rendering, Result, Shown, SinkSpec, each_event,
};
use sluicebox_rules::{Template, TemplateKind};
use sluicebox_tables::Columns;

mod appender;
mod batch;
mod check;
mod compression;
mod csv;
mod encoding;
mod exact;
mod fault;
mod finished;
mod mark;
mod names;
mod orphans;
mod paths;
mod plain;
mod probe;
mod store;
#[cfg(test)]
mod tests;

pub use compression::Compression;
use encoding::{Encoding, Rows};
use paths::Paths;
use store::Layout;

/// Appends events to files: JSON lines or csv, plain or compressed.
///
/// A line is the event as it arrived, byte for byte (a line break between its fields becomes a space). A batch counts as
/// delivered when the disk has it. Files and folders are made if they are missing; a last line, row or frame that a crash
/// has torn is cut off when the file is opened again. If the disk is full, what was half written is cut off and the sink
/// waits until there is room.
///
/// `path` may hold `{{ … }}` and strftime directives (`%Y-%m-%d`, of `meta.time` in UTC); at most `max_open_files` are
/// open at a time. It begins with a literal part, and no event can lead out of that.
///
/// With `compression` each batch is a gzip member or zstd frame of its own: a file can be unpacked up to every batch, and
/// larger batches pack better.
///
/// With `rotate` a file that is large or old enough is renamed, and the next one begun: `payments.jsonl.gz` becomes
/// `payments.20260612T100004Z-0001.jsonl.gz`, where the time is when it was begun. With `parts: true` a file lies hidden
/// beside its later name (`.payments.….jsonl.gz.part`) until it is complete: when it is rotated, when its handle is needed
/// for another path, or when the pipeline stops. So readers never see a file that still grows. Files are looked at when
/// events come: while none come, none is completed.
///
/// With `delivery: exactly_once` the checkpoint remembers the length of every file that is being written, and a restart
/// cuts off what came after it. A file is renamed only after the checkpoint that covers it. What is in a file before the
/// first start is kept. Nothing else may write to these files, shorten, move or remove them before they are complete;
/// files that have got their new name by `rotate` or `parts` may go at any time. What the checkpoint does not know yet is
/// noted in the folder that the literal part of `path` names: files that were begun in
/// `.<pipeline>.<sink>.sluicebox-journal`, and files that were completed in
/// `.<pipeline>.<sink>.finished.sluicebox-journal`. Keep both with the files.
///
/// Otherwise (at least once) a file that was moved away or cut by another program, like logrotate with or without
/// `copytruncate`, is made anew or goes on where it ends. Parts that a crash has left behind are completed at the next
/// start.
///
/// A file belongs to one sink: a second one, or a second process, waits until the first lets go of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSpec {
    /// Where to write, relative to the working directory. With `compression` it ends in `.gz` or `.zst`.
    #[schemars(example = "archive/{{ meta.source }}/%Y-%m-%d.jsonl", extend("x-rule" = "template"))]
    pub path: Located,
    /// How events are written.
    #[serde(default)]
    pub format: Format,
    /// With `format: jsonl`: write `{"meta": …, "event": …}` instead of the event alone.
    #[serde(default)]
    pub envelope: bool,
    /// With `format: csv`: the columns by name, in the order in which they stand here: an expression over `event` and
    /// `meta`, or `{value: <expression>, type: text|integer|number|real|boolean|timestamp|json}`. A missing value is an
    /// empty field, an empty text `""`; lists and maps are JSON text. Like `{ id: meta.id, amount: event.data.amount }`.
    #[serde(default)]
    pub columns: Option<Columns>,
    /// How files are compressed.
    #[serde(default)]
    pub compression: Compression,
    /// When a file is complete and the next one begun.
    #[serde(default)]
    pub rotate: Option<Rotate>,
    /// With `rotate`: readers see complete files only.
    #[serde(default)]
    pub parts: bool,
    /// Most files that are open at a time.
    #[serde(default = "default_max_open_files")]
    #[schemars(range(min = 1, max = 4096))]
    pub max_open_files: usize,
}

/// When a file is complete: by size, by time, or by whichever comes first.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// Once it has so many bytes on disk. It is larger by what is left of a batch.
    #[serde(default)]
    #[schemars(example = &"64MiB")]
    pub size: Option<ByteSize>,
    /// When a new stretch of this length begins, counted from midnight UTC on 1 January 1970: `1h` ends with the hour,
    /// `1d` with the day in UTC.
    #[serde(default)]
    #[schemars(example = &"1h")]
    pub every: Option<Period>,
}

/// How events are written to a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One JSON object a line.
    #[default]
    Jsonl,
    /// Comma-separated values (RFC 4180) with a header line in every file.
    Csv,
}

fn default_max_open_files() -> usize {
    64
}

impl FileSpec {
    fn template(&self) -> Result<Template, Problem> {
        Template::compile(&self.path, TemplateKind::Path)
    }

    fn encoding(&self) -> Result<Encoding> {
        let rows = match self.format {
            Format::Jsonl => Rows::Lines { envelope: self.envelope },
            Format::Csv => Rows::Csv(Arc::new(csv::CsvColumns::new(self.columns.as_ref())?)),
        };
        Ok(Encoding { rows, compression: self.compression })
    }

    fn layout(&self, delivery: Delivery) -> Result<Layout> {
        let every = self.rotate.and_then(|rotate| rotate.every);
        Ok(Layout {
            encoding: self.encoding()?,
            rotate_size: self.rotate.and_then(|rotate| rotate.size).map(|size| size.0),
            rotate_every: every.map(|every| i64::try_from(every.0.as_millis()).unwrap_or(i64::MAX).max(1)),
            parts: self.parts,
            max_open_files: self.max_open_files.max(1),
            is_exact: delivery == Delivery::ExactlyOnce,
        })
    }
}

#[async_trait]
impl SinkSpec for FileSpec {
    const TYPE: &'static str = "file";

    fn delivery(&self) -> DeliverySupport {
        DeliverySupport {
            default: Delivery::AtLeastOnce,
            exactly_once: true,
            why: "where exactly once is asked for, the checkpoint holds the length of every file",
        }
    }

    fn own_file(&self) -> Option<PathBuf> {
        let template = self.template().ok()?;
        template.is_fixed().then(|| PathBuf::from(template.literal_prefix()))
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        check::problems(self)
    }

    fn rendering(&self) -> Result<Option<Box<dyn Rendering>>> {
        let template = self.template().map_err(|problem| Error::config(problem.message))?;
        let paths = Paths::new(template, false);
        Ok(Some(each_event(move |event| {
            let path = paths.of(event)?;
            Ok(Shown::Address(serde_json::json!({ "path": path.to_string_lossy() })))
        })))
    }

    async fn build(self, cx: &Context) -> Result<BuiltSink> {
        let template = self.template().map_err(|problem| Error::config(problem.message))?;
        let layout = self.layout(cx.delivery)?;
        let paths = Paths::new(template, layout.renames());
        let clock = Arc::clone(&cx.environment.clock);
        if cx.delivery == Delivery::AtLeastOnce {
            return Ok(BuiltSink::Plain(Box::new(plain::PlainFiles::new(paths, layout, clock))));
        }
        let life = format!("{:x}-{:x}", clock.now().as_millis(), cx.environment.chance.next_u64());
        let identity = exact::Identity {
            pipeline: Arc::clone(&cx.pipeline),
            sink: Arc::clone(&cx.component),
            life,
            path: self.path.text.clone(),
        };
        Ok(BuiltSink::Resumable(Box::new(exact::ExactFiles::new(paths, layout, clock, identity))))
    }

    async fn probe(&self, _cx: &Context) -> Probe {
        let mut probe = Probe::new();
        let target = match self.template() {
            Ok(template) => probe::Target::new(template.literal_prefix(), template.is_fixed(), self.parts),
            Err(problem) => {
                probe.wrong("path", Error::config(problem.message));
                return probe;
            }
        };
        let encoding = match self.encoding() {
            Ok(encoding) => encoding,
            Err(error) => {
                probe.wrong("columns", error);
                return probe;
            }
        };
        // A file system on the network may take its time.
        let looked = tokio::task::spawn_blocking(move || probe::probe(&target, &encoding)).await;
        looked.unwrap_or_else(|error| {
            probe.wrong("path", Error::permanent("looking at the path failed").with_cause(error));
            probe
        })
    }
}
