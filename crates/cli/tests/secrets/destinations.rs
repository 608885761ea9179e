//! Secrets of sinks whose server refuses them, is not there, or refuses an event.

use sluicebox_emulator::{Api, Options};
use sluicebox_services::{Kafka, Postgres, RabbitMq};
use sluicebox_testkit::{Reply, Sandbox, Served, Stub, get};

use crate::files_below;

/// It is base64, as the secret of a webhook has to be.
const SECRET: &str = "PLANTEDSECRET7f3a91x";
/// `somebody:` and the secret, as `Authorization: Basic` has them.
const BASIC: &str = "c29tZWJvZHk6UExBTlRFRFNFQ1JFVDdmM2E5MXg=";
/// Nobody listens there.
const NOBODY: &str = "127.0.0.1:1";

#[track_caller]
fn assert_clean(what: &str, text: &str) {
    for secret in [SECRET, BASIC] {
        let shown = text.lines().find(|line| line.contains(secret));
        assert!(shown.is_none(), "{what} shows it: {shown:?}");
    }
}

/// What is said of a sink without which the pipeline does not even start.
const AT_START: &str = "cannot be built";

/// A pipeline into a sink with these options; the secret is in `${SECRET}`.
fn pipeline(sink: &str) -> (Sandbox, Stub) {
    let stub = Stub::feed((1..=3).map(|id| Stub::event(id, "{}")).collect());
    let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.set("SECRET", SECRET);
    sandbox.pipe(&stub, 10, &format!("sinks:\n  out: {{ inputs: [feed], {sink} }}\n"));
    (sandbox, stub)
}

/// Whatever can be asked about a sink that fails: `spoken` is what its log says of it, `probe` how a probe ends.
#[track_caller]
fn assert_never_shown(sink: &str, spoken: &str, probe: i32) {
    let (sandbox, _stub) = pipeline(sink);
    for (verb, code) in [("check", 0), ("check --format json", 0), ("check --connect", probe)] {
        let ended = sandbox.run(&format!("-vv {verb} p.yaml")).expect(code);
        assert_clean(&format!("{verb} of {sink}"), &(ended.stdout + &ended.stderr));
    }
    for (format, state) in [("text", ".sluicebox"), ("json", "other")] {
        let options = format!("--log-format {format} --state-dir {state} --admin 127.0.0.1:0");
        let arguments = format!("-vv run {options} p.yaml");
        let mut process = sandbox.start(&arguments);
        let admin = process.admin();
        process.wait_for_log(spoken);
        let pages = ["/", "/metrics", "/health/ready", "/api/v1/pipelines", "/api/v1/pipelines/p"];
        for page in pages.iter().filter(|_| spoken != AT_START) {
            assert_clean(page, &get(&format!("{admin}{page}")).expect("an answer").body);
        }
        process.kill();
        let ended = process.finish();
        assert_clean(&format!("the log of {sink}"), &(ended.stdout + &ended.stderr));
    }
    for verb in ["cursor show", "dlq list", "dlq list --format json", "dlq show --raw"] {
        let ended = sandbox.run(&format!("-vv {verb}")).expect(0);
        assert_clean(verb, &(ended.stdout + &ended.stderr));
    }
    let files = [".sluicebox", "other"].map(|state| files_below(&sandbox.path(state))).concat();
    assert!(files.iter().any(|file| file.ends_with("state.db")), "{files:?}");
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let found = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        assert!(!found, "{} holds it", file.display());
    }
}

/// A file that is wrong at or beside the secret; what stands in it literally is shown, unless it is in the place of one.
#[track_caller]
fn assert_wrong_and_never_shown(sink: &str) {
    let (sandbox, _stub) = pipeline(sink);
    for verb in ["check", "check --format json", "-vv run --once --admin off"] {
        let ended = sandbox.run(&format!("{verb} p.yaml")).expect(78);
        assert_clean(&format!("{verb} of {sink}"), &(ended.stdout + &ended.stderr));
    }
}

#[test]
fn of_postgres() {
    let Some(server) = Postgres::shared() else { return };
    let sink = |place: &str| format!("type: postgres, url: \"postgres://nobody:${{SECRET}}@{place}/x\"");
    assert_never_shown(&sink(&server.address().to_string()), AT_START, 1);
    assert_never_shown(&sink(NOBODY), "trying again", 1);
    for wrong in ["type: postgres, url: \"${SECRET}\"".to_owned(), sink("127.0.0.1:port")] {
        assert_wrong_and_never_shown(&wrong);
        assert_wrong_and_never_shown(&wrong.replace("${SECRET}", SECRET));
    }
    assert_wrong_and_never_shown(&sink("db.example:5432").replace("/x", "/x?sslmode=${SECRET}"));
}

#[test]
fn of_kafka() {
    let Some(kafka) = Kafka::shared() else { return };
    let sink = |brokers: &str, mechanism: &str| {
        format!(
            "type: kafka, brokers: [\"{brokers}\"], topic: orders, timeout: 2s, tls: {{ ca_file: \"{}\" }}, \
             sasl: {{ mechanism: {mechanism}, username: {}, password: \"${{SECRET}}\" }}, \
             librdkafka: {{ ssl.key.password: \"${{SECRET}}\" }}",
            kafka.ca_file().display(),
            kafka.user()
        )
    };
    assert_never_shown(&sink(&kafka.sasl_bootstrap(), "plain"), "paused", 1);
    assert_never_shown(&sink(NOBODY, "scram_sha_256"), "trying again", 1);
    assert_wrong_and_never_shown(&sink(NOBODY, "${SECRET}"));
    assert_wrong_and_never_shown(&sink(NOBODY, "plain").replace("timeout: 2s", "timeout: \"${SECRET}\""));
}

#[test]
fn of_amqp() {
    let Some(server) = RabbitMq::shared() else { return };
    let sink =
        |place: &str| format!("type: amqp, url: \"amqp://nobody:${{SECRET}}@{place}\", routing_key: q");
    assert_never_shown(&sink(&server.address().to_string()), "paused", 1);
    assert_never_shown(&sink(NOBODY), "trying again", 1);
    for wrong in ["type: amqp, url: \"${SECRET}\", routing_key: q".to_owned(), sink("127.0.0.1:port")] {
        assert_wrong_and_never_shown(&wrong);
        assert_wrong_and_never_shown(&wrong.replace("${SECRET}", SECRET));
    }
}

#[test]
fn of_slack() {
    let slack = Served::new(Options::new(Api::Slack));
    let bot = |origin: &str| {
        format!("type: slack, text: x, base_url: \"{origin}/api\", token: \"${{SECRET}}\", channel: C1")
    };
    let webhook =
        |origin: &str| format!("type: slack, text: x, webhook_url: \"{origin}/services/T1/B1/${{SECRET}}\"");
    assert_never_shown(&bot(slack.url()), "paused", 1);
    assert_never_shown(&webhook(slack.url()), "paused", 0);
    let nobody = format!("http://{NOBODY}");
    assert_never_shown(&bot(&nobody), "trying again", 1);
    assert_never_shown(&webhook(&nobody), "trying again", 1);
    for wrong in ["${SECRET}", "http://hooks.example/${SECRET}"] {
        let wrong = format!("type: slack, text: x, webhook_url: \"{wrong}\"");
        assert_wrong_and_never_shown(&wrong);
        assert_wrong_and_never_shown(&wrong.replace("${SECRET}", SECRET));
    }
}

#[test]
fn of_http() {
    let auths = [
        ("{ bearer: \"${SECRET}\" }", SECRET),
        ("{ basic: { username: somebody, password: \"${SECRET}\" } }", BASIC),
        ("{ header: { name: X-Api-Key, value: \"${SECRET}\" } }", SECRET),
        ("{ webhook: { secret: \"whsec_${SECRET}\" } }", SECRET),
    ];
    for (auth, shown) in auths {
        for (status, spoken) in [(401, "paused"), (422, "became a dead letter")] {
            // It repeats what it was shown.
            let server = Stub::new(move |target| {
                Reply::Json(status, format!("{{\"error\":\"{shown} at {target} is not known\"}}"))
            });
            let url = format!("{}/events?key=${{SECRET}}", server.url());
            assert_never_shown(&format!("type: http, url: \"{url}\", auth: {auth}"), spoken, 0);
        }
    }
    let query = |origin: &str| format!("type: http, url: \"{origin}/events?key=${{SECRET}}\"");
    assert_never_shown(&query(&format!("http://{NOBODY}")), "trying again", 1);
    let template =
        "type: http, url: \"http://127.0.0.1:1/{{ event.data.nope.sub_string(0, 2) }}?key=${SECRET}\"";
    assert_never_shown(template, "became a dead letter", 1);
    assert_wrong_and_never_shown("type: http, url: \"${SECRET}\"");
    assert_wrong_and_never_shown(
        "type: http, url: \"http://127.0.0.1/\", auth: { bearer: \"${SECRET}\", x: 1 }",
    );
    assert_wrong_and_never_shown("type: http, url: \"http://127.0.0.1/{{ event. }}?key=${SECRET}\"");
}
