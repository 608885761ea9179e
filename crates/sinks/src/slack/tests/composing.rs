//! From events to messages, without a wire.

use super::*;
use crate::slack::message::Plan;
use crate::slack::split::width;

fn plan(more: Value, events: &[Event]) -> Plan {
    let mut options = json!({ "token": "x", "channel": "C1", "text": "{{ event.text }}" });
    merge(&mut options, more);
    spec(&options).composer().map_err(|_| "invalid").unwrap().plan(events, 0..events.len())
}

fn texts(plan: &Plan) -> Vec<&str> {
    plan.posts.iter().map(|post| post.message.text.as_str()).collect()
}

#[test]
fn what_an_event_says_is_escaped_and_an_empty_text_stands_for_itself() {
    let plan = plan(json!({}), &events(&["<!channel> & *b*", "", "  \n"]));
    assert_eq!(texts(&plan), ["&lt;!channel&gt; &amp; *b*", "(empty)", "(empty)"]);
}

#[test]
fn a_long_text_is_split_and_the_event_is_delivered_with_the_last_part() {
    let long = "word & <https://x.example/?a=b|link> ".repeat(300);
    let plan = plan(json!({ "thread_key": "event.n" }), &events(&[&long, "short"]));
    let last: Vec<_> = plan.posts.iter().map(|post| (post.events[0], post.is_last)).collect();
    let mut expected = vec![(0, false); plan.posts.len() - 2];
    expected.extend([(0, true), (1, true)]);
    assert_eq!(last, expected);
    assert!(plan.posts.len() > 3 && plan.cuts == 0);
    for post in &plan.posts {
        assert!(width(&post.message.text) <= 4_000);
        assert_eq!(post.message.thread.as_deref(), Some(if post.events[0] == 0 { "0" } else { "1" }));
        let entities = ["&amp;", "&lt;", "&gt;"].into_iter();
        let rest = entities.fold(post.message.text.clone(), |text, entity| text.replace(entity, ""));
        assert!(!rest.contains(['&', ';']), "{rest}");
    }
    let endless = "x".repeat(100_000);
    let plan = self::plan(json!({}), &events(&[&endless]));
    assert_eq!((plan.posts.len(), plan.cuts), (10, 1));
    assert!(plan.posts[9].message.text.ends_with('…'));
}

#[test]
fn with_blocks_the_text_is_one_line_for_notifications() {
    let blocks = json!([{ "type": "section", "text": { "type": "mrkdwn", "text": "{{ event.text }}" } }]);
    let plan = plan(json!({ "blocks": blocks }), &events(&[&"x".repeat(9_000), ""]));
    let [long, empty] = [&plan.posts[0].message, &plan.posts[1].message];
    assert_eq!((plan.posts.len(), plan.cuts, width(&long.text)), (2, 2, 3_000));
    assert_eq!(width(long.blocks.as_ref().unwrap()[0]["text"]["text"].as_str().unwrap()), 3_000);
    assert_eq!(empty.blocks.as_ref().unwrap()[0]["text"]["text"], "(empty)");
}

#[test]
fn an_event_that_a_rule_fails_on_is_rejected_alone() {
    let plan = plan(json!({ "text": "{{ event.text.len() + event.missing.len() }}" }), &events(&["a"]));
    assert_eq!((plan.posts.len(), plan.rejected.len()), (0, 1));
    let plan = self::plan(json!({ "thread_key": "[1]" }), &events(&["a"]));
    assert!(plan.rejected[0].error.to_string().contains("thread_key: expected text"));
    let plan = self::plan(json!({ "thread_key": "event.text" }), &events(&[&"x".repeat(1_001)]));
    assert_eq!(plan.rejected[0].error.reason(), "too_large");
    let plan = self::plan(json!({ "thread_key": "event.nope" }), &events(&["a"]));
    assert_eq!(plan.posts[0].message.thread, None);
}

#[test]
fn a_digest_holds_as_many_events_as_it_may() {
    let digest = json!({ "digest": { "max_events": 2, "header": "*{{ event.count }}* {{ event.first.text }}-{{ event.last.text }} {{ meta.id }}" } });
    let plan = plan(digest, &events(&["a", "b<", "c"]));
    let expected = ["*2* a-b&lt; opentrain:a:0\na\nb&lt;", "*1* c-c opentrain:a:2\nc"];
    assert_eq!(texts(&plan), expected);
    let indices: Vec<_> = plan.posts.iter().map(|post| post.events.clone()).collect();
    assert_eq!(indices, [vec![0, 1], vec![2]]);
}

#[test]
fn a_digest_goes_on_in_another_message_where_a_limit_is_reached() {
    let line = "x".repeat(1_500);
    let plan = plan(json!({ "digest": { "header": "h" } }), &events(&[line.as_str(); 5]));
    let sizes: Vec<_> = plan.posts.iter().map(|post| post.events.len()).collect();
    assert_eq!(sizes, [2, 2, 1]);
    assert!(texts(&plan).iter().all(|text| width(text) <= 4_000));
    // One that is too long for any digest goes alone, in its place.
    let long = "y".repeat(9_000);
    let plan = self::plan(json!({ "digest": {} }), &events(&["a", &long, "b"]));
    let indices: Vec<_> = plan.posts.iter().map(|post| (post.events.clone(), post.is_last)).collect();
    assert_eq!(
        indices,
        [(vec![0], true), (vec![1], false), (vec![1], false), (vec![1], true), (vec![2], true)]
    );
}

#[test]
fn a_unit_is_an_event_with_its_parts_or_one_digest() {
    let units = |more: Value, events: &[Event]| {
        let mut options = json!({ "token": "x", "channel": "C1", "text": "{{ event.text }}" });
        merge(&mut options, more);
        let composer = spec(&options).composer().map_err(|_| "invalid").unwrap();
        let (mut at, mut units) = (0, Vec::new());
        while at < events.len() {
            let unit = composer.unit(events, at);
            units.push((unit.plan.posts.len(), unit.plan.rejected.len(), unit.end));
            at = unit.end;
        }
        units
    };
    let (line, long) = ("x".repeat(1_500), "y".repeat(9_000));
    let batch = events(&["a", &long, "b"]);
    assert_eq!(units(json!({}), &batch), [(1, 0, 1), (3, 0, 2), (1, 0, 3)]);
    assert_eq!(units(json!({ "digest": {} }), &batch), [(1, 0, 1), (3, 0, 2), (1, 0, 3)]);
    let digest = json!({ "digest": { "max_events": 3 } });
    assert_eq!(units(digest.clone(), &events(&[line.as_str(); 5])), [(1, 0, 2), (1, 0, 4), (1, 0, 5)]);
    assert_eq!(units(digest, &events(&["a"; 7])), [(1, 0, 3), (1, 0, 6), (1, 0, 7)]);
    let failing = json!({ "text": "{{ 6 / (event.n - 1) }}", "digest": { "max_events": 2 } });
    assert_eq!(units(failing, &events(&["a"; 4])), [(1, 1, 2), (1, 0, 4)]);
}

#[test]
fn a_digest_of_blocks_keeps_their_limits_and_drops_their_ids() {
    let section = json!({ "type": "section", "block_id": "b", "text": { "type": "mrkdwn", "text": "{{ event.text }}" } });
    let more =
        json!({ "blocks": [section, { "type": "divider" }], "digest": { "max_events": 100, "header": "h" } });
    let plan = plan(more.clone(), &events(&["a"; 60]));
    let sizes: Vec<_> = plan.posts.iter().map(|post| post.message.blocks.as_ref().unwrap().len()).collect();
    assert_eq!(sizes, [49, 49, 25]);
    let first = plan.posts[0].message.blocks.as_ref().unwrap();
    assert_eq!(first[0]["text"]["text"], "h");
    assert!(first[1].get("block_id").is_none());
    let plan = self::plan(more, &events(&["x".repeat(2_900).as_str(); 9]));
    let sizes: Vec<_> = plan.posts.iter().map(|post| post.events.len()).collect();
    assert_eq!(sizes, [4, 4, 1]);
}
