//! A secret that can change while we run, because the file it came from was rewritten.
//!
//! Invariant: the version grows with every change, so that whoever was refused can tell whether there is a newer value
//! to try.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::RwLock;
use sluicebox_core::Secret;

/// The current value of a secret.
pub(crate) struct RotatingSecret {
    file: Option<PathBuf>,
    current: RwLock<(Arc<str>, u64)>,
}

impl RotatingSecret {
    pub(crate) fn new(secret: &Secret) -> Self {
        let file = secret.file().map(std::path::Path::to_path_buf);
        Self { file, current: RwLock::new((secret.expose().into(), 0)) }
    }

    /// The value and its version.
    pub(crate) fn current(&self) -> (Arc<str>, u64) {
        self.current.read().clone()
    }

    /// Reads the file again, if there is one, and says whether the current version is newer than `version`.
    pub(crate) async fn renewed_since(&self, version: u64) -> bool {
        self.read_again().await > version
    }

    /// Reads the file again, if there is one; the version afterwards.
    ///
    /// A file that cannot be read changes nothing: the old secret stays, and with it the refusal.
    pub(crate) async fn read_again(&self) -> u64 {
        if let Some(file) = &self.file {
            match tokio::fs::read_to_string(file).await {
                Ok(text) => self.replace(text.strip_suffix('\n').unwrap_or(&text)),
                Err(error) => {
                    tracing::warn!(file = %file.display(), %error, "a secret file cannot be read again");
                }
            }
        }
        self.current.read().1
    }

    fn replace(&self, text: &str) {
        let mut current = self.current.write();
        if *current.0 != *text {
            *current = (text.into(), current.1 + 1);
            if let Some(file) = &self.file {
                tracing::info!(file = %file.display(), "a secret has changed in its file and is used from now on");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_rewritten_file_makes_a_newer_version_and_the_same_text_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "one\n").unwrap();
        let secret = RotatingSecret::new(&Secret::from_file("one", &file));
        assert!(!secret.renewed_since(0).await);
        std::fs::write(&file, "two\n").unwrap();
        assert!(secret.renewed_since(0).await);
        let (value, version) = secret.current();
        assert_eq!((&*value, version), ("two", 1));
        assert!(!secret.renewed_since(version).await);
        std::fs::remove_file(&file).unwrap();
        assert!(!secret.renewed_since(version).await);
        assert_eq!(&*secret.current().0, "two");
    }

    #[tokio::test]
    async fn a_secret_without_a_file_never_changes() {
        assert!(!RotatingSecret::new(&Secret::new("one")).renewed_since(0).await);
    }
}
