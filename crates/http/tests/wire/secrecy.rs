//! What logs show, ours and those of the libraries, at the most talkative level.

use std::io::Write;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use http::Method;
use sluicebox_http::{BaseUrl, Call, Client, ClientOptions, Limits, Rate};

use crate::support::{RawServer, client, context, reply};

const NOW: &str = "2026-06-12T10:00:00Z";

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Page {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_log_at_any_level_shows_a_secret_or_a_query() {
    let page = Page::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(page.clone());
    let _logging = subscriber.finish().set_default();
    let server = RawServer::start(|number, request| match request {
        _ if request.contains("/oauth/token") => {
            reply("200 OK", "", r#"{"access_token":"planted-token","expires_in":3600}"#)
        }
        _ if number % 2 == 0 => {
            reply("401 Unauthorized", "date: Fri, 12 Jun 2026 11:00:00 GMT\r\n", "planted-body")
        }
        _ => reply("302 Found", "location: https://elsewhere.example/?x=planted-location\r\n", ""),
    })
    .await;
    let cx = context(NOW);
    for auth in [
        r#"{"bearer":"planted-bearer"}"#,
        r#"{"api_key":{"key":"planted-key","secret":"planted-secret"}}"#,
        r#"{"hmac":{"key":"planted-key","secret":"planted-secret","passphrase":"planted-phrase","sign":"{{ query }}",
            "headers":{"X-Pass":"{{ passphrase }}"},"query":{"key":"{{ key }}","signature":"{{ signature }}"}}}"#,
        r#"{"oauth":{"client_id":"b@1","client_secret":"planted-client-secret"}}"#,
    ] {
        let client = client(&server.url, Some(auth), &cx);
        for _ in 0..3 {
            if let Err(error) = client.get("/v2/updates?offset=planted-offset").await {
                tracing::error!("{} {error:?}", error.chain());
            }
        }
    }
    let client = client("http://127.0.0.1:1", Some(r#"{"bearer":"planted-bearer"}"#), &cx);
    let error = client.get("/v2/updates?offset=planted-offset").await.unwrap_err();
    tracing::error!("{} {error:?}", error.chain());
    let base_url = BaseUrl::secret(&format!("{}/services/planted-path", server.url)).unwrap();
    let auth = serde_json::from_str(r#"{"basic":{"username":"u","password":"planted-password"}}"#).unwrap();
    let options = ClientOptions { base_url, auth, rate: Rate::Unlimited, limits: Limits::default() };
    let hook = Client::new(options, &cx).unwrap();
    for _ in 0..2 {
        let call = Call::new(Method::POST, "").with_body("text/plain", "planted-body");
        if let Err(error) = hook.send(call).await {
            tracing::error!("{} {error:?} {hook:?}", error.chain());
        }
    }
    let logged = String::from_utf8(page.0.lock().clone()).unwrap();
    assert!(logged.contains("connection refused") && logged.contains("server's time"), "{logged}");
    let shown: Vec<&str> = logged.lines().filter(|line| line.contains("planted")).collect();
    assert!(shown.is_empty(), "{shown:#?}");
}
