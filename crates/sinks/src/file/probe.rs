//! Looks, for `check --connect`, whether files could be written where the path leads.
//!
//! Invariant: nothing is made and nothing is written; a lock that is taken to see whether it is free is let go at once.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, FlockOperation, accessat, flock, statvfs};
use rustix::io::Errno;
use sluicebox_core::{Error, Probe};
use sluicebox_durable::{may_write, nearest};

use crate::file::encoding::Encoding;
use crate::file::fault::classify;

/// Less room than this is worth saying.
const LITTLE_ROOM_BYTES: u64 = 256 << 20;

/// Where a sink would write.
pub(crate) enum Target {
    /// One file.
    File(PathBuf),
    /// Files with names made from events, somewhere under this folder.
    Under(PathBuf),
}

impl Target {
    /// The target of a path that begins with `literal` and, if it is not `fixed`, goes on as events will say. Parts
    /// get names of their own.
    pub(crate) fn new(literal: &str, fixed: bool, parts: bool) -> Self {
        if fixed && !parts {
            return Self::File(PathBuf::from(literal));
        }
        let folder = literal.rfind('/').map_or("", |slash| &literal[..=slash]);
        // Without the slash at the end, with which even a file that stands there would seem to be absent.
        Self::Under(Path::new(folder).components().collect())
    }
}

/// Looks at the target, where files with this encoding are to be.
pub(crate) fn probe(target: &Target, encoding: &Encoding) -> Probe {
    let mut probe = Probe::new();
    let folder = match target {
        Target::File(path) if path.exists() => {
            look_at_file(&mut probe, path, encoding);
            above(path)
        }
        Target::File(path) => {
            let folder = above(path);
            look_at_folder(&mut probe, &folder);
            folder
        }
        Target::Under(folder) => {
            let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.clone() };
            look_at_folder(&mut probe, &folder);
            folder
        }
    };
    if probe.is_fine() {
        look_at_room(&mut probe, &folder);
    }
    probe
}

fn above(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}

/// A folder that is there, or the nearest one above it, in which the missing ones would be made.
fn look_at_folder(probe: &mut Probe, folder: &Path) {
    let existing = nearest(folder);
    let shown = match existing.as_path() {
        path if path == Path::new(".") => "the working directory".to_owned(),
        path => path.display().to_string(),
    };
    if !existing.is_dir() {
        let error = Error::config(format!("{shown} is not a folder"));
        probe.wrong("folder", error.with_help("choose another `path`, or move that file away"));
        return;
    }
    match may_write(&existing) {
        Ok(()) if existing == folder => probe.fine("folder", format!("{shown} can be written to")),
        Ok(()) => probe.fine("folder", format!("{} can be made in {shown}", folder.display())),
        Err(error) => probe.wrong("folder", refused(error, format!("cannot write to the folder {shown}"))),
    }
}

/// A file that is there already.
fn look_at_file(probe: &mut Probe, path: &Path, encoding: &Encoding) {
    let shown = path.display();
    if path.is_dir() {
        let error = Error::config(format!("{shown} is a folder"));
        probe.wrong("file", error.with_help("add the name of a file to `path`"));
        return;
    }
    if let Err(error) = accessat(CWD, path, Access::READ_OK | Access::WRITE_OK, AtFlags::EACCESS) {
        probe.wrong("file", refused(error.into(), format!("cannot write to the file {shown}")));
        return;
    }
    if is_locked(path) {
        let message = format!("another sink or process writes to {shown}");
        let help =
            "this is right if it is this pipeline that runs now; else give every sink a file of its own";
        probe.doubtful("file", message, help);
        return;
    }
    match look_inside(path, encoding) {
        Ok(()) => probe.fine("file", format!("{shown} is there and will be appended to")),
        Err(error) => probe.wrong("file", error),
    }
}

/// Whether the file begins as one of this sink's.
fn look_inside(path: &Path, encoding: &Encoding) -> Result<(), Error> {
    if !path.is_file() {
        return Ok(());
    }
    let failed = |error| classify(error, "read", path);
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    encoding.check_kind(&file, length, path)?;
    encoding.check_beginning(&file, length, path)
}

fn is_locked(path: &Path) -> bool {
    // Only a regular file can be opened without a side effect: opening a pipe waits for its other end.
    path.is_file()
        && File::open(path).is_ok_and(|file| {
            flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK)
        })
}

fn look_at_room(probe: &mut Probe, folder: &Path) {
    // Not every file system says how much room there is.
    let Ok(room) = statvfs(nearest(folder)) else { return };
    let bytes = room.f_bavail.saturating_mul(room.f_frsize);
    if bytes >= LITTLE_ROOM_BYTES {
        probe.fine("room", format!("{} GiB free", bytes >> 30));
        return;
    }
    let help = "make room: when the disk is full, the sink waits until there is some";
    probe.doubtful("room", format!("only {} MiB free", bytes >> 20), help);
}

fn refused(error: io::Error, message: String) -> Error {
    let help = match error.kind() {
        ErrorKind::ReadOnlyFilesystem => "the file system is mounted read-only: choose another `path`",
        _ => "give the user that runs sluicebox the right to write there, or choose another `path`",
    };
    Error::config(message).with_cause(error).with_help(help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::compression::Compression;
    use crate::file::encoding::Rows;

    /// Every finding as `subject: message`, `subject! message` if it is doubtful, `subject? chain` if it is wrong.
    fn findings(target: &Target, folder: &Path) -> Vec<String> {
        use sluicebox_core::Standing;
        let shown = probe(target, &encoding());
        let lines = shown.findings().iter().map(|finding| match &finding.standing {
            Standing::Fine(message) => format!("{}: {message}", finding.subject),
            Standing::Doubtful { message, .. } => format!("{}! {message}", finding.subject),
            Standing::Wrong(error) => format!("{}? {}", finding.subject, error.chain()),
        });
        let folder = format!("{}/", folder.display());
        lines.filter(|line| !line.starts_with("room")).map(|line| line.replace(&folder, "")).collect()
    }

    fn encoding() -> Encoding {
        Encoding { rows: Rows::Lines { envelope: false }, compression: Compression::None }
    }

    #[test]
    fn a_file_of_another_kind_is_told_before_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl.gz");
        std::fs::write(&path, "{}\n").unwrap();
        for (compression, fits) in
            [(Compression::Gzip, false), (Compression::Zstd, false), (Compression::None, true)]
        {
            let encoding = Encoding { compression, ..encoding() };
            assert_eq!(probe(&Target::File(path.clone()), &encoding).is_fine(), fits, "{compression:?}");
        }
        std::fs::write(&path, Compression::Gzip.pack(b"{}\n").unwrap()).unwrap();
        let encoding = Encoding { compression: Compression::Gzip, ..encoding() };
        assert!(probe(&Target::File(path), &encoding).is_fine());
    }

    #[test]
    fn files_and_folders_that_will_do() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| Target::File(folder.path().join(name));
        let shown = folder.path().display();
        assert_eq!(findings(&at("a.jsonl"), folder.path()), [format!("folder: {shown} can be written to")]);
        assert_eq!(
            findings(&at("new/folder/a.jsonl"), folder.path()),
            [format!("folder: new/folder can be made in {shown}")]
        );
        let under = Target::new(&format!("{shown}/new/from-"), false, false);
        assert_eq!(findings(&under, folder.path()), [format!("folder: new can be made in {shown}")]);
        std::fs::write(folder.path().join("there.jsonl"), "{}\n").unwrap();
        assert_eq!(
            findings(&at("there.jsonl"), folder.path()),
            ["file: there.jsonl is there and will be appended to"]
        );
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "a probe makes nothing");
    }

    #[test]
    fn what_stands_in_the_way_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| Target::File(folder.path().join(name));
        std::fs::write(folder.path().join("notes"), "").unwrap();
        let under = Target::new(&format!("{}/notes/from-", folder.path().display()), false, false);
        for target in [at("notes/a.jsonl"), under] {
            assert_eq!(findings(&target, folder.path()), ["folder? notes is not a folder"]);
        }
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        assert_eq!(findings(&at("folder"), folder.path()), ["file? folder is a folder"]);
        let held = File::open(folder.path().join("notes")).unwrap();
        flock(&held, FlockOperation::LockExclusive).unwrap();
        assert_eq!(findings(&at("notes"), folder.path()), ["file! another sink or process writes to notes"]);
    }

    #[test]
    fn a_folder_without_permission_is_what_it_is_for_the_one_who_asks() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let closed = folder.path().join("closed");
        std::fs::create_dir(&closed).unwrap();
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o555)).unwrap();
        let shown = probe(&Target::File(closed.join("a.jsonl")), &encoding());
        // The superuser may write everywhere.
        let may_write = File::create(closed.join("try")).is_ok();
        assert_eq!(shown.is_fine(), may_write, "{shown:?}");
    }

    #[test]
    fn a_template_is_looked_at_as_far_as_it_is_known() {
        let under = |literal: &str| match Target::new(literal, false, false) {
            Target::Under(folder) => folder,
            Target::File(path) => panic!("{}", path.display()),
        };
        assert_eq!(under("archive/feed-"), Path::new("archive"));
        assert_eq!(under("feed-"), Path::new(""));
        assert!(
            matches!(Target::new("a/b.jsonl", true, false), Target::File(path) if path == Path::new("a/b.jsonl"))
        );
    }
}
