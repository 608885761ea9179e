//! The `kafka` source before a reader that stalls: memory stays bounded, and other partitions go on. In a process of its
//! own, because it measures the whole process.
#![allow(clippy::unwrap_used, clippy::panic, reason = "whatever goes wrong here fails the test that asked")]

mod reading;
mod support;

use reading::{group_source, number, numbers_from, page, partitions, source_spec, write, write_values};
use serde_json::json;
use sluicebox_services::Kafka;
use support::{topic, unique};

/// Resident memory of this process in KiB.
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_reader_costs_little_memory_and_holds_up_no_other() {
    let Some(kafka) = Kafka::shared() else { return };
    let (bootstrap, name) = (kafka.bootstrap(), topic(&kafka, "stalled", 2).await);
    let large = format!(r#"{{"n":1,"text":"{}"}}"#, "x".repeat(10_000));
    // 60 MB, not compressed.
    write_values(&bootstrap, &name, 0, std::iter::repeat_n(large, 6000));
    write(&bootstrap, &name, 1, 0..20_000);

    let mut source = group_source(&unique("stalled"), source_spec(&bootstrap, &[&name], json!({}))).await;
    let mut found = partitions(source.as_mut()).await;
    let mut stalled = found.remove(&format!("{name}/0")).unwrap();
    let mut other = found.remove(&format!("{name}/1")).unwrap();
    let before = resident();
    stalled.open(None).await.unwrap();
    let mut read = 0;
    while read == 0 {
        read = page(stalled.as_mut()).await.len();
    }
    // Nobody asks it for more from here on.
    assert_eq!(numbers_from(other.as_mut(), None).await.0.len(), 20_000);
    write(&bootstrap, &name, 1, 20_000..20_010);
    assert_eq!(numbers_from(other.as_mut(), Some("20000")).await.0, (20_000..20_010).collect::<Vec<_>>());
    let grown = resident() - before;
    assert!(grown < 30_000, "{grown} KiB more");

    // It goes on where it was as soon as it is asked.
    while read < 6000 {
        let page = page(stalled.as_mut()).await;
        assert!(page.events.iter().all(|event| number(event) == 1));
        read += page.len();
    }
    assert_eq!(read, 6000);
}
