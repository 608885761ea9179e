//! Block Kit as a pipeline file writes it: any structure, whose texts are templates.
//!
//! Source: sections 2 and 5 of the Slack contract. Invariant: what an event gives ends up in texts (escaped), in URLs
//! (encoded, of a scheme that may be linked) or in plain values, never in the structure.

use serde_json::{Map, Value};
use sluicebox_core::{Error, Event, Located, Problem, Result};
use sluicebox_rules::{Template, TemplateKind};

use super::escape;

const EXPECTED_URL: &str = "expected a URL that begins with `https:`, `http:` or `mailto:`";

/// A structure whose texts are templates.
#[derive(Clone, Debug)]
enum Node {
    Fixed(Value),
    Text { template: Box<Template>, place: Place, path: String },
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// What a text is for, and so how values in it are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The text of a text object or of a `markdown` block.
    Markup,
    /// Where a button, a link or an image leads.
    Url,
    /// Anything else: Slack takes it as it is.
    Plain,
}

/// The blocks of a message, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Blocks(Vec<Node>);

impl Blocks {
    /// Compiles every text.
    ///
    /// # Errors
    /// What is wrong with each, with paths from `blocks`.
    pub(crate) fn compile(blocks: &[Value]) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let compile = |(index, block): (usize, &Value)| {
            node(block, Place::Plain, format!("blocks[{index}]"), &mut problems)
        };
        let nodes = blocks.iter().enumerate().map(compile).collect();
        if problems.is_empty() { Ok(Self(nodes)) } else { Err(problems) }
    }

    /// The blocks for an event, before any limit is looked at.
    ///
    /// # Errors
    /// A template failed on it, or made a link of a scheme that is not allowed.
    pub(crate) fn render(&self, event: &Event) -> Result<Vec<Value>> {
        self.0.iter().map(|node| render(node, event)).collect()
    }
}

fn node(value: &Value, place: Place, path: String, problems: &mut Vec<Problem>) -> Node {
    match value {
        Value::String(text) => match Template::compile(&Located::unplaced(text), TemplateKind::Text) {
            Ok(template) if template.is_fixed() && place == Place::Plain => Node::Fixed(value.clone()),
            Ok(template) if place == Place::Url && leads_astray(&template) => {
                problems.push(Problem::new(path, EXPECTED_URL));
                Node::Fixed(Value::Null)
            }
            Ok(template) => Node::Text { template: Box::new(template), place, path },
            Err(problem) => {
                problems.push(problem.under(&path));
                Node::Fixed(Value::Null)
            }
        },
        Value::Array(items) => {
            let item = |(index, item): (usize, &Value)| {
                node(item, Place::Plain, format!("{path}[{index}]"), problems)
            };
            Node::List(items.iter().enumerate().map(item).collect())
        }
        Value::Object(fields) => {
            let mut nodes = Vec::with_capacity(fields.len() + 1);
            for (key, value) in fields {
                let place = place_of(key, fields);
                nodes.push((key.clone(), node(value, place, format!("{path}.{key}"), problems)));
            }
            let dynamic = |(key, node): &(String, Node)| {
                key == "text" && matches!(node, Node::Text { template, .. } if !template.is_fixed())
            };
            // Text of an event: Slack is not to look for names and addresses in it (contract section 5).
            if is_type(fields, "mrkdwn") && !fields.contains_key("verbatim") && nodes.iter().any(dynamic) {
                nodes.push(("verbatim".to_owned(), Node::Fixed(Value::Bool(true))));
            }
            Node::Map(nodes)
        }
        other => Node::Fixed(other.clone()),
    }
}

/// Whether no event can make a good link of it.
fn leads_astray(template: &Template) -> bool {
    let prefix = template.literal_prefix();
    (template.is_fixed() || prefix.contains(':')) && !escape::may_link(prefix)
}

fn place_of(key: &str, object: &Map<String, Value>) -> Place {
    let holds_markup = ["mrkdwn", "plain_text", "markdown"].iter().any(|name| is_type(object, name));
    match key {
        "text" if holds_markup => Place::Markup,
        "url" => Place::Url,
        key if key.ends_with("_url") => Place::Url,
        _ => Place::Plain,
    }
}

/// Whether an object says that it is of this type.
pub(crate) fn is_type(object: &Map<String, Value>, name: &str) -> bool {
    object.get("type").and_then(Value::as_str) == Some(name)
}

fn render(node: &Node, event: &Event) -> Result<Value> {
    Ok(match node {
        Node::Fixed(value) => value.clone(),
        Node::List(items) => {
            Value::Array(items.iter().map(|item| render(item, event)).collect::<Result<_>>()?)
        }
        Node::Map(fields) => {
            let field = |(key, node): &(String, Node)| Ok((key.clone(), render(node, event)?));
            Value::Object(fields.iter().map(field).collect::<Result<_>>()?)
        }
        Node::Text { template, place, path } => {
            let put = match place {
                Place::Markup => escape::put,
                Place::Url => escape::put_url,
                Place::Plain => String::push_str,
            };
            let text = template.render_with(event, put).map_err(|error| error.to_error(path))?;
            match place {
                Place::Markup => escape::disarm(text).into(),
                Place::Url if !escape::may_link(&text) => {
                    return Err(Error::permanent(format!("{path}: {EXPECTED_URL}"))
                    .with_help("leave the event out with `when:`, or give a default: `{{ event.url ?? \"https://…\" }}`"));
                }
                Place::Url | Place::Plain => text.into(),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use sluicebox_testkit::event;

    fn rendered(blocks: &Value, data: &Value) -> Result<Value> {
        let blocks = Blocks::compile(blocks.as_array().unwrap()).unwrap();
        blocks.render(&event(1, &data.to_string())).map(Value::Array)
    }

    #[test]
    fn texts_are_escaped_urls_encoded_and_the_structure_stays() {
        let blocks = json!([
            { "type": "section", "block_id": "b-{{ event.id }}",
              "text": { "type": "mrkdwn", "text": "*{{ event.title }}* & <!here>" },
              "fields": [{ "type": "plain_text", "text": "{{ event.title }}", "emoji": true }],
              "accessory": { "type": "button", "url": "https://x.example/{{ event.title }}", "value": "{{ event.title }}" } },
            { "type": "section", "text": { "type": "mrkdwn", "text": "fixed" } },
            { "type": "divider" }
        ]);
        let found = rendered(&blocks, &json!({ "id": 7, "title": "<a&b>" })).unwrap();
        let expected = json!([
            { "type": "section", "block_id": "b-7",
              "text": { "type": "mrkdwn", "text": "*&lt;a&amp;b&gt;* & <!here>", "verbatim": true },
              "fields": [{ "type": "plain_text", "text": "&lt;a&amp;b&gt;", "emoji": true }],
              "accessory": { "type": "button", "url": "https://x.example/%3Ca%26b%3E", "value": "<a&b>" } },
            { "type": "section", "text": { "type": "mrkdwn", "text": "fixed" } },
            { "type": "divider" }
        ]);
        assert_eq!(found, expected);
    }

    #[test]
    fn an_event_cannot_choose_what_a_link_does() {
        let blocks = json!([{ "type": "image", "alt_text": "x", "image_url": "{{ event.url }}" }]);
        assert!(rendered(&blocks, &json!({ "url": "https://x.example/a.png?b=1&c=2" })).is_ok());
        for url in ["javascript:alert(1)", "", "slack://x"] {
            let error = rendered(&blocks, &json!({ "url": url })).unwrap_err();
            assert!(error.to_string().starts_with("blocks[0].image_url: expected a URL"), "{error}");
        }
    }

    #[test]
    fn a_link_that_can_never_be_good_is_found_before_anything_runs() {
        let compile = |url: &str| Blocks::compile(&[json!({ "type": "button", "url": url })]);
        for url in ["javascript:{{ event.x }}", "ftp://x.example", "", "x.example"] {
            assert_eq!(compile(url).unwrap_err()[0].path, "blocks[0].url", "{url}");
        }
        for url in ["https://x.example", "https://x.example/{{ event.id }}", "{{ event.url }}"] {
            assert!(compile(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn every_template_that_does_not_compile_is_named() {
        let blocks = json!([{ "type": "section", "text": { "type": "mrkdwn", "text": "{{ event. }}" } },
            { "type": "context", "elements": [{ "type": "mrkdwn", "text": "{{ x" }] }]);
        let problems = Blocks::compile(blocks.as_array().unwrap()).unwrap_err();
        let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["blocks[0].text.text", "blocks[1].elements[0].text"]);
    }
}
