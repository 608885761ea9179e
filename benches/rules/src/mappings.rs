//! Mappings: an event changed in place, and a new map made of it; native, interpreted, and VRL; bytes to bytes.

use sluicebox_core::{Event, Located};
use sluicebox_rules::{Emitted, Script, Tier};

use crate::vrl_program::Vrl;
use crate::{Way, compare, is_wanted};

/// Three nested fields renamed, one dropped, a length added, an e-mail in lower case, a field on a condition.
const IN_PLACE: (&str, &str, &str) = (
    "mapping: in place",
    r#"
    event.data.message.author = event.data.message.remove("authorId");
    event.data.message.sent = event.data.message.remove("sentAt");
    event.data.conversation = event.data.remove("conversationId");
    event.data.remove("members");
    event.data.message.text_len = event.data.message.text.len();
    event.data.message.authorEmail = event.data.message.authorEmail.to_lower();
    if event.data.message.text.contains("refund") { event.priority = "high"; }
    "#,
    r#"
    .data.message.author = del(.data.message.authorId)
    .data.message.sent = del(.data.message.sentAt)
    .data.conversation = del(.data.conversationId)
    del(.data.members)
    .data.message.text_len = strlen!(.data.message.text)
    .data.message.authorEmail = downcase!(.data.message.authorEmail)
    if contains!(.data.message.text, "refund") { .priority = "high" }
    "#,
);

/// Nine fields of the event in a flat map.
const NEW_MAP: (&str, &str, &str) = (
    "mapping: a new map of nine fields",
    r#"
    #{
        message_id: event.data.message.id,
        conversation: event.data.conversationId,
        author: event.data.message.authorId,
        email: event.data.message.authorEmail.to_lower(),
        text: event.data.message.text,
        text_len: event.data.message.text.len(),
        sent: event.data.message.sentAt,
        type: event.type,
        refund: event.data.message.text.contains("refund"),
    }
    "#,
    r#"
    . = {
        "message_id": .data.message.id,
        "conversation": .data.conversationId,
        "author": .data.message.authorId,
        "email": downcase!(.data.message.authorEmail),
        "text": .data.message.text,
        "text_len": strlen!(.data.message.text),
        "sent": .data.message.sentAt,
        "type": .type,
        "refund": contains!(.data.message.text, "refund"),
    }
    "#,
);

pub fn run(events: &[Event]) {
    for (title, rhai, vrl) in [IN_PLACE, NEW_MAP].into_iter().filter(|(title, ..)| is_wanted(title)) {
        let native = Script::compile(&Located::unplaced(rhai)).expect("a script");
        assert_eq!(native.tier(), Tier::Native, "{rhai}");
        let (projected, interpreted) = (native.clone().without_native(), native.clone().interpreted());
        let vrl = Vrl::new(vrl);
        let vrl = |event: &Event| serde_json::to_vec(&vrl.run(&event.json()).1).expect("values are JSON");
        for event in events {
            assert!(native.native_outcome(event).is_some());
            let changed = changed(&native, event);
            assert_eq!(changed, self::changed(&projected, event));
            assert_eq!(changed, self::changed(&interpreted, event));
            let tree = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).expect("JSON");
            assert_eq!(tree(&changed), tree(&vrl(event)));
        }
        compare(
            title,
            events,
            &[
                Way::new("native", |event| changed(&native, event).len()),
                Way::new("interpreted over the fields it names", |event| changed(&projected, event).len()),
                Way::new("interpreted over the whole event", |event| changed(&interpreted, event).len()),
                Way::new("VRL", |event| vrl(event).len()),
            ],
        );
    }
}

/// The JSON text of the one event that a script makes of one.
fn changed(script: &Script, event: &Event) -> bytes::Bytes {
    let outcome = script.run(event).expect("no event fails");
    match outcome.emitted.into_iter().next().expect("every event goes on").event {
        Emitted::Changed(json) | Emitted::Child(json) => json,
        Emitted::Unchanged => event.json(),
    }
}
