//! A look at SQLite's write-ahead log before SQLite opens it.
//!
//! SQLite reads the log up to the first frame that does not verify and drops the rest: right for a crash, which can
//! only tear the last transaction, wrong for a byte that flipped in the middle, which would take committed cursors back
//! in silence. Every commit is synced before the next begins, so a log in which two commits or more end at or beyond
//! the first bad frame was damaged, not torn. Format: <https://www.sqlite.org/fileformat2.html#walformat>.

use std::path::Path;

use crate::OpenError;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;

/// Refuses a log that was damaged after it was written; a log that a crash has torn passes.
pub(crate) fn check(path: &Path) -> Result<(), OpenError> {
    let log = match std::fs::read(path) {
        Ok(log) => log,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(OpenError::Io { path: path.to_owned(), source: error }),
    };
    if is_damaged(&log) {
        return Err(OpenError::unreadable(path, "the log of recent commits is damaged before its end"));
    }
    Ok(())
}

/// Whether commits lie beyond a frame that does not verify.
fn is_damaged(log: &[u8]) -> bool {
    if log.len() < HEADER_BYTES + FRAME_HEADER_BYTES {
        return false;
    }
    let (header, frames) = log.split_at(HEADER_BYTES);
    let big_endian = match word(header, 0) {
        0x377f_0682 => false,
        0x377f_0683 => true,
        _ => return true,
    };
    let page_bytes = word(header, 8) as usize;
    let header_sum = sum(big_endian, (0, 0), &header[..24]);
    if header_sum != (word(header, 24), word(header, 28)) {
        return true;
    }
    if !page_bytes.is_power_of_two() {
        return true;
    }
    let mut seed = header_sum;
    let mut torn = false;
    let mut commits_beyond = 0;
    for frame in frames.chunks_exact(FRAME_HEADER_BYTES + page_bytes) {
        let expected = sum(big_endian, sum(big_endian, seed, &frame[..8]), &frame[FRAME_HEADER_BYTES..]);
        let stored = (word(frame, 16), word(frame, 20));
        torn |= frame[8..16] != header[16..24] || expected != stored;
        // Frames of an earlier run of the log have another salt in both halves. The bad frame itself counts too: it
        // may be the end of the last commit but one.
        let of_this_run = frame[8..12] == header[16..20] || frame[12..16] == header[20..24];
        let ends_a_commit = word(frame, 4) != 0;
        if torn && of_this_run && ends_a_commit {
            commits_beyond += 1;
        }
        seed = stored;
    }
    commits_beyond >= 2
}

/// The big-endian word at `at`; the caller has made sure that it is there.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

/// SQLite's running checksum over pairs of words.
fn sum(big_endian: bool, seed: (u32, u32), bytes: &[u8]) -> (u32, u32) {
    let read = |bytes: &[u8]| {
        let word = word(bytes, 0);
        if big_endian { word } else { word.swap_bytes() }
    };
    bytes.chunks_exact(8).fold(seed, |(first, second), pair| {
        let first = first.wrapping_add(read(&pair[..4])).wrapping_add(second);
        let second = second.wrapping_add(read(&pair[4..])).wrapping_add(first);
        (first, second)
    })
}
