//! PostgreSQL's errors as the engine's classes: what passes by itself, what one row can never do, what needs a person.
//!
//! Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

use std::error::Error as StdError;

use sluicebox_core::{Error, ErrorClass};
use tokio_postgres::Error as ServerError;
use tokio_postgres::error::DbError;

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
    let Some(code) = error.code() else { return About::Class(class_without_code(error)) };
    match code.code() {
        "25P02" => About::Earlier,
        "42P01" | "42703" | "42701" | "42804" | "42846" | "42P10" | "428C9" | "42809" => About::Table,
        // `tuple concurrently updated` is an internal error by its code, and passes.
        "25006" | "25P03" | "42P07" | "42710" | "XX000" | "57014" => transient(),
        "42501" | "26000" => About::Class(ErrorClass::Config),
        code => match &code[..2] {
            "22" | "23" | "44" | "54" | "P0" => About::Row,
            "08" | "40" | "53" | "55" | "57" | "58" | "25" => transient(),
            "28" => About::Class(ErrorClass::Auth),
            "0A" | "0L" | "0P" | "3D" | "3F" | "42" => About::Class(ErrorClass::Config),
            _ => About::Class(ErrorClass::State),
        },
    }
}

fn transient() -> About {
    About::Class(ErrorClass::Transient)
}

/// Errors that the client found, not the server.
fn class_without_code(error: &ServerError) -> ErrorClass {
    let text = error.to_string();
    if tls_error(error).is_some() || text.contains("TLS handshake") {
        ErrorClass::Config
    } else if text.contains("authentication") || cause_text(error).contains("password missing") {
        ErrorClass::Auth
    } else if text.contains("invalid configuration") {
        ErrorClass::Config
    } else if text.contains("deserializing") || text.contains("invalid column") {
        ErrorClass::State
    } else {
        ErrorClass::Transient
    }
}

/// An error of the server while `attempt` (`write to`) was made on the database that messages name `shown`.
pub(crate) fn classify(error: ServerError, attempt: &str, shown: &str) -> Error {
    let class = match about(&error) {
        About::Row => ErrorClass::State,
        About::Table => ErrorClass::Config,
        About::Earlier => ErrorClass::Transient,
        About::Class(class) => class,
    };
    let help = help(&error);
    let refused = match said(&error) {
        // All that the cause would say, and it would say it again.
        Some(said) => Error::new(class, format!("cannot {attempt} the database {shown}: {said}")),
        None => Error::new(class, format!("cannot {attempt} the database {shown}")).with_cause(error),
    };
    match help {
        Some(help) => refused.with_help(help),
        None => refused,
    }
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

/// What the server said, on one line: message, detail and code. The detail is left out where it is nothing but the values
/// of the row: the event has them, and a log is no place for them.
pub(crate) fn said(error: &ServerError) -> Option<String> {
    let error: &DbError = error.as_db_error()?;
    let code = error.code().code();
    let detail = error.detail().filter(|detail| !detail.starts_with("Failing row contains"));
    let detail = detail.map(|detail| format!(" ({})", detail.replace('\n', " "))).unwrap_or_default();
    Some(format!("{}{detail}, SQLSTATE {code}", error.message().replace('\n', " ")))
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

fn help(error: &ServerError) -> Option<&'static str> {
    if let Some(tls) = tls_error(error) {
        return Some(match tls {
            rustls::Error::InvalidCertificate(_) => {
                "give the authority that signed the server's certificate in `tls.ca_file`, and check the host in the URL"
            }
            _ => "check that the server speaks TLS on this port",
        });
    }
    let Some(code) = error.code() else { return help_without_code(error) };
    Some(match code.code() {
        "25006" => "the server is read-only: a standby, or in the middle of a failover; it is tried again",
        "26000" => {
            "a pooler that shares connections between transactions cannot be used: connect to the server itself"
        }
        "28P01" | "28000" => "check the user and password in `url`, and pg_hba.conf of the server",
        "3D000" => "create the database, or correct its name in `url`",
        "3F000" => "create the schema, or correct `schema`",
        "42501" => {
            "grant the user USAGE and CREATE on the schema, TEMPORARY on the database, and SELECT, INSERT, UPDATE on the tables"
        }
        "42P01" => "a table was removed while it was in use: start again to make a new one",
        "42P10" => "`mode: upsert` needs a unique index on exactly the columns of `key`",
        "53100" => "make room on the disk of the server; it is tried again",
        _ => return None,
    })
}

fn help_without_code(error: &ServerError) -> Option<&'static str> {
    let cause = cause_text(error);
    if cause.contains("server does not support TLS") {
        Some("switch TLS on at the server, or write `sslmode=disable` if the network is trusted")
    } else if cause.contains("password missing") {
        Some("the server asks for a password: `postgres://user:password@…`")
    } else {
        None
    }
}

fn cause_text(error: &ServerError) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

/// The error of the TLS library behind a failed connection.
fn tls_error(error: &ServerError) -> Option<&rustls::Error> {
    let mut cause: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(error) = cause {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(tls) = inner.and_then(|inner| inner.downcast_ref()) {
            return Some(tls);
        }
        cause = error.source();
    }
    None
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
