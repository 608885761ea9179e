//! The inbox on a real file: order, repeats, room, and what a second start finds.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use sluicebox_core::{ErrorClass, Timestamp};
use sluicebox_webhooks::{Delivery, Inbox, InboxOptions, Receive, Taken};

const ROOMY: InboxOptions =
    InboxOptions { bytes: 1 << 20, remember_for: Duration::from_secs(3600), remember_most: 10_000 };

fn delivery(id: &str, content: Option<u8>) -> Delivery {
    Delivery {
        id: id.into(),
        event_type: "t".into(),
        time: Some(Timestamp::from_millis(5)),
        received: Timestamp::from_millis(1_000_000),
        body: Bytes::from(format!("{{\"id\":\"{id}\"}}")),
        content: content.map(|byte| [byte; 32]),
    }
}

async fn ids(inbox: &Inbox, after: u64) -> Vec<(u64, String)> {
    let kept = inbox.after(after, 1000, 1 << 20).await.unwrap();
    kept.into_iter().map(|kept| (kept.number, kept.id.into())).collect()
}

fn open(folder: &Path, options: InboxOptions) -> Inbox {
    Inbox::open(&folder.join("inbox/a.db"), options).unwrap()
}

#[tokio::test]
async fn what_is_kept_is_there_after_a_restart_in_order_and_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    {
        let inbox = open(folder.path(), ROOMY);
        for id in ["a", "b", "c"] {
            assert_eq!(inbox.receive(delivery(id, None)).await, Taken::Kept);
        }
        assert_eq!(*inbox.newest().borrow(), 3);
    }
    let inbox = open(folder.path(), ROOMY);
    assert_eq!(*inbox.newest().borrow(), 3);
    let kept = inbox.after(1, 10, 1 << 20).await.unwrap();
    assert_eq!(kept.iter().map(|kept| kept.number).collect::<Vec<_>>(), [2, 3]);
    assert_eq!((kept[0].body.as_ref(), kept[0].event_type.as_str()), (&b"{\"id\":\"b\"}"[..], "t"));
    assert_eq!((kept[0].time, kept[0].received.as_millis()), (Some(Timestamp::from_millis(5)), 1_000_000));
    assert_eq!(inbox.after(0, 10, 1).await.unwrap().len(), 1, "a page has at least one, and a bound");
}

#[tokio::test]
async fn repeats_are_known_by_id_and_by_content_even_after_removal_and_restart() {
    let folder = tempfile::tempdir().unwrap();
    {
        let inbox = open(folder.path(), ROOMY);
        assert_eq!(inbox.receive(delivery("a", Some(1))).await, Taken::Kept);
        assert_eq!(inbox.receive(delivery("a", Some(2))).await, Taken::Known, "the same id");
        assert_eq!(inbox.receive(delivery("b", Some(1))).await, Taken::Known, "the same signed content");
        inbox.remove(1).await.unwrap();
    }
    let inbox = open(folder.path(), ROOMY);
    assert_eq!(inbox.receive(delivery("a", None)).await, Taken::Known);
    assert_eq!(inbox.receive(delivery("c", Some(3))).await, Taken::Kept);
    assert_eq!(ids(&inbox, 0).await, [(2, "c".to_owned())], "a number is never given twice");
}

#[tokio::test]
async fn a_full_inbox_has_room_again_once_something_is_durable() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = open(folder.path(), InboxOptions { bytes: 500, ..ROOMY });
    assert_eq!(inbox.receive(delivery("a", None)).await, Taken::Kept);
    assert_eq!(inbox.receive(delivery("b", None)).await, Taken::Kept);
    let Taken::Full(wait) = inbox.receive(delivery("c", None)).await else { panic!("it has no room") };
    assert!(wait >= Duration::from_secs(1));
    // A repeat needs no room once it is known to be one.
    inbox.remove(1).await.unwrap();
    assert_eq!(inbox.receive(delivery("b", None)).await, Taken::Known);
    assert_eq!(inbox.receive(delivery("c", None)).await, Taken::Kept);
    drop(inbox);
    let inbox = open(folder.path(), InboxOptions { bytes: 500, ..ROOMY });
    assert!(matches!(inbox.receive(delivery("d", None)).await, Taken::Full(_)), "what is there is counted");
}

#[tokio::test]
async fn ids_are_forgotten_by_age_and_by_number() {
    let folder = tempfile::tempdir().unwrap();
    let options = InboxOptions { remember_for: Duration::from_secs(10), remember_most: 3, ..ROOMY };
    let inbox = open(folder.path(), options);
    let at = |id: &str, seconds: i64| Delivery {
        received: Timestamp::from_millis(seconds * 1000),
        ..delivery(id, None)
    };
    assert_eq!(inbox.receive(at("old", 0)).await, Taken::Kept);
    assert_eq!(inbox.receive(at("old", 10)).await, Taken::Known);
    assert_eq!(inbox.receive(at("new", 11)).await, Taken::Kept);
    assert_eq!(inbox.receive(at("old", 12)).await, Taken::Kept, "ten seconds are over");
    for id in ["x", "y", "z"] {
        assert_eq!(inbox.receive(at(id, 13)).await, Taken::Kept);
    }
    assert_eq!(inbox.receive(at("new", 14)).await, Taken::Kept, "three newer ones are remembered");
}

#[tokio::test]
async fn a_signed_content_is_known_for_as_long_as_it_can_be_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = open(folder.path(), ROOMY);
    let at = |id: &str, minutes: i64| Delivery {
        received: Timestamp::from_millis(minutes * 60_000),
        ..delivery(id, Some(7))
    };
    assert_eq!(inbox.receive(at("a", 0)).await, Taken::Kept);
    assert_eq!(inbox.receive(at("b", 10)).await, Taken::Known);
    let other = Delivery { content: Some([8; 32]), ..at("c", 16) };
    assert_eq!(inbox.receive(other).await, Taken::Kept);
    assert_eq!(
        inbox.receive(at("d", 16)).await,
        Taken::Kept,
        "no signature is good for a quarter of an hour"
    );
    let renewed = |id| Delivery { content: Some([9; 32]), ..at(id, 16) };
    assert_eq!(inbox.receive(renewed("b")).await, Taken::Kept, "a replay does not use up an id");
    assert_eq!(
        inbox.receive(Delivery { content: None, ..at("a", 16) }).await,
        Taken::Known,
        "ids last longer"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_each_kept_once() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = open(folder.path(), ROOMY);
    let sends = (0..400).map(|number| {
        let inbox = inbox.clone();
        tokio::spawn(async move { inbox.receive(delivery(&format!("d{}", number % 200), None)).await })
    });
    let taken: Vec<Taken> = join_all(sends).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(taken.iter().filter(|taken| **taken == Taken::Kept).count(), 200);
    assert_eq!(taken.iter().filter(|taken| **taken == Taken::Known).count(), 200);
    let kept = ids(&inbox, 0).await;
    assert_eq!(kept.len(), 200);
    assert!(kept.iter().enumerate().all(|(index, (number, _))| *number == index as u64 + 1));
}

#[tokio::test]
async fn a_file_that_is_no_inbox_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    std::fs::write(&path, "this is no database, and long enough that nobody takes it for an empty one")
        .unwrap();
    let error = Inbox::open(&path, ROOMY).err().unwrap();
    assert_eq!(error.class(), ErrorClass::State, "{}", error.chain());
    let other = folder.path().join("b.db");
    rusqlite::Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let error = Inbox::open(&other, ROOMY).err().unwrap();
    assert_eq!(error.class(), ErrorClass::State, "{}", error.chain());
}

#[tokio::test]
async fn the_file_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let inbox = open(folder.path(), ROOMY);
    assert_eq!(inbox.receive(delivery("a", None)).await, Taken::Kept);
    let mode = |path: &str| std::fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("inbox"), mode("inbox/a.db"), mode("inbox/a.db-wal")), (0o700, 0o600, 0o600));
}
