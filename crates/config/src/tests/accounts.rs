//! Accounts whose rows stand elsewhere: checked without them, made of them, and never shown.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{AccountRow, AccountsSpec, Context, Problem, Result, Secret};

use crate::testing::{Outside, registry, shown};
use crate::{Inputs, Plan, Variables, load, schema};

/// A table of a test.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Where it is.
    url: Secret,
    /// What is asked.
    query: String,
}

#[async_trait]
impl AccountsSpec for Table {
    const TYPE: &'static str = "table";

    fn check(&self) -> Vec<Problem> {
        let is_empty = self.url.expose().is_empty() || self.query.is_empty();
        is_empty.then(|| Problem::new("query", "empty").with_help("write one")).into_iter().collect()
    }
    fn every(&self) -> Duration {
        Duration::from_secs(1)
    }
    async fn read(&self, _: &Context) -> Result<Vec<AccountRow>> {
        Ok(Vec::new())
    }
}

/// The outside with the rows of the source `a`.
struct Read(Outside, Vec<AccountRow>);

impl Variables for Read {
    fn get(&self, name: &str) -> Option<String> {
        Variables::get(&self.0, name)
    }
    fn file(&self, path: &str) -> Result<String, String> {
        Variables::file(&self.0, path)
    }
    fn account_rows(&self, source: &str) -> Option<&[AccountRow]> {
        (source == "a").then_some(&self.1)
    }
}

fn row(cells: &[(&str, Option<&str>)]) -> AccountRow {
    let cell = |(name, text): &(&str, Option<&str>)| ((*name).to_owned(), text.map(str::to_owned));
    AccountRow { columns: cells.iter().map(cell).collect::<BTreeMap<_, _>>() }
}

fn pipeline(options: &str, table: &str) -> String {
    format!(
        "sources:\n  a: {{ type: feed, {options}, accounts: {{ table: {table} }} }}\n\
         sinks:\n  z: {{type: plain, inputs: a}}\n"
    )
}

fn loaded(variables: &dyn Variables, text: &str) -> Result<Plan, Vec<String>> {
    let mut registry = registry();
    registry.accounts::<Table>();
    let files = Outside::default();
    let inputs = Inputs { variables, files: &files, allow_missing_secrets: false };
    let loaded = load(Path::new("p.yaml"), text, &registry, &inputs);
    loaded.map_err(|report| report.problems.iter().map(shown).collect())
}

fn problems(variables: &dyn Variables, text: &str) -> Vec<String> {
    loaded(variables, text).err().unwrap_or_default()
}

const TABLE: &str = "{ url: x, query: y }";

#[test]
fn rows_that_nobody_has_read_are_stood_in_for_and_everything_else_is_checked() {
    let outside = Outside::default();
    let plan = loaded(&outside, &pipeline("token: '${account.x}', limit: '${account.y}'", TABLE)).unwrap();
    let from = plan.sources[0].accounts_from.as_ref().unwrap();
    assert_eq!((from.is_read, plan.sources[0].accounts.len()), (false, 1));
    let wrong = pipeline("token: '${account.x}', limit: 0, organisation: '${TOKEN}'", TABLE);
    assert_eq!(
        problems(&outside, &wrong),
        [
            "2:50 sources.a.limit: expected an integer from 1 to 200, found `0`",
            "2:68 sources.a.organisation: the variable `TOKEN` is not set",
        ]
    );
    for (table, expected) in [
        ("{ url: x, query: '' }", "sources.a.accounts.table.query: empty (write one)"),
        ("{ url: x, qery: y }", "sources.a.accounts.table.qery: unknown key `qery` (did you mean `query`?)"),
        ("{ url: x }", "sources.a.accounts.table: `query` is missing (`query`: What is asked.)"),
        ("x", "sources.a.accounts.table: expected a map, found a text"),
    ] {
        let said = problems(&outside, &pipeline("token: t", table)).join("\n");
        assert!(said.contains(expected), "{said}");
    }
    let misspelt = pipeline("token: t", TABLE).replace("table:", "tabel:");
    let said = problems(&outside, &misspelt).join("\n");
    assert!(said.contains("unknown key `tabel` (did you mean `table`?)"), "{said}");
}

#[test]
fn each_row_is_an_account() {
    let rows = vec![
        row(&[("id", Some("b")), ("token", Some("${HOME} as it stands")), ("limit", Some("7"))]),
        row(&[("id", Some("c")), ("token", Some("u")), ("limit", Some("8"))]),
    ];
    let text = pipeline("token: '${account.token}', limit: '${account.limit}', tags: [show]", TABLE);
    let read = Read(Outside::default(), rows);
    // What a database holds is no reference: `HOME` is not looked up.
    assert_eq!(
        problems(&read, &text),
        [
            r#"2:80 sources.a.tags: None 7 Beginning 0s None ["show"]"#,
            r#"2:80 sources.a.tags: None 8 Beginning 0s None ["show"]"#,
        ]
    );
    let plan = loaded(&read, &text.replace("show", "x")).unwrap();
    let ids: Vec<&str> = plan.sources[0].accounts.iter().map(|account| account.id.as_str()).collect();
    let from = plan.sources[0].accounts_from.as_ref().unwrap();
    assert_eq!((ids, from.is_read, from.fingerprints.len()), (vec!["b", "c"], true, 2));
    assert_ne!(from.fingerprints[0], from.fingerprints[1]);
}

#[test]
fn rows_that_are_wrong_are_explained_and_not_shown() {
    let text = pipeline("token: '${account.token}', limit: '${account.limit}'", TABLE);
    let good = || row(&[("id", Some("b")), ("token", Some("pl4nted")), ("limit", Some("7"))]);
    let cases = [
        (vec![], "there is no account in it"),
        (vec![row(&[("token", Some("pl4nted"))])], "expected a column `id` (name the column in the query"),
        (vec![good(), good()], "the rows of `table`: two accounts have the id `b`"),
        (vec![good(), row(&[("id", Some("c\nd"))])], "without control characters, found \"c\\nd\""),
        (vec![good(), row(&[("id", None), ("token", Some("pl4nted"))])], "an account needs an `id`"),
        (
            vec![good(), row(&[("id", Some("c")), ("token", None), ("limit", Some("1"))])],
            "the field `token` of the account is NULL (leave such rows out",
        ),
        (
            vec![good(), row(&[("id", Some("c")), ("token", Some("t")), ("limit", Some("pl4nted"))])],
            "expected an integer from 1 to 200, found `${account.limit}`",
        ),
        (
            vec![good(), row(&[("id", Some("c")), ("token", Some("t")), ("limit", Some("pl4nted"))])],
            "the row of the account `c` does not fit the options",
        ),
    ];
    for (rows, expected) in cases {
        let said = problems(&Read(Outside::default(), rows), &text).join("\n");
        assert!(said.contains(expected), "{expected}\n{said}");
        assert!(!said.contains("pl4nted"), "{said}");
    }
}

#[test]
fn editors_know_the_options_of_each_place() {
    let mut registry = registry();
    registry.accounts::<Table>();
    let accounts = &schema(&registry)["$defs"]["source.feed"]["properties"]["accounts"];
    let said = accounts.to_string();
    assert!(said.contains("\"table\"") && said.contains("What is asked."), "{said}");
}
