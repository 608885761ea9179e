//! Reading members, topics and messages of the team chat, as they are now: section 11 of the contract.

use serde_json::{Value, json};

use super::messages::{Message, Special};
use super::world::{TeamChat, Topic};
use crate::answer::Answer;
use crate::call::{Call, bounded};

/// Refuses parameters that a list does not take.
pub(super) fn check(call: &Call) -> Result<(), Answer> {
    if call.parameter("limit").is_some_and(|text| bounded(&text, 1, 100).is_none()) {
        return Err(Answer::text(400, "limit must be between 1 and 100"));
    }
    if call.parameter("before").is_some() && call.parameter("after").is_some() {
        return Err(Answer::text(400, "before and after exclude each other"));
    }
    Ok(())
}

struct Query<'a>(&'a [(String, String)]);

impl Query<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// Cuts the page out of a list: cursors of look-ups are simply the place of the next item.
    fn page(&self, key: &str, items: &[Value]) -> Value {
        let place =
            |name, default| self.number(name).and_then(|at| usize::try_from(at).ok()).unwrap_or(default);
        let start = place("cursor", 0).min(items.len());
        let end = (start + place("limit", 50)).min(items.len());
        let mut page = json!({ "hasMore": end < items.len() });
        page[key] = items[start..end].into();
        if end < items.len() {
            page["nextCursor"] = end.to_string().into();
        }
        page
    }
}

pub(super) fn look_up(chat: &TeamChat, path: &[&str], query: &[(String, String)]) -> Option<Value> {
    let query = Query(query);
    match *path {
        ["members", "me"] => Some(chat.member(0)),
        ["members"] => {
            let wanted: Option<Vec<&str>> = query.text("emails").map(|list| list.split(',').collect());
            let members = (0..chat.people.len()).map(|number| chat.member(number)).filter(|member| {
                let email = member["email"].as_str().unwrap_or_default();
                wanted.as_ref().is_none_or(|wanted| wanted.contains(&email))
            });
            Some(query.page("members", &members.collect::<Vec<_>>()))
        }
        ["members", id] => {
            let bare = id.strip_prefix("u@").unwrap_or(id);
            chat.people.iter().position(|person| person.id == bare).map(|number| chat.member(number))
        }
        ["topics"] => {
            let mut newest: Vec<&Topic> = chat.topics.iter().collect();
            newest.sort_by_key(|topic| std::cmp::Reverse(topic.updated));
            let topics: Vec<Value> = newest.into_iter().map(|topic| chat.listed(topic)).collect();
            Some(query.page("topics", &topics))
        }
        ["topics", id] => {
            let topic = chat.topics.iter().find(|topic| topic.id == id)?;
            Some(json!({
                "id": topic.id, "name": topic.name, "description": topic.description,
                "memberIds": chat.member_ids(topic),
            }))
        }
        ["topics", id, "messages"] => {
            let topic = chat.topics.iter().find(|topic| topic.id == id)?;
            Some(query.page("messages", &chat.selected(topic, &query)))
        }
        _ => None,
    }
}

impl TeamChat {
    fn member(&self, number: usize) -> Value {
        let person = &self.people[number];
        json!({
            "id": person.id, "name": person.name, "email": format!("member{number}@example.com"),
            "phone": format!("+49 89 {number:07}"), "createdAt": 1_700_000_000_000_u64,
            "updatedAt": 1_700_000_000_000_u64, "status": "Active",
        })
    }

    fn member_ids(&self, topic: &Topic) -> Vec<&str> {
        topic.members.iter().map(|member| self.people[*member].id.as_str()).collect()
    }

    fn listed(&self, topic: &Topic) -> Value {
        json!({
            "id": topic.id, "name": topic.name, "description": topic.description,
            "type": if topic.direct { "dm" } else { "topic" }, "properties": [],
            "members": self.member_ids(topic), "createdAt": 1_700_000_000_000_u64, "updatedAt": topic.updated,
        })
    }

    /// The remembered messages that a query asks for, the newest first unless it says otherwise.
    fn selected(&self, topic: &Topic, query: &Query<'_>) -> Vec<Value> {
        let wanted = |message: &&Message| {
            query.number("before").is_none_or(|time| message.created < time)
                && query.number("after").is_none_or(|time| message.created > time)
                && query.text("senderId").is_none_or(|id| self.people[message.sender].id == id)
        };
        let oldest_first = topic.messages.iter().filter(wanted).map(|message| self.read(message));
        if query.text("order") == Some("asc") { oldest_first.collect() } else { oldest_first.rev().collect() }
    }

    fn read(&self, message: &Message) -> Value {
        let sender = &self.people[message.sender];
        let attachments = match &message.special {
            Special::File { kind, name, .. } => json!([{
                "id": message.attachment_id(), "type": kind, "name": name, "url": message.link(self.storage.as_ref()),
            }]),
            Special::Audio(_) => json!([{
                "id": message.attachment_id(), "type": "audio", "name": "note.mp3", "url": message.link(self.storage.as_ref()),
            }]),
            _ => json!([]),
        };
        json!({
            "id": message.id, "topicId": self.topics[message.topic].id, "senderId": sender.id,
            "senderName": sender.name, "senderType": if sender.bot { "bot" } else { "user" },
            "text": message.text, "createdAt": message.created,
            "updatedAt": message.updated.unwrap_or(message.created), "isEdited": message.updated.is_some(),
            "isSystem": false, "replyCount": 0, "attachments": attachments, "mentions": [], "reactions": [],
        })
    }
}
