//! What a test of a pipeline sees of a channel.

use serde_json::{Value, json};
use sluicebox_core::{Shown, SinkSpec};

use super::{events, spec};

/// The messages, or why there are none, with the events that they speak of.
fn rendered(options: &Value, texts: &[&str]) -> Vec<(Vec<usize>, Result<Value, String>)> {
    let mut rendering = spec(options).rendering().unwrap().unwrap();
    let all = rendering.render(&events(texts)).into_iter();
    all.map(|one| match one.shown {
        Ok(Shown::Message(message)) => (one.events, Ok(message)),
        Ok(Shown::Address(address)) => panic!("{address}"),
        Err(error) => (one.events, Err(error.to_string())),
    })
    .collect()
}

#[test]
fn messages_are_shown_as_they_would_be_posted_without_any_credentials() {
    let options = json!({ "text": "*{{ event.text.to_upper() }}*", "webhook_url": "missing" });
    assert_eq!(
        rendered(&options, &["a", "<b>"]),
        [(vec![0], Ok(json!({ "text": "*A*" }))), (vec![1], Ok(json!({ "text": "*&lt;B&gt;*" })))]
    );
    let options = json!({
        "token": "missing", "channel": "missing", "text": "{{ event.text }}", "thread_key": "event.n",
        "blocks": [{ "type": "divider" }]
    });
    let message = json!({ "text": "a", "blocks": [{ "type": "divider" }], "thread": "0" });
    assert_eq!(rendered(&options, &["a"]), [(vec![0], Ok(message))]);
}

#[test]
fn a_digest_is_one_message_and_a_failing_text_is_told_by_event() {
    let options =
        json!({ "text": "{{ event.text }}", "webhook_url": "missing", "digest": { "max_events": 2 } });
    let all = rendered(&options, &["a", "b", "c"]);
    assert_eq!(all[0], (vec![0, 1], Ok(json!({ "text": "a\nb" }))));
    assert_eq!(all[1], (vec![2], Ok(json!({ "text": "c" }))));
    let options = json!({ "text": "{{ event.nothing.len() }}", "webhook_url": "missing" });
    let [(events, Err(message))] = &rendered(&options, &["a"])[..] else { panic!("one refusal") };
    assert_eq!((&events[..], message.starts_with("text")), (&[0][..], true));
}
