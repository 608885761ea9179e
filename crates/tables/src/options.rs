//! The options about tables that `sqlite` and `postgres` share: their words, and what is wrong with them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluicebox_core::{Error, Problem, Result};
use sluicebox_rules::Expression;

use crate::columns::{ColumnSpec, Columns};
use crate::dialect::Dialect;
use crate::layout::{Layout, NamedExpression};
use crate::writer::TableWriter;

/// What happens when an event does not fit the table of `columns: from_event`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SchemaContract {
    /// The table grows: a new field gets a column, an integer column becomes a number column when it must, and a value
    /// of another type goes to a column `<name>__<type>` beside it (`amount__text`).
    #[default]
    Evolve,
    /// The sink pauses before the first event that does not fit, and says what to do. Nothing is lost.
    Freeze,
    /// The event becomes a dead letter with the reason `validation`.
    DiscardRow,
    /// The value is left out; logged once for each field.
    DiscardValue,
}

/// How rows meet those that are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WriteMode {
    /// Every event adds a row.
    #[default]
    Append,
    /// An event replaces the whole row that has its `key`, or adds one.
    Upsert,
}

/// The shared options as a spec holds them: a view to check them and to build from them.
#[derive(Clone, Copy, Debug)]
pub struct TableOptions<'s> {
    /// `columns:`.
    pub columns: Option<&'s Columns>,
    /// `schema_contract:`; only with `columns: from_event`.
    pub schema_contract: Option<SchemaContract>,
    /// `mode:`.
    pub mode: WriteMode,
    /// `key:`; only with `mode: upsert`. Unset: `_event_id`.
    pub key: Option<&'s [String]>,
}

impl TableOptions<'_> {
    /// Everything wrong with the options; paths as in the spec (`columns.amount.value`).
    pub fn problems(&self, dialect: &Dialect) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(Columns::Named(columns)) = self.columns {
            if columns.is_empty() {
                problems.push(Problem::new("columns", "expected at least one column"));
            }
            problems.extend(column_problems(columns.iter(), dialect));
        }
        if self.schema_contract.is_some() && !matches!(self.columns, Some(Columns::FromEvent)) {
            let message = "a contract is about columns that come from the events";
            problems.push(
                Problem::new("schema_contract", message).with_help("add `columns: from_event`, or remove it"),
            );
        }
        problems.extend(self.key_problem(dialect));
        problems
    }

    fn key_problem(&self, dialect: &Dialect) -> Option<Problem> {
        if self.key.is_some() && self.mode == WriteMode::Append {
            let message = "rows are only appended, so no key is asked for";
            return Some(Problem::new("key", message).with_help("add `mode: upsert`, or remove it"));
        }
        if self.mode == WriteMode::Append {
            return None;
        }
        let key = self.effective_key();
        if key.is_empty() {
            return Some(Problem::new("key", "expected at least one column"));
        }
        for (index, name) in key.iter().enumerate() {
            if key[..index].iter().any(|other| dialect.is_same_name(other, name)) {
                return Some(Problem::new(format!("key[{index}]"), "this column is there twice"));
            }
        }
        let Some(Columns::Named(columns)) = self.columns else {
            let is_known = |name: &String| {
                matches!(self.columns, Some(Columns::FromEvent))
                    || Layout::default_names().any(|known| known == name)
            };
            let unknown = key.iter().position(|name| !is_known(name))?;
            let message = format!("there is no column `{}`", key[unknown]);
            return Some(Problem::new(format!("key[{unknown}]"), message));
        };
        let unknown = key.iter().position(|name| !columns.contains_key(name))?;
        let message = format!("there is no column `{}` under `columns`", key[unknown]);
        let path = if self.key.is_some() { format!("key[{unknown}]") } else { "mode".to_owned() };
        Some(Problem::new(path, message).with_help("name the columns that tell rows apart: `key: [id]`"))
    }

    /// The columns that tell rows apart; empty when rows are appended.
    fn effective_key(&self) -> Vec<String> {
        match (self.mode, self.key) {
            (WriteMode::Append, _) => Vec::new(),
            (WriteMode::Upsert, Some(key)) => key.to_vec(),
            (WriteMode::Upsert, None) => vec!["_event_id".to_owned()],
        }
    }

    /// The writer of rows for these options.
    ///
    /// # Errors
    /// `Config` if an expression cannot be compiled.
    pub fn writer(&self, dialect: Dialect) -> Result<TableWriter> {
        let layout = match self.columns {
            None => Layout::Default,
            Some(Columns::FromEvent) => Layout::FromEvent,
            Some(Columns::Named(columns)) => {
                Layout::Columns(columns.iter().map(compile).collect::<Result<_>>()?)
            }
        };
        let contract = self.schema_contract.unwrap_or_default();
        Ok(TableWriter::new(layout, dialect, contract, self.effective_key()))
    }
}

fn compile((name, column): (&String, &ColumnSpec)) -> Result<NamedExpression> {
    let expression = Expression::compile(&column.value)
        .map_err(|problem| Error::config(format!("the column `{name}`: {}", problem.message)))?;
    Ok(NamedExpression { name: name.clone(), holds: column.holds, expression })
}

fn column_problems<'s>(
    columns: impl Iterator<Item = (&'s String, &'s ColumnSpec)>,
    dialect: &Dialect,
) -> Vec<Problem> {
    let mut names: Vec<&str> = Vec::new();
    let mut problems = Vec::new();
    for (name, column) in columns {
        let path = format!("columns.{name}");
        if name.is_empty() || name.contains('\0') || name.len() > dialect.name_bytes {
            problems.push(Problem::new(&*path, "this cannot be the name of a column"));
        } else if names.iter().any(|known| dialect.is_same_name(known, name)) {
            let message =
                format!("{} tells no upper from lower case: this column is there twice", dialect.database);
            problems.push(Problem::new(&*path, message));
        }
        names.push(name);
        let inner = if column.is_map { format!("{path}.value") } else { path };
        problems.extend(Expression::compile(&column.value).err().map(|problem| problem.under(&inner)));
    }
    problems
}
