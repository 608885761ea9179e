//! Tables and databases that events are looked up in, through the whole program.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use rusqlite::Connection;
use sluicebox_services::Postgres;
use sluicebox_testkit::{Sandbox, Stub};

const ONCE: &str = "run --once --log-format json --admin off p.yaml";

/// Twenty orders of customers 1 to 5, and customer 4 is in no table.
fn orders() -> Stub {
    Stub::feed((1..=20).map(|id| Stub::event(id, &format!("{{\"customer\":{}}}", id % 5 + 1))).collect())
}

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"))
}

/// A pipeline that looks orders up and writes id, status and name.
fn pipe(sandbox: &Sandbox, feed: &Stub, look_up: &str) {
    let rest = format!(
        "transforms:\n  customer: {{ inputs: [feed], into: customer, {look_up} }}\n\
         sinks:\n  rows: {{ type: sqlite, inputs: [customer], path: rows.db, table: events, columns: \
         {{ id: event.id, found: '(meta.lookups.customer.status + \" \" + (event.customer?.name ?? \"\"))' }} }}\n"
    );
    sandbox.pipe(feed, 6, &rest);
}

fn expected() -> Vec<String> {
    let names = ["Ann", "Bob", "Cid", "", "Eve"];
    let tell = |id: usize| match names[id % 5] {
        "" => format!("{id} not_found "),
        name => format!("{id} ok {name}"),
    };
    (1..=20).map(tell).collect()
}

fn found(sandbox: &Sandbox) -> Vec<String> {
    sandbox.rows("rows.db", "SELECT id || ' ' || found FROM events ORDER BY rowid")
}

const ROWS: &str = "(1, 'Ann'), (2, 'Bob'), (3, 'Cid'), (5, 'Eve')";

#[test]
fn a_table_is_joined_and_what_is_wrong_with_it_keeps_the_pipeline_from_starting() {
    let (sandbox, feed) = (sandbox(), orders());
    sandbox.write("tables/customers.csv", "id,name\n1,Ann\n2,Bob\n3,Cid\n5,Eve\n");
    pipe(&sandbox, &feed, "type: table_lookup, file: tables/customers.csv, key: id, by: event.data.customer");
    let connected = sandbox.run("check --connect p.yaml").expect(0);
    let said = format!("{}{}", connected.stdout, connected.stderr);
    assert!(said.contains("customer") && said.contains("tables/customers.csv, rows: 4"), "{said}");
    sandbox.run(ONCE).expect(0);
    assert_eq!(found(&sandbox), expected());
    sandbox.write("tables/customers.csv", "id,name\n1,Ann\n2\n");
    let refused = sandbox.run("run --once --admin off p.yaml").expect(78);
    let complaint = "tables/customers.csv, line 3: expected 2 cells, found 1";
    assert!(refused.stderr.contains(complaint) && refused.stderr.contains("p.yaml:"), "{}", refused.stderr);
}

#[test]
fn a_file_of_sqlite_is_asked_by_table_and_by_query() {
    let (sandbox, feed) = (sandbox(), orders());
    let file = Connection::open(sandbox.path("customers.db")).unwrap();
    let table =
        format!("CREATE TABLE customers (id INTEGER, name TEXT); INSERT INTO customers VALUES {ROWS}");
    file.execute_batch(&table).unwrap();
    for look_up in [
        "type: table_lookup, file: customers.db, table: customers, key: id, by: event.data.customer",
        "type: sql_lookup, url: 'sqlite:customers.db', query: 'SELECT name FROM customers WHERE id = $1', \
         parameters: event.data.customer",
    ] {
        pipe(&sandbox, &feed, look_up);
        sandbox.run("check --connect p.yaml").expect(0);
        sandbox.run(&format!("{ONCE} --state-dir {}", &look_up[6..9])).expect(0);
        let rows = found(&sandbox);
        assert_eq!(rows[rows.len() - 20..], expected(), "{look_up}");
    }
}

#[test]
fn a_database_of_postgresql_is_asked_for_all_keys_of_a_batch_at_once() {
    let Some(server) = Postgres::shared() else { return };
    let schema = format!("lookups_{}", std::process::id());
    server.psql(&format!(
        "CREATE SCHEMA {schema}; CREATE TABLE {schema}.customers (id int, name text); \
         INSERT INTO {schema}.customers VALUES {ROWS}"
    ));
    let (sandbox, feed) = (sandbox(), orders());
    let look_up = format!(
        "type: sql_lookup, url: '{}', query: 'SELECT id, name FROM {schema}.customers WHERE id = ANY($1)', \
         parameters: event.data.customer, batch: {{ key: id }}",
        server.url()
    );
    pipe(&sandbox, &feed, &look_up);
    let connected = sandbox.run("check --connect p.yaml").expect(0);
    let said = format!("{}{}", connected.stdout, connected.stderr);
    assert!(said.contains("PostgreSQL") && said.contains("parameters: _int4"), "{said}");
    sandbox.run(ONCE).expect(0);
    assert_eq!(found(&sandbox), expected());
    pipe(&sandbox, &feed, &look_up.replace(".customers WHERE", ".nobody WHERE"));
    let wrong = sandbox.run("check --connect p.yaml").expect(1);
    let said = format!("{}{}", wrong.stdout, wrong.stderr);
    assert!(said.contains("nobody") && !said.contains(server.password()), "{said}");
    server.psql(&format!("SET client_min_messages = error; DROP SCHEMA {schema} CASCADE"));
}
