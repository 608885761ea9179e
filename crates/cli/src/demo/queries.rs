//! Questions to the warehouse that the demo made, and their answers.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};

use super::table;
use crate::exit::Stop;
use crate::progress::grouped;

/// The database, inside the demo's folder.
pub(crate) const WAREHOUSE: &str = "warehouse.db";

/// What is asked, and how.
const QUESTIONS: [(&str, &str); 3] = [
    (
        "What happened most?",
        "SELECT _source AS source, _type AS type, count(*) AS events\n\
         FROM events GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 6",
    ),
    (
        "Which contracts are worth most? (the look-up and the rule at work)",
        "SELECT event ->> '$.contract.title' AS contract, event ->> '$.size' AS size,\n       \
         max(event ->> '$.valueUsd') AS value_usd, count(*) AS events\n\
         FROM events WHERE _source = 'marketplace'\n\
         GROUP BY event ->> '$.data.contractId' ORDER BY value_usd DESC, 1 LIMIT 5",
    ),
    (
        "Who writes most in the team chat?",
        "SELECT event ->> '$.data.message.senderName' AS name, count(*) AS messages,\n       \
         count(DISTINCT event ->> '$.data.message.topicId') AS topics\n\
         FROM events WHERE _type = 'message.created' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5",
    ),
];

/// The warehouse, open for questions.
pub(crate) struct Warehouse(Connection);

impl Warehouse {
    /// Opens it for reading.
    pub(crate) fn open() -> Result<Self, Stop> {
        let connection = Connection::open_with_flags(Path::new(WAREHOUSE), OpenFlags::SQLITE_OPEN_READ_ONLY);
        connection.map(Self).map_err(|error| failed(&error))
    }

    /// How many rows a source has, and how many different events they are.
    pub(crate) fn rows_of(&self, source: &str) -> Result<(u64, u64), Stop> {
        let sql = "SELECT count(*), count(DISTINCT _event_id) FROM events WHERE _source = ?1";
        let counts = |row: &Row<'_>| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()))
        };
        self.0.query_row(sql, [source], counts).map_err(|error| failed(&error))
    }

    /// Every question with its answer, as text.
    pub(crate) fn answers(&self) -> Result<String, Stop> {
        let mut text = String::new();
        for (question, sql) in QUESTIONS {
            let answer = self.answer(sql).map_err(|error| failed(&error))?;
            let sql = sql.replace('\n', "\n    ");
            text = format!("{text}\n{question}\n\n    {sql}\n\n{answer}");
        }
        Ok(text)
    }

    fn answer(&self, sql: &str) -> rusqlite::Result<String> {
        let mut statement = self.0.prepare(sql)?;
        let head: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let rows =
            statement.query_map([], |row| (0..head.len()).map(|column| cell(row, column)).collect())?;
        let rows: Vec<Vec<String>> = rows.collect::<rusqlite::Result<_>>()?;
        Ok(table::render(&head, &rows))
    }
}

fn cell(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(match row.get_ref(column)? {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => u64::try_from(number).map_or_else(|_| number.to_string(), grouped),
        ValueRef::Real(number) => format!("{number:.2}"),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => format!("{} bytes", bytes.len()),
    })
}

fn failed(error: &rusqlite::Error) -> Stop {
    Stop::failed("cannot read the warehouse", error)
}
