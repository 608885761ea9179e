//! What `check` has to find because a run would not start with it: two that listen in one place, two of one name.

use insta::assert_snapshot;
use sluicebox_testkit::Sandbox;

fn sandbox(pipeline: &str) -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write("p.yaml", pipeline);
    sandbox
}

const SINK: &str = "sinks: { none: { type: blackhole, inputs: \"*\" } }\n";
/// `whsec_` and the base64 of 24 bytes.
const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz";

#[test]
fn sources_that_listen_in_one_place_are_found_whatever_they_are() {
    let sandbox = sandbox(&format!(
        "sources:\n  \
         hooks:\n    type: webhook\n    listen: 127.0.0.1:8080\n    path: /in\n    scheme: standard\n    secrets: [{SECRET}]\n  \
         market:\n    type: opentrain_updates\n    token: t\n    webhook:\n      listen: 127.0.0.1:8080\n      path: /in\n      \
         secrets: [{SECRET}]\n  \
         chat:\n    type: zenzap_updates\n    auth: {{ api_key: {{ key: k, secret: s }} }}\n    webhook:\n      \
         listen: 127.0.0.1:8080\n      path: /in\n      secrets: [{SECRET}]\n{SINK}"
    ));
    assert_snapshot!(sandbox.run("check p.yaml").expect(78).stderr, @r#"
    error: the source `hooks` listens on 127.0.0.1:8080/in already
      --> p.yaml:13:13
       |
    13 |       path: /in
       |             ^^^
       |
       = help: give each a `path` of its own; the address may be the same

    error: the source `hooks` listens on 127.0.0.1:8080/in already
      --> p.yaml:20:13
       |
    20 |       path: /in
       |             ^^^
       |
       = help: give each a `path` of its own; the address may be the same

    2 problems
    "#);
    sandbox.run("run p.yaml").expect(78);
}

#[test]
fn accounts_need_paths_of_their_own() {
    let accounts = |path: &str| {
        sandbox(&format!(
            "sources:\n  hooks:\n    type: webhook\n    listen: 127.0.0.1:8080\n    path: {path}\n    scheme: github\n    \
             secrets: [a-secret-of-github]\n    accounts: [{{ id: north }}, {{ id: south }}]\n{SINK}"
        ))
    };
    assert_snapshot!(accounts("/in").run("check p.yaml").expect(78).stderr, @r#"
    error: the accounts `north` and `south` both listen on 127.0.0.1:8080/in
     --> p.yaml:5:11
      |
    5 |     path: /in
      |           ^^^
      |
      = help: give each account a `path` of its own, with `${account.id}` in it

    1 problem
    "#);
    accounts("/in/${account.id}").run("check p.yaml").expect(0);
}

#[test]
fn two_pipelines_of_one_name_are_found() {
    let sandbox = sandbox(&format!("name: same\nsources: {{ made: {{ type: generate }} }}\n{SINK}"));
    sandbox.write("q.yaml", &sandbox.read("p.yaml"));
    let finished = sandbox.run("check p.yaml q.yaml").expect(78);
    assert_snapshot!(finished.stderr, @r#"
    error: q.yaml has the name of another pipeline
     --> q.yaml:1:7
      |
    1 | name: same
      |       ^^^^
      |
      = help: give it a `name:` of its own: its state is kept under it

    1 problem
    "#);
    assert!(!finished.stdout.contains("q.yaml"), "{}", finished.stdout);
    assert!(
        sandbox.run("run p.yaml q.yaml --once").expect(78).stderr.contains("q.yaml:1:"),
        "as check says it"
    );
    sandbox.run("check q.yaml").expect(0);
}

#[test]
fn messages_name_the_file_the_sign_and_the_way_out() {
    let told = |sources: &str| {
        let finished = sandbox(&format!("sources:\n{sources}{SINK}")).run("check p.yaml").expect(78);
        finished.stderr
    };
    let rows =
        told("  a: { type: opentrain_updates, token: \"${account.token}\", accounts: { file: gone.csv } }\n");
    assert!(rows.contains("cannot read gone.csv: not found"), "{rows}");
    assert!(rows.contains("relative to the folder of the pipeline file"), "{rows}");
    let none = told("  a: { type: opentrain_updates, token: t, accounts: [] }\n");
    assert!(none.contains("`{ file: x.csv }` or `{ sql: … }`"), "{none}");
    let compared = told("  a: { type: generate, when: meta.type = \"x\" }\n");
    assert!(compared.contains("to compare, write `==`"), "{compared}");
    let cells = told("  a: { type: file, path: a.csv, delimiter: \";;\" }\n");
    assert!(cells.contains("expected one character, found `;;`"), "{cells}");
    let misspelt =
        sandbox("source: { a: { type: generate } }\nsinks: { none: { type: blackhole, inputs: [a] } }\n");
    let misspelt = misspelt.run("check p.yaml").expect(78).stderr;
    assert!(misspelt.contains("did you mean `sources`?"), "{misspelt}");
    assert!(!misspelt.contains("there are: \n"), "{misspelt}");
}
