//! The way to the server: TLS, credentials, rights, and what `check` and `check --connect` say of them.

#![allow(clippy::unwrap_used, reason = "a failed set-up should panic")]

mod support;

use serde_json::{Value, json};
use sluicebox_core::{Committed, Delivery, Error, ErrorClass, Probe, SinkSpec, Standing};
use sluicebox_testkit::FaultProxy;
use sluicebox_testkit::{commit, shard};
use support::{Room, context, events, problems, spec, transactional};

async fn refusal(options: Value) -> Error {
    transactional(options).await.open(&shard(1)).await.unwrap_err()
}

#[tokio::test]
async fn a_certificate_is_verified_unless_told_otherwise() {
    let Some(room) = Room::shared() else { return };
    let url = room.server.tls_url();
    let ca = room.server.ca_file();
    let mut sink = transactional(room.options_at(&url, json!({"tls": {"ca_file": ca}}))).await;
    sink.open(&shard(1)).await.unwrap();
    assert!(matches!(commit(&mut *sink, &events(0..3), 1).await, Ok(Committed::All)));
    let encrypted = "SELECT ssl FROM pg_stat_ssl JOIN _sluicebox_epochs ON pid = backend";
    assert_eq!(room.psql(encrypted), "t");
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.pem");
    let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let text = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, key.cert.der());
    std::fs::write(&other, format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"))
        .unwrap();
    for tls in [json!({"ca_file": other}), json!({})] {
        let error = refusal(room.options_at(&url, json!({"tls": tls}))).await;
        assert_eq!(error.class(), ErrorClass::Config, "{}", error.chain());
        assert!(
            error.chain().contains("certificate") && error.help().unwrap().contains("ca_file"),
            "{}",
            error.chain()
        );
    }
    let skipping = json!({"tls": {"insecure_skip_verify": true}});
    transactional(room.options_at(&url, skipping)).await.open(&shard(1)).await.unwrap();
    let chain = ca.parent().unwrap();
    let ours = json!({"ca_file": ca, "certificate_file": chain.join("client.pem"), "key_file": chain.join("client.key")});
    transactional(room.options_at(&url, json!({"tls": ours}))).await.open(&shard(1)).await.unwrap();
}

#[tokio::test]
async fn refusals_are_classified_and_never_show_the_password() {
    let Some(room) = Room::shared() else { return };
    let url = room.server.url();
    let with = |from: &str, to: &str| room.options_at(&url.replace(from, to), json!({}));
    let secret = format!(":{}@", room.server.password());
    let nowhere = url.strip_suffix(room.server.database()).map(|url| format!("{url}nowhere")).unwrap();
    let port = format!(":{}/", room.server.address().port());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let cases = [
        (with(&secret, ":hunter2@"), ErrorClass::Auth),
        (with(&secret, "@"), ErrorClass::Auth),
        (room.options_at(&nowhere, json!({})), ErrorClass::Config),
        (with(&port, &format!(":{free}/")), ErrorClass::Transient),
        (room.options(json!({"schema": "nowhere"})), ErrorClass::Config),
    ];
    for (options, class) in cases {
        let error = refusal(options).await;
        assert_eq!(error.class(), class, "{}", error.chain());
        assert!(!format!("{}{error:?}", error.chain()).contains("hunter2"));
        assert!(class == ErrorClass::Transient || error.help().is_some(), "{}", error.chain());
    }
}

#[test]
fn options_are_checked() {
    let url = "postgres://u:p@localhost/d";
    for (options, expected) in [
        (json!({"url": url}), &[][..]),
        (
            json!({"url": "postgres://u:p@db.example.com/d?sslmode=prefer"}),
            &["url: `sslmode=prefer` and `allow` may end up unencrypted"],
        ),
        (
            json!({"url": url, "table": "_sluicebox_x", "schema": ""}),
            &[
                "schema: this cannot be the name of a schema: it has 1 to 63 bytes",
                "table: names that begin with `_sluicebox_` are kept for other uses",
            ],
        ),
        (json!({"url": url, "key": ["a"]}), &["key: rows are only appended, so no key is asked for"]),
        (
            json!({"url": url, "tls": {"key_file": "k"}}),
            &["tls: `key_file` needs the `certificate_file` that belongs to it"],
        ),
        (
            json!({"url": url, "schema_contract": "freeze"}),
            &["schema_contract: a contract is about columns that come from the events"],
        ),
    ] {
        assert_eq!(problems(options), expected);
    }
}

/// Subject and word of each finding.
fn found(probe: &Probe) -> Vec<String> {
    let word = |standing: &Standing| match standing {
        Standing::Fine(_) => "fine".to_owned(),
        Standing::Doubtful { message, .. } => format!("doubtful: {message}"),
        Standing::Wrong(error) => {
            assert!(error.help().is_some() || error.class() == ErrorClass::Transient, "{}", error.chain());
            format!("wrong: {error}")
        }
    };
    probe
        .findings()
        .iter()
        .map(|finding| format!("{} {}", finding.subject, word(&finding.standing)))
        .collect()
}

async fn probed(options: Value) -> Vec<String> {
    found(&spec(options).probe(&context(Delivery::ExactlyOnce)).await)
}

#[tokio::test]
async fn a_probe_says_what_would_go_wrong_and_writes_nothing() {
    let Some(room) = Room::shared() else { return };
    let fine = ["server fine", "credentials fine", "permissions fine", "table fine", "positions fine"];
    assert_eq!(probed(room.options(json!({}))).await, fine);
    assert_eq!(
        room.psql(
            "SELECT count(*) FROM pg_class WHERE relnamespace = quote_ident(current_schema())::regnamespace"
        ),
        "0"
    );
    room.opened(json!({})).await;
    assert_eq!(probed(room.options(json!({}))).await, fine);
    let refused =
        probed(room.options_at(&room.server.url().replace(room.server.password(), "hunter2"), json!({})))
            .await;
    assert!(refused.len() == 2 && refused[1].starts_with("credentials wrong"), "{refused:?}");
    let nowhere = probed(room.options(json!({"schema": "nowhere"}))).await;
    assert_eq!(nowhere[2], "schema wrong: there is no schema `nowhere`");
    let misfit = probed(room.options(json!({"table": "_sluicebox_epochs"}))).await;
    assert!(misfit[3].contains("does not fit: it has no column `_event_id`"), "{misfit:?}");
    let proxy = FaultProxy::start(room.server.address());
    proxy.freeze();
    let silent = probed(room.options_at(&room.server.url_at(proxy.address()), json!({}))).await;
    assert!(silent.len() == 1 && silent[0].contains("no answer"), "{silent:?}");
}

#[tokio::test]
async fn a_user_without_rights_is_told_which_and_one_with_few_can_work() {
    let Some(room) = Room::shared() else { return };
    let user = format!("reader {}", room.schema);
    let quoted = format!("\"{user}\"");
    room.psql(&format!("CREATE ROLE {quoted} LOGIN PASSWORD 'few'"));
    let encoded = user.replace(' ', "%20");
    let url =
        room.server.url().replacen(room.server.user(), &encoded, 1).replace(room.server.password(), "few");
    let options = || room.options_at(&url, json!({}));
    let denied = probed(options()).await;
    assert!(denied[2].starts_with("permissions wrong: the user may not use the schema"), "{denied:?}");
    let error = refusal(options()).await;
    assert_eq!(error.class(), ErrorClass::Config, "{}", error.chain());
    room.opened(json!({})).await;
    let schema = format!("\"{}\"", room.schema);
    room.psql(&format!("GRANT USAGE ON SCHEMA {schema} TO {quoted}; GRANT INSERT ON events TO {quoted}"));
    let denied = probed(options()).await;
    assert!(denied[4].starts_with("positions wrong: the user may not SELECT, INSERT, UPDATE"), "{denied:?}");
    room.psql(&format!(
        "GRANT SELECT, INSERT, UPDATE ON _sluicebox_epochs, _sluicebox_positions, \
                        _sluicebox_dead_letters TO {quoted}"
    ));
    assert_eq!(
        probed(options()).await,
        ["server fine", "credentials fine", "permissions fine", "table fine", "positions fine"]
    );
    let mut sink = transactional(options()).await;
    sink.open(&shard(1)).await.unwrap();
    assert!(matches!(commit(&mut *sink, &events(0..3), 1).await, Ok(Committed::All)));
    drop(sink);
    room.psql(&format!("DROP OWNED BY {quoted}; DROP ROLE {quoted}"));
}
