//! Messages of the team chat: what people write, and the JSON of it (section 5 of the contract).

use super::files::Storage;
use super::world::TeamChat;
use crate::json::Object;
use crate::vocabulary::{CHAT_LINES, FILES, FIRST_NAMES, LAST_NAMES, MILESTONES, PLACES};

pub(super) struct Message {
    pub(super) id: String,
    pub(super) topic: usize,
    pub(super) sender: usize,
    pub(super) created: u64,
    pub(super) updated: Option<u64>,
    pub(super) text: String,
    parent: Option<String>,
    mentioned: Option<usize>,
    pub(super) special: Special,
}

/// What a message carries besides text.
pub(super) enum Special {
    None,
    File { kind: &'static str, name: &'static str, bare: bool },
    Audio(Transcript),
    Location(usize),
    Task,
    Contact,
    Poll,
}

/// What is known of the words in a recording.
pub(super) enum Transcript {
    Pending,
    Done(String),
    Failed,
}

impl TeamChat {
    /// A line of chat; now and then several at once.
    pub(super) fn sentence(&mut self, topic: usize) -> String {
        let mut text = self.chance.pick(&CHAT_LINES).to_owned();
        while self.chance.one_in(3) {
            text = format!("{text} {}", self.chance.pick(&CHAT_LINES));
        }
        if self.chance.one_in(40) {
            text = format!("{text}\n{}", self.topics[topic].name.repeat(30));
        }
        text
    }

    pub(super) fn compose(&mut self, topic: usize, sender: usize) -> Message {
        let special = self.special();
        let mut text = match special {
            Special::None | Special::File { .. } => self.sentence(topic),
            Special::Poll => "Where do we eat?".to_owned(),
            _ => String::new(),
        };
        let members = &self.topics[topic].members;
        let mentioned = matches!(special, Special::None)
            .then(|| members[self.chance.index(members.len())])
            .filter(|_| self.chance.one_in(7));
        if let Some(person) = mentioned {
            text = format!("<@{}> {text}", self.people[person].id);
        }
        let parent = self.topics[topic].messages.back().map(|message| message.id.clone());
        Message {
            id: self.chance.uuid(),
            topic,
            sender,
            created: self.now,
            updated: None,
            text,
            parent: parent.filter(|_| self.chance.one_in(9)),
            mentioned,
            special,
        }
    }

    fn special(&mut self) -> Special {
        let kind = match self.chance.below(100) {
            0..=5 => "image",
            6..=10 => "file",
            11 => "video",
            12..=17 => return Special::Audio(Transcript::Pending),
            18 => return Special::Location(self.chance.index(PLACES.len())),
            19..=20 => return Special::Task,
            21 => return Special::Contact,
            22 => return Special::Poll,
            _ => return Special::None,
        };
        Special::File { kind, name: self.chance.pick(&FILES), bare: self.chance.one_in(25) }
    }
}

impl Message {
    fn kind(&self) -> &'static str {
        match self.special {
            Special::None => "text",
            Special::File { kind, .. } => kind,
            Special::Audio(_) => "audio",
            Special::Location(_) => "location",
            Special::Task => "task",
            Special::Contact => "contact",
            Special::Poll => "poll",
        }
    }

    pub(super) fn attachment_id(&self) -> String {
        format!("att_{}", &self.id[..8])
    }

    /// A link that anybody can follow who has it, until it expires. Without a storage it leads nowhere.
    pub(super) fn link(&self, storage: Option<&Storage>) -> String {
        let id = self.attachment_id();
        if let Some(storage) = storage {
            return storage.link(&id);
        }
        let expires = self.created / 1000 + 3600;
        format!("https://storage.example/{id}?token={}&expires={expires}", &self.id[24..])
    }

    /// Writes the members of a message, with at most so many characters of its text.
    pub(super) fn write(&self, chat: &TeamChat, object: &mut Object<'_>, sender: &str, characters: usize) {
        let person = &chat.people[self.sender];
        object.text("id", &self.id);
        object.text("topicId", &chat.topics[self.topic].id);
        object.text("senderId", sender);
        object.text("senderName", &person.name);
        object.text("senderType", if person.bot { "bot" } else { "user" });
        object.text("type", self.kind());
        if characters == usize::MAX {
            object.text("text", &self.text);
        } else {
            object.text("text", &self.text.chars().take(characters).collect::<String>());
        }
        object.integer("createdAt", self.created);
        if let Some(updated) = self.updated {
            object.integer("updatedAt", updated);
        }
        if let Some(parent) = &self.parent {
            object.text("parentId", parent);
        }
        if let Some(mentioned) = self.mentioned {
            let mentioned = &chat.people[mentioned];
            object.texts("mentionedProfiles", [mentioned.id.as_str()]);
            object.single("mentions", |mention| {
                mention.text("id", &mentioned.id);
                mention.text("name", &mentioned.name);
            });
        }
        self.write_special(chat, object);
    }

    fn write_special(&self, chat: &TeamChat, object: &mut Object<'_>) {
        match &self.special {
            Special::None | Special::Poll => {}
            Special::File { bare: true, .. } => {
                object.texts("attachments", [self.link(chat.storage.as_ref()).as_str()]);
            }
            Special::File { kind, name, .. } => {
                object.single("attachments", |file| self.write_file(chat, file, (kind, name)));
            }
            Special::Audio(transcript) => object.single("attachments", |file| {
                self.write_file(chat, file, ("audio", "note.mp3"));
                file.object("transcription", |transcription| match transcript {
                    Transcript::Pending => transcription.text("status", "Pending"),
                    Transcript::Failed => transcription.text("status", "Failed"),
                    Transcript::Done(spoken) => {
                        transcription.text("status", "Done");
                        transcription.text("text", spoken);
                    }
                });
            }),
            Special::Location(place) => object.object("location", |location| {
                let (latitude, longitude, name, address) = PLACES[*place];
                location.text("latitude", latitude);
                location.text("longitude", longitude);
                location.text("name", name);
                location.text("address", address);
            }),
            Special::Task => self.write_task(chat, object),
            Special::Contact => self.write_contact(object),
        }
    }

    fn write_file(&self, chat: &TeamChat, file: &mut Object<'_>, (kind, name): (&str, &str)) {
        file.text("id", &self.attachment_id());
        file.text("type", kind);
        file.text("name", name);
        file.text("url", &self.link(chat.storage.as_ref()));
    }

    fn write_task(&self, chat: &TeamChat, object: &mut Object<'_>) {
        let turn = usize::try_from(self.created % 8).unwrap_or(0);
        object.object("task", |task| {
            task.text("id", &format!("task_{}", &self.id[..8]));
            task.text("action", if turn < 5 { "Added" } else { "MarkedAsDone" });
            task.text("title", MILESTONES[turn]);
            task.text("text", "");
            task.text("status", if turn < 5 { "Open" } else { "Done" });
            task.text("assignee", &chat.people[1 + turn].id);
            task.integer("dueDate", self.created + 86_400_000);
            task.flag("isDueDateTimeSelected", turn.is_multiple_of(2));
            task.integer("subItemsCount", turn as u64);
        });
    }

    fn write_contact(&self, object: &mut Object<'_>) {
        let turn = usize::try_from(self.created % 16).unwrap_or(0);
        let name = format!("{} {}", FIRST_NAMES[turn], LAST_NAMES[turn]);
        object.object("contact", |contact| {
            contact.text("name", &name);
            contact.texts("phoneNumbers", ["+49 89 0000000"]);
            contact.texts("emails", [format!("person{turn}@example.com").as_str()]);
            contact.text("role", "Purchasing");
        });
    }
}
