//! Against scripted answers, on paused time: every status, every limit, hostile texts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sluicebox_core::{Batch, CheckContext, ErrorClass, Source};
use sluicebox_http::Request;
use sluicebox_testkit::NoFiles;
use sluicebox_testkit::scripted::{Reply, Scripted, context};
use tempfile::TempDir;

use crate::{files, registry};

const SHA256_OF_HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

pub(crate) fn attachment(id: &str, name: &str, path: &str) -> Value {
    json!({ "id": id, "type": "image", "name": name, "url": format!("https://storage.example/{path}?token=hunter2") })
}

pub(crate) fn update(number: u32, attachments: &Value) -> Value {
    let message =
        json!({ "id": format!("m{number}"), "topicId": "t", "type": "image", "attachments": attachments });
    let data = json!({ "message": message });
    json!({ "updateId": format!("u{number}"), "eventType": "message.created", "createdAt": 1_699_564_800_000_i64, "data": data })
}

pub(crate) struct Scene {
    pub(crate) folder: TempDir,
    pub(crate) feed: Box<dyn Source>,
    pub(crate) transport: Arc<Scripted>,
}

/// A feed of one page, over and over, and a file server that answers from a closure: the path of the file, and how
/// many files were asked for before.
pub(crate) async fn scene(
    updates: Vec<Value>,
    more: Value,
    file: impl Fn(&str, usize) -> Reply + Send + Sync + 'static,
) -> Scene {
    scene_in(TempDir::new().unwrap(), vec![updates], more, file).await
}

/// The same with several pages, the last over and over.
pub(crate) async fn scene_of_pages(
    pages: Vec<Vec<Value>>,
    more: Value,
    file: impl Fn(&str, usize) -> Reply + Send + Sync + 'static,
) -> Scene {
    scene_in(TempDir::new().unwrap(), pages, more, file).await
}

async fn scene_in(
    folder: TempDir,
    pages: Vec<Vec<Value>>,
    more: Value,
    file: impl Fn(&str, usize) -> Reply + Send + Sync + 'static,
) -> Scene {
    let asked = AtomicUsize::new(0);
    let (cx, transport) = context(move |_, request: &Request| match request.url.host_str() {
        Some("api.zenzap.co") => Reply::json(&page_asked_for(&pages, request)),
        _ => file(request.url.path(), asked.fetch_add(1, Ordering::Relaxed)),
    });
    let mut attachments = json!({ "download": folder.path().join("files") });
    attachments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let options = json!({
        "auth": { "api_key": { "key": "key-1", "secret": "hunter2" } }, "attachments": attachments
    });
    let built = registry().sources()["zenzap_updates"].parse(options).unwrap().build(&cx).await;
    let mut feed = built.unwrap().into_single().unwrap();
    feed.open(None).await.unwrap();
    Scene { folder, feed, transport }
}

/// The page at the offset `next`, `next-2`, and so on.
fn page_asked_for(pages: &[Vec<Value>], request: &Request) -> Value {
    let offset = request.url.query_pairs().find(|(name, _)| name == "offset");
    let number = match offset.as_ref().map(|(_, offset)| offset.strip_prefix("next-")) {
        None => 0,
        Some(None) => 1,
        Some(Some(number)) => number.parse().unwrap(),
    };
    let next = if number == 0 { "next".to_owned() } else { format!("next-{}", number + 1) };
    json!({ "updates": pages[number.min(pages.len() - 1)], "nextOffset": next })
}

impl Scene {
    pub(crate) async fn page(&mut self) -> Batch {
        self.feed.next().await.unwrap().unwrap()
    }

    /// What the attachments of the events say of their downloads.
    pub(crate) async fn downloads(&mut self) -> Vec<Value> {
        let page = self.page().await;
        page.events.iter().flat_map(|event| downloads(&event.json())).collect()
    }

    pub(crate) fn file_requests(&self) -> Vec<Request> {
        let requests = self.transport.requests.lock();
        requests.iter().filter(|request| request.url.host_str() != Some("api.zenzap.co")).cloned().collect()
    }

    fn files(&self) -> Vec<String> {
        let shown =
            |path: std::path::PathBuf| path.strip_prefix(self.folder.path()).unwrap().display().to_string();
        files(self.folder.path()).into_iter().map(shown).collect()
    }
}

pub(crate) fn downloads(event: &[u8]) -> Vec<Value> {
    let event: Value = serde_json::from_slice(event).unwrap();
    let attachments = event["data"]["message"]["attachments"].as_array().unwrap().clone();
    attachments.into_iter().map(|attachment| attachment["download"].clone()).collect()
}

pub(crate) fn statuses(downloads: &[Value]) -> Vec<&str> {
    downloads.iter().map(|download| download["status"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn files_are_fetched_once_without_credentials_and_named_in_the_event() {
    let bare = json!("https://storage.example/bare.bin?token=hunter2");
    let updates = vec![update(1, &json!([attachment("a1", "plan.png", "1"), bare])), update(2, &json!([]))];
    let mut scene = scene(updates.clone(), json!({}), |_, _| Reply::new(200, "hello")).await;
    let found = scene.downloads().await;
    let path = scene.folder.path().join("files/acme/a1/plan.png");
    assert_eq!(
        found[0],
        json!({ "status": "ok", "path": path.to_str().unwrap(), "bytes": 5, "sha256": SHA256_OF_HELLO })
    );
    assert_eq!(std::fs::read(&path).unwrap(), b"hello");
    let second = found[1]["path"].as_str().unwrap();
    assert!(second.contains("/acme/m1+1+") && second.ends_with("/bare.bin"), "{second}");
    assert_eq!(scene.file_requests().len(), 2);
    for request in scene.file_requests() {
        assert_eq!(request.url.query(), Some("token=hunter2"));
        for header in ["authorization", "x-signature", "x-timestamp", "cookie"] {
            assert!(!request.headers.contains_key(header), "{header}");
        }
    }
    // The same page again, and after a restart: what is there is found.
    assert_eq!(scene.downloads().await, found);
    let Scene { folder, feed, .. } = scene;
    drop(feed);
    let mut scene =
        scene_in(folder, vec![updates], json!({}), |_, _| panic!("nothing is fetched again")).await;
    assert_eq!(scene.downloads().await, found);
    assert_eq!(scene.files().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn dead_links_and_unwanted_types_are_told_and_the_feed_goes_on() {
    let mut document = attachment("d", "d.pdf", "200");
    document["type"] = json!("file");
    let unlinked = json!({ "id": "n", "type": "image", "name": "n.png" });
    let ids = ["403", "404", "410", "400", "401", "302"];
    let mut all: Vec<Value> = ids.iter().map(|status| attachment(status, "x.png", status)).collect();
    all.extend([document, unlinked]);
    let mut scene = scene(vec![update(1, &json!(all))], json!({ "types": ["image"] }), |path, _| {
        Reply::new(path[1..].parse().unwrap(), "").header("location", "https://elsewhere.example/x")
    })
    .await;
    let found = scene.downloads().await;
    assert_eq!(
        statuses(&found),
        ["expired", "expired", "expired", "failed", "failed", "failed", "skipped", "failed"]
    );
    assert_eq!(found[0], json!({ "status": "expired", "reason": "the server answered 403" }));
    let text = json!(found).to_string();
    assert!(!text.contains("hunter2") && !text.contains("token"), "{text}");
    assert!(scene.files().is_empty(), "{:?}", scene.files());
    assert_eq!(scene.file_requests().len(), 6, "no redirect is followed");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_too_large_is_left_declared_or_not() {
    let all =
        json!([attachment("a", "a", "declared"), attachment("b", "b", "sent"), attachment("c", "c", "fits")]);
    let mut scene = scene(vec![update(1, &all)], json!({ "max_size": "5B" }), |path, _| match path {
        "/declared" => Reply::new(200, "").header("content-length", "6"),
        "/sent" => Reply::new(200, "hello!"),
        _ => Reply::new(200, "hello"),
    })
    .await;
    let found = scene.downloads().await;
    assert_eq!(statuses(&found), ["too_large", "too_large", "ok"]);
    assert_eq!(found[0]["reason"], "larger than 5B");
    assert_eq!(scene.files(), ["files/acme/c/c"]);
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_holds_the_page_and_nothing_is_fetched_twice() {
    let all = json!([attachment("a", "a", "a"), attachment("b", "b", "b")]);
    let mut scene = scene(vec![update(1, &all)], json!({}), |path, before| match path {
        "/b" if before < 4 => Reply::new(503, "hunter2"),
        _ => Reply::new(200, "hello"),
    })
    .await;
    for _ in 0..2 {
        let error = scene.feed.next().await.unwrap_err();
        assert_eq!((error.class(), error.reason()), (ErrorClass::Transient, "attachment_pending"));
        assert!(!error.chain().contains("hunter2"), "{}", error.chain());
    }
    while scene.feed.next().await.is_err() {}
    let asked: Vec<String> =
        scene.file_requests().iter().map(|request| request.url.path().to_owned()).collect();
    assert_eq!(asked.iter().filter(|path| *path == "/a").count(), 1, "{asked:?}");
    let offsets = scene.transport.targets();
    let polls: Vec<&String> = offsets.iter().filter(|target| target.starts_with("/v2/updates")).collect();
    assert!(polls.len() > 3 && polls.iter().all(|target| !target.contains("offset=")), "{polls:?}");
    scene.page().await;
    assert!(
        scene.transport.targets().last().unwrap().contains("offset=next"),
        "the cursor moves with the files"
    );
}

#[tokio::test(start_paused = true)]
async fn a_file_server_that_is_down_holds_the_feed_once_and_then_costs_one_round_a_page() {
    let all: Vec<Value> = (0..40).map(|n| attachment(&format!("a{n}"), "a", "a")).collect();
    let mut scene = scene(vec![update(1, &json!(all))], json!({ "max_elapsed": "60s" }), |_, _| {
        Reply::new(200, "late").after_seconds(20)
    })
    .await;
    let start = tokio::time::Instant::now();
    let page = loop {
        match scene.feed.next().await {
            Ok(page) => break page.unwrap(),
            Err(error) => assert!(error.class().is_retryable(), "{error}"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    let held = start.elapsed();
    assert!((60..100).contains(&held.as_secs()), "{held:?}");
    let found = downloads(&page.events[0].json());
    assert!(statuses(&found).iter().all(|status| *status == "failed"));
    let says = |found: &Value| found["reason"].as_str().unwrap().starts_with("GET https://storage.example/…");
    assert!(found.iter().any(says), "{found:?}");
    let before = (scene.file_requests().len(), tokio::time::Instant::now());
    let found = scene.downloads().await;
    assert!(statuses(&found).iter().all(|status| *status == "failed"));
    assert_eq!(scene.file_requests().len(), before.0 + 4);
    assert!(before.1.elapsed() < Duration::from_secs(16), "{:?}", before.1.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_always_fails_does_not_keep_others() {
    let all = json!([attachment("a", "a", "bad"), attachment("b", "b", "b"), attachment("c", "c", "c")]);
    let mut scene = scene(vec![update(1, &all)], json!({ "max_elapsed": "10s" }), |path, _| match path {
        "/bad" => Reply::new(500, ""),
        _ => Reply::new(200, "hello"),
    })
    .await;
    let mut errors = 0;
    let page = loop {
        match scene.feed.next().await {
            Ok(page) => break page.unwrap(),
            Err(_) => errors += 1,
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    };
    assert_eq!(statuses(&downloads(&page.events[0].json())), ["failed", "ok", "ok"]);
    assert!((4..8).contains(&errors), "{errors}");
    // Named again, it holds nothing, and keeps no other from being fetched.
    std::fs::remove_file(scene.folder.path().join("files/acme/c/c")).unwrap();
    assert_eq!(statuses(&scene.downloads().await), ["failed", "ok", "ok"]);
}

#[tokio::test(start_paused = true)]
async fn hostile_texts_lead_nowhere() {
    let inside = |url: &str| json!({ "id": "x", "type": "image", "name": "x", "url": url });
    let all = json!([
        attachment("../../../etc", "../../passwd", "a"),
        attachment("..", "..", "b"),
        attachment("a/b", "c\u{0}/d", "c"),
        inside("http://storage.example/plain"),
        inside("https://169.254.169.254/latest/meta-data"),
        inside("https://localhost/secret"),
        inside("https://10.1.2.3/x"),
        inside("file:///etc/passwd"),
        inside("https://storage.example/%2e%2e/x"),
    ]);
    // One id in several places is one file: each has its own here.
    let mut all = all.as_array().unwrap().clone();
    for (number, attachment) in all.iter_mut().enumerate().skip(3) {
        attachment["id"] = json!(format!("x{number}"));
    }
    let mut scene = scene(vec![update(1, &json!(all))], json!({}), |_, _| Reply::new(200, "hello")).await;
    let found = scene.downloads().await;
    assert_eq!(
        statuses(&found),
        ["ok", "ok", "ok", "failed", "failed", "failed", "failed", "failed", "failed"]
    );
    assert_eq!(scene.file_requests().len(), 3);
    assert_eq!(
        scene.files(),
        ["files/acme/%2E./file", "files/acme/%2E.%2F..%2F..%2Fetc/_.._passwd", "files/acme/a%2Fb/c__d"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_refuses_holds_the_feed_until_it_takes_the_file() {
    let updates = vec![update(1, &json!([attachment("a", "a", "a")]))];
    let mut scene = scene(updates, json!({ "max_elapsed": "0s" }), |_, _| Reply::new(200, "hello")).await;
    // A file where the folder is to be.
    let place = scene.folder.path().join("files");
    std::fs::write(&place, "").unwrap();
    for _ in 0..3 {
        let error = scene.feed.next().await.unwrap_err();
        assert_eq!((error.class(), error.reason()), (ErrorClass::Transient, "attachment_not_written"));
    }
    std::fs::remove_file(&place).unwrap();
    assert_eq!(statuses(&scene.downloads().await), ["ok"]);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_is_asked_first_and_holds_the_page_until_it_takes_the_file() {
    let folder = TempDir::new().unwrap();
    let updates = vec![update(1, &json!([attachment("a b", "plan.png", "1")]))];
    let puts = AtomicUsize::new(0);
    let is_stored = AtomicBool::new(false);
    let (cx, transport) =
        context(move |_, request: &Request| match (request.url.host_str(), request.method.as_str()) {
            (Some("api.zenzap.co"), _) => Reply::json(&json!({ "updates": updates, "nextOffset": "next" })),
            (Some("s3.example.com"), "HEAD") if is_stored.load(Ordering::Relaxed) => {
                Reply::new(200, "").header("content-length", "5").header("x-amz-meta-sha256", SHA256_OF_HELLO)
            }
            // Who may not list is answered 403 for what is not there.
            (Some("s3.example.com"), "HEAD") => Reply::new(403, ""),
            (Some("s3.example.com"), "PUT") if puts.fetch_add(1, Ordering::Relaxed) == 0 => {
                Reply::new(503, "<Error><Code>SlowDown</Code><Key>hunter2</Key></Error>")
            }
            (Some("s3.example.com"), "PUT") => {
                is_stored.store(true, Ordering::Relaxed);
                Reply::new(200, "")
            }
            _ => Reply::new(200, "hello"),
        });
    let s3 =
        json!({ "endpoint": "https://s3.example.com", "region": "eu-1", "key": "AKIA", "secret": "hunter2" });
    let options = json!({
        "auth": { "bearer": "key-1" },
        "attachments": { "download": "s3://backups/chat/", "s3": s3, "max_elapsed": "0s" }
    });
    let built = registry().sources()["zenzap_updates"].parse(options).unwrap().build(&cx).await;
    let feed = built.unwrap().into_single().unwrap();
    let mut scene = Scene { folder, feed, transport };
    scene.feed.open(None).await.unwrap();
    let error = scene.feed.next().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient);
    assert!(
        error.chain().contains("503: SlowDown") && !error.chain().contains("hunter2"),
        "{}",
        error.chain()
    );
    let expected = json!({
        "status": "ok", "path": "s3://backups/chat/acme/a%20b/plan.png", "bytes": 5, "sha256": SHA256_OF_HELLO
    });
    assert_eq!(scene.downloads().await, std::slice::from_ref(&expected));
    let before = scene.file_requests().len();
    assert_eq!(scene.downloads().await, [expected], "found again");
    let asked = scene.file_requests();
    assert_eq!(asked.len(), before + 1, "by one HEAD");
    let put = asked.iter().find(|request| request.method == "PUT").unwrap();
    assert_eq!(
        (&put.body[..], &put.headers["x-amz-meta-sha256"]),
        (&b"hello"[..], &SHA256_OF_HELLO.parse().unwrap())
    );
    assert_eq!(put.url.path(), "/backups/chat/acme/a%2520b/plan.png");
    assert!(put.url.query().unwrap().contains("X-Amz-SignedHeaders=host%3Bx-amz-meta-sha256"), "{}", put.url);
    assert!(asked.iter().all(|request| !request.headers.contains_key("authorization")));
}

#[test]
fn options_that_cannot_be_are_told() {
    let problems = |attachments: Value| -> Vec<String> {
        let options = json!({ "auth": { "bearer": "x" }, "attachments": attachments });
        let parsed = registry().sources()["zenzap_updates"].parse(options).unwrap();
        let found = parsed.check(&CheckContext { files: &NoFiles, sources: &[] });
        found.into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
    };
    assert_eq!(problems(json!({ "download": "data/files", "types": ["image", "audio"] })), [""; 0]);
    for (options, expected) in [
        (json!({ "download": "" }), "attachments.download: expected a folder"),
        (json!({ "download": "s3://bucket/x" }), "attachments.download: a bucket needs its store"),
        (json!({ "download": "ftp://x/y" }), "attachments.download: expected a folder, or a bucket"),
        (json!({ "download": "x", "s3": { "key": "k", "secret": "s" } }), "attachments.s3: has no meaning"),
        (
            json!({ "download": "s3://x/y", "s3": { "key": "k", "secret": "s" } }),
            "attachments.download: expected a bucket",
        ),
        (
            json!({ "download": "s3://backups/y", "s3": { "key": "k", "secret": "s", "endpoint": "http://s3.example.com" } }),
            "attachments.s3.endpoint: plain http",
        ),
        (json!({ "download": "a/{{ meta.account }}" }), "attachments.download: expected a folder without"),
        (json!({ "download": "a", "max_size": "0B" }), "attachments.max_size"),
        (json!({ "download": "a", "timeout": "0s" }), "attachments.timeout"),
        (json!({ "download": "a", "types": [] }), "attachments.types"),
    ] {
        let found = problems(options);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{found:?}");
    }
}
