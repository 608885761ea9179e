//! Where files are kept: a folder, or a bucket.
//!
//! Invariant: whichever it is, a path names a whole file or none, and the same file is found again by the same path.

use std::path::Path;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use sluicebox_core::Result;
use sluicebox_http::Receiver;

use super::bucket::Bucket;
use super::folder::{self, Whole, Writing};
use super::names::hex;

/// Where files are kept.
pub(super) enum Store {
    /// On this machine.
    Folder,
    /// In an object store.
    Bucket(Box<Bucket>),
}

impl Store {
    /// How many files are fetched at once. What goes to a bucket is held in memory until it is there.
    pub(super) fn at_once(&self) -> usize {
        match self {
            Self::Folder => 4,
            Self::Bucket(_) => 2,
        }
    }

    /// The file at a path, if there is one.
    ///
    /// # Errors
    /// It cannot be told.
    pub(super) async fn found(&self, path: &str) -> Result<Option<Whole>> {
        match self {
            Self::Folder => folder::found(Path::new(path)).await,
            Self::Bucket(bucket) => bucket.found(path).await,
        }
    }

    /// Begins a file for `path`; `number` is one that no attempt of this process had.
    ///
    /// # Errors
    /// There is no room for it.
    pub(super) async fn begin<'a>(&'a self, path: &'a str, number: u64) -> Result<Incoming<'a>> {
        Ok(match self {
            Self::Folder => Incoming::File(Writing::begin(Path::new(path), number).await?),
            Self::Bucket(bucket) => {
                Incoming::Object { bucket, path, hash: Sha256::new(), bytes: BytesMut::new() }
            }
        })
    }
}

/// A file that is coming in.
pub(super) enum Incoming<'a> {
    File(Writing),
    Object { bucket: &'a Bucket, path: &'a str, hash: Sha256, bytes: BytesMut },
}

impl Incoming<'_> {
    /// Puts the file, which has come in whole, where it belongs.
    ///
    /// # Errors
    /// The store does not take it.
    pub(super) async fn end(self) -> Result<Whole> {
        match self {
            Self::File(writing) => writing.end().await,
            Self::Object { bucket, path, hash, bytes } => {
                let whole = Whole { bytes: bytes.len() as u64, sha256: hex(&hash.finalize()) };
                bucket.put(path, bytes.freeze(), &whole.sha256).await?;
                Ok(whole)
            }
        }
    }

    /// Lets go of what came.
    ///
    /// # Errors
    /// The disk refuses.
    pub(super) async fn give_up(self) -> Result<()> {
        match self {
            Self::File(writing) => writing.give_up().await,
            Self::Object { .. } => Ok(()),
        }
    }
}

#[async_trait]
impl Receiver for Incoming<'_> {
    async fn receive(&mut self, chunk: Bytes) -> Result<()> {
        match self {
            Self::File(writing) => writing.receive(chunk).await,
            Self::Object { hash, bytes, .. } => {
                hash.update(&chunk);
                bytes.extend_from_slice(&chunk);
                Ok(())
            }
        }
    }
}
