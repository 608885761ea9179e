//! Tables and queries of SQLite files as tables.

use std::path::Path;

use sluicebox_lookups::{key_text, sqlite};

use super::TableLookup;
use super::fault::Fault;
use super::table::{Builder, Table};

pub(super) fn read(options: &TableLookup, path: &Path) -> Result<Table, Fault> {
    let fault = |error: rusqlite::Error| Fault::new(error.to_string());
    let connection =
        sqlite::open(path).map_err(|error| Fault::new(format!("it cannot be opened: {error}")))?;
    let sql = match (&options.query, &options.table) {
        (Some(query), _) => query.clone(),
        (None, table) => {
            let name = table.as_deref().unwrap_or_default().replace('"', "\"\"");
            format!("SELECT * FROM \"{name}\"")
        }
    };
    let mut statement = connection.prepare(&sql).map_err(fault)?;
    let names: Vec<String> = statement.column_names().map(ToOwned::to_owned).collect();
    let place = |column: &String| {
        let place = names.iter().position(|name| name == column);
        place.ok_or_else(|| Fault::no_column(column, names.iter().map(String::as_str)))
    };
    let keys: Vec<usize> = options.key.iter().flat_map(|key| &key.0).map(place).collect::<Result<_, _>>()?;
    let kept: Option<Vec<usize>> =
        options.columns.as_ref().map(|columns| columns.iter().map(place).collect()).transpose()?;
    let mut builder = Builder::new(options);
    let mut rows = statement.query([]).map_err(fault)?;
    while let Some(row) = rows.next().map_err(fault)? {
        let cells = sqlite::row(&names, row).map_err(fault)?;
        let key: Vec<_> = keys.iter().map(|at| key_text(&cells[*at].1)).collect();
        let object = match &kept {
            Some(kept) => sqlite::object(kept.iter().map(|at| &cells[*at])),
            None => sqlite::object(cells.iter()),
        };
        builder.add(&key, object.as_bytes())?;
    }
    Ok(builder.finish())
}
