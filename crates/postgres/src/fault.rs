//! PostgreSQL's errors as the engine's classes, as far as they are the same for everybody.
//!
//! Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

use std::error::Error as StdError;

use sluicebox_core::{Error, ErrorClass};
use tokio_postgres::Error as ServerError;
use tokio_postgres::error::DbError;

/// What kind of failure it is. What is about one row or value (classes 22, 23, 44, 54, P0) is `State`: only the caller
/// knows whose it is.
pub fn class(error: &ServerError) -> ErrorClass {
    let Some(code) = error.code() else { return class_without_code(error) };
    match code.code() {
        // `tuple concurrently updated` is an internal error by its code, and passes.
        "25006" | "25P02" | "25P03" | "42P07" | "42710" | "XX000" | "57014" => ErrorClass::Transient,
        "42501" | "26000" => ErrorClass::Config,
        code => match &code[..2] {
            "08" | "40" | "53" | "55" | "57" | "58" | "25" => ErrorClass::Transient,
            "28" => ErrorClass::Auth,
            "0A" | "0L" | "0P" | "3D" | "3F" | "42" => ErrorClass::Config,
            _ => ErrorClass::State,
        },
    }
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
pub fn classify(error: ServerError, attempt: &str, shown: &str) -> Error {
    let (class, help) = (class(&error), help(&error));
    let refused = match said(&error) {
        // All that the cause would say, and it would say it again.
        Some(said) => Error::new(class, format!("cannot {attempt} the database {shown}: {said}")),
        None => Error::new(class, format!("cannot {attempt} the database {shown}")).with_cause(error),
    };
    help.into_iter().fold(refused, Error::with_help)
}

/// What the server said, on one line: message, detail and code. The detail is left out where it is nothing but the values
/// of the row: the event has them, and a log is no place for them.
pub fn said(error: &ServerError) -> Option<String> {
    let error: &DbError = error.as_db_error()?;
    let code = error.code().code();
    let detail = error.detail().filter(|detail| !detail.starts_with("Failing row contains"));
    let detail = detail.map(|detail| format!(" ({})", detail.replace('\n', " "))).unwrap_or_default();
    Some(format!("{}{detail}, SQLSTATE {code}", error.message().replace('\n', " ")))
}

/// What to do about it.
pub fn help(error: &ServerError) -> Option<&'static str> {
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
