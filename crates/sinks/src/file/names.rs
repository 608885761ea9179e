//! The names of files that are complete, and of files that are not yet.
//!
//! `payments.jsonl.gz` becomes `payments.20260612T100004Z-0001.jsonl.gz` when it is complete: the time is when it was
//! begun, so names sort by age. With `parts: true` it is `.payments.20260612T100004Z-0001.jsonl.gz.part` until then.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use sluicebox_core::Timestamp;

/// How much longer than that of the path a name can become, in bytes.
pub(crate) const LONGER_BY: usize = ".20260612T100004Z-0001".len() + "..part".len();

/// A name for what is begun at `path` at a time: the first of its second that no file and no part has, and that was not
/// `given` before.
pub(crate) fn complete(path: &Path, begun: Timestamp, given: impl Fn(&Path) -> bool) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (stem, ending) = split(&name);
    let stamp = begun.strftime("%Y%m%dT%H%M%SZ").unwrap_or_default();
    let is_free = |candidate: &PathBuf| !exists(candidate) && !exists(&part(candidate)) && !given(candidate);
    let mut names =
        (1_u32..).map(|number| path.with_file_name(format!("{stem}.{stamp}-{number:04}{ending}")));
    names.find(is_free).unwrap_or_else(|| path.to_owned())
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// The name without its endings, and the endings: `.jsonl.gz` of `a.b.jsonl.gz`.
fn split(name: &str) -> (&str, &str) {
    let packed = [".gz", ".zst"].into_iter().find(|suffix| name.ends_with(suffix)).map_or(0, str::len);
    let inner = &name[..name.len() - packed];
    let at = inner.rfind('.').filter(|at| *at > 0).unwrap_or(inner.len());
    name.split_at(at)
}

/// Where a file lies until it is complete.
pub(crate) fn part(complete: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(complete.file_name().unwrap_or_default());
    name.push(".part");
    complete.with_file_name(name)
}

/// The name that a part gets when it is complete; `None` if this is no part.
pub(crate) fn complete_of(part: &Path) -> Option<PathBuf> {
    let name = part.file_name()?.to_str()?;
    let inner = name.strip_prefix('.')?.strip_suffix(".part")?;
    (!inner.is_empty()).then(|| part.with_file_name(inner))
}

/// Whether `complete` is a name for something that was begun at `path`.
pub(crate) fn is_of(complete: &Path, path: &Path) -> bool {
    let (Some(name), Some(complete)) =
        (path.file_name().and_then(|name| name.to_str()), complete.file_name())
    else {
        return false;
    };
    let (stem, ending) = split(name);
    let inner = complete.to_str().and_then(|complete| complete.strip_prefix(stem)?.strip_suffix(ending));
    inner.is_some_and(|inner| inner.starts_with('.') && inner.len() == ".20260612T100004Z-0001".len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_endings_and_sort_by_age() {
        let folder = tempfile::tempdir().unwrap();
        let begun = Timestamp::parse("2026-06-12T10:00:04.120Z").unwrap();
        for (name, expected) in [
            ("a.jsonl", "a.20260612T100004Z-0001.jsonl"),
            ("a.b.csv.gz", "a.b.20260612T100004Z-0001.csv.gz"),
            ("a.gz", "a.20260612T100004Z-0001.gz"),
            ("a", "a.20260612T100004Z-0001"),
            (".a", ".a.20260612T100004Z-0001"),
            ("a.jsonl.zst", "a.20260612T100004Z-0001.jsonl.zst"),
        ] {
            let complete = complete(&folder.path().join(name), begun, |_| false);
            assert_eq!(complete, folder.path().join(expected));
            assert_eq!(complete_of(&part(&complete)).as_ref(), Some(&complete));
            assert!(is_of(&complete, Path::new(name)) && !is_of(&complete, Path::new("b.jsonl")));
        }
        assert_eq!(complete_of(Path::new("a/.hidden")), None);
    }

    #[test]
    fn a_name_that_is_there_is_not_given_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let named = |number: u32| folder.path().join(format!("a.19700101T000000Z-{number:04}.jsonl"));
        std::fs::write(named(1), "").unwrap();
        std::fs::write(part(&named(2)), "").unwrap();
        assert_eq!(complete(&path, Timestamp::default(), |_| false), named(3));
        assert_eq!(complete(&path, Timestamp::default(), |name| name == named(3)), named(4));
    }
}
