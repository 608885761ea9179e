//! The text files of the repository, as git lists them.
//!
//! New files count before they are added, ignored ones never do: what `tidy` says here is what CI will say.

use std::path::Path;
use std::process::Command;

use super::RustFile;

/// One text file.
pub(crate) struct TextFile {
    /// Relative to the root, with `/` between the parts.
    pub(crate) path: String,
    /// Its whole content.
    pub(crate) text: String,
}

/// Every text file; binary ones are left out.
pub(crate) struct Repository {
    /// Ordered by path.
    pub(crate) files: Vec<TextFile>,
}

impl Repository {
    /// Reads what git tracks or would track.
    pub(crate) fn read(root: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let listing = Command::new("git")
            .current_dir(root)
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .output()?;
        if !listing.status.success() {
            return Err(format!("git ls-files: {}", String::from_utf8_lossy(&listing.stderr)).into());
        }
        let mut files = Vec::new();
        for path in String::from_utf8(listing.stdout)?.split_terminator('\0') {
            // A file that is gone or is not UTF-8 holds nothing to judge.
            if let Ok(text) = std::fs::read_to_string(root.join(path)) {
                files.push(TextFile { path: path.to_owned(), text });
            }
        }
        files.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(Self { files })
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    /// The Rust sources.
    pub(crate) fn rust_files(&self) -> Vec<RustFile> {
        let is_rust = |file: &&TextFile| Path::new(&file.path).extension().is_some_and(|end| end == "rs");
        self.files.iter().filter(is_rust).map(|file| RustFile::new(&file.path, &file.text)).collect()
    }
}
