//! The way of one source's events: its transforms in topological order, then the edges of its sinks.
//!
//! All transforms of a source are fused into one task per partition; a page runs through the whole graph at once, so
//! that order is kept and no channel stands between transforms. Invariant: every token that enters leaves in a
//! shipment or is settled.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sluicebox_core::{
    Batch, DiscardReason, Environment, ErrorClass, Event, Outputs, Reason, RetryOptions, Token, Transform,
    TransformOutcome, Verdict,
};
use sluicebox_rules::Expression;
use smol_str::SmolStr;
use tokio::sync::mpsc;

use crate::activity::Busy;
use crate::edge::{EdgeSender, Tracked};
use crate::intake;
use crate::letters::Postbox;
use crate::member::{Admission, Cause, SharedMember};
use crate::partition::Partition;
use crate::status::Failure;
use crate::trace::Became;

/// Who reads an output: an index into the flow's stages or outlets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reader {
    Stage(usize),
    Outlet(usize),
}

/// One transform in the flow.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) member: SharedMember,
    pub(crate) transform: Arc<dyn Transform>,
    pub(crate) retry: RetryOptions,
    /// Readers of the main output.
    pub(crate) main: Vec<Reader>,
    /// Readers of named outputs.
    pub(crate) named: BTreeMap<SmolStr, Vec<Reader>>,
}

/// One sink at the end of the flow.
#[derive(Clone)]
pub(crate) struct Outlet {
    pub(crate) member: SharedMember,
    pub(crate) edge: EdgeSender,
}

/// The compiled graph below one source.
#[derive(Clone)]
pub(crate) struct Flow {
    pub(crate) source: SharedMember,
    /// The source's `key:`.
    pub(crate) key: Option<Expression>,
    pub(crate) readers: Vec<Reader>,
    pub(crate) stages: Vec<Stage>,
    pub(crate) outlets: Vec<Outlet>,
    /// Kept open for the dead letters of all these components.
    pub(crate) _postboxes: Vec<Postbox>,
    pub(crate) environment: Environment,
}

/// A page on its way from the poller to the sinks.
pub(crate) struct Arrival {
    pub(crate) partition: Arc<Partition>,
    pub(crate) page: Batch,
    pub(crate) tokens: Vec<Token>,
    pub(crate) received: Duration,
    pub(crate) busy: Busy,
}

/// Events waiting in front of each stage and outlet.
pub(crate) struct Boxes {
    stages: Vec<Vec<Tracked>>,
    outlets: Vec<Vec<Tracked>>,
}

impl Boxes {
    /// Gives an event to every reader: the last one gets the original, the others a second token each.
    fn deliver(&mut self, tracked: Tracked, readers: &[Reader]) -> Option<Tracked> {
        let Some((last, others)) = readers.split_last() else { return Some(tracked) };
        for reader in others {
            let twin = Tracked { event: tracked.event.clone(), token: tracked.token.split() };
            self.slot(*reader).push(twin);
        }
        self.slot(*last).push(tracked);
        None
    }

    fn slot(&mut self, reader: Reader) -> &mut Vec<Tracked> {
        match reader {
            Reader::Stage(index) => &mut self.stages[index],
            Reader::Outlet(index) => &mut self.outlets[index],
        }
    }
}

impl Flow {
    /// Takes pages of one partition until its poller is gone.
    ///
    /// # Errors
    /// A transform failed in a way that no retry mends.
    pub(crate) async fn run(self, mut pages: mpsc::Receiver<Arrival>) -> Result<(), Failure> {
        while let Some(arrival) = pages.recv().await {
            let page = (arrival.page, arrival.tokens);
            let admitted = intake::admit(&arrival.partition, &self.source, self.key.as_ref(), page);
            let Some(events) = admitted.await else { continue };
            let mut boxes = self.boxes();
            for tracked in events {
                boxes.deliver(tracked, &self.readers);
            }
            self.carry(boxes, &arrival.partition, arrival.received).await?;
            drop(arrival.busy);
        }
        Ok(())
    }

    /// Whether one of its transforms remembers something.
    pub(crate) fn remembers(&self) -> bool {
        self.stages.iter().any(|stage| stage.transform.stateful().is_some())
    }

    /// Empty boxes in front of everything.
    pub(crate) fn boxes(&self) -> Boxes {
        Boxes {
            stages: self.stages.iter().map(|_| Vec::new()).collect(),
            outlets: self.outlets.iter().map(|_| Vec::new()).collect(),
        }
    }

    /// Puts an event in front of a component; gives it back if the component is not in this flow.
    pub(crate) fn enter(&self, component: &str, tracked: Tracked, boxes: &mut Boxes) -> Option<Tracked> {
        if let Some(index) = self.stages.iter().position(|stage| stage.member.name == component) {
            boxes.stages[index].push(tracked);
        } else if let Some(index) = self.outlets.iter().position(|outlet| outlet.member.name == component) {
            boxes.outlets[index].push(tracked);
        } else if self.source.name == component {
            if let Some(tracked) = intake::one(&self.source, self.key.as_ref(), tracked) {
                boxes.deliver(tracked, &self.readers);
            }
        } else {
            return Some(tracked);
        }
        None
    }

    /// Runs what lies in the boxes through every stage and hands it to the sinks.
    pub(crate) async fn carry(
        &self,
        mut boxes: Boxes,
        partition: &Arc<Partition>,
        received: Duration,
    ) -> Result<(), Failure> {
        for index in 0..self.stages.len() {
            let inbox = std::mem::take(&mut boxes.stages[index]);
            if !inbox.is_empty() {
                self.pass(index, inbox, (partition, &mut boxes)).await?;
            }
        }
        for (outlet, inbox) in self.outlets.iter().zip(boxes.outlets) {
            let admitted = admitted(outlet, inbox);
            if !admitted.is_empty() {
                outlet.edge.send(partition, admitted, received).await;
            }
        }
        Ok(())
    }

    /// Runs one transform over what waits in front of it.
    async fn pass(
        &self,
        index: usize,
        inbox: Vec<Tracked>,
        (partition, boxes): (&Partition, &mut Boxes),
    ) -> Result<(), Failure> {
        let stage = &self.stages[index];
        stage.member.metrics.received.inc_by(inbox.len() as u64);
        let mut inside = Vec::with_capacity(inbox.len());
        for tracked in inbox {
            match stage.member.admit(tracked) {
                Admission::In(tracked) => inside.push(tracked),
                // What goes around keeps its place: whatever came before it goes through first.
                Admission::Around(tracked) => {
                    self.transform(stage, std::mem::take(&mut inside), (partition, boxes)).await?;
                    boxes.deliver(tracked, &stage.main);
                }
                Admission::Settled => {}
            }
        }
        self.transform(stage, inside, (partition, boxes)).await
    }

    async fn transform(
        &self,
        stage: &Stage,
        inside: Vec<Tracked>,
        (partition, boxes): (&Partition, &mut Boxes),
    ) -> Result<(), Failure> {
        if inside.is_empty() {
            return Ok(());
        }
        let (events, tokens): (Vec<Event>, Vec<_>) =
            inside.into_iter().map(|item| (item.event, item.token)).unzip();
        let slot = tokens.first().map_or(0, Token::slot);
        let seen = stage.member.tracer.is_on().then(|| events.clone());
        // A page from before the partition started over is lost already, and its tokens with it.
        let Some(outcomes) = self.apply(stage, events, (partition, slot)).await? else { return Ok(()) };
        if let Some(seen) = seen {
            tell(stage, &seen, &outcomes);
        }
        let mut left = vec![0_usize; tokens.len()];
        for (index, _) in &outcomes {
            if let Some(count) = left.get_mut(*index) {
                *count += 1;
            }
        }
        let mut tokens: Vec<_> = tokens.into_iter().map(Some).collect();
        for (token, count) in tokens.iter_mut().zip(&left) {
            if *count == 0
                && let Some(token) = token.take()
            {
                stage.member.discard(token, DiscardReason::Filtered);
            }
        }
        for (index, outcome) in outcomes {
            let Some(count) = left.get_mut(index) else { continue };
            *count -= 1;
            let token =
                if *count == 0 { tokens[index].take() } else { tokens[index].as_ref().map(Token::split) };
            let Some(token) = token else { continue };
            settle(stage, outcome, token, boxes);
        }
        Ok(())
    }

    /// Calls the transform until it answers; a failure that waiting does not mend stops the pipeline. `None` if the page
    /// is not in flight any more.
    async fn apply(
        &self,
        stage: &Stage,
        events: Vec<Event>,
        (partition, slot): (&Partition, u64),
    ) -> Result<Option<Vec<(usize, TransformOutcome)>>, Failure> {
        let mut backoff = stage.retry.backoff();
        let clock = &self.environment.clock;
        loop {
            let mut out = Outputs::new();
            let before = clock.elapsed();
            let result = match stage.transform.stateful() {
                None => stage.transform.apply(events.clone(), &mut out).await,
                Some(stateful) => {
                    let place = (&stage.member.name, slot);
                    match partition.remember(place, stateful, events.clone(), &mut out) {
                        Some(result) => result,
                        None => return Ok(None),
                    }
                }
            };
            stage.member.metrics.script_seconds.observe(clock.elapsed().saturating_sub(before).as_secs_f64());
            let Err(error) = result else { return Ok(Some(out.into_outcomes())) };
            stage.member.metrics.error(error.class());
            if !error.class().is_retryable() {
                return Err(Failure::Component {
                    component: stage.member.name.clone(),
                    message: error.chain(),
                });
            }
            let wait = backoff.next(error.retry_after(), self.environment.chance.as_ref());
            stage.member.metrics.retries.inc();
            tracing::warn!(
                component = %stage.member.name, event = "retry",
                "{}, trying again in {:.1} s", error.chain(), wait.as_secs_f64()
            );
            clock.sleep(wait).await;
        }
    }
}

/// What a sink's `when:` lets through.
fn admitted(outlet: &Outlet, inbox: Vec<Tracked>) -> Vec<Tracked> {
    outlet.member.metrics.received.inc_by(inbox.len() as u64);
    if outlet.member.when.is_none() {
        return inbox;
    }
    let mut admitted = Vec::with_capacity(inbox.len());
    for tracked in inbox {
        if let Admission::In(tracked) = outlet.member.admit(tracked) {
            admitted.push(tracked);
        }
    }
    admitted
}

/// Tells whoever looks what a transform made of its events. Dead letters are told where they are made.
fn tell(stage: &Stage, events: &[Event], outcomes: &[(usize, TransformOutcome)]) {
    for (index, event) in events.iter().enumerate() {
        let mut own = outcomes.iter().filter(|(of, _)| *of == index).map(|(_, outcome)| outcome).peekable();
        if own.peek().is_none() {
            stage.member.trace(event, || Became::Discarded(DiscardReason::Filtered));
        }
        for outcome in own {
            let became = || match outcome {
                TransformOutcome::Emit(output, after) => Some(Became::Emitted(output.clone(), after.clone())),
                TransformOutcome::Discard(reason) => Some(Became::Discarded(*reason)),
                TransformOutcome::Absorb => Some(Became::Absorbed),
                TransformOutcome::DeadLetter(..) => None,
            };
            if let Some(became) = became() {
                stage.member.trace(event, || became);
            }
        }
    }
}

/// What a transform made of one event.
fn settle(stage: &Stage, outcome: TransformOutcome, token: Token, boxes: &mut Boxes) {
    match outcome {
        TransformOutcome::Emit(output, event) => {
            let readers = match &output {
                None => Some(&stage.main),
                Some(name) => stage.named.get(name),
            };
            stage.member.metrics.sent.inc();
            stage.member.metrics.sent_bytes.inc_by(event.size() as u64);
            let unread = boxes.deliver(Tracked { event, token }, readers.map_or(&[], Vec::as_slice));
            if let Some(tracked) = unread {
                stage.member.discard(tracked.token, DiscardReason::Unrouted);
            }
        }
        TransformOutcome::Discard(reason) => stage.member.discard(token, reason),
        // The slot, and with it what was remembered, is saved only once every token of it is resolved.
        TransformOutcome::Absorb => token.resolve(Verdict::Absorbed),
        TransformOutcome::DeadLetter(event, reason, error) => {
            if reason == Reason::Script {
                stage.member.metrics.error(ErrorClass::Script);
            }
            stage.member.give_up(&event, token, Cause::new(reason, error));
        }
    }
}
