//! RabbitMQ: connections that drop, queues that are full, keys that lead nowhere, a broker that blocks its publishers.

use std::collections::HashSet;

use sluicebox_services::RabbitMq;
use sluicebox_testkit::{Direction, FaultProxy, Sandbox, Stub, framing, wait_for};

use crate::{begin, cursor, end, feed, number, once, paused, said, unique};

/// A pipeline that publishes to `url`.
fn pipeline(stub: &Stub, url: String, options: &str) -> Sandbox {
    let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.set("URL", url);
    rewrite(&sandbox, stub, options);
    sandbox
}

fn rewrite(sandbox: &Sandbox, stub: &Stub, options: &str) {
    let sink = format!("type: amqp, url: \"${{URL}}\", retry: {{ initial: 500ms, max: 1s }}, {options}");
    sandbox.pipe(stub, 20, &format!("sinks:\n  queue: {{ inputs: [feed], {sink} }}\n"));
}

/// The numbers of what is in a queue, in its order.
fn drain(server: &RabbitMq, queue: &str) -> Vec<usize> {
    let messages = server.pika_drain(queue);
    messages.into_iter().map(|message| number(std::str::from_utf8(&message.body).unwrap())).collect()
}

fn queue_options(queue: &str) -> String {
    format!("routing_key: {queue}, declare: {{ queue: {{ name: {queue}, type: classic }} }}")
}

#[test]
fn what_was_not_confirmed_is_published_again_in_order() {
    const EVENTS: usize = 1000;
    let Some(server) = RabbitMq::shared() else { return };
    let proxy = FaultProxy::framed(server.address(), framing::amqp);
    let (queue, stub) = (unique("dropped"), feed(EVENTS));
    let options = format!("{}, batch: {{ max_events: 40 }}", queue_options(&queue));
    let sandbox = pipeline(&stub, server.url_at(proxy.address()), &options);
    // Slow enough that much is left when the second cut comes.
    proxy.slow(100_000);
    proxy.cut_at_message(Direction::Requests, 400);
    let mut process = begin(&sandbox);
    process.wait_for_log("\"retry\"");
    process.wait_for_log("\"resumed\"");
    proxy.cut_at_message(Direction::Replies, 5);
    wait_for("everything", || (cursor(&sandbox) == EVENTS).then_some(()));
    let log = end(process).log();
    let told = said(&log, "retry");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|line| line.contains("trying again")), "{told:?}");
    let found = drain(&server, &queue);
    let mut seen = HashSet::new();
    let first: Vec<usize> = found.iter().copied().filter(|number| seen.insert(*number)).collect();
    assert_eq!(first, (1..=EVENTS).collect::<Vec<_>>(), "nothing is lost, and nothing overtakes");
    assert!(found.len() - EVENTS <= 2 * 40, "{} repeated by two drops", found.len() - EVENTS);
}

#[test]
fn a_full_queue_is_waited_for() {
    let Some(server) = RabbitMq::shared() else { return };
    let (queue, stub) = (unique("full"), feed(50));
    let full = "{ x-max-length: 20, x-overflow: reject-publish }";
    let declare = format!("{{ queue: {{ name: {queue}, type: classic, arguments: {full} }} }}");
    let options = format!("routing_key: {queue}, declare: {declare}");
    let sandbox = pipeline(&stub, server.url(), &options);
    let mut process = begin(&sandbox);
    let line = process.wait_for_log("\"retry\"");
    assert!(line.contains("nack"), "{line}");
    let mut found = Vec::new();
    wait_for("all of them", || {
        found.extend(drain(&server, &queue));
        (found.len() >= 50).then_some(())
    });
    assert!(said(&end(process).log(), "resumed").len() == 1);
    assert_eq!(found, (1..=50).collect::<Vec<_>>(), "each once, for the broker says what it refuses");
    assert_eq!(sandbox.dead_letters().len(), 0);
}

#[test]
fn an_event_that_reaches_no_queue_is_a_dead_letter_if_it_chose_the_key() {
    let Some(server) = RabbitMq::shared() else { return };
    let (queue, stub) = (unique("chosen"), feed(50));
    let key = format!("'{queue}{{{{ if event.data.n == 37 {{ \"-nowhere\" }} else {{ \"\" }} }}}}'");
    let declare = format!("declare: {{ queue: {{ name: {queue}, type: classic }} }}");
    let sandbox = pipeline(&stub, server.url(), &format!("routing_key: {key}, {declare}"));
    let log = once(&sandbox).expect(0).log();
    let letters = sandbox.dead_letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(
        (letters[0]["meta"]["id"].as_str(), letters[0]["reason"].as_str()),
        (Some("opentrain:feed:37"), Some("rejected"))
    );
    let told = said(&log, "dead_letter");
    assert!(told[0].contains("opentrain:feed:37") && told[0].contains("NO_ROUTE"), "{told:?}");
    assert_eq!(drain(&server, &queue), (1..=50).filter(|n| *n != 37).collect::<Vec<_>>());
}

#[test]
fn a_key_that_leads_to_no_queue_pauses_until_one_is_bound() {
    let Some(server) = RabbitMq::shared() else { return };
    let (queue, stub) = (unique("unbound"), feed(50));
    let options = |more: &str| {
        format!("exchange: {queue}, routing_key: orders, declare: {{ exchange: {{ type: direct }}{more} }}")
    };
    let sandbox = pipeline(&stub, server.url(), &options(""));
    let told = paused(&sandbox, "queue");
    assert!(told.contains("to no queue") && told.contains("bind a queue"), "{told}");
    rewrite(
        &sandbox,
        &stub,
        &options(&format!(", queue: {{ name: {queue}, type: classic }}, bind: [orders]")),
    );
    once(&sandbox).expect(0);
    assert_eq!(drain(&server, &queue), (1..=50).collect::<Vec<_>>());
}

#[test]
fn a_broker_that_blocks_is_waited_for_and_nothing_is_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = RabbitMq::private(folder.path()) else { return };
    let (queue, stub) = (unique("blocked"), feed(200));
    let sandbox = pipeline(&stub, server.url(), &queue_options(&queue));
    server.ctl(&["set_vm_memory_high_watermark", "0"]);
    let mut process = begin(&sandbox);
    let line = process.wait_for_log("\"retry\"");
    assert!(line.contains("takes nothing") && line.contains("memory"), "{line}");
    assert!(sandbox.cursors().iter().all(|row| row["cursor"].is_null()), "nothing is acknowledged");
    server.ctl(&["set_vm_memory_high_watermark", "0.9"]);
    wait_for("everything", || (cursor(&sandbox) == 200).then_some(()));
    let ended = end(process);
    assert_eq!(drain(&server, &queue), (1..=200).collect::<Vec<_>>(), "{}", ended.stderr);
}
