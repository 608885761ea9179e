//! The team behind the feed: topics in which people write, react, vote, come and go.
//!
//! Invariant: what is edited, deleted, reacted to or voted on was written before, in the same topic.

use std::collections::VecDeque;

use serde_json::Value;

use super::files::Storage;
use super::messages::{Message, Special, Transcript};
use super::offset::Offsets;
use crate::chance::Chance;
use crate::credentials::bot_id;
use crate::feed::{Mark, World};
use crate::json::Object;
use crate::vocabulary::{EMOJI, FIRST_NAMES, LAST_NAMES, TOPICS};

/// Monday 3 March 2025, 08:00 UTC: every generated history begins here.
const BEGINNING: u64 = 1_740_988_800_000;

const PEOPLE: usize = 40;
/// How many messages of a topic are remembered.
const REMEMBERED: usize = 300;

pub(super) struct Person {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) bot: bool,
}

pub(super) struct Topic {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) direct: bool,
    pub(super) members: Vec<usize>,
    pub(super) updated: u64,
    pub(super) messages: VecDeque<Message>,
}

/// The team as one bot sees it. Person 0 is the bot itself.
pub(crate) struct TeamChat {
    pub(super) chance: Chance,
    /// What serves the attachments; `None`: nothing does.
    pub(super) storage: Option<Storage>,
    offsets: Offsets,
    pub(super) index: u64,
    pub(super) now: u64,
    pub(super) people: Vec<Person>,
    pub(super) topics: Vec<Topic>,
    /// Recordings whose transcript is still to come: when, and which message of which topic.
    transcripts: VecDeque<(u64, usize, String)>,
}

impl TeamChat {
    pub(crate) fn new(seed: u64, account: u32, storage: Option<Storage>) -> Self {
        let mut chance = Chance::new(seed, u64::from(account) << 8 | 2);
        let mut people = vec![Person { id: bot_id(seed, account), name: "Sluice Bot".to_owned(), bot: true }];
        people.extend((1..PEOPLE).map(|_| Person {
            id: chance.uuid(),
            name: format!("{} {}", chance.pick(&FIRST_NAMES), chance.pick(&LAST_NAMES)),
            bot: false,
        }));
        let topics = TOPICS.iter().enumerate().map(|(number, name)| Topic {
            id: chance.uuid(),
            name: (*name).to_owned(),
            description: format!("All about {name}"),
            direct: number % 6 == 5,
            members: (0..PEOPLE).filter(|person| *person == 0 || chance.one_in(2)).collect(),
            updated: BEGINNING,
            messages: VecDeque::new(),
        });
        let topics = topics.collect();
        Self {
            chance,
            storage,
            offsets: Offsets::new(seed, account),
            index: 0,
            now: BEGINNING,
            people,
            topics,
            transcripts: VecDeque::new(),
        }
    }

    /// The id of a person, now and then in the form that other versions of the API use.
    fn spelled(&mut self, person: usize) -> String {
        let Person { id, bot, .. } = &self.people[person];
        if !bot && self.chance.one_in(8) { format!("u@{id}") } else { id.clone() }
    }

    fn someone(&mut self, topic: usize) -> usize {
        let members = &self.topics[topic].members;
        match members[self.chance.index(members.len())] {
            // The bot itself speaks rarely.
            0 if !self.chance.one_in(3) => members[members.len() - 1],
            member => member,
        }
    }

    /// A topic, and a message in it that is still there; `None` if the topic has none.
    fn something(&mut self) -> (usize, Option<usize>) {
        let topic = self.chance.index(self.topics.len());
        let known = self.topics[topic].messages.len();
        let message = (known > 0).then(|| known - 1 - self.chance.index(known.min(20)));
        (topic, message)
    }

    fn happen(&mut self, object: &mut Object<'_>) -> Option<()> {
        if self.transcripts.front().is_some_and(|(due, ..)| *due <= self.now) {
            let (_, topic, id) = self.transcripts.pop_front()?;
            return self.transcribe(topic, &id, object);
        }
        let (topic, message) = self.something();
        match self.chance.below(1000) {
            0..=659 => return None,
            660..=719 => return self.edit(topic, message?, object),
            720..=749 => return self.delete(topic, message?, object),
            750..=879 => self.react("reaction.added", topic, message?, object),
            880..=909 => self.react("reaction.removed", topic, message?, object),
            910..=944 => return self.change_members(topic, object),
            945..=959 => self.rename(topic, object),
            960..=991 => return self.vote(topic, object),
            _ => self.unknown(topic, object),
        }
        Some(())
    }

    fn post(&mut self, object: &mut Object<'_>) {
        let topic = self.chance.index(self.topics.len());
        let sender = self.someone(topic);
        let message = self.compose(topic, sender);
        let truncated = matches!(message.special, Special::None) && self.chance.one_in(150);
        let spelling = self.spelled(sender);
        self.open(object, "message.created", |world, data| {
            let length = if truncated { message.text.chars().count() / 2 } else { usize::MAX };
            data.object("message", |inner| message.write(world, inner, &spelling, length));
            data.flag("truncated", truncated);
        });
        if matches!(message.special, Special::Audio(_)) {
            let due = self.now + self.chance.between(5_000, 90_000);
            self.transcripts.push_back((due, topic, message.id.clone()));
        }
        let messages = &mut self.topics[topic].messages;
        messages.push_back(message);
        if messages.len() > REMEMBERED {
            messages.pop_front();
        }
    }

    /// Writes the envelope of an update around its data.
    fn open(&mut self, object: &mut Object<'_>, kind: &str, write: impl FnOnce(&Self, &mut Object<'_>)) {
        object.text("updateId", &self.offsets.update_id(self.index));
        object.text("eventType", kind);
        object.integer("createdAt", self.now);
        object.object("data", |data| write(self, data));
        if self.index % 9 == 4 {
            // No contract names it: what a client does not know must pass through.
            object.integer("schemaRevision", 3);
        }
    }

    fn edit(&mut self, topic: usize, place: usize, object: &mut Object<'_>) -> Option<()> {
        let now = self.now;
        let message = &mut self.topics[topic].messages[place];
        if !matches!(message.special, Special::None) {
            return None;
        }
        let previous = std::mem::take(&mut message.text);
        message.text = format!("{previous} (edited)");
        message.updated = Some(now);
        let sender = message.sender;
        let spelling = self.spelled(sender);
        self.open(object, "message.updated", |world, data| {
            data.object("message", |inner| {
                let message = &world.topics[topic].messages[place];
                message.write(world, inner, &spelling, usize::MAX);
                inner.text("previousText", &previous);
            });
            data.texts("updatedFields", ["text"]);
            data.flag("truncated", false);
        });
        Some(())
    }

    fn transcribe(&mut self, topic: usize, id: &str, object: &mut Object<'_>) -> Option<()> {
        let failed = self.chance.one_in(15);
        let spoken = self.sentence(topic);
        let place = self.topics[topic].messages.iter().position(|message| message.id == id)?;
        let message = &mut self.topics[topic].messages[place];
        message.special = Special::Audio(if failed { Transcript::Failed } else { Transcript::Done(spoken) });
        let sender = message.sender;
        let spelling = self.spelled(sender);
        self.open(object, "message.updated", |world, data| {
            let message = &world.topics[topic].messages[place];
            data.object("message", |inner| message.write(world, inner, &spelling, usize::MAX));
            data.texts("updatedFields", ["attachments"]);
            data.flag("truncated", false);
        });
        Some(())
    }

    fn delete(&mut self, topic: usize, place: usize, object: &mut Object<'_>) -> Option<()> {
        let message = self.topics[topic].messages.remove(place)?;
        let by = self.spelled(message.sender);
        self.open(object, "message.deleted", |world, data| {
            let topic = &world.topics[topic].id;
            data.text("messageId", &message.id);
            data.text("topicId", topic);
            data.integer("deletedAt", world.now);
            data.text("deletedBy", &by);
            data.object("message", |inner| {
                inner.text("id", &message.id);
                inner.text("topicId", topic);
                inner.text("senderId", &world.people[message.sender].id);
            });
        });
        Some(())
    }

    fn react(&mut self, kind: &str, topic: usize, place: usize, object: &mut Object<'_>) {
        let person = self.someone(topic);
        let (user, reaction) = (self.spelled(person), self.chance.uuid());
        let emoji = self.chance.pick(&EMOJI);
        self.open(object, kind, |world, data| {
            let (topic, message) = (&world.topics[topic].id, &world.topics[topic].messages[place].id);
            data.text("messageId", message);
            data.text("topicId", topic);
            data.text("emoji", emoji);
            data.text("userId", &user);
            data.text("reactionId", &reaction);
            data.integer("createdAt", world.now);
            data.object("reaction", |inner| {
                inner.text("id", &reaction);
                inner.text("messageId", message);
                inner.text("topicId", topic);
                inner.text("userId", &user);
                inner.text("emoji", emoji);
            });
        });
    }

    fn change_members(&mut self, topic: usize, object: &mut Object<'_>) -> Option<()> {
        let (actor, person) = (self.someone(topic), self.chance.index(PEOPLE - 1) + 1);
        let (actor, several) = (self.spelled(actor), self.chance.one_in(4));
        let members = &mut self.topics[topic].members;
        let inside = members.iter().position(|member| *member == person);
        let kind = match inside {
            Some(place) if members.len() > 3 => {
                members.remove(place);
                "member.removed"
            }
            Some(_) => return None,
            None => {
                members.push(person);
                "member.added"
            }
        };
        let second = if several && kind == "member.added" {
            (1..PEOPLE).find(|other| !self.topics[topic].members.contains(other))
        } else {
            None
        };
        self.topics[topic].members.extend(second);
        self.open(object, kind, |world, data| {
            let ids: Vec<&str> =
                [person].into_iter().chain(second).map(|at| world.people[at].id.as_str()).collect();
            data.text("topicId", &world.topics[topic].id);
            data.texts("memberIds", ids.iter().copied());
            if let [only] = ids[..] {
                data.text("memberId", only);
            }
            data.text("memberType", "user");
            data.text("actorId", &actor);
            data.integer("createdAt", world.now);
        });
        Some(())
    }

    fn rename(&mut self, number: usize, object: &mut Object<'_>) {
        let actor = self.someone(number);
        let actor = self.spelled(actor);
        let (by_name, index) = (self.chance.one_in(2), self.index);
        let topic = &mut self.topics[number];
        topic.updated = self.now;
        let field = if by_name {
            topic.name = format!("{} #{index}", topic.name.split(" #").next().unwrap_or_default());
            "name"
        } else {
            topic.description = format!("What we talk about, revision {index}");
            "description"
        };
        self.open(object, "topic.updated", |world, data| {
            let topic = &world.topics[number];
            let value = if by_name { &topic.name } else { &topic.description };
            data.text("topicId", &topic.id);
            data.text(field, value);
            data.text("actorId", &actor);
            data.object("changes", |changes| changes.text(field, value));
        });
    }

    fn vote(&mut self, topic: usize, object: &mut Object<'_>) -> Option<()> {
        let poll = self.topics[topic]
            .messages
            .iter()
            .rposition(|message| matches!(message.special, Special::Poll))?;
        let voter = self.someone(topic);
        let (voter, vote) = (self.spelled(voter), self.chance.uuid());
        let option = self.chance.between(1, 4).to_string();
        let kind = if self.chance.one_in(4) { "poll_vote.deleted" } else { "poll_vote.created" };
        self.open(object, kind, |world, data| {
            let message = &world.topics[topic].messages[poll];
            data.text("pollVoteId", &vote);
            data.text("attachmentId", &format!("att_{}", &message.id[..8]));
            data.text("messageId", &message.id);
            data.text("topicId", &world.topics[topic].id);
            data.text("optionId", &option);
            data.text("voterId", &voter);
            data.integer("createdAt", world.now);
        });
        Some(())
    }

    fn unknown(&mut self, topic: usize, object: &mut Object<'_>) {
        let kind = self.chance.pick(&["call.ended", "topic.archived", "webhook.test"]);
        let duration = self.chance.between(20, 4000);
        self.open(object, kind, |world, data| {
            if kind != "webhook.test" {
                data.text("topicId", &world.topics[topic].id);
            }
            data.integer("durationSeconds", duration);
            data.object("extra", |extra| extra.texts("tags", ["a", "ü"]));
        });
    }
}

impl World for TeamChat {
    fn next(&mut self, out: &mut Vec<u8>) -> Mark {
        self.now += self.chance.between(300, 24_000);
        let ascii = self.chance.one_in(6);
        let mut object = Object::begin(out, ascii);
        if self.happen(&mut object).is_none() {
            // Whenever nothing else can happen, somebody writes something.
            self.post(&mut object);
        }
        object.end();
        self.index += 1;
        Mark { id: self.index, kind: 0 }
    }

    fn look_up(&self, path: &[&str], query: &[(String, String)]) -> Option<Value> {
        super::lookups::look_up(self, path, query)
    }
}
