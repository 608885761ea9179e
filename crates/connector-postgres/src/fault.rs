//! What an error of PostgreSQL means for a sink: what passes by itself, what one row can never do, what needs a person.
//!
//! Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

use sluicebox_core::{Error, ErrorClass};
use sluicebox_postgres::said;
use tokio_postgres::Error as ServerError;

/// What an error of the server is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// A row, or what a trigger or constraint thinks of it.
    Row,
    /// The table is not what it was, or not what we need.
    Table,
    /// An earlier statement of the transaction: that one's error counts.
    Earlier,
    /// The class says it all.
    Class(ErrorClass),
}

/// Why a step did not succeed: the server said so, or we did.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Not classified yet.
    Server(ServerError),
    /// Final.
    Ours(Error),
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        Self::Server(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl Failure {
    /// See [`classify`].
    pub(crate) fn classify(self, attempt: &str, shown: &str) -> Error {
        match self {
            Self::Server(error) => classify(error, attempt, shown),
            Self::Ours(error) => error,
        }
    }
}

/// What the error is about.
pub(crate) fn about(error: &ServerError) -> About {
    let class = About::Class(sluicebox_postgres::class(error));
    let Some(code) = error.code() else { return class };
    match code.code() {
        "25P02" => About::Earlier,
        "42P01" | "42703" | "42701" | "42804" | "42846" | "42P10" | "428C9" | "42809" => About::Table,
        code if ["22", "23", "44", "54", "P0"].contains(&&code[..2]) => About::Row,
        _ => class,
    }
}

/// An error of the server while `attempt` (`write to`) was made on the database that messages name `shown`.
pub(crate) fn classify(error: ServerError, attempt: &str, shown: &str) -> Error {
    let help = help(&error);
    let refused = sluicebox_postgres::classify(error, attempt, shown);
    help.into_iter().fold(refused, Error::with_help)
}

/// The error of a row that no retry can ever write.
pub(crate) fn guilt_of_row(error: ServerError, table: &str) -> Error {
    let code = error.code().map(|code| code.code().to_owned()).unwrap_or_default();
    let refused = |said: String| Error::permanent(format!("the table {table} does not take the row{said}"));
    let guilt = match said(&error) {
        // All that the cause would say, and it would say it again.
        Some(said) => refused(format!(": {said}")),
        None => refused(String::new()).with_cause(error),
    };
    match code.as_str() {
        "54000" => guilt.with_reason("too_large"),
        "22P05" => guilt.with_help("a `jsonb` column takes no \\u0000; a `json` column does"),
        _ => guilt,
    }
}

/// The row of a COPY that the server stumbled over, counted from 1.
pub(crate) fn copy_line(error: &ServerError) -> Option<usize> {
    line_in(error.as_db_error()?.where_()?)
}

/// `COPY <table>, line 7, column c3` somewhere in what the server says of the place. One that speaks another language is
/// not understood, and the row is found by halving.
fn line_in(place: &str) -> Option<usize> {
    let copy = |line: &str| Some(line.strip_prefix("COPY ")?.split_once(", line ")?.1.to_owned());
    let number = place.lines().find_map(copy)?;
    let end = number.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().ok().filter(|line| *line > 0)
}

/// What to do about what only a sink meets.
fn help(error: &ServerError) -> Option<&'static str> {
    Some(match error.code()?.code() {
        "3F000" => "create the schema, or correct `schema`",
        "42501" => {
            "grant the user USAGE and CREATE on the schema, TEMPORARY on the database, and SELECT, INSERT, UPDATE on the tables"
        }
        "42P01" => "a table was removed while it was in use: start again to make a new one",
        "42P10" => "`mode: upsert` needs a unique index on exactly the columns of `key`",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_copy_is_found_in_what_the_server_says() {
        let place = "JSON data, line 1: {\"text\":...\nCOPY _sluicebox_rows, line 617, column c8";
        assert_eq!(line_in(place), Some(617));
        assert_eq!(line_in("COPY _sluicebox_rows, line 3"), Some(3));
        assert_eq!(line_in("COPY _sluicebox_rows, Zeile 3"), None);
        assert_eq!(line_in("SQL statement"), None);
    }
}
