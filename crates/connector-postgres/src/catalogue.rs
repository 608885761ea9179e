//! The table as the server's catalogue has it.

use sluicebox_tables::{Column, Table};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error as ServerError};

use crate::names::TableName;
use crate::types::holds;

/// A table that exists.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) columns: Vec<FoundColumn>,
    /// `r` and `p`: a table; `v`: a view; and so on, as `pg_class.relkind` has it.
    pub(crate) kind: char,
    /// The columns of each unique index that can tell rows apart.
    pub(crate) unique: Vec<Vec<String>>,
}

/// A column that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundColumn {
    pub(crate) name: String,
    /// The name of the type inside the server (`int8`), or of the type that its domain is made of.
    pub(crate) internal: String,
    /// The type as SQL writes it, without a length.
    pub(crate) sql: String,
    pub(crate) has_default: bool,
    pub(crate) is_not_null: bool,
}

const COLUMNS: &str = "SELECT a.attname, coalesce(base.typname, type.typname), format_type(a.atttypid, -1), \
         a.atthasdef OR a.attidentity <> '', a.attnotnull, class.relkind \
     FROM pg_class AS class JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace \
     LEFT JOIN pg_attribute AS a ON a.attrelid = class.oid AND a.attnum > 0 AND NOT a.attisdropped \
     LEFT JOIN pg_type AS type ON type.oid = a.atttypid \
     LEFT JOIN pg_type AS base ON base.oid = nullif(type.typbasetype, 0) \
     WHERE namespace.nspname = $1 AND class.relname = $2 ORDER BY a.attnum";

const UNIQUE: &str = "SELECT array_agg(a.attname::text ORDER BY a.attnum) \
     FROM pg_index AS i JOIN pg_class AS class ON class.oid = i.indrelid \
     JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace \
     JOIN pg_attribute AS a ON a.attrelid = class.oid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]) \
     WHERE namespace.nspname = $1 AND class.relname = $2 AND i.indisunique AND i.indisvalid AND i.indimmediate \
         AND i.indpred IS NULL AND i.indexprs IS NULL \
     GROUP BY i.indexrelid";

/// The table of that name; `None` if there is none.
pub(crate) async fn read(client: &Client, name: &TableName) -> Result<Option<Found>, ServerError> {
    let key: [&(dyn ToSql + Sync); 2] = [&name.schema, &name.table];
    let (columns, unique) = futures::try_join!(client.query(COLUMNS, &key), client.query(UNIQUE, &key))?;
    let Some(first) = columns.first() else { return Ok(None) };
    #[allow(clippy::cast_sign_loss, reason = "the type `char` of PostgreSQL is one ASCII letter here")]
    let kind = char::from(first.try_get::<_, i8>(5)? as u8);
    let mut found = Found { columns: Vec::new(), kind, unique: Vec::new() };
    for row in &columns {
        let Some(attribute) = row.try_get::<_, Option<String>>(0)? else { continue };
        found.columns.push(FoundColumn {
            name: attribute,
            internal: row.try_get(1)?,
            sql: row.try_get(2)?,
            has_default: row.try_get(3)?,
            is_not_null: row.try_get(4)?,
        });
    }
    for row in &unique {
        found.unique.push(row.try_get(0)?);
    }
    Ok(Some(found))
}

impl Found {
    /// In the words that no database owns.
    pub(crate) fn table(&self) -> Table {
        let column = |found: &FoundColumn| Column {
            name: found.name.clone(),
            holds: Some(holds(&found.internal)),
            has_default: found.has_default,
        };
        Table { columns: self.columns.iter().map(column).collect() }
    }

    /// The column of exactly this name.
    pub(crate) fn column(&self, name: &str) -> Option<&FoundColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether a unique index tells rows apart by exactly these columns.
    pub(crate) fn is_unique_by(&self, key: &[String]) -> bool {
        let same =
            |index: &Vec<String>| index.len() == key.len() && key.iter().all(|name| index.contains(name));
        self.unique.iter().any(same)
    }
}
