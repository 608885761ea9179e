//! Connectors in the real program: written, tested, found beside a pipeline, run, and refused where they are wrong.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use sluicebox_emulator::{Api, Options, start};

fn sluicebox(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicebox"));
    command.args(arguments).current_dir(folder).env("TOKEN", "unset").stdin(Stdio::null());
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

#[test]
fn a_new_connector_is_sound_passes_its_test_and_is_a_type_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(code(&sluicebox(folder, &["plugin", "new", "acme"])), 0);
    assert_eq!(code(&sluicebox(folder, &["plugin", "new", "acme"])), 2, "what is there is left alone");
    assert_eq!(code(&sluicebox(folder, &["plugin", "new", "No"])), 2);
    let tested = sluicebox(folder, &["plugin", "test", "plugins/http"]);
    assert_eq!(code(&tested), 0, "{}", said(&tested));
    assert!(said(&tested).contains("acme: one page, then nothing new … ok"), "{}", said(&tested));
    let checked = said(&sluicebox(folder, &["plugin", "check", "plugins/http/acme.yaml"]));
    assert!(checked.contains("talks to https://api.example.com"), "{checked}");
    assert!(said(&sluicebox(folder, &["list", "sources"])).contains("acme"));
    let explained = said(&sluicebox(folder, &["explain", "acme"]));
    assert!(explained.contains("The access token.") && explained.contains("interval"), "{explained}");
    assert!(said(&sluicebox(folder, &["schema"])).contains("\"source.acme\""));
    let file = folder.join("plugins/http/acme.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("cursor_after: \"1\"", "cursor_after: \"2\"")).unwrap();
    let failed = sluicebox(folder, &["plugin", "test", "plugins/http"]);
    assert_eq!(code(&failed), 1);
    assert!(said(&failed).contains("expected the cursor `2` at the end, found `1`"), "{}", said(&failed));
}

#[test]
fn what_is_wrong_with_a_connector_is_told_at_its_place_before_any_pipeline() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    sluicebox(folder, &["plugin", "new", "acme"]);
    let pipeline = "sources: { feed: { type: acme, token: \"${TOKEN}\" } }\nsinks: { out: { type: blackhole, inputs: [feed] } }\n";
    std::fs::write(folder.join("p.yaml"), pipeline).unwrap();
    let checked = sluicebox(folder, &["check", "p.yaml"]);
    assert_eq!(code(&checked), 0);
    assert!(said(&checked).contains("feed (acme) talks to https://api.example.com"), "{}", said(&checked));
    let misspelt = pipeline.replace("token:", "tokn:");
    std::fs::write(folder.join("q.yaml"), misspelt).unwrap();
    let refused = said(&sluicebox(folder, &["check", "q.yaml"]));
    assert!(refused.contains("did you mean `token`"), "{refused}");
    let file = folder.join("plugins/http/acme.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("items: events", "items: a..b")).unwrap();
    for arguments in [["check", "p.yaml"], ["run", "p.yaml"]] {
        let refused = sluicebox(folder, &arguments);
        assert_eq!(code(&refused), 78);
        assert!(said(&refused).contains("acme.yaml:21"), "{}", said(&refused));
    }
    let json = sluicebox(folder, &["check", "p.yaml", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["problems"][0]["path"], "source.items");
    std::fs::rename(&file, folder.join("plugins/http/kafka.yaml")).unwrap();
    std::fs::write(folder.join("plugins/http/kafka.yaml"), text.replace("name: acme", "name: kafka"))
        .unwrap();
    let built_in = sluicebox(folder, &["check", "p.yaml"]);
    assert_eq!(code(&built_in), 78);
    assert!(said(&built_in).contains("built-in"), "{}", said(&built_in));
    assert!(said(&built_in).contains("kafka.yaml:2"), "{}", said(&built_in));
    for verb in ["check", "test"] {
        let refused = sluicebox(folder, &["plugin", verb, "plugins/http"]);
        assert_eq!(code(&refused), 78);
        assert!(said(&refused).contains("`kafka` is the name of a built-in source"), "{}", said(&refused));
    }
}

#[test]
fn a_new_connector_takes_no_name_of_a_built_in_source_but_may_hide_a_shipped_one() {
    let folder = tempfile::tempdir().unwrap();
    let refused = sluicebox(folder.path(), &["plugin", "new", "kafka"]);
    assert_eq!(code(&refused), 2);
    assert!(said(&refused).contains("`kafka` is the name of a built-in source"), "{}", said(&refused));
    assert!(!folder.path().join("plugins/http/kafka.yaml").exists());
    assert_eq!(code(&sluicebox(folder.path(), &["plugin", "new", "slack_history"])), 0);
}

#[test]
fn a_fault_of_a_parameter_is_shown_where_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = "sources:\n  zulip:\n    type: zulip_messages\n    server: zulip.example.com\n    \
                    email: a@example.com\n    api_key: \"${TOKEN}\"\n  zenzap:\n    type: zenzap_feed\n    \
                    api_key: \"${TOKEN}\"\n  none: { type: zenzap_feed }\n\
                    sinks: { out: { type: blackhole, inputs: [zulip, zenzap, none] } }\n";
    std::fs::write(folder.path().join("p.yaml"), pipeline).unwrap();
    let checked = sluicebox(folder.path(), &["check", "p.yaml", "--format", "json"]);
    assert_eq!(code(&checked), 78);
    let report: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    let problem = |index: usize| {
        let problem = &report["problems"][index];
        format!("{} {} {}", problem["line"], problem["path"], problem["message"])
    };
    assert!(problem(0).starts_with("4 \"sources.zulip.server\" \"expected an address"), "{}", problem(0));
    let missing = "`api_secret` is missing: it belongs with `api_key`";
    assert_eq!(problem(1), format!("9 \"sources.zenzap.api_key\" \"{missing}\""));
    assert!(problem(2).starts_with("10 \"sources.none\""), "{}", problem(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_real_poll_shows_what_came_and_what_comes_next_without_the_secret() {
    let emulator = start(Options { events: 5, ..Options::new(Api::OpenTrain) }).await.unwrap();
    let announcement = serde_json::to_value(emulator.announcement()).unwrap();
    let (url, token) = (announcement["url"].as_str().unwrap(), announcement["token"].as_str().unwrap());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let file = "plugins/http/opentrain_feed.yaml";
    let (url, limit) = (format!("base_url={url}"), "limit=3");
    let tried = sluicebox(
        &folder,
        &["plugin", "try", file, "-o", &url, "-o", limit, "-o", &format!("token={token}")],
    );
    assert_eq!(code(&tried), 0, "{}", said(&tried));
    for part in [
        "request: GET /updates?limit=3",
        "answer: 200 OK",
        "    content-type: application/json",
        "\"hasMore\":",
        "3 events, 0 rejects",
        "cursor: ",
        "next request: GET /updates?cursor=",
    ] {
        assert!(said(&tried).contains(part), "{part}\n{}", said(&tried));
    }
    assert!(!said(&tried).contains(token));
    let refused = sluicebox(&folder, &["plugin", "try", file, "-o", &url, "-o", "token=wrong-token"]);
    assert_eq!(code(&refused), 1, "{}", said(&refused));
    assert!(said(&refused).contains("refused the credentials") && !said(&refused).contains("wrong-token"));
    assert!(said(&refused).contains("answer: 401 Unauthorized"), "{}", said(&refused));
    // An answer that cannot be understood is the one that has to be seen.
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let wrong = elsewhere.path().join("opentrain_feed.yaml");
    std::fs::write(&wrong, text.replace("items: events", "items: updates")).unwrap();
    let token = format!("token={token}");
    let odd = sluicebox(
        &folder,
        &["plugin", "try", wrong.to_str().unwrap(), "-o", &url, "-o", limit, "-o", &token],
    );
    assert_eq!(code(&odd), 1, "{}", said(&odd));
    for part in ["answer: 200 OK", "\"events\":", "error: ", "there is no `updates`"] {
        assert!(said(&odd).contains(part), "{part}\n{}", said(&odd));
    }
    let missing = sluicebox(&folder, &["plugin", "try", file]);
    assert_eq!(code(&missing), 78);
    assert!(said(&missing).contains("`token`"), "{}", said(&missing));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_beside_a_pipeline_or_in_a_named_folder_runs_to_the_end() {
    let emulator = start(Options { events: 500, ..Options::new(Api::OpenTrain) }).await.unwrap();
    let announcement = serde_json::to_value(emulator.announcement()).unwrap();
    let (url, token) = (announcement["url"].as_str().unwrap(), announcement["token"].as_str().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let own = include_str!("../../../plugins/http/opentrain_feed.yaml");
    let own = own.replace("name: opentrain_feed", "name: jobs").replace("family: opentrain", "family: jobs");
    for (place, more) in [("plugins", vec![]), ("elsewhere", vec!["--plugins", "../elsewhere"])] {
        let pipeline = folder.path().join(format!("with-{place}"));
        std::fs::create_dir_all(&pipeline).unwrap();
        let base = if place == "plugins" { pipeline.clone() } else { folder.path().to_owned() };
        std::fs::create_dir_all(base.join(place).join("http")).unwrap();
        std::fs::write(base.join(place).join("http/jobs.yaml"), &own).unwrap();
        let text = format!(
            "sources: {{ feed: {{ type: jobs, base_url: \"{url}\", token: {token}, limit: 50, rate: unlimited }} }}\n\
             sinks: {{ out: {{ type: sqlite, inputs: [feed], path: w.db, table: events }} }}\n"
        );
        std::fs::write(pipeline.join("p.yaml"), text).unwrap();
        let arguments = [vec!["run", "--once", "--admin", "off", "-q", "p.yaml"], more].concat();
        let ended = sluicebox(&pipeline, &arguments);
        assert_eq!(code(&ended), 0, "{}", said(&ended));
        let connection = rusqlite::Connection::open(pipeline.join("w.db")).unwrap();
        let (count, first): (i64, String) = connection
            .query_row("SELECT count(*), min(_event_id) FROM events", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(count, 500);
        assert!(first.starts_with("jobs:feed:"), "{first}");
    }
}

#[test]
fn a_pipeline_with_a_connector_is_tested_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    sluicebox(folder, &["plugin", "new", "acme"]);
    let pipeline = r#"
sources:
  feed: { type: acme, token: "${TOKEN}" }
transforms:
  order:
    type: http_lookup
    inputs: [feed]
    url: https://api.example.com/orders/{{ event.order }}
    auth: { same_as: feed }
    into: found
sinks:
  out: { type: file, inputs: [order], path: out.jsonl }
tests:
  - name: events become rows
    sources:
      feed: [{ id: "1", type: made, createdAt: "2026-06-12T10:00:00Z", order: o1 }]
    lookups:
      order: { o1: { total: 7 } }
    expect:
      sinks: { out: [{ id: "1", type: made, createdAt: "2026-06-12T10:00:00Z", order: o1, found: { total: 7 } }] }
      dead_letters: []
"#;
    std::fs::write(folder.join("p.yaml"), pipeline).unwrap();
    let tested = sluicebox(folder, &["test", "p.yaml"]);
    assert_eq!(code(&tested), 0, "{}", said(&tested));
    let wrong = pipeline.replace("total: 7 } }] }", "total: 8 } }] }");
    std::fs::write(folder.join("p.yaml"), wrong).unwrap();
    assert_eq!(code(&sluicebox(folder, &["test", "p.yaml"])), 1);
}
