//! A Kafka cluster of a test's own: with three brokers, records outlive one of them and the end of all.

use sluicebox_services::Kafka;

#[test]
fn acknowledged_records_survive_one_broker_and_the_end_of_all() {
    let folder = tempfile::tempdir().unwrap();
    let Some(cluster) = Kafka::private(folder.path(), 3) else { return };
    cluster.topics(&["--create", "--topic", "kept", "--partitions", "1"]);
    cluster.console_producer("kept", &["before", "the first kill"]);
    cluster.kill(0);
    cluster.console_producer("kept", &["with two brokers"]);
    for broker in 1..3 {
        cluster.kill(broker);
    }
    cluster.start_all();
    let found = cluster.console_consumer("kept", &["--max-messages", "3"]);
    assert_eq!(found.lines().collect::<Vec<_>>(), ["before", "the first kill", "with two brokers"]);
}
