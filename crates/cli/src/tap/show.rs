//! A step as a person reads it: a line that says what became of the event, and the event with its changes marked.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::picture;

/// A step as the admin server tells it.
#[derive(Deserialize)]
struct Step<'a> {
    time: &'a str,
    component: String,
    id: String,
    #[serde(rename = "step")]
    became: String,
    output: Option<String>,
    after_id: Option<String>,
    reason: Option<String>,
    message: Option<String>,
    #[serde(borrow)]
    before: &'a RawValue,
    #[serde(borrow)]
    after: Option<&'a RawValue>,
}

/// A step over several lines; a line that is no step as it is.
pub(super) fn step(line: &str, colour: bool) -> String {
    let Ok(step) = serde_json::from_str::<Step<'_>>(line) else { return format!("{line}\n") };
    let (before, after) = (step.before.get(), step.after.map(RawValue::get));
    let body = match after {
        Some(after) if after == before => String::new(),
        Some(after) => picture::changes(before, after, colour),
        None if step.became == "delivered" => String::new(),
        None => picture::plain(before),
    };
    let Step { time, component, id, .. } = &step;
    format!("{time}  {component}  {id}  {}\n{body}", what(&step, before))
}

fn what(step: &Step<'_>, before: &str) -> String {
    let to = step.output.as_ref().map(|output| format!(" to {output}")).unwrap_or_default();
    let reason = step.reason.as_deref().unwrap_or_default();
    match step.became.as_str() {
        "received" => "came from the source".to_owned(),
        "emitted" => {
            let child = step.after_id.as_ref().filter(|after| **after != step.id);
            let child = child.map(|after| format!(" as {after}")).unwrap_or_default();
            let unchanged = step.after.is_some_and(|after| after.get() == before);
            format!("went on{to}{child}{}", if unchanged { ", unchanged" } else { "" })
        }
        "around" => "went on as it was: the condition does not hold".to_owned(),
        "discarded" => format!("goes no further: {reason}"),
        "absorbed" => "is part of what the component remembers".to_owned(),
        "dead_letter" => {
            format!("became a dead letter: {reason}: {}", step.message.as_deref().unwrap_or_default())
        }
        "delivered" => "is durable".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::step;

    #[test]
    fn what_a_component_changed_is_marked() {
        let line = r#"{"time":"2026-06-12T10:00:00.000Z","component":"priced","kind":"transform","id":"a:1","step":"emitted","output":"big","after_id":"a:1","before":{"n":1.10},"after":{"n":1.10,"eur":2}}"#;
        assert_eq!(
            step(line, false),
            "2026-06-12T10:00:00.000Z  priced  a:1  went on to big\n  {\n    \"n\": 1.10,\n+   \"eur\": 2\n  }\n"
        );
        let line =
            r#"{"time":"t","component":"w","kind":"sink","id":"a:1","step":"delivered","before":{"n":1}}"#;
        assert_eq!(step(line, false), "t  w  a:1  is durable\n");
        let line = r#"{"time":"t","component":"r","kind":"transform","id":"a:1","step":"dead_letter","reason":"script","message":"no","before":{"n":1}}"#;
        assert!(step(line, false).starts_with("t  r  a:1  became a dead letter: script: no\n"));
    }
}
