//! The `table_lookup` transform: its options, which are its reference page.
//!
//! Invariant: events see one whole table or the next, never a part of one, and a file that cannot be read any more
//! leaves the table as it was.

mod csv;
mod fault;
mod json;
mod live;
mod parquet;
mod probe;
mod read;
mod sqlite;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluicebox_core::{
    ByteSize, CheckContext, Context, Effect, Error, Period, Probe, Problem, Result, ScriptFiles, Transform,
    TransformSpec,
};
use sluicebox_lookups::{Keys, OnError, OneOrMore, Rules, into_problem, select_problem};

use live::Live;
use read::Reader;

/// Adds what a table knows about an event: a CSV, JSON, Parquet or SQLite file that is held in memory.
///
/// The row whose `key` has the value of `by` becomes a field of the event. How it ended is in
/// `meta.lookups.<component>.status`: `ok`, or `not_found` where no row has that key, or the event has no value for it;
/// then `on_error` decides what becomes of the event, which by default goes on without the field.
///
/// Keys are compared as text: text as it stands, a number in its shortest decimal form, true and false as words. So 42
/// in an event finds `42` in a CSV file and "42" in a JSON file, 1.0 finds `1`, and `007` is not 7. A row whose key is
/// null is passed over. A key that stands in two rows is an error unless `duplicates` says otherwise.
///
/// Cells of a CSV file are text, an empty one is empty text; `types` makes numbers and booleans of columns. Rows of a
/// JSON file keep their bytes. SQLite gives numbers and text as they are stored. Parquet gives numbers (decimals with all
/// their digits), text, true and false; dates, times and timestamps are text, timestamps as in RFC 3339 in UTC; groups are
/// objects and lists are lists. Bytes are `\x` and hexadecimal digits.
///
/// The file is read as a whole at the start; whatever is wrong with it is reported then, and if it is text by `check` too,
/// with its line.
/// While events flow it is looked at every `reload`, and read again when it has changed. The new table takes the place
/// of the old one at once and for all. A file that is broken, gone or too large leaves the old table in use, is logged
/// as a warning and counted in `sluicebox_lookup_cache_total{result="failed"}`. Replace a file by renaming the new one
/// to its name, so that it is never seen half written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "file": "tables/customers.csv", "key": "id", "by": "event.data.customerId", "into": "customer"
}))]
#[schemars(example = serde_json::json!({
    "file": "tables/rates.db", "query": "SELECT country, plan, rate FROM rates WHERE valid",
    "key": ["country", "plan"], "by": ["event.country", "event.plan"], "select": "rate", "into": "rate"
}))]
pub struct TableLookup {
    /// The file, relative to the pipeline file.
    #[schemars(example = "tables/customers.csv")]
    pub file: String,
    /// What is in the file; unset: what its ending says (`.csv`, `.tsv`, `.json`, `.jsonl`, `.ndjson`, `.parquet`, `.db`,
    /// `.sqlite`, `.sqlite3`).
    #[serde(default)]
    pub format: Option<TableFormat>,
    /// The column whose value tells rows apart, or several that do so together. Of a JSON object of objects it can be
    /// left out: the names are the keys.
    #[serde(default)]
    #[schemars(example = &"id")]
    pub key: Option<OneOrMore>,
    /// The key of an event: an expression over `event` and `meta`, or as many of them as `key` has columns.
    #[schemars(example = "event.data.customerId")]
    pub by: Rules,
    /// The columns that are kept; unset: all.
    #[serde(default)]
    #[schemars(length(min = 1), example = &["name", "tier"])]
    pub columns: Option<Vec<String>>,
    /// Of a CSV file: the types of columns that are not text. An empty cell of such a column is null.
    #[serde(default)]
    #[schemars(example = serde_json::json!({ "rate": "number", "active": "boolean" }))]
    pub types: BTreeMap<String, CellType>,
    /// Of a CSV file: what stands between two cells; unset: a comma, or a tab in a file that ends in `.tsv`.
    #[serde(default)]
    #[schemars(example = ';')]
    pub delimiter: Option<char>,
    /// Of a SQLite file: the table or view that is read. Either this or `query`.
    #[serde(default)]
    #[schemars(example = &"customers")]
    pub table: Option<String>,
    /// Of a SQLite file: the query whose rows are the table.
    #[serde(default)]
    #[schemars(example = &"SELECT id, name FROM customers WHERE active")]
    pub query: Option<String>,
    /// Path inside the row, with dots (`name`, `address.city`); unset: the whole row. A row that has nothing there
    /// counts as not found.
    #[serde(default)]
    #[schemars(example = &"name")]
    pub select: Option<String>,
    /// The top-level field of the event that gets the row; unset: the component's name.
    #[serde(default)]
    #[schemars(example = &"customer")]
    pub into: Option<String>,
    /// What becomes of an event whose key is not in the table.
    #[serde(default)]
    pub on_error: OnError,
    /// What a key means that stands in several rows.
    #[serde(default)]
    pub duplicates: Duplicates,
    /// How often the file is looked at while events flow; `0s`: never.
    #[serde(default = "default_reload")]
    pub reload: Period,
    /// Most rows.
    #[serde(default = "default_max_rows")]
    #[schemars(range(min = 1))]
    pub max_rows: u64,
    /// Most bytes of all rows and keys together. A file that is four times as large is not even read.
    #[serde(default = "default_max_bytes")]
    pub max_bytes: ByteSize,
}

/// What is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TableFormat {
    /// Lines of cells, the first with the names of the columns.
    Csv,
    /// An array of objects, or an object of objects.
    Json,
    /// One object a line.
    Jsonl,
    /// A Parquet file, compressed with Snappy, Zstandard, gzip or not at all.
    Parquet,
    /// A SQLite database.
    Sqlite,
}

/// What a cell of a CSV file becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CellType {
    /// Text, as it stands.
    Text,
    /// A number, with the digits that it has.
    Number,
    /// `true` or `false`.
    Boolean,
}

/// What a key means that stands in several rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Duplicates {
    /// The table is wrong.
    #[default]
    Error,
    /// The first row counts.
    First,
    /// The last row counts.
    Last,
}

fn default_reload() -> Period {
    Period::from_secs(10)
}

fn default_max_rows() -> u64 {
    1_000_000
}

fn default_max_bytes() -> ByteSize {
    ByteSize(256 << 20)
}

impl TableLookup {
    fn check_options(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Err(wrong) = Keys::compile(&self.by, "by") {
            problems.extend(wrong);
        }
        let (columns, expressions) = (self.key.as_ref().map_or(1, |key| key.0.len()), self.by.each.len());
        if columns != expressions {
            let message =
                format!("expected {columns} of them, one for each column of `key`, found {expressions}");
            problems.push(Problem::new("by", message));
        }
        problems.extend(select_problem(self.select.as_deref()));
        problems.extend(into_problem(self.into.as_deref()));
        if self.max_rows == 0 {
            problems.push(Problem::new("max_rows", "expected at least one row"));
        }
        problems.extend(self.check_format());
        problems
    }

    fn check_format(&self) -> Vec<Problem> {
        let Some(format) = read::format(self) else {
            let problem = Problem::new("file", "the ending of the file does not say what is in it");
            return vec![problem.with_help("add `format: csv`, `json`, `jsonl`, `parquet` or `sqlite`")];
        };
        let mut problems = Vec::new();
        let is = |wanted| format == wanted;
        for (given, fits, path, message) in [
            (self.table.is_some(), is(TableFormat::Sqlite), "table", "only SQLite files have tables"),
            (self.query.is_some(), is(TableFormat::Sqlite), "query", "only SQLite files can be queried"),
            (
                !self.types.is_empty(),
                is(TableFormat::Csv),
                "types",
                "only the cells of CSV files have no type",
            ),
            (self.delimiter.is_some(), is(TableFormat::Csv), "delimiter", "only CSV files have one"),
        ] {
            if given && !fits {
                problems.push(Problem::new(path, message));
            }
        }
        if self.delimiter.is_some_and(|delimiter| !delimiter.is_ascii()) {
            problems.push(Problem::new("delimiter", "expected an ASCII character"));
        }
        if is(TableFormat::Sqlite) && self.table.is_some() == self.query.is_some() {
            let message = "expected either `table` or `query`";
            problems.push(Problem::new(if self.query.is_some() { "query" } else { "" }, message));
        }
        if self.key.is_none() && !is(TableFormat::Json) {
            problems.push(
                Problem::new("", "`key` is missing").with_help("the column whose value tells rows apart"),
            );
        }
        problems
    }

    /// Reads a table of text as `check` sees it; others are read at the start, and by `check --connect`.
    fn check_text(&self, files: &dyn ScriptFiles) -> Option<Problem> {
        if matches!(read::format(self), Some(TableFormat::Sqlite | TableFormat::Parquet)) {
            return None;
        }
        let text = match files.read(&self.file) {
            Ok(text) => text,
            Err(why) => return Some(Problem::new("file", format!("{} cannot be read: {why}", self.file))),
        };
        let fault = Reader::new(self, std::path::Path::new("")).read_text(text.as_bytes()).err()?;
        let problem = Problem::new("file", fault.sentence(&self.file));
        Some(fault.help.into_iter().fold(problem, Problem::with_help))
    }
}

#[async_trait]
impl TransformSpec for TableLookup {
    const TYPE: &'static str = "table_lookup";

    fn is_repeatable(&self) -> bool {
        false
    }

    fn effect(&self, component: &str) -> Effect {
        Effect::Adds(self.into.clone().unwrap_or_else(|| component.to_owned()))
    }

    fn check(&self, cx: &CheckContext<'_>) -> Vec<Problem> {
        let problems = self.check_options();
        if problems.is_empty() { self.check_text(cx.files).into_iter().collect() } else { problems }
    }

    async fn build(self, cx: &Context, _files: &dyn ScriptFiles) -> Result<Box<dyn Transform>> {
        let keys = Keys::compile(&self.by, "by").map_err(|mut problems| {
            Error::config(problems.pop().map_or_else(String::new, |problem| problem.message))
        })?;
        let live = Live::start(&self, keys, cx).await?;
        cx.shared.publish(&cx.component, "", live.tally());
        Ok(Box::new(live))
    }

    async fn probe(&self, cx: &Context) -> Probe {
        probe::probe(self, cx).await
    }
}
