//! What `check --connect` says of the place for attachments.

use std::path::Path;

use serde_json::{Value, json};
use sluicebox_core::Standing;
use sluicebox_http::Request;
use sluicebox_testkit::scripted::{Reply, context};
use tempfile::TempDir;

use crate::{files, registry};

/// What is found about attachments: `fine: …`, `doubtful: …` or `wrong: …`, and every request to the object store.
async fn found(attachments: Value, bucket_status: u16) -> (String, Vec<Request>) {
    let (cx, transport) = context(move |_, request: &Request| match request.url.host_str() {
        Some("api.zenzap.co") => Reply::json(&json!({ "updates": [], "nextOffset": "1" })),
        _ => Reply::new(bucket_status, ""),
    });
    let options = json!({ "auth": { "bearer": "key-1" }, "attachments": attachments });
    let probe = registry().sources()["zenzap_updates"].parse(options).unwrap().probe(&cx).await;
    let mut about = probe.findings().iter().filter(|finding| finding.subject == "attachments");
    let shown = match &about.next().unwrap().standing {
        Standing::Fine(message) => format!("fine: {message}"),
        Standing::Doubtful { message, .. } => format!("doubtful: {message}"),
        Standing::Wrong(error) => format!("wrong: {}", error.chain()),
    };
    assert!(about.next().is_none());
    let requests = transport.requests.lock();
    let to_store = requests.iter().filter(|request| request.url.host_str() != Some("api.zenzap.co"));
    (shown, to_store.cloned().collect())
}

async fn found_in(folder: &Path) -> String {
    found(json!({ "download": folder }), 200).await.0
}

#[tokio::test(start_paused = true)]
async fn a_folder_is_looked_at_and_not_made() {
    let folder = TempDir::new().unwrap();
    let shown = folder.path().display();
    assert_eq!(
        found_in(&folder.path().join("new/files")).await,
        format!("fine: {shown}/new/files/acme can be made in {shown}")
    );
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "a probe makes nothing");
    std::fs::create_dir(folder.path().join("acme")).unwrap();
    assert_eq!(found_in(folder.path()).await, format!("fine: {shown}/acme can be written to"));
    std::fs::write(folder.path().join("notes"), "").unwrap();
    assert_eq!(found_in(&folder.path().join("notes")).await, format!("wrong: {shown}/notes is not a folder"));
    assert_eq!(files(folder.path()).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_may_not_be_written_to_is_wrong() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let closed = folder.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o555)).unwrap();
    let found = found_in(&closed.join("files")).await;
    // The superuser may write everywhere.
    let may_write = std::fs::File::create(closed.join("try")).is_ok();
    let shown = closed.display();
    let expected = if may_write { "fine: " } else { &*format!("wrong: cannot write to the folder {shown}") };
    assert!(found.starts_with(expected), "{found}");
}

#[tokio::test(start_paused = true)]
async fn a_bucket_is_asked_whether_it_is_there() {
    for (status, expected) in [
        (200, "fine: the bucket of s3://backups/chat is there"),
        (403, "doubtful: the bucket of s3://backups/chat does not say"),
        (404, "wrong: there is no bucket `backups`"),
        (401, "wrong: the bucket `backups` does not let us in"),
        (503, "wrong: the bucket `backups`"),
    ] {
        let s3 = json!({ "endpoint": "https://s3.example.com", "key": "AKIA", "secret": "hunter2" });
        let (found, asked) = found(json!({ "download": "s3://backups/chat", "s3": s3 }), status).await;
        assert!(found.starts_with(expected) && !found.contains("hunter2"), "{found}");
        let asked: Vec<_> = asked.iter().map(|one| (one.method.as_str(), one.url.path())).collect();
        assert_eq!(asked, [("HEAD", "/backups/")], "{status}");
    }
}
