//! Numbers as SQLite holds them: signed. All of ours are counts, far below where that matters.

/// A count for a statement; what does not fit is as many as there can be.
pub(super) fn to_sql(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count of a row; nothing is less than none.
pub(super) fn from_sql(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
