//! Conditions: as they run, interpreted over an eagerly built map, and VRL.

use sluicebox_core::{Event, Located};
use sluicebox_rules::{Condition, Tier};

use crate::vrl_program::Vrl;
use crate::{Way, compare, is_wanted};

const FILTERS: [(&str, &str, &str); 5] = [
    (
        "filter: type and part of a text",
        r#"event.type == "message.created" && event.data.message.text.contains("refund")"#,
        r#".type == "message.created" && contains!(.data.message.text, "refund")"#,
    ),
    (
        "filter: one of many types, a number, a nested field",
        r#"event.type in ["message.created", "message.updated"] && !(event.data.muted == true) && event.data.message.sentAt > 1781258430000"#,
        r#"(.type == "message.created" || .type == "message.updated") && !(.data.muted == true) && int!(.data.message.sentAt) > 1781258430000"#,
    ),
    (
        "filter: a type that the events do not have (searched for first)",
        r#"event.type == "payment.disputed" && event.data.message.text.contains("refund")"#,
        r#".type == "payment.disputed" && contains!(.data.message.text, "refund")"#,
    ),
    (
        "filter: a nested text alone",
        r#"event.data.message.text.contains("refund")"#,
        r#"contains!(.data.message.text, "refund")"#,
    ),
    (
        "filter: an item of a list, which has no native form",
        r#"event.type == "message.created" && event.data.message.attachments[0].size > 1000"#,
        r#".type == "message.created" && int!(.data.message.attachments[0].size) > 1000"#,
    ),
];

pub fn run(events: &[Event]) {
    for (title, rhai, vrl) in FILTERS.into_iter().filter(|(title, ..)| is_wanted(title)) {
        let native = Condition::compile(&Located::unplaced(rhai)).expect("a condition");
        let is_native = native.tier() == Tier::Native;
        let name = if is_native { "native" } else { "interpreted over the fields it names" };
        let interpreted = native.clone().interpreted();
        let vrl = Vrl::new(vrl);
        for event in events {
            let expected = interpreted.matches(event).expect("no event fails");
            assert_eq!(native.native_answer(event), is_native.then_some(expected));
            assert_eq!(native.matches(event), Ok(expected));
            assert_eq!(vrl.run(&event.json()).0.as_boolean(), Some(expected));
        }
        compare(
            title,
            events,
            &[
                Way::new(name, |event| usize::from(native.matches(event) == Ok(true))),
                Way::new("interpreted over the whole event", |event| {
                    usize::from(interpreted.matches(event) == Ok(true))
                }),
                Way::new("VRL", |event| usize::from(vrl.run(&event.json()).0.as_boolean() == Some(true))),
            ],
        );
    }
}
