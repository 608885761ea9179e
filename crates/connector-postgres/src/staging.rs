//! The staging table of a session: rows are copied into it, and go from there to the table in one statement.
//!
//! It is temporary and empty at the start of every transaction. Its columns stand in the order of the table's, so that
//! no name of an event can meet one of ours.

use std::collections::HashMap;

use sluicebox_tables::{Column, Table, TableWriter};
use tokio_postgres::{Client, Error as ServerError, Statement};

use crate::catalogue::{Found, FoundColumn};
use crate::names::{TableName, quoted, quoted_list};
use crate::types::{self, Wire};

/// The staging table; `pg_temp` is the schema of this session alone.
const STAGING: &str = "pg_temp._sluicebox_rows";

/// Most prepared pairs of statements; events that differ in their fields need one pair for each set of columns.
const MOST_PAIRS: usize = 64;

/// The staging table for one shape of the table.
pub(crate) struct Staging {
    /// The table that it was made for.
    found: Found,
    places: HashMap<String, usize>,
    /// The same in the words that no database owns.
    pub(crate) table: Table,
    /// The travelling type of each column.
    wires: Vec<Wire>,
    pairs: Vec<Pair>,
}

/// The statements for one set of columns.
struct Pair {
    columns: Vec<String>,
    copy: Statement,
    insert: Statement,
}

/// The way of a window's rows: into the staging table, and on to the table.
pub(crate) struct Route {
    pub(crate) copy: Statement,
    pub(crate) insert: Statement,
}

impl Staging {
    /// Makes the staging table anew. `expected` are the columns that rows have before any event came, with what their
    /// cells hold.
    pub(crate) async fn make(
        client: &Client,
        found: Found,
        expected: &[Column],
    ) -> Result<Self, ServerError> {
        let wires: Vec<Wire> = found.columns.iter().map(|column| wire(column, expected)).collect();
        let columns: Vec<String> =
            wires.iter().enumerate().map(|(place, wire)| format!(", c{place} {}", wire.internal())).collect();
        let sql = format!(
            "DROP TABLE IF EXISTS {STAGING}; CREATE TEMPORARY TABLE _sluicebox_rows (n integer{}) ON COMMIT DELETE ROWS",
            columns.concat()
        );
        client.batch_execute(&sql).await?;
        let table = found.table();
        let names = found.columns.iter().enumerate();
        let places = names.map(|(place, column)| (column.name.clone(), place)).collect();
        Ok(Self { found, places, table, wires, pairs: Vec::new() })
    }

    /// How the cells of `columns` travel; empty if one of them is not there.
    pub(crate) fn wires(&self, columns: &[Column]) -> Vec<(String, Wire)> {
        let wire = |column: &Column| Some((column.name.clone(), self.wires[self.place(&column.name)?]));
        columns.iter().map(wire).collect::<Option<_>>().unwrap_or_default()
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// The prepared statements for rows of `columns`, if they are known.
    pub(crate) fn known(&self, columns: &[Column]) -> Option<Route> {
        let same = |pair: &&Pair| pair.columns.iter().eq(columns.iter().map(|column| &column.name));
        let pair = self.pairs.iter().find(same)?;
        Some(Route { copy: pair.copy.clone(), insert: pair.insert.clone() })
    }

    /// The statements for rows of `columns`, prepared if need be.
    pub(crate) async fn route(
        &mut self,
        client: &Client,
        name: &TableName,
        columns: &[Column],
        writer: &TableWriter,
    ) -> Result<Route, ServerError> {
        if let Some(route) = self.known(columns) {
            return Ok(route);
        }
        let columns: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let (copy, insert) = (self.copy_sql(&columns), self.insert_sql(name, &columns, writer));
        let (copy, insert) = futures::try_join!(client.prepare(&copy), client.prepare(&insert))?;
        if self.pairs.len() >= MOST_PAIRS {
            self.pairs.clear();
        }
        self.pairs.push(Pair { columns, copy: copy.clone(), insert: insert.clone() });
        Ok(Route { copy, insert })
    }

    fn copy_sql(&self, columns: &[String]) -> String {
        let places: Vec<String> =
            columns.iter().filter_map(|name| self.place(name)).map(|place| format!(", c{place}")).collect();
        format!("COPY {STAGING} (n{}) FROM STDIN WITH (FORMAT binary)", places.concat())
    }

    /// Inserts the rows with numbers from `$1` to before `$2`, in their order. Of rows with one key the last of the
    /// whole window counts.
    fn insert_sql(&self, name: &TableName, columns: &[String], writer: &TableWriter) -> String {
        let value = |column: &String| {
            let place = self.place(column)?;
            let (wire, found) = (self.wires[place], &self.found.columns[place]);
            let converted = wire.internal() != found.internal;
            Some(if converted { format!("CAST(c{place} AS {})", found.sql) } else { format!("c{place}") })
        };
        let values = |columns: &[String]| columns.iter().filter_map(value).collect::<Vec<_>>().join(", ");
        let (into, all) = (format!("INSERT INTO {} ({})", name.sql(), quoted_list(columns)), values(columns));
        let part = "n >= $1 AND n < $2 ORDER BY n";
        let key = writer.key();
        if key.is_empty() {
            return format!("{into} SELECT {all} FROM {STAGING} WHERE {part}");
        }
        let (key_values, key_names) = (values(key), quoted_list(key));
        let replaced: Vec<String> = columns
            .iter()
            .filter(|column| !key.contains(column))
            .map(|column| format!("{0} = excluded.{0}", quoted(column)))
            .collect();
        let action = if replaced.is_empty() {
            "NOTHING".to_owned()
        } else {
            format!("UPDATE SET {}", replaced.join(", "))
        };
        format!(
            "{into} SELECT {all} FROM (SELECT DISTINCT ON ({key_values}) * FROM {STAGING} \
             ORDER BY {key_values}, n DESC) AS last WHERE {part} ON CONFLICT ({key_names}) DO {action}"
        )
    }
}

/// Cells of the first columns hold what is expected of them; those of columns that came from events hold what they do.
fn wire(found: &FoundColumn, expected: &[Column]) -> Wire {
    let asked = expected.iter().find(|column| column.name == found.name);
    let holds = asked.map_or(Some(types::holds(&found.internal)), |column| column.holds);
    Wire::between(holds, &found.internal)
}
