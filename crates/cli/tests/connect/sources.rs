//! Sources, files, and the report as a whole.

use insta::assert_snapshot;
use serde_json::Value;
use sluicebox_emulator::{Api, DeliveryMode, Options};
use sluicebox_testkit::{Sandbox, Served};

const MARKET: &str =
    "  market:\n    type: opentrain_updates\n    base_url: ${MARKET_URL}\n    token: ${MARKET_TOKEN}\n";
const CHAT: &str = "  chat:\n    type: zenzap_updates\n    base_url: ${CHAT_URL}\n    \
    auth: { api_key: { key: \"${CHAT_KEY}\", secret: \"${CHAT_SECRET}\" } }\n";
const NOWHERE: &str = "sinks:\n  none: { type: blackhole, inputs: [\"*\"] }\n";

/// A sandbox with a pipeline, and both APIs as variables.
struct Scene {
    sandbox: Sandbox,
    market: Served,
    chat: Served,
}

impl Scene {
    fn new(sources: &str, sinks: &str) -> Self {
        let (market, chat) =
            (Served::new(Options::new(Api::OpenTrain)), Served::new(Options::new(Api::Zenzap)));
        let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
        sandbox.write("p.yaml", &format!("sources:\n{sources}{sinks}"));
        sandbox.set("MARKET_URL", market.url());
        sandbox.set("MARKET_TOKEN", market.credential(0, "token"));
        sandbox.set("CHAT_URL", chat.url());
        sandbox.set("CHAT_KEY", chat.credential(0, "key"));
        sandbox.set("CHAT_SECRET", chat.credential(0, "secret"));
        Self { sandbox, market, chat }
    }

    /// What is printed after the routes, with what differs from run to run replaced.
    fn connections(&self, exit: i32) -> String {
        let finished = self.sandbox.run("check --connect p.yaml").expect(exit);
        assert_eq!(finished.stderr, "");
        let (_, connections) = finished.stdout.split_once("p: connections\n").expect("the connections");
        self.assert_no_secret(connections);
        let shown = connections.replace(self.market.url(), "MARKET").replace(self.chat.url(), "CHAT");
        let lines = shown.lines().map(|line| match line.split_once(", request ") {
            Some((before, request)) => format!("{before}{}", request.trim_start_matches(|c| c != ':')),
            None => line.to_owned(),
        });
        lines.filter(|line| !line.contains(" free")).collect::<Vec<_>>().join("\n")
    }

    fn report(&self, exit: i32) -> Value {
        let finished = self.sandbox.run("check --connect --format json p.yaml").expect(exit);
        self.assert_no_secret(&finished.stdout);
        serde_json::from_str(&finished.stdout).expect("JSON")
    }

    fn assert_no_secret(&self, text: &str) {
        for (served, names) in [(&self.market, &["token"][..]), (&self.chat, &["key", "secret"])] {
            for name in names {
                assert!(!text.contains(&served.credential(0, name)), "{name} in {text}");
            }
        }
    }
}

#[test]
fn everything_as_it_has_to_be() {
    let sinks = "sinks:\n  lines: { type: file, inputs: [market], path: out/lines.jsonl }\n  \
        screen: { type: stdout, inputs: [chat] }\n";
    let scene = Scene::new(&format!("{MARKET}{CHAT}"), sinks);
    assert_snapshot!(scene.connections(0), @r#"
    ✓ market  server         MARKET answers, events are waiting
    ✓ market  credentials    the token is accepted
    ✓ market  scopes         the token shows every event type
    ✓ chat    server         CHAT answers
    ✓ chat    credentials    the key and the signature are accepted
    ✓ chat    scopes         the updates can be read
    ✓ chat    delivery mode  polling
    ✓ lines   folder         out can be made in the working directory
    ✓ screen  nothing to ask
    "#);
    assert!(!scene.sandbox.path("out").exists(), "a probe writes nothing");
    let polls = scene.chat.polls(0);
    assert!(
        polls.iter().all(|poll| !poll.query.as_deref().unwrap_or_default().contains("offset")),
        "{polls:?}"
    );
}

#[test]
fn a_token_that_is_refused() {
    let scene = Scene::new(&format!("{MARKET}{CHAT}"), NOWHERE);
    scene.market.revoke(0);
    scene.chat.revoke(0);
    assert_snapshot!(scene.connections(1), @r#"
    ✓ market  server       MARKET answers
    ✗ market  credentials  OpenTrain refused the token (status 401, code UNAUTHORIZED: missing, invalid, expired or revoked token)
      help: it is wrong, expired or revoked; claiming the account revokes every token made before: put a new one in place
    ✓ chat    server       CHAT answers
    ✗ chat    credentials  Zenzap refused the credentials (status 401: unauthorized)
      help: check them, and that they belong to this region's host (`base_url`); they may have been rotated
    ✓ none    nothing to ask
    "#);
}

#[test]
fn a_bot_that_gets_its_access_token_or_does_not() {
    let auth = "auth: { oauth: { client_id: \"${CHAT_ID}\", client_secret: \"${CHAT_CLIENT}\" } }\n    drop_own: true";
    let api_key = "auth: { api_key: { key: \"${CHAT_KEY}\", secret: \"${CHAT_SECRET}\" } }";
    let mut scene = Scene::new(&CHAT.replace(api_key, auth), NOWHERE);
    scene.sandbox.set("CHAT_ID", scene.chat.credential(0, "client_id"));
    scene.sandbox.set("CHAT_CLIENT", scene.chat.credential(0, "client_secret"));
    assert_snapshot!(scene.connections(0), @r#"
    ✓ chat  server         CHAT answers
    ✓ chat  credentials    the access token is accepted
    ✓ chat  scopes         the updates can be read
    ✓ chat  delivery mode  polling
    ✓ chat  own messages   the bot's own id can be read
    ✓ none  nothing to ask
    "#);
    scene.sandbox.set("CHAT_CLIENT", "planted");
    let refused = scene.connections(1);
    assert!(!refused.contains("planted"), "{refused}");
    assert_snapshot!(refused, @r#"
    ✗ chat  credentials  the token endpoint refused the client's credentials (invalid_client)
      help: check `client_id` and `client_secret`; the secret may have been rotated
    ✓ none  nothing to ask
    "#);
}

#[test]
fn a_scope_that_is_missing() {
    let scene = Scene::new(&format!("{MARKET}{CHAT}"), NOWHERE);
    scene.market.set_scopes(0, vec!["jobs:read".to_owned()]);
    scene.chat.set_scopes(0, vec!["member:read".to_owned()]);
    assert_snapshot!(scene.connections(1), @r#"
    ✓ market  server       MARKET answers
    ✓ market  credentials  the token is accepted
    ✗ market  scopes       the token may not read the feed: it needs one of proposals:read, messages:read, payments:read, and has jobs:read (status 403, code FORBIDDEN: the token lacks a required scope)
      help: make a token with `proposals:read`, `messages:read` or `payments:read`
    ✓ chat    server       CHAT answers
    ✓ chat    credentials  the key and the signature are accepted
    ✗ chat    scopes       the bot may not read this: the scope `updates:read` is missing (status 403: forbidden)
      help: grant the bot `updates:read`, and ask for it in `auth.oauth.scope` if that is set
    ✓ none    nothing to ask
    "#);
    scene.market.set_scopes(0, vec!["messages:read".to_owned()]);
    scene.chat.set_scopes(0, vec!["updates:read".to_owned()]);
    assert_snapshot!(scene.connections(0), @r#"
    ✓ market  server         MARKET answers, events are waiting
    ✓ market  credentials    the token is accepted
    ! market  scopes         the token (messages:read) does not show proposal.received, proposal.status_changed, contract.created, milestone.status_changed, payment.pending, approval.confirmed, contract.budget_state_changed
      help: if you need these, make a token with the scopes that they take
    ✓ chat    server         CHAT answers
    ✓ chat    credentials    the key and the signature are accepted
    ✓ chat    scopes         the updates can be read
    ✓ chat    delivery mode  polling
    ✓ none    nothing to ask
    "#);
}

#[test]
fn a_server_that_is_down_does_not_hide_one_that_is_up() {
    let mut scene = Scene::new(&format!("{MARKET}{CHAT}"), NOWHERE);
    scene.market.stop();
    assert_snapshot!(scene.connections(1), @r#"
    ✗ market  server         GET MARKET/updates failed: connection refused: error sending request: client error (Connect): tcp connect error: Connection refused (os error 111)
      help: check `base_url`, and that this machine can reach it
    ✓ chat    server         CHAT answers
    ✓ chat    credentials    the key and the signature are accepted
    ✓ chat    scopes         the updates can be read
    ✓ chat    delivery mode  polling
    ✓ none    nothing to ask
    "#);
}

#[test]
fn a_bot_in_the_wrong_delivery_mode() {
    let scene = Scene::new(CHAT, NOWHERE);
    scene.chat.set_delivery_mode(0, DeliveryMode::Webhook);
    assert_snapshot!(scene.connections(1), @r#"
    ✓ chat  server         CHAT answers
    ✓ chat  credentials    the key and the signature are accepted
    ✗ chat  delivery mode  the bot is not in polling mode (status 409: delivery mode is not polling)
      help: set its delivery mode to polling in the Zenzap console; a bot is either polled or sends webhooks
    ✓ none  nothing to ask
    "#);
}

#[test]
fn a_folder_that_is_none() {
    let sinks = "sinks:\n  lines: { type: file, inputs: [made], path: notes/lines.jsonl }\n  \
        by_type: { type: file, inputs: [made], path: \"notes/{{ meta.type }}.jsonl\" }\n";
    let scene = Scene::new("  made: { type: generate }\n", sinks);
    scene.sandbox.write("notes", "a file where the folder should be");
    assert_snapshot!(scene.connections(1), @r#"
    ✓ made     nothing to ask
    ✗ lines    folder  notes is not a folder
      help: choose another `path`, or move that file away
    ✗ by_type  folder  notes is not a folder
      help: choose another `path`, or move that file away
    "#);
}

#[test]
fn a_server_in_trouble_and_a_web_page_in_its_place() {
    let scene = Scene::new(MARKET, NOWHERE);
    for fault in ["status=503", "html", "rate_limited=3"] {
        scene.market.fault(fault);
    }
    assert_snapshot!(scene.connections(1), @r#"
    ✗ market  server  OpenTrain failed (status 503)
      help: ask again later, and see OpenTrain's status
    ✓ none    nothing to ask
    "#);
    assert_snapshot!(scene.connections(1), @r#"
    ✗ market  server  OpenTrain answered 200 with something that is not a page of events: expected value at line 1 column 1
      help: check that `base_url` names the API itself and not a proxy's page
    ✓ none    nothing to ask
    "#);
    assert_snapshot!(scene.connections(0), @r#"
    ! market  server  OpenTrain asks to wait (status 429, code RATE_LIMITED: too many requests)
      help: somebody uses the same token now: ask again later
    ✓ none    nothing to ask
    "#);
}

#[test]
fn accounts_are_asked_one_by_one_and_json_tells_all() {
    let accounts =
        "    accounts: [{ id: good, secret: \"${CHAT_SECRET}\" }, { id: bad, secret: planted-secret }]\n";
    let source = CHAT.replace("\"${CHAT_SECRET}\"", "\"${account.secret}\"") + accounts;
    let scene = Scene::new(&source, NOWHERE);
    let report = scene.report(1);
    assert!(!report.to_string().contains("planted-secret"));
    let probes = report["probes"].as_array().expect("probes");
    let short: Vec<String> = probes
        .iter()
        .map(|probe| {
            let text = |name: &str| probe[name].as_str().unwrap_or("-");
            assert_eq!(text("pipeline"), "p");
            let helped = if probe["help"].is_string() { " with help" } else { "" };
            format!(
                "{} {} {} {}{helped}",
                text("component"),
                text("account"),
                text("subject"),
                text("standing")
            )
        })
        .collect();
    assert_eq!(
        short,
        [
            "chat good server fine",
            "chat good credentials fine",
            "chat good scopes fine",
            "chat good delivery mode fine",
            "chat bad server fine",
            "chat bad credentials wrong with help",
            "none - - fine",
        ]
    );
    assert_eq!(probes.last().expect("one")["message"], "nothing to ask");
    assert!(report["problems"].as_array().is_some_and(Vec::is_empty) && report["routes"].is_array());
    assert!(
        scene.sandbox.run("check --connect p.yaml").expect(1).stdout.contains("✗ chat/bad   credentials")
    );
}

#[test]
fn nobody_is_asked_while_the_file_is_wrong_or_connect_is_not_said() {
    let scene = Scene::new(MARKET, "sinks:\n  none: { type: blackhole, inputs: [nobody] }\n");
    let finished = scene.sandbox.run("check --connect --format json p.yaml").expect(78);
    let report: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert!(report.get("probes").is_none(), "{report}");
    scene.sandbox.write("p.yaml", &format!("sources:\n{MARKET}{NOWHERE}"));
    let finished = scene.sandbox.run("check p.yaml").expect(0);
    assert!(!finished.stdout.contains("connections"), "{}", finished.stdout);
    assert_eq!(scene.market.stats().requests, 0);
    scene.sandbox.run("check --connect --allow-missing-secrets p.yaml").expect(2);
}
