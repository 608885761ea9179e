//! The option `attachments`: files that messages link to are fetched while their links live, and named in the event.
//!
//! Source: the Zenzap contract, section 9: a signed link dies after 60 minutes. Invariant: an event leaves the source
//! only when each of its files is whole on the disk, or it is known that it will not be; so the cursor never passes a
//! file that is still to come. No link is followed with credentials, and none is in an error or a log line.

mod bucket;
mod download;
mod events;
mod folder;
mod link;
mod names;
mod pages;
mod patience;
mod probe;
mod store;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluicebox_core::{ByteSize, Period, Problem};

pub use bucket::ObjectStore;
use bucket::SCHEME;
pub(super) use pages::Attachments;
pub(super) use probe::probe;

/// Fetches the attachments of messages at once, before their links expire, and names the files in the events.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ZenzapAttachments {
    /// The folder for the files, relative to the working directory: `<folder>/<account>/<attachment id>/<name>`. Or a
    /// bucket and a prefix, with `s3`.
    #[schemars(example = "data/attachments")]
    #[schemars(example = "s3://backups/chat")]
    pub download: String,
    /// The object store of an `s3://…`: `{ endpoint, region, key, secret, token }`.
    #[serde(default)]
    #[schemars(example = serde_json::json!({
        "endpoint": "https://s3.example.com", "key": "${S3_KEY}", "secret": "${S3_SECRET}"
    }))]
    pub s3: Option<ObjectStore>,
    /// Most bytes of one file; a larger one stays where it is.
    #[serde(default = "default_max_size")]
    pub max_size: ByteSize,
    /// What is fetched: `image`, `file`, `video`, `audio`. Unset: all, types that are not documented included.
    #[serde(default)]
    #[schemars(example = serde_json::json!(["image", "audio"]))]
    pub types: Option<Vec<AttachmentType>>,
    /// Longest that fetching one file may take.
    #[serde(default = "default_timeout")]
    pub timeout: Period,
    /// How long a file that its server fails to give (5xx, timeouts, broken connections) holds the feed; then the event
    /// goes on without it.
    #[serde(default = "default_max_elapsed")]
    pub max_elapsed: Period,
}

/// What an attachment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum AttachmentType {
    /// A picture.
    Image,
    /// A file of any kind.
    File,
    /// A video.
    Video,
    /// A recording, which a transcript may follow.
    Audio,
}

impl AttachmentType {
    /// The word of the API for it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::File => "file",
            Self::Video => "video",
            Self::Audio => "audio",
        }
    }
}

fn default_max_size() -> ByteSize {
    ByteSize(25 << 20)
}

fn default_timeout() -> Period {
    Period::from_secs(60)
}

fn default_max_elapsed() -> Period {
    Period::from_secs(300)
}

impl ZenzapAttachments {
    /// What is wrong with the options.
    pub(super) fn problems(&self) -> impl Iterator<Item = Problem> {
        let mut problems = Vec::new();
        problems.extend(self.wrong_place());
        problems.extend(self.s3.as_ref().and_then(ObjectStore::problem));
        if self.max_size.0 == 0 {
            problems.push(Problem::new("max_size", "expected at least one byte"));
        }
        if self.timeout.0.is_zero() {
            problems.push(Problem::new("timeout", "expected more than 0s"));
        }
        if self.types.as_ref().is_some_and(Vec::is_empty) {
            let problem = Problem::new("types", "without a type nothing is fetched");
            problems.push(problem.with_help("leave `types` out to fetch all, or leave `attachments` out"));
        }
        problems.into_iter().map(|problem| problem.under("attachments"))
    }

    fn wrong_place(&self) -> Option<Problem> {
        let download = self.download.as_str();
        if download.trim_matches('/').is_empty() {
            return Some(Problem::new("download", "expected a folder, like `data/attachments`"));
        }
        if download.contains("{{") {
            let message = "expected a folder without `{{ … }}`: files are found again by their place";
            return Some(Problem::new("download", message));
        }
        match (download.starts_with(SCHEME), self.s3.is_some()) {
            (true, true) => bucket::problem(download),
            (true, false) => {
                let problem = Problem::new("download", "a bucket needs its store");
                Some(problem.with_help("add `s3: { endpoint, region, key, secret }`"))
            }
            (false, true) => {
                Some(Problem::new("s3", "has no meaning for a folder").with_help("use `download: s3://…`"))
            }
            (false, false) if download.contains("://") => {
                Some(Problem::new("download", "expected a folder, or a bucket like `s3://backups/chat`"))
            }
            (false, false) => None,
        }
    }

    /// Whether an attachment of this type is wanted.
    fn wants(&self, kind: Option<&str>) -> bool {
        let Some(types) = &self.types else { return true };
        kind.is_some_and(|kind| types.iter().any(|wanted| wanted.as_str() == kind))
    }
}
