//! File servers that stay silent: what is known of one says nothing of another, and files that nobody can give say nothing
//! of those beside them.

use std::time::Duration;

use serde_json::{Value, json};
use sluicebox_core::Batch;
use sluicebox_testkit::scripted::Reply;

use crate::scripted::{Scene, attachment, downloads, scene_of_pages, statuses, update};

/// Files of a host: `<name>1`, `<name>2`, …
fn files_of(host: &str, name: &str, count: usize) -> Vec<Value> {
    let on_host = |number| {
        let mut file = attachment(&format!("{name}{number}"), "x.png", &format!("{name}{number}"));
        file["url"] = json!(format!("https://{host}/{name}{number}?token=hunter2"));
        file
    };
    (1..=count).map(on_host).collect()
}

/// The next page, however often it has to be asked for, a second apart.
async fn held(scene: &mut Scene) -> Batch {
    loop {
        match scene.feed.next().await {
            Ok(page) => return page.unwrap(),
            Err(error) => assert_eq!(error.reason(), "attachment_pending", "{error}"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn all_downloads(page: &Batch) -> Vec<Value> {
    page.events.iter().flat_map(|event| downloads(&event.json())).collect()
}

/// A first page with the files `dead`, which are given up; then a page that names them again, and the files `alive`.
async fn named_again(dead: Vec<Value>, alive: Vec<Value>, answer: fn(&str) -> Reply) -> (Scene, Batch) {
    let pages = vec![vec![update(1, &json!(dead))], vec![update(2, &json!(dead)), update(3, &json!(alive))]];
    let mut scene = scene_of_pages(pages, json!({ "max_elapsed": "3s" }), move |path, _| answer(path)).await;
    let first = held(&mut scene).await;
    assert!(statuses(&all_downloads(&first)).iter().all(|status| *status == "failed"));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let second = scene.page().await;
    (scene, second)
}

fn dead_or_alive(path: &str) -> Reply {
    if path.starts_with("/a") { Reply::new(503, "") } else { Reply::new(200, "hello") }
}

#[tokio::test(start_paused = true)]
async fn files_that_were_given_up_and_are_named_again_keep_no_other_of_their_server() {
    for host in ["storage.example", "other.example"] {
        let (dead, alive) = (files_of(host, "a", 4), files_of("storage.example", "b", 6));
        let (scene, page) = named_again(dead, alive, dead_or_alive).await;
        let found = all_downloads(&page);
        assert_eq!(statuses(&found), [["failed"; 4].as_slice(), &["ok"; 6]].concat(), "{host}");
        let asked = scene.file_requests();
        let of_the_good = asked.iter().filter(|request| request.url.path().starts_with("/b")).count();
        assert_eq!(of_the_good, 6, "{host}");
        assert!(found[..4].iter().all(|one| one["reason"] == "the server answered 503"), "{found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_loses_its_own_files_and_no_others() {
    let dead = files_of("down.example", "a", 2);
    let alive = [files_of("down.example", "a-new", 7), files_of("storage.example", "b", 6)].concat();
    let (scene, page) = named_again(dead, alive, dead_or_alive).await;
    let found = all_downloads(&page);
    assert_eq!(statuses(&found), [["failed"; 9].as_slice(), &["ok"; 6]].concat());
    let asked_for_new = |name: &str| {
        let asked = scene.file_requests();
        asked.iter().filter(|request| request.url.path().starts_with(name)).count()
    };
    assert_eq!(asked_for_new("/a-new"), 4, "a few tell enough of a server that is down");
    assert!(found[8]["reason"].as_str().unwrap().starts_with("not asked for"), "{found:?}");
    assert_eq!(asked_for_new("/b"), 6);
}

#[tokio::test(start_paused = true)]
async fn what_was_given_up_is_asked_for_when_it_is_named_again_whatever_fails_beside_it() {
    let dead = files_of("storage.example", "a", 8);
    let pages = vec![vec![update(1, &json!(dead))], vec![update(2, &json!(dead))]];
    // The last of them is there again after a while; the others hang for good.
    let begun = tokio::time::Instant::now();
    let mut scene = scene_of_pages(pages, json!({ "max_elapsed": "0s" }), move |path, _| {
        let is_back = path == "/a8" && begun.elapsed() > Duration::from_secs(3600);
        if is_back { Reply::new(200, "hello") } else { Reply::new(200, "").after_seconds(20) }
    })
    .await;
    let first = held(&mut scene).await;
    assert_eq!(statuses(&all_downloads(&first)), ["failed"; 8]);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let second = held(&mut scene).await;
    assert_eq!(statuses(&all_downloads(&second)), [["failed"; 7].as_slice(), &["ok"]].concat());
}

#[tokio::test(start_paused = true)]
async fn one_answer_is_enough_for_a_server_to_be_up_without_any_patience() {
    let host = "storage.example";
    let good = [files_of(host, "b", 3), files_of(host, "c", 1), files_of(host, "d", 4)].concat();
    let pages = vec![vec![update(1, &json!(files_of(host, "c-first", 1)))], vec![update(2, &json!(good))]];
    let mut scene = scene_of_pages(pages, json!({ "max_elapsed": "0s" }), |path, _| {
        if path.starts_with("/c") { Reply::new(503, "") } else { Reply::new(200, "hello") }
    })
    .await;
    assert_eq!(statuses(&scene.downloads().await), ["failed"]);
    assert_eq!(statuses(&scene.downloads().await), [["ok"; 3].as_slice(), &["failed"], &["ok"; 4]].concat());
}
