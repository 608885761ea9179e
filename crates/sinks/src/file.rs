//! The `file` sink: JSON lines in files, durable before they are acknowledged.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    BuiltSink, CheckContext, Context, Delivery, DeliverySupport, Error, Located, Probe, Problem, Result,
    SinkSpec,
};
use sluicebox_rules::{Template, TemplateKind};

mod appender;
mod batch;
mod exact;
mod fault;
mod files;
mod folders;
mod plain;
mod probe;
#[cfg(test)]
mod tests;

/// Appends events to files, one JSON line each.
///
/// A line is the event as it arrived, byte for byte (a line break between its fields becomes a space). A batch counts as
/// delivered when the disk has it. Files and folders are made if they are missing; a last line that a crash has torn is
/// cut off when the file is opened again. If the disk is full, what was half written is cut off and the sink waits until
/// there is room.
///
/// `path` may hold `{{ … }}` and strftime directives (`%Y-%m-%d`, of `meta.time` in UTC); at most 64 files are open at a
/// time. It begins with a literal part, and no event can lead out of that.
///
/// With `delivery: exactly_once` (a fixed path only) the checkpoint remembers the length of the file, and a restart cuts
/// off what came after it. What is in the file before the first start is kept. Nothing else may write to that file or
/// shorten it.
///
/// A file belongs to one sink: a second one, or a second process, waits until the first lets go of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSpec {
    /// Where to write, relative to the working directory.
    #[schemars(example = "archive/{{ meta.source }}/%Y-%m-%d.jsonl")]
    pub path: Located,
    /// How events are written.
    #[serde(default)]
    pub format: Format,
    /// Write `{"meta": …, "event": …}` instead of the event alone.
    #[serde(default)]
    pub envelope: bool,
}

/// How events are written to a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One JSON object a line.
    #[default]
    Jsonl,
}

impl FileSpec {
    fn template(&self) -> Result<Template, Problem> {
        Template::compile(&self.path, TemplateKind::Path)
    }

    /// The path, if it is the same for every event.
    fn fixed_path(&self) -> Option<String> {
        let template = self.template().ok().filter(Template::is_fixed)?;
        Some(template.literal_prefix().to_owned())
    }
}

#[async_trait]
impl SinkSpec for FileSpec {
    const TYPE: &'static str = "file";

    fn delivery(&self) -> DeliverySupport {
        let exactly_once = self.fixed_path().is_some();
        let why = if exactly_once {
            "the checkpoint holds the length of the file"
        } else {
            "the path depends on the event"
        };
        DeliverySupport { default: Delivery::AtLeastOnce, exactly_once, why }
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        if self.path.text.ends_with('/') {
            return vec![Problem::new("path", "this is a folder").with_help("add the name of a file")];
        }
        self.template().err().map(|problem| problem.under("path")).into_iter().collect()
    }

    async fn build(self, cx: &Context) -> Result<BuiltSink> {
        let template = self.template().map_err(|problem| Error::config(problem.message))?;
        if cx.delivery == Delivery::AtLeastOnce {
            return Ok(BuiltSink::Plain(Box::new(plain::PlainFile::new(template, self.envelope))));
        }
        let path = self.fixed_path().ok_or_else(|| {
            Error::config("exactly once needs a path that is the same for every event")
                .with_help("leave out `delivery: exactly_once`, or the `{{ … }}` and `%…` of `path`")
        })?;
        Ok(BuiltSink::Resumable(Box::new(exact::ExactFile::new(path, self.envelope))))
    }

    async fn probe(&self, _cx: &Context) -> Probe {
        let mut probe = Probe::new();
        let target = match self.template() {
            Ok(template) => probe::Target::new(template.literal_prefix(), template.is_fixed()),
            Err(problem) => {
                probe.wrong("path", Error::config(problem.message));
                return probe;
            }
        };
        // A file system on the network may take its time.
        let looked = tokio::task::spawn_blocking(move || probe::probe(&target)).await;
        looked.unwrap_or_else(|error| {
            probe.wrong("path", Error::permanent("looking at the path failed").with_cause(error));
            probe
        })
    }
}

#[cfg(test)]
pub(crate) mod test_events {
    //! Events for the tests of this crate.

    use std::collections::BTreeMap;

    use bytes::Bytes;
    use sluicebox_core::{Event, Meta, Timestamp};

    /// An event of the account `a` with this number.
    pub(crate) fn event(number: usize, json: &str) -> Event {
        let meta = Meta {
            id: format!("opentrain:a:{number}").into(),
            event_type: "payment.created".into(),
            time: Timestamp::from_millis(1_781_258_404_120),
            source: "feed".into(),
            account: "a".into(),
            key: "k".into(),
            received: Timestamp::from_millis(1_781_258_405_000),
            lookups: BTreeMap::new(),
            replay: None,
        };
        Event::parse(&Bytes::from(json.to_owned()), meta).unwrap()
    }
}
