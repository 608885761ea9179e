//! PostgreSQL, as a test sees it.
//!
//! Invariant: the data survives [`kill`](Postgres::kill) as it survives the end of the process, for nothing but the
//! machine's page cache stands between (`fsync` is off, which a crash of the machine alone could tell).

mod run;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::facts::{Facts, PASSWORD, PostgresFacts, USER, loopback};
use crate::private::Private;
use crate::shared::{self, expect_private, fail};
use crate::tools;

/// A PostgreSQL server with TLS, a superuser with a password (`scram-sha-256`) and an empty database.
#[derive(Debug)]
pub struct Postgres {
    facts: PostgresFacts,
    private: Option<Private>,
}

impl Postgres {
    /// The server that `cargo xtask services up` started, or None when services are to be skipped.
    ///
    /// # Panics
    /// When it is not up.
    pub fn shared() -> Option<Self> {
        let facts =
            shared::find("PostgreSQL", |facts: Facts| facts.postgres_is_up().then_some(facts.postgres)?)?;
        Some(Self { facts, private: None })
    }

    /// A server of the caller's own with its data under `folder`, ended on drop; None when services are to be skipped.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start.
    pub fn private(folder: impl AsRef<Path>) -> Option<Self> {
        shared::is_wanted().then(|| {
            let (facts, server) = fail(run::create(&folder.as_ref().join("postgres")));
            Self { facts, private: Some(Private::new(vec![server])) }
        })
    }

    /// `postgres://user:password@127.0.0.1:port/database`.
    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// The URL of the same database at another address, such as a proxy's.
    pub fn url_at(&self, address: SocketAddr) -> String {
        format!("postgres://{USER}:{PASSWORD}@{address}/{}", self.facts.database)
    }

    /// [`url`](Self::url) with `sslmode=require`; the port is the same.
    pub fn tls_url(&self) -> String {
        format!("{}?sslmode=require", self.url())
    }

    /// Where it listens, with and without TLS.
    pub fn address(&self) -> SocketAddr {
        loopback(self.facts.port)
    }

    /// The superuser.
    pub fn user(&self) -> &'static str {
        USER
    }

    /// The password of [`user`](Self::user).
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// The database of the URLs.
    pub fn database(&self) -> &str {
        &self.facts.database
    }

    /// The authority that signed the server's certificate, as PEM; `client.pem` and `client.key` lie beside it.
    pub fn ca_file(&self) -> PathBuf {
        self.facts.ca_file.clone()
    }

    /// Runs SQL with the real `psql`, unaligned and without headings: a line a row, `|` between columns.
    ///
    /// # Panics
    /// When psql fails.
    pub fn psql(&self, sql: &str) -> String {
        fail(run::psql(&self.facts, &self.facts.database, sql)).trim_end().to_owned()
    }

    /// Ends every process of the server at once, as `kill -9` does.
    pub fn kill(&self) {
        expect_private(self.private.as_ref()).kill(0);
    }

    /// Ends it in good order: sessions are ended, nothing is left to recover.
    pub fn stop(&self) {
        expect_private(self.private.as_ref()).stop(0, Signal::INT);
    }

    /// Starts it again on the same port and waits until it answers.
    pub fn start(&self) {
        expect_private(self.private.as_ref()).start(0, || run::start(&self.facts));
    }

    /// Stops every process of the server where it is; connections stay open and nothing answers.
    pub fn freeze(&self) {
        expect_private(self.private.as_ref()).freeze(0);
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        expect_private(self.private.as_ref()).thaw(0);
    }

    /// A command that runs psql as the superuser, for tests that want its other options.
    pub fn psql_command(&self) -> Command {
        fail(tools::postgres("psql").map(|psql| run::client(&psql, &self.facts)))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The data may lie outside the caller's folder, so nobody else would remove it.
        if self.private.take().is_some() {
            run::discard(&self.facts);
        }
    }
}

pub(crate) use run::{create, stop};
