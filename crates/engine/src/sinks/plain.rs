//! The task of a plain sink: at least once, order per key kept, a partial failure resends only what failed.

use sluicebox_core::{Backoff, Event, Rejected, Sink, Stopped};

use super::lanes::Lanes;
use super::{Desk, Duty, Inbox};
use crate::member::Cause;
use crate::status::Failure;

/// Writes windows to a sink that knows no transactions.
pub(crate) struct PlainTask {
    pub(crate) desk: Desk,
    pub(crate) inbox: Inbox,
    pub(crate) sink: Box<dyn Sink>,
}

/// What wakes the task.
enum Wake {
    Window(Option<(Vec<Event>, Vec<Duty>)>),
    Lane,
}

impl PlainTask {
    /// Runs until everything above is gone and everything is written.
    ///
    /// # Errors
    /// Fenced or paused.
    pub(crate) async fn run(mut self) -> Result<(), Failure> {
        let mut lanes = Lanes::new(self.desk.retry.clone());
        let mut ended = false;
        while !(ended && lanes.is_empty()) {
            match self.wake(&lanes, ended).await {
                Wake::Window(None) => ended = true,
                Wake::Window(Some((events, duties))) => {
                    self.write(events, duties, &mut lanes, None).await?;
                }
                Wake::Lane => {
                    let now = self.desk.environment.clock.elapsed();
                    if let Some((events, duties, backoff)) = lanes.take_due(now) {
                        self.write(events, duties, &mut lanes, Some(backoff)).await?;
                    }
                }
            }
            if lanes.has_recovered() {
                self.desk.works();
            }
        }
        if let Err(error) = self.sink.close().await {
            tracing::warn!(component = %self.desk.member.name, "closing failed: {}", error.chain());
        }
        Ok(())
    }

    async fn wake(&mut self, lanes: &Lanes, ended: bool) -> Wake {
        let clock = &self.desk.environment.clock;
        let lane = async {
            match lanes.due() {
                Some(due) => clock.sleep(due.saturating_sub(clock.elapsed())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            window = self.inbox.next(), if !ended => Wake::Window(window),
            () = lane => Wake::Lane,
        }
    }

    /// Writes until every event is durable, parked or a dead letter. A batch that is refused for good is halved until
    /// the guilty event stands alone.
    async fn write(
        &mut self,
        events: Vec<Event>,
        duties: Vec<Duty>,
        lanes: &mut Lanes,
        earlier: Option<Backoff>,
    ) -> Result<(), Failure> {
        let mut stack = vec![(events, duties)];
        let mut backoff = self.desk.backoff();
        while let Some((events, duties)) = stack.pop() {
            // What was written before may have parked keys.
            let (mut events, mut duties) = lanes.hold_back(events, duties);
            if events.is_empty() {
                continue;
            }
            let clock = &self.desk.environment.clock;
            let before = clock.elapsed();
            let result = self.sink.write(&events).await;
            let took = clock.elapsed().saturating_sub(before);
            self.desk.member.metrics.write_seconds.observe(took.as_secs_f64());
            match result {
                Ok(mut written) => {
                    let stopped = written.stopped.take().filter(|stopped| stopped.at < events.len());
                    let Some(Stopped { at, error }) = stopped else {
                        self.desk.works_again(&mut backoff);
                        self.settle((events, duties), written.rejected, lanes, earlier.as_ref());
                        continue;
                    };
                    // The rest keeps its place in front of everything that comes later.
                    stack.push((events.split_off(at), duties.split_off(at)));
                    if at > 0 {
                        self.desk.works_again(&mut backoff);
                    }
                    self.settle((events, duties), written.rejected, lanes, earlier.as_ref());
                    match error {
                        Some(error) if error.class().is_retryable() => {
                            self.desk.wait(&error, &mut backoff).await;
                        }
                        Some(error) => return Err(self.desk.stop(&error).await),
                        None => {}
                    }
                }
                Err(error) if error.class().is_retryable() => {
                    self.desk.wait(&error, &mut backoff).await;
                    stack.push((events, duties));
                }
                Err(error) if !is_about_the_event(&error) => return Err(self.desk.stop(&error).await),
                Err(error) if events.len() == 1 => {
                    self.settle((events, duties), vec![Rejected { index: 0, error }], lanes, None);
                }
                Err(_) => {
                    let half = events.len() / 2;
                    let later = (events.split_off(half), duties.split_off(half));
                    stack.push(later);
                    stack.push((events, duties));
                }
            }
        }
        Ok(())
    }

    fn settle(
        &self,
        (events, duties): (Vec<Event>, Vec<Duty>),
        rejected: Vec<Rejected>,
        lanes: &mut Lanes,
        earlier: Option<&Backoff>,
    ) {
        if rejected.is_empty() {
            return self.desk.delivered(&events, duties);
        }
        let waiting = rejected.iter().filter(|refusal| refusal.error.class().is_retryable());
        self.desk.tell_of_waiting(waiting, lanes);
        let mut verdicts: Vec<_> = events.iter().map(|_| None).collect();
        for refusal in rejected {
            if let Some(verdict) = verdicts.get_mut(refusal.index) {
                *verdict = Some(refusal.error);
            }
        }
        let environment = &self.desk.environment;
        let now = (environment.clock.elapsed(), environment.chance.as_ref());
        for ((event, duty), verdict) in events.into_iter().zip(duties).zip(verdicts) {
            let Some(error) = verdict else {
                self.desk.delivered(std::slice::from_ref(&event), vec![duty]);
                continue;
            };
            self.desk.member.metrics.error(error.class());
            if error.class().is_retryable() {
                self.desk.member.metrics.retries.inc();
                lanes.park((event, duty), &error, earlier.cloned(), now);
            } else {
                let attempts = 1 + earlier.map_or(0, Backoff::attempts);
                self.desk.member.give_up(&event, duty.token, Cause::refused(&error, attempts));
            }
        }
    }
}

/// Whether an error speaks of an event (a dead letter) rather than of the destination (a pause).
fn is_about_the_event(error: &sluicebox_core::Error) -> bool {
    use sluicebox_core::ErrorClass::{Permanent, Script};
    matches!(error.class(), Permanent | Script)
}
