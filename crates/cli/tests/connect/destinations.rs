//! Sinks: databases, brokers, a channel, a server.

use std::sync::atomic::{AtomicU32, Ordering};

use sluicebox_emulator::{Api, Options};
use sluicebox_services::{Kafka, Postgres, RabbitMq};
use sluicebox_testkit::{Reply, Sandbox, Served, Stub};

/// Nobody listens there.
const NOBODY: &str = "127.0.0.1:1";

/// A name that no other test uses, in this process or another.
fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    format!("{prefix}_{since}_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Asks about one sink and checks the exit code and that each text is on a line of what is said; gives it back.
#[track_caller]
fn asked(sink: &str, exit: i32, texts: &[&str]) -> String {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write(
        "p.yaml",
        &format!("sources:\n  made: {{ type: generate }}\nsinks:\n  out: {{ inputs: [made], {sink} }}\n"),
    );
    let finished = sandbox.run("check --connect p.yaml").expect(exit);
    let (_, said) = finished.stdout.split_once("p: connections\n").expect("the connections");
    // Columns are as wide as the widest name.
    let said: Vec<String> =
        said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for text in texts {
        assert!(said.iter().any(|line| line.contains(text)), "{text:?} of {sink}: {said:#?}");
    }
    let wrong = said.iter().filter(|line| line.starts_with('✗')).count();
    let helped = said.iter().filter(|line| line.starts_with("help: ")).count();
    assert_eq!(wrong > 0, exit == 1, "{said:#?}");
    assert!(helped >= wrong, "what is wrong comes with what to do: {said:#?}");
    said.join("\n")
}

#[test]
fn postgres() {
    let Some(server) = Postgres::shared() else { return };
    let (schema, user) = (unique("connect"), unique("connect"));
    server.psql(&format!(
        "CREATE SCHEMA {schema}; CREATE TABLE {schema}.events (id text); \
         CREATE ROLE {user} LOGIN PASSWORD 'x'; GRANT USAGE ON SCHEMA {schema} TO {user}"
    ));
    let sink = |url: &str, schema: &str| {
        format!("type: postgres, url: \"{url}\", schema: {schema}, columns: {{ id: meta.id }}")
    };
    let url = |user: &str, password: &str, place: &str| {
        format!("postgres://{user}:{password}@{place}/{}", server.database())
    };
    let (address, password) = (server.address().to_string(), server.password());
    asked(
        &sink(&server.url(), &schema),
        0,
        &["✓ out credentials accepted", "`events` fits", "✓ out positions"],
    );
    asked(
        &sink(&url(server.user(), "wrong", &address), &schema),
        1,
        &["✓ out server", "✗ out credentials", "password authentication failed"],
    );
    let missing = unique("nowhere");
    let texts = [&*format!("there is no schema `{missing}`"), "help: create the schema, or correct `schema`"];
    asked(&sink(&server.url(), &missing), 1, &texts);
    let texts = [
        "✗ out table the user may not INSERT the table",
        "help: GRANT INSERT ON",
        "help: GRANT CREATE ON SCHEMA",
    ];
    asked(&sink(&url(&user, "x", &address), &schema), 1, &texts);
    asked(&sink(&url(server.user(), password, NOBODY), &schema), 1, &["✗ out server"]);
    server.psql(&format!(
        "SET client_min_messages = error; DROP SCHEMA {schema} CASCADE; DROP OWNED BY {user}; DROP ROLE {user}"
    ));
}

#[test]
fn kafka() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = unique("connect").replace('_', "-");
    kafka.topics(&["--create", "--topic", &topic, "--partitions", "3"]);
    let sink = |brokers: &str, topic: &str| format!("type: kafka, brokers: [\"{brokers}\"], topic: {topic}");
    let texts =
        ["✓ out brokers 1 broker, no TLS", &*format!("✓ out topic `{topic}`, 3 partitions with 1 replica")];
    asked(&sink(&kafka.bootstrap(), &topic), 0, &texts);
    let missing = unique("nowhere");
    asked(
        &sink(&kafka.bootstrap(), &missing),
        1,
        &[&format!("there is no topic `{missing}`"), "kafka-topics.sh --create"],
    );
    let login = |password: &str| {
        format!(
            "{}, tls: {{ ca_file: \"{}\" }}, sasl: {{ mechanism: scram_sha_512, username: {}, password: {password} }}",
            sink(&kafka.sasl_bootstrap(), &topic),
            kafka.ca_file().display(),
            kafka.user()
        )
    };
    asked(&login(kafka.password()), 0, &["✓ out brokers 1 broker, TLS, SCRAM-SHA-512"]);
    asked(&login("wrong"), 1, &["✗ out brokers", "help: "]);
    asked(&sink(NOBODY, &topic), 1, &["✗ out brokers", "help: "]);

    let exactly = format!(
        "{}, delivery: exactly_once, position_topic: {topic}-positions, dead_letter_topic: {topic}-letters",
        sink(&kafka.bootstrap(), &topic)
    );
    let made =
        |name: &str, what: &str| format!("✓ out {name} topic `{topic}-{what}` is made at the first start");
    let texts = [made("position", "positions"), made("dead letter", "letters")];
    asked(&exactly, 0, &texts.each_ref().map(String::as_str));
    kafka.topics(&["--create", "--topic", &format!("{topic}-positions"), "--partitions", "1"]);
    asked(&exactly, 0, &["! out position topic", "cleanup.policy=compact"]);
}

#[test]
fn amqp() {
    let Some(server) = RabbitMq::shared() else { return };
    let name = unique("connect");
    let sink = |url: &str, more: &str| format!("type: amqp, url: \"{url}\", {more}");
    let queue = format!("routing_key: {name}");
    let exchange = format!("exchange: {name}, routing_key: r");
    let broker = "✓ out broker";
    asked(&sink(&server.url(), &queue), 1, &[broker, &format!("✗ out queue `{name}`"), "help: "]);
    asked(&sink(&server.url(), &exchange), 1, &[broker, "✗ out", &name, "help: "]);
    let declare = format!("declare: {{ queue: {{ name: {name} }} }}");
    asked(
        &sink(&server.url(), &format!("{queue}, {declare}")),
        0,
        &["! out queue", "help: it is made at the first start"],
    );
    server.ctl(&["eval", &format!(
        "rabbit_amqqueue:declare(rabbit_misc:r(<<\"/\">>, queue, <<\"{name}\">>), true, false, [], none, <<\"x\">>), ok."
    )]);
    asked(&sink(&server.url(), &queue), 0, &[broker, "it is there"]);
    let wrong = server.url().replace(server.password(), "wrong");
    asked(&sink(&wrong, &queue), 1, &["✗ out broker", "help: "]);
    asked(&sink(&format!("amqp://nobody:x@{NOBODY}"), &queue), 1, &["✗ out broker", "help: "]);
    server.ctl(&["delete_queue", &name]);
}

#[test]
fn slack() {
    let slack = Served::new(Options::new(Api::Slack));
    let sink = |origin: &str, token: &str, channel: &str| {
        format!(
            "type: slack, text: x, base_url: \"{origin}/api\", token: \"{token}\", channel: \"{channel}\""
        )
    };
    let (token, channel) = (slack.credential(0, "token"), slack.credential(0, "channel"));
    asked(&sink(slack.url(), &token, &channel), 0, &["✓ out server", "✓ out credentials", "✓ out channel"]);
    asked(
        &sink(slack.url(), &token, "C0000NONE"),
        1,
        &["✗ out channel there is no channel C0000NONE", "help: give the channel's id"],
    );
    slack.revoke(0);
    asked(
        &sink(slack.url(), &token, &channel),
        1,
        &["✗ out credentials", "`token_revoked`", "help: give a bot token"],
    );
    asked(&sink(&format!("http://{NOBODY}"), &token, &channel), 1, &["✗ out server", "help: "]);
    assert!(slack.messages(0).is_empty(), "nothing is posted");
}

#[test]
fn http() {
    let server = Stub::new(|_| Reply::Json(404, "{}".to_owned()));
    let sink = |origin: &str| format!("type: http, url: \"{origin}/events\"");
    asked(&sink(&server.url()), 0, &["✓ out server"]);
    assert_eq!(server.requests(), ["/"], "the address itself may have an effect");
    asked(&format!("{}, auth: {{ bearer: x }}", sink(&server.url())), 0, &["! out credentials not tried"]);
    asked(&sink(&format!("http://{NOBODY}")), 1, &["✗ out server", "help: check `url`"]);
}

#[test]
fn sqlite() {
    asked("type: sqlite, path: rows.db, table: events", 0, &["✓ out"]);
    asked("type: sqlite, path: /dev/null/rows.db, table: events", 1, &["✗ out", "help: "]);
}
