//! Variables, secrets and accounts: filled in, named, never shown.

use super::{plan, with_source, with_transform};
use crate::testing::{Outside, shown};

#[test]
fn every_unset_variable_is_reported_at_its_place() {
    let text = with_source(
        "organisation: \"a-${ONE}-${TWO}\"\nlimit: ${LIMIT}\ntags:\n  - ${THREE:-ok}\n  - ${a-b}",
    );
    assert_eq!(
        Outside::new(&[("LIMIT", "3000")]).problems(&text),
        [
            "4:12 sources.a.token: the variable `TOKEN` is not set",
            "5:22 sources.a.organisation: the variable `ONE` is not set",
            "5:29 sources.a.organisation: the variable `TWO` is not set",
            "6:12 sources.a.limit: expected an integer from 1 to 200, found `${LIMIT}`",
            "9:9 sources.a.tags[1]: `${a-b}` is no reference (`${VAR}`, `${VAR:-default}`, `${file:PATH}` and \
             `${account.FIELD}` are known; a literal `${` is written `$${`)",
        ]
    );
}

#[test]
fn missing_secrets_may_be_allowed_for_a_check() {
    let text = with_source(
        "organisation: ${ONE}\nlimit: ${LIMIT}\ndrop_own: ${DROP}\ninterval: ${EVERY}\nauth: {bearer: \"${file:/x}\"}",
    );
    assert!(Outside::default().load_with(&text, true).is_ok());
    let accounts = with_source("limit: ${account.limit}\naccounts:\n  - {id: a, limit: \"${LIMIT}\"}");
    assert!(Outside::default().load_with(&accounts, true).is_ok(), "nor if an account hands it on");
    let lookup = with_transform("type: lookup\nurl: ${BASE}/{{ event.id }}");
    assert!(
        Outside::default().load_with(&lookup, true).is_ok(),
        "what is wrong with a stand-in says nothing"
    );
    assert_eq!(
        Outside::default().load_with(&with_source("limt: 1"), true).err().map(|problems| problems.len()),
        Some(1)
    );
}

#[test]
fn a_secret_file_is_remembered_and_its_last_newline_dropped() {
    let outside = Outside::default().file("/run/x", "s3cret\n");
    let text = with_source("tags: [show]").replace("${TOKEN}", "${file:/run/x}");
    let shown = outside.problems(&text).join("\n");
    assert!(shown.contains(r#"Some("/run/x")"#), "{shown}");
    let mixed = with_source("tags: [show]").replace("${TOKEN}", "x${file:/run/x}");
    assert!(outside.problems(&mixed).join("\n").contains("0s None"));
    let missing = Outside::default().problems(&text).join("\n");
    assert!(missing.starts_with("4:12 sources.a.token: cannot read `/run/x`: not found"), "{missing}");
}

/// Everything that anyone could print of a wrong file.
fn everything(outside: &Outside, text: &str) -> String {
    let problems = outside.load(text).err().unwrap();
    let sources: Vec<&str> = problems.iter().map(|problem| &*problem.source).collect();
    let shown: Vec<String> = problems.iter().map(shown).collect();
    format!("{}\n{}\n{}", shown.join("\n"), sources.join("\n"), serde_json::to_string(&problems).unwrap())
}

#[test]
fn no_value_of_a_secret_is_ever_shown() {
    let outside = Outside::new(&[("TOKEN", "pl4nted"), ("NUMBER", "pl4nted-number")]);
    for lines in [
        "limit: ${NUMBER}\nwhen: BAD",
        "auth: pl4nted",
        "auth: {bearer: pl4nted, api_key: x}",
        "auth: {barer: pl4nted}",
        "auth: {bearer: [pl4nted]}\ntoken: x",
        "auth:\n  api_key: {key: pl4nted, secret: pl4nted}",
        "auth: {api_key: {key: \"${TOKEN}\", secret: \"${TOKEN}\"}}",
        "auth: {bearer: 'pl4nted x'}",
        "tken: pl4nted",
        "auth: {bearer: pl4nted}\nlimit: lots",
        "auth: {bearer: ''}",
    ] {
        let all = everything(&outside, &with_source(lines));
        assert!(!all.contains("pl4nted"), "{lines}:\n{all}");
    }
    for typed in ["type: fede, ", "type: [feed], ", ""] {
        let rest = "accounts: [{id: one, token: pl4nted}], auth: {bearer: pl4nted}";
        let text = format!(
            "sources:\n  a: {{{typed}token: pl4nted, {rest}}}\nsinks:\n  z: {{type: plain, inputs: a}}\n"
        );
        let all = everything(&outside, &text);
        assert!(!all.contains("pl4nted"), "{typed}:\n{all}");
    }
    for broken in [
        "token: pl4nted, token: pl4nted}",
        "token: pl4nted",
        "'token' : 'pl4nted}",
        "token: pl4nted: x}",
        "auth: {bearer: \"pl4nted\\q\"}}",
        "auth: {api_key: {key: \"${TOKEN}\", secret: *pl4nted}}}",
    ] {
        let text =
            format!("sources:\n  a: {{type: feed, {broken}\nsinks:\n  z: {{type: plain, inputs: a}}\n");
        let all = everything(&outside, &text);
        assert!(!all.contains("pl4nted") && all.contains("type: feed"), "{broken}:\n{all}");
    }
    let aliased = with_source("organisation: &o pl4nted\nauth: {bearer: *o}\nlimit: 0");
    assert!(!everything(&outside, &aliased).contains("pl4nted"));
    let text = with_transform("type: lookup\nurl: \"https://BAD/${NUMBER}\"");
    let all = everything(&outside, &text);
    assert!(!all.contains("pl4nted"), "{all}");
    assert!(all.contains("BAD is bad in `https://BAD/${NUMBER}`"), "{all}");
}

const ACCOUNTS: &str = "sources:
  a:
    type: feed
    token: ${account.token}
    organisation: org-${account.id}
    tags: [show]
    accounts:
      - {id: one, token: literal-secret}
      - {id: 010, token: \"${file:/run/x}\"}
sinks:
  z: {type: plain, inputs: a}
";

#[test]
fn every_account_has_a_configuration_of_its_own() {
    let outside = Outside::default().file("/run/x", "other-secret\n");
    assert_eq!(
        outside.problems(ACCOUNTS),
        [
            r#"6:11 sources.a.tags: Some("org-one") 100 Beginning 0s None ["show"]"#,
            r#"6:11 sources.a.tags: Some("org-010") 100 Beginning 0s Some("/run/x") ["show"]"#,
        ]
    );
    let all = everything(&outside, ACCOUNTS);
    assert!(!all.contains("literal-secret") && !all.contains("other-secret"), "{all}");
    let plan = plan(&outside, &ACCOUNTS.replace("show", "x"));
    let ids: Vec<&str> = plan.sources[0].accounts.iter().map(|account| account.id.as_str()).collect();
    assert_eq!(ids, ["one", "010"]);
    assert!(plan.sources[0].accounts_listed);
}

#[test]
fn wrong_accounts_are_explained() {
    let text = "sources:
  a:
    type: feed
    token: ${account.tken}
    account: x
    limit: 0
    accounts:
      - {id: one, token: t1}
      - {id: one, token: t2}
      - {token: t3}
      - nothing
  b: {type: feed, token: \"${account.x}\", accounts: {file: x.csv}}
  c: {type: feed, token: \"${account.x}\"}
  d: {type: feed, token: x, accounts: []}
sinks:
  z: {type: plain, inputs: [a, b, c, d]}
";
    assert_eq!(
        Outside::default().problems(text),
        [
            "4:12 sources.a.token: the account has no field `tken` (did you mean `token`?)",
            "5:5 sources.a.account: `account` and `accounts` exclude each other",
            "6:12 sources.a.limit: expected an integer from 1 to 200, found `0`",
            "9:14 sources.a.accounts: two accounts have the id `one`",
            "10:9 sources.a.accounts: an account needs an `id`",
            "11:9 sources.a.accounts[3]: expected a map with an `id`",
            "12:59 sources.b.accounts.file: cannot read dir/x.csv: `x.csv` not found (the path is relative to the \
             folder of the pipeline file)",
            "13:27 sources.c.token: `${account.…}` has a meaning only in a source with `accounts:`",
            "14:39 sources.d.accounts: expected a list of maps, each with an `id`, or `{ file: x.csv }`",
        ]
    );
}

#[test]
fn the_default_account_is_the_component_unless_named() {
    let outside = Outside::new(&[("TOKEN", "t")]);
    let unnamed = plan(&outside, &with_source(""));
    assert_eq!(unnamed.sources[0].accounts[0].id, "a");
    assert!(!unnamed.sources[0].accounts_listed);
    assert_eq!(plan(&outside, &with_source("account: eu-1")).sources[0].accounts[0].id, "eu-1");
}
