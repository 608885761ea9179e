//! Looks, for `check --connect`, whether attachments could be kept where `download` leads.
//!
//! Invariant: nothing is made and nothing is written; a bucket is asked whether it is there, and not for an object.

use std::io::ErrorKind;
use std::path::Path;

use sluicebox_core::{Context, Error, Probe, Result};
use sluicebox_durable::{may_write, nearest};
use tokio::task::spawn_blocking;

use super::ZenzapAttachments;
use super::bucket::{Bucket, ObjectStore};
use super::names::segment;
use crate::asking;

/// What the findings are about.
const SUBJECT: &str = "attachments";

/// Looks at the folder of the account's files, or at the bucket.
pub(in super::super) async fn probe(probe: &mut Probe, options: &ZenzapAttachments, cx: &Context) {
    if let Some(store) = &options.s3 {
        look_at_bucket(probe, options, store, cx).await;
        return;
    }
    let folder = format!("{}/{}", options.download.trim_end_matches('/'), segment(&cx.account));
    let looked = spawn_blocking(move || look_at_folder(Path::new(&folder))).await;
    match looked.unwrap_or_else(|_| Err(Error::permanent("looking at the folder was interrupted"))) {
        Ok(found) => probe.fine(SUBJECT, found),
        Err(error) => probe.wrong(SUBJECT, error),
    }
}

/// A folder that is there, or the nearest one above it, in which the missing ones would be made.
fn look_at_folder(folder: &Path) -> Result<String> {
    let existing = nearest(folder);
    let shown = match existing.as_path() {
        path if path == Path::new(".") => "the working directory".to_owned(),
        path => path.display().to_string(),
    };
    if !existing.is_dir() {
        let error = Error::config(format!("{shown} is not a folder"));
        return Err(error.with_help("choose another `attachments.download`, or move that file away"));
    }
    match may_write(&existing) {
        Ok(()) if existing == folder => Ok(format!("{shown} can be written to")),
        Ok(()) => Ok(format!("{} can be made in {shown}", folder.display())),
        Err(error) => {
            let help = match error.kind() {
                ErrorKind::ReadOnlyFilesystem => {
                    "the file system is mounted read-only: choose another `attachments.download`"
                }
                _ => {
                    "give the user that runs sluicebox the right to write there, or choose another `attachments.download`"
                }
            };
            let message = format!("cannot write to the folder {shown}");
            Err(Error::config(message).with_cause(error).with_help(help))
        }
    }
}

async fn look_at_bucket(probe: &mut Probe, options: &ZenzapAttachments, store: &ObjectStore, cx: &Context) {
    let bucket = Bucket::new(&options.download, store, asking::limits(0).total, cx);
    let answered = match bucket {
        Ok(bucket) => bucket.is_there().await,
        Err(error) => Err(error),
    };
    match answered {
        Ok(true) => probe.fine(SUBJECT, format!("the bucket of {} is there", options.download)),
        Ok(false) => probe.doubtful(
            SUBJECT,
            format!("the bucket of {} does not say whether it is there (status 403)", options.download),
            "this is right if the key may only get and put objects; else check `attachments.s3`: key, secret, region",
        ),
        Err(error) => {
            let help = "check `attachments.s3.endpoint`, and that this machine can reach it";
            probe.wrong(SUBJECT, asking::with_help(error, help));
        }
    }
}
