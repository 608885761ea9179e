//! Files that are renamed, cut short, copied, packed, replaced and removed, while they are read and between two runs.

use std::fs;

use serde_json::json;

use crate::support::{Reading, events, lines};

/// Every test of this page runs twice: with the process going on, and with another one after each step.
fn step(reading: &mut Reading, is_killed: bool) {
    if is_killed {
        reading.kill();
    }
}

#[tokio::test]
async fn a_file_that_is_renamed_is_read_to_its_end_and_then_the_new_one() {
    for pattern in ["app.jsonl", "app.jsonl*"] {
        for is_killed in [false, true] {
            let mut reading = Reading::new(pattern, &json!({}));
            reading.append("app.jsonl", &lines(0..3));
            assert_eq!(reading.read().await, events(0..3));
            step(&mut reading, is_killed);
            reading.append("app.jsonl", &lines(3..5));
            reading.rename("app.jsonl", "app.jsonl.1");
            reading.append("app.jsonl", &lines(6..8));
            // The writer has not heard of it yet.
            reading.append("app.jsonl.1", &lines(5..6));
            assert_eq!(reading.read().await, events(3..8), "{pattern} {is_killed}");
            step(&mut reading, is_killed);
            reading.append("app.jsonl", &lines(8..9));
            assert_eq!(reading.read().await, events(8..9));
            reading.wait(60).await;
            reading.read().await;
            let expected =
                if pattern.ends_with('*') { vec!["app.jsonl.1", "app.jsonl"] } else { vec!["app.jsonl"] };
            assert_eq!(reading.known(), expected, "what was rotated away is forgotten after a while");
            reading.assert_ids_differ();
            assert!(reading.gaps.is_empty());
        }
    }
}

#[tokio::test]
async fn a_renamed_file_that_is_packed_meanwhile_is_read_on() {
    for pattern in ["app.jsonl", "app.jsonl*"] {
        let mut reading = Reading::new(pattern, &json!({}));
        reading.append("app.jsonl", &lines(0..300));
        assert_eq!(reading.read().await, events(0..300));
        reading.kill();
        reading.append("app.jsonl", &lines(300..400));
        reading.rename("app.jsonl", "app.jsonl.1");
        reading.pack("app.jsonl.1");
        reading.append("app.jsonl", &lines(400..500));
        assert_eq!(reading.read().await, events(300..500), "{pattern}");
        reading.assert_ids_differ();
    }
}

#[tokio::test]
async fn a_finished_file_that_is_packed_is_not_read_again() {
    for is_killed in [false, true] {
        let mut reading = Reading::new("app.jsonl*", &json!({}));
        reading.append("app.jsonl", &lines(0..300));
        reading.read().await;
        reading.rename("app.jsonl", "app.jsonl.1");
        reading.append("app.jsonl", &lines(300..310));
        assert_eq!(reading.read().await, events(300..310));
        step(&mut reading, is_killed);
        reading.pack("app.jsonl.1");
        assert!(reading.read().await.is_empty());
        assert_eq!(reading.known(), ["app.jsonl.1.gz", "app.jsonl"]);
    }
}

#[tokio::test]
async fn a_file_that_is_copied_and_cut_short_is_read_on_in_the_copy() {
    for pattern in ["app.jsonl", "app.jsonl*"] {
        for is_killed in [false, true] {
            let mut reading = Reading::new(pattern, &json!({}));
            reading.append("app.jsonl", &lines(0..100));
            assert_eq!(reading.read().await, events(0..100));
            step(&mut reading, is_killed);
            reading.append("app.jsonl", &lines(100..120));
            reading.copy_and_cut("app.jsonl", "app.jsonl.1");
            reading.append("app.jsonl", &lines(0..50));
            assert_eq!(
                reading.read().await,
                [events(100..120), events(0..50)].concat(),
                "{pattern} {is_killed}"
            );
            assert!(reading.read().await.is_empty());
            // What came first is the same as before, and yet these are other events.
            reading.assert_ids_differ();
            assert!(reading.gaps.is_empty());
        }
    }
}

#[tokio::test]
async fn a_copy_is_not_read_while_the_file_itself_is() {
    let mut reading = Reading::new("app.jsonl*", &json!({}));
    reading.append("app.jsonl", &lines(0..100));
    reading.read().await;
    fs::copy(reading.path("app.jsonl"), reading.path("app.jsonl.1")).unwrap();
    assert!(reading.read().await.is_empty());
    reading.append("app.jsonl", &lines(100..110));
    assert_eq!(reading.read().await, events(100..110));
    reading.cut("app.jsonl");
    assert!(reading.read().await.is_empty());
    reading.append("app.jsonl", &lines(200..201));
    assert_eq!(reading.read().await, events(200..201));
    reading.append("app.jsonl.2", &lines(0..3));
    assert_eq!(reading.read().await, events(0..3), "with the same beginning as what was, it is another file");
}

#[tokio::test]
async fn a_file_that_is_cut_short_begins_again_even_if_it_has_grown_beyond_its_place() {
    for is_killed in [false, true] {
        let mut reading = Reading::new("app.jsonl", &json!({}));
        reading.append("app.jsonl", &lines(0..3));
        reading.read().await;
        step(&mut reading, is_killed);
        reading.cut("app.jsonl");
        reading.append("app.jsonl", &lines(10..90));
        assert_eq!(reading.read().await, events(10..90));
        reading.assert_ids_differ();
    }
}

#[tokio::test]
async fn a_file_that_is_removed_is_read_to_its_end_if_it_is_open_and_forgotten() {
    let mut reading = Reading::new("*.jsonl", &json!({}));
    reading.append("a.jsonl", &lines(0..3));
    reading.read().await;
    reading.append("a.jsonl", &lines(3..5));
    fs::remove_file(reading.path("a.jsonl")).unwrap();
    assert_eq!(reading.read().await, events(3..5));
    reading.wait(60).await;
    reading.read().await;
    assert!(reading.known().is_empty() && reading.gaps.is_empty());
    reading.append("a.jsonl", &lines(0..3));
    assert_eq!(reading.read().await, events(0..3));
    reading.assert_ids_differ();
}

#[tokio::test]
async fn lines_that_are_gone_for_good_are_a_gap() {
    let mut reading = Reading::new("*.jsonl", &json!({}));
    reading.append("a.jsonl", &lines(0..2500));
    reading.append("b.jsonl", &lines(0..2500));
    assert!(reading.page().await.unwrap());
    fs::remove_file(reading.path("b.jsonl")).unwrap();
    reading.read().await;
    assert_eq!(reading.gaps.len(), 1);
    assert!(reading.gaps[0].message.contains("b.jsonl is gone"), "{:?}", reading.gaps);
    assert_eq!(reading.known(), ["a.jsonl"]);
}

#[tokio::test]
async fn a_file_that_is_written_anew_with_the_same_beginning_is_read_on() {
    let mut reading = Reading::new("a.jsonl", &json!({}));
    reading.append("a.jsonl", &lines(0..10));
    reading.read().await;
    reading.kill();
    let text = format!("{}{}", fs::read_to_string(reading.path("a.jsonl")).unwrap(), lines(10..12));
    fs::write(reading.path(".new"), text).unwrap();
    reading.rename(".new", "a.jsonl");
    assert_eq!(reading.read().await, events(10..12));
}

#[tokio::test]
async fn files_on_a_device_that_got_another_number_are_known_by_what_they_hold() {
    let mut reading = Reading::new("*.jsonl", &json!({}));
    reading.append("a.jsonl", &lines(0..10));
    reading.append("b.jsonl", &lines(10..20));
    reading.read().await;
    reading.kill();
    reading.edit_cursor(|file| file["node"][0] = json!(7));
    reading.append("b.jsonl", &lines(20..21));
    assert_eq!(reading.read().await, events(20..21));
    assert_eq!(reading.known(), ["a.jsonl", "b.jsonl"]);
}

#[tokio::test]
async fn a_table_that_replaces_another_is_another_even_with_the_same_header_and_inode() {
    let mut reading = Reading::new("a.csv", &json!({}));
    for round in 0..3 {
        reading.append("a.csv", "id,n\n1,2\n");
        assert_eq!(reading.read().await, ["{\"id\":\"1\",\"n\":\"2\"}"], "{round}");
        fs::remove_file(reading.path("a.csv")).unwrap();
        reading.read().await;
        reading.wait(60).await;
        reading.read().await;
    }
    reading.assert_ids_differ();
}
