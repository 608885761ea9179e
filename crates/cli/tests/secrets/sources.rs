//! Secrets of sources and look-ups, while all goes well and while they are refused. Signed links are whole in dead letters
//! only, and hidden when they are shown.

use std::fs;
use std::path::Path;

use sluicebox_emulator::{Api, Options};
use sluicebox_testkit::{Form, Login, Process, Reply, Sandbox, Served, Stub, request, wait_for};

use crate::files_below;

const LOOKUP_TOKEN: &str = "LOOKUP-TOKEN-7f3a91";
const ADMIN_TOKEN: &str = "ADMIN-TOKEN-51c0de";
/// How the access tokens of the emulator begin: `{"alg":` in base64.
const ACCESS_TOKEN: &str = "eyJhbGci";
/// How the query of a signed link begins.
const SIGNATURE: &str = "?token=";

/// Sources in one of their forms, and look-ups and a script that fail.
fn pipeline(form: Form, secret_file: &Path) -> String {
    let entries = |api, login, values: &dyn Fn(&str) -> String| {
        let access = form.access(api, login, |name| values(name).into());
        let entries = access.as_object().unwrap().iter().map(|(option, value)| format!("{option}: {value}"));
        entries.collect::<Vec<_>>().join(", ")
    };
    let variable = |prefix: &'static str| {
        move |name: &str| format!("${{{prefix}_{}}}", name.trim_start_matches("client_").to_uppercase())
    };
    let in_file = |name: &str| match name {
        "secret" => format!("${{file:{}}}", secret_file.display()),
        name => variable("ZZ")(name),
    };
    let (market, chat) = (form.source_type(Api::OpenTrain), form.source_type(Api::Zenzap));
    let token = entries(Api::OpenTrain, Login::Key, &variable("OT"));
    let key = entries(Api::Zenzap, Login::Key, &in_file);
    let oauth = entries(Api::Zenzap, Login::OAuth, &variable("BOT"));
    format!(
        r#"
sources:
  market: {{ type: {market}, base_url: "${{OT_URL}}", {token}, interval: 1s, rate: unlimited }}
  chat: {{ type: {chat}, base_url: "${{ZZ_URL}}", {key}, timeout: 1s, rate: unlimited }}
  bot: {{ type: {chat}, base_url: "${{BOT_URL}}", {oauth}, timeout: 1s, rate: unlimited }}
{FAILING}"#
    )
}

const FAILING: &str = r#"
transforms:
  looked: { type: http_lookup, inputs: [market], url: "${API_URL}/{{ event.id }}", auth: { bearer: "${LOOKUP}" }, retry: { max_elapsed: 1s } }
  strict: { type: rhai, inputs: [chat, bot], source: "event.data.message.attachments[0].url.keys();" }
sinks:
  none: { type: blackhole, inputs: [looked, strict] }
"#;

/// Three emulated APIs, and one that repeats whatever secret it is shown.
struct Scene {
    sandbox: Sandbox,
    market: Served,
    chat: Served,
    bot: Served,
    _api: Stub,
}

impl Scene {
    fn new(form: Form) -> Self {
        let serve = |api, seed| Served::new(Options { events: 120, seed, ..Options::new(api) });
        let (market, chat, bot) = (serve(Api::OpenTrain, 1), serve(Api::Zenzap, 2), serve(Api::Zenzap, 3));
        let api =
            Stub::new(|_| Reply::Json(401, format!("{{\"error\":\"the token {LOOKUP_TOKEN} is unknown\"}}")));
        let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
        for (name, value) in [
            ("OT_URL", market.url().to_owned()),
            ("OT_TOKEN", market.credential(0, "token")),
            ("ZZ_URL", chat.url().to_owned()),
            ("ZZ_KEY", chat.credential(0, "key")),
            ("BOT_URL", bot.url().to_owned()),
            ("BOT_ID", bot.credential(0, "client_id")),
            ("BOT_SECRET", bot.credential(0, "client_secret")),
            ("API_URL", api.url()),
            ("LOOKUP", LOOKUP_TOKEN.to_owned()),
        ] {
            sandbox.set(name, value);
        }
        sandbox.write("secrets/zz", &format!("{}\n", chat.credential(0, "secret")));
        sandbox.write("p.yaml", &pipeline(form, &sandbox.path("secrets/zz")));
        Self { sandbox, market, chat, bot, _api: api }
    }

    /// Everything that must not be seen.
    fn secrets(&self) -> Vec<String> {
        vec![
            self.market.credential(0, "token"),
            self.chat.credential(0, "key"),
            self.chat.credential(0, "secret"),
            self.bot.credential(0, "client_secret"),
            LOOKUP_TOKEN.to_owned(),
            ADMIN_TOKEN.to_owned(),
            ACCESS_TOKEN.to_owned(),
        ]
    }

    /// Nothing of it, signed links included, is in a text.
    #[track_caller]
    fn assert_clean(&self, what: &str, text: &str) {
        for secret in self.secrets().iter().map(String::as_str).chain([SIGNATURE]) {
            let shown = text.lines().find(|line| line.contains(secret));
            assert!(shown.is_none(), "{what} shows {secret}: {shown:?}");
        }
    }

    fn start(&self, arguments: &str) -> Process {
        let mut command = self.sandbox.command(&format!("run -vv --admin 127.0.0.1:0 {arguments} p.yaml"));
        Process::start(command.env("SLUICEBOX_ADMIN_TOKEN", ADMIN_TOKEN))
    }

    fn page(admin: &str, path: &str) -> String {
        let header = format!("Authorization: Bearer {ADMIN_TOKEN}");
        let answer = request("GET", &format!("{admin}{path}"), &[&header], "").unwrap();
        assert!([200, 503].contains(&answer.status), "{path}: {}", answer.status);
        answer.body
    }

    fn assert_pages_clean(&self, admin: &str) {
        for path in
            ["/", "/metrics", "/health/live", "/health/ready", "/api/v1/pipelines", "/api/v1/pipelines/p"]
        {
            self.assert_clean(path, &Self::page(admin, path));
        }
    }
}

/// The state may hold signed links (dead letters are kept whole), but nothing else.
fn assert_state_clean(scene: &Scene) {
    let files = files_below(&scene.sandbox.path(".sluicebox"));
    assert!(files.iter().any(|file| file.ends_with("state.db")), "{files:?}");
    for file in files {
        let bytes = fs::read(&file).unwrap();
        for secret in scene.secrets() {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{} holds {secret}", file.display());
        }
    }
}

#[test]
fn no_secret_is_seen_while_all_goes_well_or_credentials_are_refused() {
    for (form, format) in [
        (Form::BuiltIn, "--log-format text"),
        (Form::BuiltIn, "--log-format json"),
        (Form::Declared, "--log-format json"),
    ] {
        let scene = Scene::new(form);
        let mut process = scene.start(format);
        let admin = process.admin();
        let cursors = || scene.sandbox.cursors();
        wait_for("three positions", || {
            (cursors().iter().filter(|row| !row["cursor"].is_null()).count() == 3).then_some(())
        });
        wait_for("dead letters", || (!scene.sandbox.dead_letters().is_empty()).then_some(()));
        scene.assert_pages_clean(&admin);
        assert_state_clean(&scene);
        for served in [&scene.market, &scene.chat, &scene.bot] {
            served.revoke(0);
        }
        wait_for("three pauses", || {
            (cursors().iter().filter(|row| row["paused"] == "auth").count() == 3).then_some(())
        });
        scene.assert_pages_clean(&admin);
        for verb in
            ["cursor show", "cursor show --format json", "dlq list", "dlq list --format json", "dlq show"]
        {
            let ended = scene.sandbox.run(&format!("-vv {verb}")).expect(0);
            scene.assert_clean(verb, &(ended.stdout + &ended.stderr));
        }
        let raw = scene.sandbox.run("dlq show --raw").expect(0).stdout;
        assert!(raw.contains(SIGNATURE), "the dead letters hold signed links, whole");
        let shown = scene.sandbox.run("dlq show").expect(0).stdout;
        assert!(shown.contains("https://storage.example/att_"), "and are shown without their query");
        process.terminate();
        let ended = process.finish().expect(0);
        scene.assert_clean("the log", &(ended.stdout + &ended.stderr));
        let refused = form.says("refused the token (status 401");
        for spoken in [refused, "refused the credentials", "look-ups fail", "became a dead letter"] {
            assert!(ended.stderr.contains(spoken), "{spoken}: {}", ended.stderr);
        }
        assert_state_clean(&scene);
    }
}

/// Upstreams that repeat the credentials in their errors, in every header and body that a person might be shown.
#[test]
fn an_upstream_that_repeats_a_secret_is_not_quoted() {
    let stub = Stub::new(|target| {
        let body = "{\"error\":\"TOKEN-1 KEY-22222 SECRET-333\",\"code\":\"TOKEN-1 KEY-22222\",\"requestId\":\"SECRET-333\",\
            \"details\":{\"requiredScopes\":[\"TOKEN-1\"]},\"error_description\":\"CLIENT-4444\"}";
        let status = if target.contains("oauth") { 401 } else { 403 };
        Reply::Json(status, body.to_owned())
    });
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    let url = stub.url();
    sandbox.write(
        "p.yaml",
        &format!(
            "sources:\n  market: {{ type: opentrain_updates, base_url: {url}, token: TOKEN-1 }}\n  \
             chat: {{ type: zenzap_updates, base_url: {url}, auth: {{ api_key: {{ key: KEY-22222, secret: SECRET-333 }} }} }}\n  \
             bot: {{ type: zenzap_updates, base_url: {url}, auth: {{ oauth: {{ client_id: b@1, client_secret: CLIENT-4444 }} }} }}\n\
             sinks:\n  none: {{ type: blackhole, inputs: [market, chat, bot] }}\n"
        ),
    );
    let ended = sandbox.run("run --once -vv --admin off p.yaml").expect(1);
    let said = ended.stdout + &ended.stderr;
    for source in ["p/market: paused", "p/chat: paused", "p/bot: paused"] {
        assert!(said.contains(source), "{source}: {said}");
    }
    // Each source blots out what it has itself; what belongs to another it cannot know.
    for (source, secrets) in
        [("market", &["TOKEN-1"][..]), ("chat", &["KEY-22222", "SECRET-333"]), ("bot", &["CLIENT-4444"])]
    {
        for line in said.lines().filter(|line| line.contains(&format!("p/{source}"))) {
            assert!(secrets.iter().all(|secret| !line.contains(secret)), "{line}");
        }
    }
}

/// A wrong file is shown with its lines: not with the secrets on them, and not with what variables hold.
#[test]
fn a_wrong_file_is_shown_without_its_secrets() {
    let wrong = [
        "market: { type: opentrain_updates, token: LITERAL-SECRET, limit: 999 }",
        "market: { type: opentrain_updates, token: \"${VARIABLE}\", limit: \"${VARIABLE}\" }",
        "market: { type: opentrain_updates, token: [LITERAL-SECRET] }",
        "market: { type: opentrain_updates, auth: { bearer: LITERAL-SECRET, nonsense: 1 } }",
        "market: { type: opentrain_updates, token: LITERAL-SECRET, interval: \"${VARIABLE}\" }",
        "market: { type: zenzap_updates, auth: { api_key: { key: LITERAL-SECRET, secret: LITERAL-SECRET } }, limit: 0 }",
        "market: { type: zenzap_updates, auth: { oauth: { client_id: x, client_secret: LITERAL-SECRET } }, start: \"${VARIABLE}\" }",
        "market: { type: zenzap_updates, auth: { api_key: { key: \"${file:secret}\", secret: LITERAL-SECRET } }, timeout: \"${file:secret}\" }",
        "market: { type: opentrain_updates, token: x, base_url: \"http://${VARIABLE}.example\" }",
        "market: { type: \"${VARIABLE}\", token: LITERAL-SECRET }",
        "market: { type: opentrain_update, token: LITERAL-SECRET }",
        "market: { type: opentrain_updates, token: LITERAL-SECRET, token: LITERAL-SECRET }",
        "market: { type: opentrain_updates, tokens: LITERAL-SECRET }",
        "market: { type: opentrain_updates, token: LITERAL-SECRET",
        "market: { type: opentrain_updates, token: \"LITERAL-SECRET }",
        "market: { type: opentrain_updates, token: LITERAL-SECRET: x }",
        "market: { type: opentrain_updates, token: \"LITERAL-SECRET\\q\" }",
        "market: { type: opentrain_updates, token: *LITERAL-SECRET }",
    ];
    let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.set("VARIABLE", "VALUE-OF-VARIABLE");
    sandbox.write("secret", "TEXT-OF-FILE\n");
    let file = sandbox.path("secret").display().to_string();
    for source in wrong {
        let source = source.replace("${file:secret}", &format!("${{file:{file}}}"));
        sandbox.write(
            "p.yaml",
            &format!("sources:\n  {source}\nsinks:\n  none: {{ type: blackhole, inputs: [market] }}\n"),
        );
        for verb in [
            "check p.yaml",
            "check --format json p.yaml",
            "-vv run --once --admin off p.yaml",
            "--log-format json run --once --admin off p.yaml",
        ] {
            let ended = sandbox.run(verb).expect(78);
            let said = ended.stdout + &ended.stderr;
            assert!(said.contains("p.yaml"), "{verb}: {said}");
            for secret in ["LITERAL-SECRET", "VALUE-OF-VARIABLE", "TEXT-OF-FILE"] {
                assert!(!said.contains(secret), "{verb} of {source} shows {secret}:\n{said}");
            }
        }
    }
}
