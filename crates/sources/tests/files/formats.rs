//! What is in a file: lines, rows, and what is neither.

use serde_json::json;
use sluicebox_core::{ErrorClass, Reason};

use crate::support::{Reading, events, lines};

#[tokio::test]
async fn lines_are_events_byte_for_byte_with_ids_of_file_and_place() {
    let options = json!({ "event": { "type": "kind.name", "time": "at" } });
    let mut reading = Reading::new("a.jsonl", &options);
    let first = r#"{"kind":{"name":"x"},  "at":"2026-06-12T10:00:00Z"}"#;
    reading.append("a.jsonl", &format!("\u{feff}{first}\r\n\n  \t\n{{\"at\":1781258400000}}\n"));
    assert_eq!(reading.read().await, [first, "{\"at\":1781258400000}"]);
    let metas: Vec<_> = reading.events.iter().map(|event| event.meta().clone()).collect();
    assert_eq!((metas[0].event_type.as_str(), metas[1].event_type.as_str()), ("x", "file"));
    assert_eq!(metas[0].time.to_string(), "2026-06-12T10:00:00.000Z");
    assert_eq!(metas[1].time.as_millis(), 1_781_258_400_000);
    assert_eq!(metas[0].key, "disk");
    let parts: Vec<Vec<&str>> = metas.iter().map(|meta| meta.id.split(':').collect()).collect();
    assert_eq!((&parts[0][..2], parts[0][3], parts[1][3]), (&["file", "disk"][..], "0", "61"));
    assert!(parts[0][2].len() == 16 && parts[0][2] == parts[1][2]);
}

#[tokio::test]
async fn what_is_no_object_becomes_a_dead_letter_and_the_file_goes_on() {
    let mut reading = Reading::new("a.jsonl", &json!({ "max_line": "1KiB" }));
    let long = format!("{{\"long\":\"{}\"}}", "x".repeat(2000));
    reading.append("a.jsonl", "{\"n\":0}\nnot json\n[1]\n{\"open\":\n{\"n\":1} x\n");
    reading.append(
        "a.jsonl",
        &format!("{long}\n{{\"n\":1}}\n{{\"far\":\"{}\"}}\n{{\"n\":2}}\n", "y".repeat(1 << 20)),
    );
    std::fs::write(
        reading.path("a.jsonl"),
        [std::fs::read(reading.path("a.jsonl")).unwrap(), b"{\"a\":\"\xff\"}\n".to_vec()].concat(),
    )
    .unwrap();
    assert_eq!(reading.read().await, events(0..3));
    let told: Vec<(Reason, String)> =
        reading.rejects.iter().map(|reject| (reject.reason, reject.error.message.clone())).collect();
    let reasons: Vec<Reason> = told.iter().map(|(reason, _)| *reason).collect();
    let expected = [
        Reason::Parse,
        Reason::Parse,
        Reason::Parse,
        Reason::Parse,
        Reason::TooLarge,
        Reason::TooLarge,
        Reason::Parse,
    ];
    assert_eq!(reasons, expected, "{told:?}");
    assert!(told[4].1.contains("longer than 1024 bytes"), "{told:?}");
    assert_eq!(reading.rejects[0].event.json(), "\"not json\\n\"".replace("\\n", ""));
    assert!(reading.rejects[5].event.json().starts_with(b"\"{\\\"far\\\":\\\"yyy"));
    assert!(reading.rejects[5].event.json().len() < 2000, "the beginning of it is enough");
}

#[tokio::test]
async fn rows_become_objects_and_a_quoted_line_break_ends_none() {
    let mut reading = Reading::new("a.csv", &json!({ "event": { "type": "kind" } }));
    reading.append("a.csv", "kind,text\r\norder,\"two\nlines, \"\"quoted\"\"\"\r\n");
    let first = "{\"kind\":\"order\",\"text\":\"two\\nlines, \\\"quoted\\\"\"}";
    assert_eq!(reading.read().await, [first]);
    assert_eq!(reading.events[0].meta().event_type, "order");
    reading.kill();
    reading.append("a.csv", "a,b,c\nx,\"open\nstill");
    assert!(reading.read().await.is_empty());
    assert_eq!((reading.rejects.len(), reading.rejects[0].reason), (1, Reason::Parse));
    assert_eq!(reading.rejects[0].error.message, "expected 2 cells, found 3");
    reading.append("a.csv", " open\"\n\ny,z\n");
    let rest = ["{\"kind\":\"x\",\"text\":\"open\\nstill open\"}", "{\"kind\":\"y\",\"text\":\"z\"}"];
    assert_eq!(reading.read().await, rest);
    reading.assert_ids_differ();
}

#[tokio::test]
async fn a_header_comes_before_anything_else() {
    let mut reading = Reading::new("*.tsv", &json!({}));
    reading.append("a.tsv", "id\tna");
    assert!(reading.read().await.is_empty());
    reading.append("a.tsv", "me\n1\tx\n");
    assert_eq!(reading.read().await, ["{\"id\":\"1\",\"name\":\"x\"}"]);
    reading.append("b.tsv", "id\tid\n1\t2\n");
    reading.append("a.tsv", "2\ty\n");
    assert!(reading.page().await.unwrap());
    let error = reading.page().await.unwrap_err();
    assert!(error.to_string().contains("b.tsv: there are two columns `id`"), "{error}");
    assert_eq!((error.class(), reading.events.len()), (ErrorClass::Permanent, 2));
}

#[tokio::test]
async fn packed_files_are_unpacked_and_read_on_at_their_place() {
    let mut reading = Reading::new("*.jsonl.gz", &json!({}));
    reading.append("a.jsonl", &format!("{}{{\"n\":2500}}", lines(0..2500)));
    reading.pack("a.jsonl");
    assert!(reading.page().await.unwrap());
    assert_eq!(reading.events.len(), 1000);
    reading.kill();
    reading.read().await;
    assert_eq!(reading.events.len(), 2501, "a last line without a line end is one");
    reading.assert_ids_differ();
}

#[tokio::test]
async fn a_line_of_any_length_is_passed_over_in_bounded_pieces() {
    let mut reading = Reading::new("a.jsonl", &json!({ "max_line": "1KiB" }));
    reading.append("a.jsonl", "{\"n\":0}\n{\"");
    let piece = "x".repeat(1 << 20);
    for _ in 0..20 {
        reading.append("a.jsonl", &piece);
    }
    let mut pages = 0;
    while reading.page().await.unwrap() {
        pages += 1;
    }
    assert!((2..10).contains(&pages), "{pages}");
    assert_eq!((reading.events.len(), reading.rejects.len()), (1, 0), "it has no end yet");
    reading.kill();
    reading.append("a.jsonl", &format!("\n{}", lines(1..3)));
    assert_eq!(reading.read().await, events(1..3));
    assert_eq!((reading.rejects.len(), reading.rejects[0].reason), (1, Reason::TooLarge));
}
