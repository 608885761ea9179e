//! Files on the disk: found, written beside their place, and put there when they are whole.
//!
//! Invariant: what has a name of its own is whole and survives a power failure; what a killed process left is removed by
//! the next attempt.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use sluicebox_core::{Error, Result};
use sluicebox_durable::{make, sync_name};
use sluicebox_http::Receiver;
use tokio::io::AsyncWriteExt;
use tokio::task::spawn_blocking;

use super::names::hex;

/// Bytes and digest of a file.
pub(super) struct Whole {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// The file at a path, if there is one.
///
/// # Errors
/// It cannot be read, which is worth another attempt.
pub(super) async fn found(path: &Path) -> Result<Option<Whole>> {
    let place = path.to_owned();
    on_disk(path, move || match File::open(&place) {
        Ok(file) => digest(file).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    })
    .await
}

fn digest(mut file: File) -> io::Result<Whole> {
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Whole { bytes, sha256: hex(&hash.finalize()) }),
            count => {
                hash.update(&buffer[..count]);
                bytes += count as u64;
            }
        }
    }
}

/// A file that is being written.
pub(super) struct Writing {
    file: tokio::fs::File,
    beside: PathBuf,
    place: PathBuf,
    hash: Sha256,
    bytes: u64,
}

impl Writing {
    /// Begins beside `place`, under a name that no attempt of this process had (`number`), and removes what attempts
    /// before left there.
    ///
    /// # Errors
    /// The disk refuses, which is worth another attempt.
    pub(super) async fn begin(place: &Path, number: u64) -> Result<Self> {
        let own = place.to_owned();
        let (file, beside) = on_disk(place, move || {
            let folder = own.parent().unwrap_or(Path::new("."));
            let name = own.file_name().unwrap_or_default().to_string_lossy();
            let prefix = format!(".{name}.part-");
            make(folder)?;
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with(&prefix) {
                    remove(&entry.path())?;
                }
            }
            let beside = folder.join(format!("{prefix}{number}"));
            Ok((File::create(&beside)?, beside))
        })
        .await?;
        let file = tokio::fs::File::from_std(file);
        Ok(Self { file, beside, place: place.to_owned(), hash: Sha256::new(), bytes: 0 })
    }

    /// Gives the file its name, durably.
    ///
    /// # Errors
    /// The disk refuses, which is worth another attempt.
    pub(super) async fn end(mut self) -> Result<Whole> {
        let flushed = self.file.flush().await;
        flushed.map_err(|error| refused(&self.place, error))?;
        let file = self.file.into_std().await;
        let (beside, place) = (self.beside, self.place.clone());
        let name_it = move || {
            file.sync_all()?;
            std::fs::rename(&beside, &place)?;
            sync_name(&place)
        };
        on_disk(&self.place, name_it).await?;
        Ok(Whole { bytes: self.bytes, sha256: hex(&self.hash.finalize()) })
    }

    /// Removes what was written.
    ///
    /// # Errors
    /// The disk refuses.
    pub(super) async fn give_up(self) -> Result<()> {
        let beside = self.beside;
        on_disk(&self.place, move || remove(&beside)).await
    }
}

#[async_trait]
impl Receiver for Writing {
    async fn receive(&mut self, chunk: Bytes) -> Result<()> {
        self.hash.update(&chunk);
        self.bytes += chunk.len() as u64;
        self.file.write_all(&chunk).await.map_err(|error| refused(&self.place, error))
    }
}

/// The reason of errors of this machine's disk, which no patience ends: a full disk holds the feed, as it holds sinks.
pub(super) const DISK: &str = "attachment_not_written";

fn refused(place: &Path, error: io::Error) -> Error {
    Error::transient(format!("cannot write the attachment {}", place.display()))
        .with_reason(DISK)
        .with_help("check the folder of `attachments.download`: its permissions, and the room on its disk")
        .with_cause(error)
}

/// Works on the disk beside the runtime.
async fn on_disk<T: Send + 'static>(
    place: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let done = spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| refused(place, error))
}

/// Removes what has no name of its own yet.
fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
