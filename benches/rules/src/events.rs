//! Chat events of 544 bytes, each different.

use bytes::Bytes;
use sluicebox_core::{Event, Meta};

const WORDS: [&str; 8] = ["please", "look", "at", "the", "invoice", "of", "last", "month"];

/// So many events; every twentieth asks for a refund.
pub fn chats(count: usize) -> Vec<Event> {
    (0..count)
        .map(|index| Event::parse(&Bytes::from(chat(index)), Meta::new("chat", "acme", "1")).expect("JSON"))
        .collect()
}

fn chat(index: usize) -> String {
    let asks = if index % 20 == 7 { "a refund, " } else { "a reply, " };
    let words: Vec<&str> = (0..6).map(|word| WORDS[(index * 7 + word * 3) % WORDS.len()]).collect();
    format!(
        concat!(
            r#"{{"id":"evt_{index:08}","type":"message.created","createdAt":"2026-06-12T10:{minute:02}:{second:02}.123Z","#,
            r#""organizationId":"org_4f1c2a","data":{{"conversationId":"cnv_{index:06x}","message":{{"id":"msg_{index:08x}","#,
            r#""authorId":"usr_{author:05}","authorEmail":"Ann.Author{author}@Example.COM","sentAt":{sent},"#,
            r#""text":"Hello team, I need {asks}{words}","attachments":[{{"name":"report.pdf","size":48213,"type":"application/pdf"}}],"#,
            r#""reactions":[]}},"members":[{{"id":"usr_00001","role":"owner"}},{{"id":"usr_{author:05}","role":"member"}}],"#,
            r#""unread":{unread},"muted":false}}}}"#,
        ),
        index = index,
        minute = index % 60,
        second = index * 7 % 60,
        author = index % 500,
        sent = 1_781_258_400_000_u64 + index as u64 * 137,
        asks = asks,
        words = words.join(" "),
        unread = index % 9,
    )
}
