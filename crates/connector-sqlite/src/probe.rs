//! What `check --connect` asks a database file: whether it can be written, and whether the table fits.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{Access, access};
use sluicebox_core::{Error, Probe};

use crate::fault::classify;
use crate::sink::{Destination, blocking};
use crate::table;
use crate::writer::unreachable_path;

/// How long another process that writes is waited for.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Looks at the database without changing it.
pub(crate) async fn ask(destination: Destination) -> Probe {
    let asked = blocking(move || {
        let mut probe = Probe::new();
        if destination.path.exists() {
            ask_database(&mut probe, &destination);
        } else {
            ask_folder(&mut probe, &destination.path);
        }
        Ok(probe)
    });
    asked.await.unwrap_or_else(|error| {
        let mut probe = Probe::new();
        probe.wrong("database", error);
        probe
    })
}

/// A database that is not there yet is made at the first start.
fn ask_folder(probe: &mut Probe, path: &Path) {
    let parents = path
        .ancestors()
        .skip(1)
        .map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let Some(folder) = parents.into_iter().find(|folder| folder.exists()) else { return };
    match access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) if folder.is_dir() => {
            probe.fine("database", format!("{} is made at the first start", path.display()));
        }
        Ok(()) => probe.wrong("database", Error::config(format!("{} is not a folder", folder.display()))),
        Err(error) => {
            let message = format!("cannot make the database {}", path.display());
            let help = format!("let this user write to {}, or choose another `path`", folder.display());
            probe.wrong("database", Error::config(message).with_cause(error).with_help(help));
        }
    }
}

fn ask_database(probe: &mut Probe, destination: &Destination) {
    let path = &destination.path;
    // Opened for writing, and not written to.
    if let Err(error) = OpenOptions::new().write(true).open(path) {
        let help = "let this user write to the file and its folder, or choose another `path`";
        probe.wrong("permissions", unreachable_path(error, path).with_help(help));
        return;
    }
    match look(destination) {
        Err(error) => probe.wrong("database", error),
        Ok(table) => {
            probe.fine("database", format!("{} can be read and written", path.display()));
            let name = &destination.table;
            match table {
                Ok(true) => probe.fine("table", format!("`{name}` fits")),
                Ok(false) => probe.fine("table", format!("`{name}` is made at the first start")),
                Err(error) => probe.wrong("table", error),
            }
        }
    }
}

/// Whether the table is there and fits; the outer error is about the database.
fn look(destination: &Destination) -> Result<Result<bool, Error>, Error> {
    let Destination { path, table, rows } = destination;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_WAIT)?;
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
        Ok(connection)
    };
    let connection = open().map_err(|error| classify(error, "read", path))?;
    Ok(match table::exists(&connection, table, rows, path) {
        Ok(true) => table::check(&connection, table, rows, path).map(|()| true),
        other => other,
    })
}
