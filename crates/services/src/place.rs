//! Where things lie: the folder of the services under `target`, and how a folder is given to another user.
//!
//! Invariant: everything is under `target/services` or, where the user of a server cannot go there, under a folder in
//! the machine's temporary one that is named after the checkout.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

/// The root of the repository: this package lies two folders below it.
pub(crate) fn repository() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).expect("the package lies two folders below the repository")
}

/// The folder of everything here.
pub(crate) fn services() -> PathBuf {
    repository().join("target/services")
}

/// What the shared servers are.
pub(crate) fn facts_file() -> PathBuf {
    services().join("services.json")
}

/// A folder outside the checkout that is this checkout's own.
pub(crate) fn aside(name: &str) -> PathBuf {
    let key = BuildHasherDefault::<DefaultHasher>::default().hash_one(repository());
    std::env::temp_dir().join(format!("sluicebox-services-{key:016x}")).join(name)
}

/// Creates a folder and those above it.
pub(crate) fn create(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .map_err(|cause| Error::during(format!("cannot create {}", folder.display()), cause))
}

/// Removes a folder with everything in it; one that is not there is fine.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::during(format!("cannot remove {}", folder.display()), cause))
        }
        _ => Ok(()),
    }
}

/// Reads a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|cause| Error::during(format!("cannot read {}", path.display()), cause))
}

/// Writes a file.
pub(crate) fn write(path: &Path, text: impl AsRef<[u8]>) -> Result<()> {
    std::fs::write(path, text)
        .map_err(|cause| Error::during(format!("cannot write {}", path.display()), cause))
}

/// Removes a file.
pub(crate) fn remove_file(path: &Path) -> Result<()> {
    std::fs::remove_file(path)
        .map_err(|cause| Error::during(format!("cannot remove {}", path.display()), cause))
}

/// Lets a file be run.
pub(crate) fn executable(path: &Path) -> Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
        .map_err(|cause| Error::during(format!("cannot make {} executable", path.display()), cause))
}

/// Gives a file with a key to an account and closes it to everyone else, as PostgreSQL demands.
pub(crate) fn only_for(account: Option<Account>, path: &Path) -> Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|cause| Error::during(format!("cannot close {}", path.display()), cause))?;
    Account::own(account, path)
}

/// Whom a server runs as, where that is somebody else than us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

impl Account {
    /// Runs a command as this account.
    pub(crate) fn assume(account: Option<Self>, command: &mut Command) {
        if let Some(account) = account {
            command.gid(account.group).uid(account.user);
        }
    }

    /// Gives a path to this account.
    pub(crate) fn own(account: Option<Self>, path: &Path) -> Result<()> {
        let Some(account) = account else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(account.user), Some(account.group))
            .map_err(|cause| Error::during(format!("cannot give {} away", path.display()), cause))
    }

    /// Whether this account can go into a folder, which is tried: any folder above may be closed to it.
    pub(crate) fn can_enter(account: Option<Self>, folder: &Path) -> bool {
        let mut command = Command::new("true");
        Self::assume(account, &mut command);
        command.current_dir(folder).stdin(Stdio::null()).status().is_ok_and(|status| status.success())
    }
}
