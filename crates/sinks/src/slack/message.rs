//! From events to messages: one or several for an event, or one for several events.
//!
//! Invariant: every message keeps Slack's limits before it is sent, and every event is in the last of its messages
//! exactly once. The same events make the same messages.

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::{Value, json};
use sluicebox_core::{Error, Event, Rejected, Result};
use sluicebox_rules::{Expression, Template};

use super::blocks::Blocks;
use super::escape;
use super::limits::{BLOCKS_CHARACTERS, EMPTY, MOST_BLOCKS, fit};
use super::split::{cut, split, width};

/// Most characters of a message without blocks, as Slack advises.
const TEXT: usize = 4_000;
/// Most characters of the text beside blocks: the line of a notification.
const FALLBACK: usize = 3_000;
/// Most messages that one event is split into.
const MOST_PARTS: usize = 10;
/// Longest key of a thread, in bytes: thousands are remembered.
const LONGEST_KEY: usize = 1_000;
/// Most characters of the header of a digest.
const HEADER: usize = 150;

/// A message as it is sent, but for its channel and thread.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    /// The text, or what a notification shows of the blocks.
    pub(crate) text: String,
    /// The blocks.
    pub(crate) blocks: Option<Vec<Value>>,
    /// The key of the thread that it belongs to.
    pub(crate) thread: Option<String>,
}

/// A message and the events that it speaks of, by their place in the batch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Post {
    pub(crate) message: Message,
    pub(crate) events: Vec<usize>,
    /// Whether the events are delivered with it; `false` for all but the last part of a long one.
    pub(crate) is_last: bool,
}

/// What a batch comes to.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) posts: VecDeque<Post>,
    /// Events that cannot be made a message.
    pub(crate) rejected: Vec<Rejected>,
    /// Texts that were cut.
    pub(crate) cuts: usize,
}

/// What is posted together: an event with all its parts, or a digest.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) plan: Plan,
    /// Index of the first event after it.
    pub(crate) end: usize,
}

/// Makes messages.
pub(crate) struct Composer {
    pub(crate) text: Template,
    pub(crate) blocks: Option<Blocks>,
    pub(crate) thread_key: Option<Expression>,
    pub(crate) digest: Option<Digest>,
}

/// How events are gathered.
pub(crate) struct Digest {
    pub(crate) max_events: usize,
    pub(crate) header: Option<Template>,
}

/// One event, rendered.
struct Rendered {
    index: usize,
    text: String,
    blocks: Option<(Vec<Value>, usize)>,
    thread: Option<String>,
}

impl Composer {
    /// The first unit of a batch from the event `at` on, or only refusals where no event there makes a message.
    pub(crate) fn unit(&self, events: &[Event], at: usize) -> Unit {
        let most = self.digest.as_ref().map_or(1, |digest| digest.max_events);
        let end = events.len().min(at + most);
        let plan = self.plan(events, at..end);
        let first = plan.posts.front();
        let next = plan.posts.iter().find(|post| first.is_some_and(|first| first.events != post.events));
        match next.map(|post| post.events[0]) {
            Some(end) => Unit { plan: self.plan(events, at..end), end },
            None => Unit { plan, end },
        }
    }

    /// The messages for some events of a batch.
    pub(crate) fn plan(&self, events: &[Event], which: impl IntoIterator<Item = usize>) -> Plan {
        let mut plan = Plan::default();
        let mut rendered = Vec::new();
        for index in which {
            match self.render(&events[index], index, &mut plan.cuts) {
                Ok(one) => rendered.push(one),
                Err(error) => plan.rejected.push(Rejected { index, error }),
            }
        }
        match &self.digest {
            None => rendered.into_iter().for_each(|one| plan.add(one)),
            Some(digest) => self.gather(digest, rendered, events, &mut plan),
        }
        plan
    }

    fn render(&self, event: &Event, index: usize, cuts: &mut usize) -> Result<Rendered> {
        let text = self.text.render_with(event, escape::put).map_err(|error| error.to_error("text"))?;
        let mut text = escape::disarm(text);
        if text.trim().is_empty() {
            EMPTY.clone_into(&mut text);
        }
        let blocks = match &self.blocks {
            Some(blocks) => {
                let mut blocks = blocks.render(event)?;
                let fitted = fit(&mut blocks)?;
                *cuts += fitted.cuts;
                Some((blocks, fitted.characters))
            }
            None => None,
        };
        Ok(Rendered { index, text, blocks, thread: self.thread(event)? })
    }

    /// The key of the event's thread; `None` if the expression gives nothing.
    fn thread(&self, event: &Event) -> Result<Option<String>> {
        let Some(expression) = &self.thread_key else { return Ok(None) };
        Ok(match expression.evaluate(event).map_err(|error| error.to_error("thread_key"))? {
            Value::Null => None,
            Value::String(key) if key.is_empty() => None,
            Value::String(key) if key.len() > LONGEST_KEY => {
                let message =
                    format!("thread_key: expected at most {LONGEST_KEY} bytes, found {}", key.len());
                return Err(Error::permanent(message).with_reason("too_large"));
            }
            Value::String(key) => Some(key),
            key @ (Value::Bool(_) | Value::Number(_)) => Some(key.to_string()),
            Value::Array(_) | Value::Object(_) => {
                return Err(Error::permanent("thread_key: expected text or a number, found a list or a map"));
            }
        })
    }

    /// Folds events into as few messages as the limits allow.
    fn gather(&self, digest: &Digest, rendered: Vec<Rendered>, events: &[Event], plan: &mut Plan) {
        let mut group: Vec<Rendered> = Vec::new();
        for one in rendered {
            if self.is_full(digest, &group, &one) {
                self.close(digest, std::mem::take(&mut group), events, plan);
            }
            if one.blocks.is_none() && width(&one.text) > digest.room() {
                plan.add(one);
            } else {
                group.push(one);
            }
        }
        self.close(digest, group, events, plan);
    }

    /// Whether one more event does not fit.
    fn is_full(&self, digest: &Digest, group: &[Rendered], more: &Rendered) -> bool {
        if group.len() >= digest.max_events {
            return true;
        }
        if self.blocks.is_none() {
            let characters: usize = group.iter().map(|one| width(&one.text) + 1).sum();
            return characters + width(&more.text) > digest.room();
        }
        let all = || group.iter().chain([more]).filter_map(|one| one.blocks.as_ref());
        let header = digest.header.is_some();
        let blocks = all().map(|(blocks, _)| blocks.len()).sum::<usize>() + usize::from(header);
        let characters =
            all().map(|(_, characters)| characters).sum::<usize>() + usize::from(header) * HEADER;
        // What one event alone may take, it may take here too.
        !group.is_empty() && (blocks > MOST_BLOCKS || characters > BLOCKS_CHARACTERS)
    }

    fn close(&self, digest: &Digest, group: Vec<Rendered>, events: &[Event], plan: &mut Plan) {
        let Some(first) = group.first() else { return };
        let header = match digest.header(&group, events) {
            Ok(header) => header,
            Err(error) => {
                // It is the header of all, but a dead letter needs an event: the first, and the others try without it.
                let index = first.index;
                plan.rejected.push(Rejected { index, error });
                let others = group.into_iter().skip(1).collect();
                return self.close(digest, others, events, plan);
            }
        };
        let lines = header.iter().map(String::as_str).chain(group.iter().map(|one| one.text.as_str()));
        let mut text = lines.collect::<Vec<_>>().join("\n");
        let indices = group.iter().map(|one| one.index).collect();
        let blocks = self.blocks.is_some().then(|| {
            let title = |text: &String| {
                json!({ "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": true } })
            };
            let blocks: Vec<Value> =
                group.into_iter().filter_map(|one| one.blocks).flat_map(|(blocks, _)| blocks).collect();
            // An event with as many blocks as a message may have goes without the header.
            let title = header.iter().take(MOST_BLOCKS.saturating_sub(blocks.len())).map(title);
            title.chain(blocks.into_iter().map(without_id)).collect()
        });
        if blocks.is_some() {
            text = cut(&text, FALLBACK).unwrap_or(text);
        }
        let message = Message { text, blocks, thread: None };
        plan.posts.push_back(Post { message, events: indices, is_last: true });
    }
}

impl Digest {
    /// Characters that the lines of events may take in a message without blocks.
    fn room(&self) -> usize {
        if self.header.is_some() { TEXT - HEADER - 1 } else { TEXT }
    }

    /// The header over `{"count": …, "first": …, "last": …}` and the first event's `meta`.
    fn header(&self, group: &[Rendered], events: &[Event]) -> Result<Option<String>> {
        let (Some(template), [first, .., last] | [first @ last]) = (&self.header, group) else {
            return Ok(None);
        };
        let json = |one: &Rendered| String::from_utf8_lossy(&events[one.index].json()).into_owned();
        let (count, first_json, last_json) = (group.len(), json(first), json(last));
        let about = format!("{{\"count\":{count},\"first\":{first_json},\"last\":{last_json}}}");
        let about = events[first.index].with_json(Bytes::from(about));
        let text =
            template.render_with(&about, escape::put).map_err(|error| error.to_error("digest.header"))?;
        let text = escape::disarm(text);
        Ok(Some(cut(&text, HEADER).unwrap_or(text)).filter(|text| !text.trim().is_empty()))
    }
}

/// Ids are unique in a message, and the blocks of several events have the same.
fn without_id(mut block: Value) -> Value {
    if let Value::Object(fields) = &mut block {
        fields.remove("block_id");
    }
    block
}

impl Plan {
    /// An event alone: one message with its blocks, or as many as its text needs.
    fn add(&mut self, one: Rendered) {
        let Rendered { index, text, blocks, thread } = one;
        if let Some((blocks, _)) = blocks {
            let shorter = cut(&text, FALLBACK);
            self.cuts += usize::from(shorter.is_some());
            let message = Message { text: shorter.unwrap_or(text), blocks: Some(blocks), thread };
            return self.posts.push_back(Post { message, events: vec![index], is_last: true });
        }
        let split = split(&text, TEXT, MOST_PARTS);
        self.cuts += usize::from(split.cut);
        let last = split.parts.len() - 1;
        for (number, text) in split.parts.into_iter().enumerate() {
            let message = Message { text, blocks: None, thread: thread.clone() };
            self.posts.push_back(Post { message, events: vec![index], is_last: number == last });
        }
    }
}
