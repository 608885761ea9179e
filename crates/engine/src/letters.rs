//! Dead letters on their way to a sink of the pipeline (`dead_letter: <sink>`).
//!
//! A letter is an event of its own: its token stays open until that sink has it durable. Invariant: what waits here is
//! bounded by the caps on what is in flight, for every letter holds a token.

use std::sync::Arc;

use bytes::Bytes;
use sluicebox_core::{Clock, DeadLetter, Event, Token};
use smol_str::{SmolStr, format_smolstr};
use tokio::sync::mpsc;

use crate::edge::{EdgeSender, Tracked};
use crate::partitions::Partitions;
use crate::status::Failure;

/// `meta.type` of an event that is a dead letter.
const EVENT_TYPE: &str = "dead_letter";

/// Takes letters for one sink. As long as a task holds one, the sink waits for more.
#[derive(Clone)]
pub(crate) struct Postbox {
    sender: mpsc::UnboundedSender<Posted>,
}

/// What a component knows of a postbox: it does not keep the sink waiting.
#[derive(Clone)]
pub(crate) struct PostboxAddress {
    sender: mpsc::WeakUnboundedSender<Posted>,
}

/// A letter with the duty to account for it.
struct Posted {
    letter: DeadLetter,
    token: Token,
}

/// The other end of a postbox.
pub(crate) struct Posts(mpsc::UnboundedReceiver<Posted>);

/// A postbox with its other end.
pub(crate) fn postbox() -> (Postbox, Posts) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Postbox { sender }, Posts(receiver))
}

impl Postbox {
    pub(crate) fn address(&self) -> PostboxAddress {
        PostboxAddress { sender: self.sender.downgrade() }
    }
}

impl PostboxAddress {
    /// Hands a letter over. If the sink is gone, its token is lost and the event comes again.
    pub(crate) fn post(&self, letter: DeadLetter, token: Token) {
        if let Some(sender) = self.sender.upgrade() {
            // Whatever is not taken any more is dropped with its token.
            let _ = sender.send(Posted { letter, token });
        }
    }
}

/// Carries letters from a postbox to the edge of its sink.
pub(crate) struct Carrier {
    pub(crate) pipeline: Arc<str>,
    pub(crate) posts: Posts,
    pub(crate) edge: EdgeSender,
    pub(crate) partitions: Arc<Partitions>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Carrier {
    /// Runs until nobody can post any more.
    ///
    /// # Errors
    /// None; the signature is that of every task.
    pub(crate) async fn run(mut self) -> Result<(), Failure> {
        while let Some(Posted { letter, token }) = self.posts.0.recv().await {
            let Some(partition) = self.partitions.get(token.partition()) else { continue };
            let event = event(&letter, &self.pipeline);
            let received = self.clock.elapsed();
            self.edge.send(&partition, vec![Tracked { event, token }], received).await;
        }
        Ok(())
    }
}

/// A dead letter as an event: its JSON is what `dlq show` prints, its id names event and component.
fn event(letter: &DeadLetter, pipeline: &str) -> Event {
    let mut meta = letter.meta.clone();
    meta.id = id(letter);
    meta.event_type = SmolStr::new_static(EVENT_TYPE);
    meta.time = letter.time;
    // Numbers, texts and maps with text keys: nothing that cannot be JSON.
    let json = serde_json::to_vec(&letter.named(&meta.id, pipeline)).unwrap_or_else(|_| b"{}".to_vec());
    Event::from_validated(Bytes::from(json), meta)
}

/// The same for the same event at the same component, whenever it comes again.
fn id(letter: &DeadLetter) -> SmolStr {
    let replays = letter.meta.replay.as_ref().map_or(0, |replay| replay.failures.len());
    let id = format_smolstr!("{}/{EVENT_TYPE}/{}", letter.meta.id, letter.component);
    if replays == 0 { id } else { format_smolstr!("{id}/{replays}") }
}
