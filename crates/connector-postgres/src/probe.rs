//! `check --connect`: whether a run would get through to the table. Nothing is written.

use std::time::Duration;

use sluicebox_core::{Delivery, Error, ErrorClass, Probe};
use tokio_postgres::{Client, Error as ServerError};

use crate::catalogue;
use crate::ddl;
use crate::fault::classify;
use crate::ledger;
use crate::link::Destination;
use sluicebox_postgres::Session;

/// Longest wait for the answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// The oldest server whose catalogue we know.
const OLDEST: u32 = 12;

/// Asks everything, as far as the answers before allow.
pub(crate) async fn run(destination: &Destination, delivery: Delivery, probe: &mut Probe) {
    let shown = &destination.shown;
    let silent = || Error::transient(format!("no answer from the database {shown} within 5 seconds"));
    let connecting = tokio::time::timeout(PATIENCE, destination.gate.connect());
    let mut session = match connecting.await.unwrap_or_else(|_| Err(silent())) {
        Ok(session) => session,
        Err(error) if error.class() == ErrorClass::Auth => {
            probe.fine("server", format!("{shown} answers"));
            return probe.wrong("credentials", error);
        }
        Err(error) => {
            let help = "check the host and port in `url`, and that the server is up";
            let error = if error.help().is_some() { error } else { error.with_help(help) };
            return probe.wrong("server", error);
        }
    };
    about_server(&session, probe);
    probe.fine("credentials", "accepted");
    let Session { client, driver, .. } = &mut session;
    let asking = driver.drive(ask(client, destination, delivery, probe));
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => probe.wrong("server", classify(error, "ask", shown)),
        Err(_) => probe.wrong("server", silent()),
    }
    session.close().await;
}

fn about_server(session: &Session, probe: &mut Probe) {
    let tls = if session.encrypted { "TLS, certificate verified as configured" } else { "not encrypted" };
    let found = format!("PostgreSQL {}, {tls}", session.version);
    let major = session.version.split(['.', ' ']).next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major < OLDEST) {
        probe.doubtful("server", found, format!("use PostgreSQL {OLDEST} or later"));
    } else {
        probe.fine("server", found);
    }
}

/// What the user may do.
struct Rights {
    temporary: bool,
    usage: bool,
    create: bool,
}

async fn ask(
    client: &Client,
    destination: &Destination,
    delivery: Delivery,
    probe: &mut Probe,
) -> Result<(), ServerError> {
    let schema = &destination.name.schema;
    let sql = "SELECT pg_is_in_recovery(), has_database_privilege(current_database(), 'TEMPORARY'), \
               has_schema_privilege(oid, 'USAGE'), has_schema_privilege(oid, 'CREATE') \
               FROM pg_namespace WHERE nspname = $1";
    let Some(row) = client.query_opt(sql, &[schema]).await? else {
        let error = Error::config(format!("there is no schema `{schema}`"));
        probe.wrong("schema", error.with_help("create the schema, or correct `schema`"));
        return Ok(());
    };
    let rights = Rights { temporary: row.try_get(1)?, usage: row.try_get(2)?, create: row.try_get(3)? };
    if row.try_get(0)? {
        let help = "connect to the primary; after a failover it is tried again until there is one";
        probe.doubtful("server", "it is a standby, and read-only", help);
    }
    about_rights(destination, &rights, probe);
    about_table(client, destination, &rights, probe).await?;
    if delivery == Delivery::ExactlyOnce {
        about_ledger(client, destination, &rights, probe).await?;
    }
    Ok(())
}

fn about_rights(destination: &Destination, rights: &Rights, probe: &mut Probe) {
    let schema = &destination.name.schema;
    if !rights.usage {
        let error = Error::config(format!("the user may not use the schema `{schema}`"));
        probe.wrong("permissions", error.with_help("GRANT USAGE ON SCHEMA … TO the user"));
    }
    if !rights.temporary {
        let error = Error::config("the user may not make temporary tables");
        probe.wrong("permissions", error.with_help("GRANT TEMPORARY ON DATABASE … TO the user"));
    }
    if rights.usage && rights.temporary {
        probe.fine("permissions", format!("the schema `{schema}` can be used"));
    }
}

async fn about_table(
    client: &Client,
    destination: &Destination,
    rights: &Rights,
    probe: &mut Probe,
) -> Result<(), ServerError> {
    let (name, writer) = (&destination.name, &destination.writer);
    let Some(found) = catalogue::read(client, name).await? else {
        if rights.create {
            probe.fine("table", format!("{} is made at the first start", name.shown()));
        } else {
            probe.wrong("table", cannot_create(&name.shown()));
        }
        return Ok(());
    };
    if let Err(error) = ddl::compare(&found, name, writer) {
        probe.wrong("table", error);
        return Ok(());
    }
    let needed = if writer.is_upsert() { &["INSERT", "SELECT", "UPDATE"][..] } else { &["INSERT"] };
    let missing = missing_rights(client, &name.sql(), needed).await?;
    if missing.is_empty() {
        probe.fine("table", format!("{} fits", name.shown()));
    } else {
        let error =
            Error::config(format!("the user may not {} the table {}", missing.join(", "), name.shown()));
        let help = format!("GRANT {} ON {} TO the user", missing.join(", "), name.sql());
        probe.wrong("table", error.with_help(help));
    }
    Ok(())
}

async fn about_ledger(
    client: &Client,
    destination: &Destination,
    rights: &Rights,
    probe: &mut Probe,
) -> Result<(), ServerError> {
    let schema = &destination.name.schema;
    let absent = ddl::missing_of_ledger(client, schema).await?;
    if !absent.is_empty() && !rights.create {
        probe.wrong("positions", cannot_create(&absent.join(", ")));
        return Ok(());
    }
    for (table, _) in ledger::TABLES.iter().filter(|(table, _)| !absent.iter().any(|name| name == table)) {
        let sql = format!("{}.{table}", crate::names::quoted(schema));
        let missing = missing_rights(client, &sql, &["SELECT", "INSERT", "UPDATE"]).await?;
        if !missing.is_empty() {
            let error = Error::config(format!("the user may not {} the table {table}", missing.join(", ")));
            let help = format!("GRANT {} ON {sql} TO the user", missing.join(", "));
            probe.wrong("positions", error.with_help(help));
            return Ok(());
        }
    }
    let found =
        if absent.is_empty() { "the tables are there" } else { "the tables are made at the first start" };
    probe.fine("positions", found);
    Ok(())
}

fn cannot_create(what: &str) -> Error {
    Error::config(format!("there is no {what}, and the user may not make it"))
        .with_help("GRANT CREATE ON SCHEMA … TO the user, at least for the first start")
}

async fn missing_rights(client: &Client, table: &str, needed: &[&str]) -> Result<Vec<String>, ServerError> {
    let sql = "SELECT needed FROM unnest($2::text[]) AS needed WHERE NOT has_table_privilege($1, needed)";
    client.query(sql, &[&table, &needed]).await?.iter().map(|row| row.try_get(0)).collect()
}
