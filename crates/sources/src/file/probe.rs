//! Asks the disk, for `check --connect`, whether there are files and whether they can be read.
//!
//! Invariant: nothing is changed, and of each file only its first byte is read.

use std::io::Read;

use sluicebox_core::{Error, Probe};

use super::FileSource;
use super::found::matching;
use super::reader::unpacked;

/// Opens every file that matches.
pub(super) fn probe(options: &FileSource) -> Probe {
    let mut probe = Probe::new();
    let path = &options.path;
    let found = match matching(path) {
        Ok(found) => found,
        Err(why) => {
            probe.wrong("path", Error::config(format!("{path}: {why}")));
            return probe;
        }
    };
    let help = "let the user that runs the pipeline read it";
    for file in &found {
        let read = unpacked(&file.path).and_then(|mut file| file.read(&mut [0]));
        if let Err(error) = read {
            let message = format!("{} cannot be read: {error}", file.path.display());
            probe.wrong("path", Error::permanent(message).with_help(help));
        }
    }
    match found.len() {
        0 => probe.doubtful("path", format!("{path}: there is no such file"), "it is read once it is there"),
        1 => probe.fine("path", format!("{path}: one file")),
        count => probe.fine("path", format!("{path}: {count} files")),
    }
    probe
}
