//! The `kafka` source in a group and in trouble: partitions that move, a reader that stalls, brokers that are away.
#![allow(clippy::unwrap_used, clippy::panic, reason = "whatever goes wrong here fails the test that asked")]

mod reading;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reading::{group_source, number, numbers_from, page, partitions, source_spec, to_the_end, write};
use serde_json::json;
use sluicebox_core::{Discovered, PartitionedSource, Source};
use sluicebox_services::Kafka;
use support::{PATIENCE, topic, unique};
use tokio::task::JoinSet;

/// What was read of each partition, in the order in which it was read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<BTreeMap<String, Vec<u64>>>>);

impl Log {
    fn count(&self) -> usize {
        self.0.lock().unwrap().values().flatten().collect::<BTreeSet<_>>().len()
    }

    fn partitions(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// Reads like the engine: every partition in a task of its own, each page committed once it is written down.
async fn member(mut source: Box<dyn PartitionedSource>, log: Log) {
    let mut tasks = JoinSet::new();
    loop {
        if let Discovered::Partition(name, source) = source.discover().await.unwrap() {
            tasks.spawn(one(name.to_string(), source, log.clone()));
        }
    }
}

async fn one(name: String, mut source: Box<dyn Source>, log: Log) {
    source.open(None).await.unwrap();
    let mut committer = source.committer().unwrap();
    loop {
        let page = source.next().await.unwrap().unwrap().read();
        log.0.lock().unwrap().entry(name.clone()).or_default().extend(page.events.iter().map(number));
        if let Some(cursor) = &page.cursor {
            committer.commit(cursor).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_share_the_partitions_and_lose_nothing_when_they_move() {
    const PARTITIONS: u64 = 4;
    const RECORDS: u64 = 3000;
    let Some(kafka) = Kafka::shared() else { return };
    let (bootstrap, name) = (kafka.bootstrap(), topic(&kafka, "shared", 4).await);
    let pipeline = unique("shared");
    let spec = || source_spec(&bootstrap, &[&name], json!({ "limit": 50 }));
    let writing = tokio::task::spawn_blocking({
        let (bootstrap, name) = (bootstrap.clone(), name.clone());
        move || {
            for round in 0..10 {
                for partition in 0..PARTITIONS {
                    let from = partition * 1_000_000 + round * 300;
                    write(&bootstrap, &name, i32::try_from(partition).unwrap(), from..from + 300);
                }
            }
        }
    });
    let (first, second) = (Log::default(), Log::default());
    let staying = tokio::spawn(member(group_source(&pipeline, spec()).await, first.clone()));
    until("the first reads all", || first.partitions() == 4).await;
    let joining = tokio::spawn(member(group_source(&pipeline, spec()).await, second.clone()));
    until("the second reads its half", || second.partitions() == 2 && second.count() > 200).await;
    // The second leaves in the middle, and what it had comes back.
    joining.abort();
    let _ = joining.await;
    writing.await.unwrap();
    write(&bootstrap, &name, 0, [9_000_000]);
    let expected = usize::try_from(PARTITIONS * RECORDS + 1).unwrap();
    let all = || {
        let (first, second) = (first.0.lock().unwrap(), second.0.lock().unwrap());
        first.values().chain(second.values()).flatten().copied().collect::<BTreeSet<_>>()
    };
    until("all is read", || all().len() == expected).await;
    staying.abort();
    for log in [&first, &second] {
        for (partition, numbers) in log.0.lock().unwrap().iter() {
            let mut highest = None;
            let news: Vec<_> =
                numbers.iter().filter(|number| highest.replace(**number) < Some(**number)).collect();
            assert!(news.is_sorted(), "{partition} is read in its order");
        }
    }
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect(what);
}

#[tokio::test(flavor = "multi_thread")]
async fn once_ends_when_another_member_has_taken_a_partition_over() {
    let Some(kafka) = Kafka::shared() else { return };
    let (bootstrap, name) = (kafka.bootstrap(), topic(&kafka, "over", 2).await);
    write(&bootstrap, &name, 0, 0..10);
    write(&bootstrap, &name, 1, 0..10);
    let pipeline = unique("over");
    let spec = || source_spec(&bootstrap, &[&name], json!({}));
    let mut source = group_source(&pipeline, spec()).await;
    let mut found = partitions(source.as_mut()).await;
    let mut lost = Vec::new();
    for source in found.values_mut() {
        numbers_from(source.as_mut(), None).await;
    }
    let mut other = group_source(&pipeline, spec()).await;
    let others = partitions(other.as_mut()).await;
    assert_eq!(others.len(), 1, "the second member gets one of two");
    for partition in others.keys() {
        write(&bootstrap, &name, partition.rsplit_once('/').unwrap().1.parse().unwrap(), 10..20);
        let mut source = found.remove(partition).unwrap();
        source.open(None).await.unwrap();
        let page = page(source.as_mut()).await;
        assert!(page.caught_up && page.is_empty(), "it is not ours, so there is nothing more to read");
        lost.push((partition.clone(), source));
    }
    // The other leaves without having read anything: it comes back, and goes on where it stood.
    drop((other, others));
    for (_, mut source) in lost {
        let (events, ..) = to_the_end(source.as_mut()).await;
        assert_eq!(events.iter().map(number).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_member_has_read_is_not_read_again() {
    let Some(kafka) = Kafka::shared() else { return };
    let (bootstrap, name) = (kafka.bootstrap(), topic(&kafka, "further", 1).await);
    write(&bootstrap, &name, 0, 0..10);
    let pipeline = unique("further");
    let spec = || source_spec(&bootstrap, &[&name], json!({}));
    let mut source = group_source(&pipeline, spec()).await;
    let mut found = partitions(source.as_mut()).await;
    let only = found.get_mut(&format!("{name}/0")).unwrap();
    assert_eq!(numbers_from(only.as_mut(), None).await.1, "10");
    write(&bootstrap, &name, 0, 10..30);
    // Somebody else has committed further, and the partition starts over from an earlier checkpoint.
    let mut committer = only.committer().unwrap();
    committer.commit(&sluicebox_core::Cursor::from("25")).await.unwrap();
    assert_eq!(numbers_from(only.as_mut(), Some("5")).await.0, [25, 26, 27, 28, 29]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let Some(kafka) = Kafka::private(folder.path(), 1) else { return };
    let (bootstrap, name) = (kafka.bootstrap(), topic(&kafka, "away", 1).await);
    write(&bootstrap, &name, 0, 0..100);
    let pipeline = unique("away");
    let mut source = group_source(&pipeline, source_spec(&bootstrap, &[&name], json!({}))).await;
    let mut found = partitions(source.as_mut()).await;
    let only = found.get_mut(&format!("{name}/0")).unwrap();
    assert_eq!(numbers_from(only.as_mut(), None).await.0.len(), 100);
    let mut committer = only.committer().unwrap();
    kafka.kill(0);
    // Nobody answers: it is not an error, and nobody waits for it without end.
    committer.commit(&sluicebox_core::Cursor::from("100")).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(2), only.next()).await.is_err(), "it waits");
    kafka.start(0);
    write(&bootstrap, &name, 0, 100..150);
    let mut numbers = Vec::new();
    while numbers.len() < 50 {
        numbers.extend(page(only.as_mut()).await.events.iter().map(number));
    }
    assert_eq!(numbers, (100..150).collect::<Vec<_>>());
    drop((found, committer, source));

    kafka.kill(0);
    let mut source = group_source(&pipeline, source_spec(&bootstrap, &[&name], json!({}))).await;
    let Err(error) = source.discover().await else { panic!("there is no broker") };
    assert!(error.class().is_retryable(), "{error}");
    kafka.start(0);
    let found = tokio::time::timeout(PATIENCE, async {
        loop {
            match source.discover().await {
                Ok(Discovered::Partition(name, _)) => return name,
                Ok(Discovered::AllForNow) => panic!("the partition comes first"),
                Err(error) => assert!(error.class().is_retryable(), "{error}"),
            }
        }
    });
    assert_eq!(found.await.unwrap(), format!("{name}/0").as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_not_read_hears_of_it() {
    let Some(kafka) = Kafka::shared() else { return };
    let (bootstrap, name) = (kafka.bootstrap(), topic(&kafka, "forbidden", 1).await);
    write(&bootstrap, &name, 0, 0..3);
    let user = format!("User:{}", kafka.user());
    kafka.acls(&["--add", "--deny-principal", &user, "--operation", "Read", "--topic", &name]);
    let secure = json!({
        "tls": { "ca_file": kafka.ca_file() },
        "sasl": { "mechanism": "plain", "username": kafka.user(), "password": kafka.password() },
    });
    let spec = source_spec(&kafka.sasl_bootstrap(), &[&name], secure);
    let mut source = group_source(&unique("forbidden"), spec).await;
    let refused = async {
        match source.discover().await {
            Err(error) => error,
            Ok(Discovered::Partition(_, mut only)) => {
                only.open(None).await.unwrap();
                loop {
                    match only.next().await {
                        Ok(page) => assert!(page.unwrap().is_empty(), "nothing can be read"),
                        Err(error) => return error,
                    }
                }
            }
            Ok(Discovered::AllForNow) => panic!("there is a partition"),
        }
    };
    let error = tokio::time::timeout(PATIENCE, refused).await.unwrap();
    assert_eq!(error.class(), sluicebox_core::ErrorClass::Auth, "{}", error.chain());
    assert!(error.help().unwrap().contains("Read"), "{:?}", error.help());
}
