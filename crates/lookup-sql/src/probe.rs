//! Asks, for `check --connect`, whether the database can be reached and the query prepared.

use sluicebox_core::{Context, Error, ErrorClass, Probe};

use crate::database::{Database, Described};
use crate::spec::SqlLookup;

pub(crate) async fn probe(options: &SqlLookup, cx: &Context) -> Probe {
    let mut probe = Probe::new();
    let described = match Database::new(options, cx) {
        Ok(database) => database.describe().await,
        Err(error) => {
            probe.wrong("configuration", error);
            return probe;
        }
    };
    match described {
        Ok(Described { server, query }) => {
            probe.fine("server", server);
            match query {
                Ok(found) => probe.fine("query", found),
                Err(error) => probe.wrong("query", with_help(error, "correct `query`")),
            }
        }
        Err(error) if error.class() == ErrorClass::Auth => {
            probe.wrong("credentials", with_help(error, "check the user and password in `url`"));
        }
        Err(error) => {
            let help = "check the host and port, or the path, in `url`, and that the database is up";
            probe.wrong("server", with_help(error, help));
        }
    }
    probe
}

/// The error's own help, or this one.
fn with_help(error: Error, help: &str) -> Error {
    if error.help().is_some() { error } else { error.with_help(help) }
}
