//! The messages of a channel without Slack: for tests of a pipeline.
//!
//! Invariant: text, blocks and threads are those that would be posted, made by the same composer.

use serde_json::{Map, Value};
use sluicebox_core::{Event, Rendered, Rendering, Shown};

use super::message::{Composer, Message};

impl Rendering for Composer {
    fn render(&mut self, events: &[Event]) -> Vec<Rendered> {
        let plan = self.plan(events, 0..events.len());
        let posts = plan
            .posts
            .into_iter()
            .map(|post| Rendered { events: post.events, shown: Ok(Shown::Message(shown(post.message))) });
        let refused =
            plan.rejected.into_iter().map(|one| Rendered { events: vec![one.index], shown: Err(one.error) });
        posts.chain(refused).collect()
    }
}

/// A message with what it has: `{text, blocks, thread}`.
fn shown(message: Message) -> Value {
    let mut fields = Map::from_iter([("text".to_owned(), Value::from(message.text))]);
    fields.extend(message.blocks.map(|blocks| ("blocks".to_owned(), Value::from(blocks))));
    fields.extend(message.thread.map(|key| ("thread".to_owned(), Value::from(key))));
    Value::Object(fields)
}
