//! Topic names: what Kafka allows, and names that are made of an event.

use sluicebox_core::{Error, Event, Located, Problem, Result};
use sluicebox_rules::{Template, TemplateKind};

/// Longest name that Kafka takes.
const LONGEST: usize = 249;

/// Where records go.
#[derive(Clone, Debug)]
pub(crate) enum Topic {
    /// One topic for all.
    Fixed(String),
    /// By event; begins with a literal part.
    Templated(Template),
}

impl Topic {
    /// Compiles the option.
    ///
    /// # Errors
    /// What is wrong, with the place inside the text.
    pub(crate) fn compile(text: &Located) -> Result<Self, Problem> {
        let template = Template::compile(text, TemplateKind::Text)?;
        let prefix = template.literal_prefix();
        if template.is_fixed() {
            refuse(prefix).map_or(Ok(()), |message| Err(Problem::new("", message).with_help(HELP)))?;
            return Ok(Self::Fixed(prefix.to_owned()));
        }
        if prefix.is_empty() {
            let message = "a topic begins with a literal part, so that no event can lead out of it";
            return Err(Problem::new("", message).with_help("like `events.{{ meta.type }}`"));
        }
        if let Some(message) = refuse(prefix).filter(|_| !matches!(prefix, "." | "..")) {
            return Err(Problem::new("", message).with_help(HELP));
        }
        if prefix.starts_with(OWN) {
            return Err(Problem::new("", "names that begin with `_sluicebox_` are kept for positions"));
        }
        Ok(Self::Templated(template))
    }

    /// The topic of an event; `buffer` holds it if it is made of the event.
    ///
    /// # Errors
    /// The expression fails, or what it gives is no topic: a dead letter.
    pub(crate) fn of<'a>(&'a self, event: &Event, buffer: &'a mut String) -> Result<&'a str> {
        let template = match self {
            Self::Fixed(name) => return Ok(name),
            Self::Templated(template) => template,
        };
        *buffer = template.render(event).map_err(|error| error.to_error("the topic"))?;
        match refuse(buffer) {
            None => Ok(buffer),
            Some(message) => {
                let shown: String = buffer.chars().take(100).collect();
                Err(Error::permanent(format!("`{shown}` cannot be a topic: {message}")).with_help(HELP))
            }
        }
    }

    /// The name, if it is the same for every event.
    pub(crate) fn fixed(&self) -> Option<&str> {
        match self {
            Self::Fixed(name) => Some(name),
            Self::Templated(_) => None,
        }
    }
}

/// What the topics of our own begin with.
const OWN: &str = "_sluicebox_";

const HELP: &str = "letters without accents, digits, `.`, `_` and `-`, at most 249 of them";

/// Why a name cannot be that of a topic, if so.
pub(crate) fn refuse(name: &str) -> Option<&'static str> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty() {
        Some("the name is empty")
    } else if name.len() > LONGEST {
        Some("the name is too long")
    } else if matches!(name, "." | "..") {
        Some("Kafka does not allow this name")
    } else if !name.bytes().all(legal) {
        Some("a character is not allowed in the name of a topic")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_events::event;

    fn compile(text: &str) -> Result<Topic, String> {
        Topic::compile(&text.into()).map_err(|problem| problem.message)
    }

    #[test]
    fn a_topic_is_legal_or_begins_with_a_legal_literal() {
        assert_eq!(compile("orders.v1").unwrap().fixed(), Some("orders.v1"));
        assert!(compile("orders.{{ meta.type }}").unwrap().fixed().is_none());
        for text in
            ["", "..", "a b", "été", "{{ meta.type }}", "a/{{ meta.type }}", "_sluicebox_{{ meta.type }}"]
        {
            assert!(compile(text).is_err(), "{text}");
        }
        assert!(compile(&"a".repeat(250)).unwrap_err().contains("too long"));
    }

    #[test]
    fn an_event_cannot_lead_out_of_the_names() {
        let topic = compile("orders.{{ event.kind }}").unwrap();
        let mut buffer = String::new();
        assert_eq!(topic.of(&event(1, r#"{"kind":"new"}"#), &mut buffer).unwrap(), "orders.new");
        for json in [r#"{"kind":"a/b"}"#, r#"{"kind":"a b"}"#, r#"{"kind":"é"}"#] {
            let error = topic.of(&event(1, json), &mut buffer).unwrap_err();
            assert_eq!(error.class(), sluicebox_core::ErrorClass::Permanent, "{json}");
        }
    }
}
