//! The one queue in front of each place that messages go to, shared by every sink of the process.
//!
//! Source: section 3 of the Slack contract: one message a second to a channel, however it is posted, and `Retry-After`
//! holds for a webhook, or for a whole token. Invariant: one request is in flight to a destination, so that its messages
//! stay in order, and none starts before its time.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use sluicebox_core::{Clock, Environment};
use sluicebox_http::Rate;
use tokio::sync::MutexGuard;

/// What identifies a gate; holds secrets and is never shown.
type Key = Vec<String>;

/// Every gate that somebody holds.
static GATES: LazyLock<Mutex<HashMap<Key, Weak<Gate>>>> = LazyLock::new(Mutex::default);

/// When the next message may start at one channel, webhook or token.
struct Gate {
    /// The clock of whoever came first: clocks of two pipelines do not begin at the same time.
    clock: Arc<dyn Clock>,
    /// Held during a request, in the order of coming.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When the last message started; `None`: none has.
    started: Option<Duration>,
    closed_until: Duration,
}

impl Gate {
    /// The gate with this key; made if nobody holds one.
    fn shared(key: Key, environment: &Environment) -> Arc<Self> {
        let mut gates = GATES.lock();
        gates.retain(|_, gate| gate.strong_count() > 0);
        if let Some(gate) = gates.get(&key).and_then(Weak::upgrade) {
            return gate;
        }
        let clock = Arc::clone(&environment.clock);
        let gate = Arc::new(Self { clock, turn: tokio::sync::Mutex::default(), state: Mutex::default() });
        gates.insert(key, Arc::downgrade(&gate));
        gate
    }

    /// How long until a message may start, if messages are so far apart.
    fn wait(&self, apart: Duration) -> Duration {
        let (now, state) = (self.clock.elapsed(), self.state.lock());
        let spaced = state.started.map_or(Duration::ZERO, |started| started + apart);
        spaced.max(state.closed_until).saturating_sub(now)
    }

    fn close_for(&self, duration: Duration) {
        let until = self.clock.elapsed() + duration;
        let mut state = self.state.lock();
        state.closed_until = state.closed_until.max(until);
    }
}

/// A channel or a webhook, as one sink writes to it.
pub(crate) struct Destination {
    /// The channel, or the webhook.
    place: Arc<Gate>,
    /// Closed by `Retry-After`: the token, or the webhook itself.
    account: Arc<Gate>,
    /// Least time between the starts of two messages.
    apart: Duration,
}

impl Destination {
    /// The destination of a webhook.
    pub(crate) fn webhook(url: &str, rate: Rate, environment: &Environment) -> Self {
        let place = Gate::shared(vec![url.to_owned()], environment);
        Self { account: Arc::clone(&place), place, apart: apart(rate) }
    }

    /// A channel behind an API, written to with a token.
    pub(crate) fn channel(
        (api, token): (&str, &str),
        channel: &str,
        rate: Rate,
        environment: &Environment,
    ) -> Self {
        let place = Gate::shared(vec![api.to_owned(), "channel".to_owned(), channel.to_owned()], environment);
        let account = Gate::shared(vec![api.to_owned(), "token".to_owned(), token.to_owned()], environment);
        Self { place, account, apart: apart(rate) }
    }

    /// How long until a message may start, as far as is known without asking for a turn.
    pub(crate) fn wait(&self) -> Duration {
        self.place.wait(self.apart).max(self.account.wait(Duration::ZERO))
    }

    /// Waits until a message may start. The destination is taken until the turn is dropped. Cancel-safe: whoever is
    /// dropped while waiting has taken nothing.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        let held = self.place.turn.lock().await;
        loop {
            let wait = self.wait();
            if wait.is_zero() {
                break;
            }
            self.place.clock.sleep(wait).await;
        }
        self.place.state.lock().started = Some(self.place.clock.elapsed());
        Turn { account: &self.account, _held: held }
    }
}

/// The right to send one message.
pub(crate) struct Turn<'a> {
    account: &'a Gate,
    _held: MutexGuard<'a, ()>,
}

impl Turn<'_> {
    /// Slack asked to wait: nothing starts before, here and at every other destination of the same token.
    pub(crate) fn close_for(&self, duration: Duration) {
        self.account.close_for(duration);
    }
}

/// The least time between two messages; a burst is one message.
fn apart(rate: Rate) -> Duration {
    match rate {
        Rate::PerMinute(messages) => Duration::from_secs(60) / messages.get(),
        Rate::Unlimited => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicebox_testkit::environment;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn two_sinks_share_the_pace_of_a_channel() {
        let environment = environment();
        let of = |token, channel| {
            Destination::channel(("pace", token), channel, Rate::per_minute(60), &environment)
        };
        let (one, two, other) = (of("a", "C1"), of("b", "C1"), of("a", "C2"));
        let start = environment.clock.elapsed();
        let since = || environment.clock.elapsed().saturating_sub(start);
        drop(one.turn().await);
        drop(other.turn().await);
        assert_eq!(since(), Duration::ZERO);
        drop(two.turn().await);
        assert_eq!(since().as_millis().div_ceil(10), 100);
        drop(one.turn().await);
        assert!(since() >= seconds(2) && since() < seconds(3), "{:?}", since());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_slack_asks_for_holds_for_the_whole_token_and_nobody_else() {
        let environment = environment();
        let of =
            |token, channel| Destination::channel(("close", token), channel, Rate::Unlimited, &environment);
        let (one, same, other) = (of("a", "C1"), of("a", "C2"), of("b", "C3"));
        let start = environment.clock.elapsed();
        one.turn().await.close_for(seconds(30));
        drop(other.turn().await);
        assert_eq!(environment.clock.elapsed(), start);
        drop(same.turn().await);
        assert!(environment.clock.elapsed().saturating_sub(start) >= seconds(30));
    }

    #[tokio::test(start_paused = true)]
    async fn one_request_is_in_flight_at_a_destination() {
        let environment = environment();
        let one = Destination::webhook("in flight", Rate::Unlimited, &environment);
        let two = Destination::webhook("in flight", Rate::Unlimited, &environment);
        let turn = one.turn().await;
        let waits = tokio::time::timeout(seconds(60), two.turn()).await;
        assert!(waits.is_err());
        drop(turn);
        drop(two.turn().await);
    }

    #[test]
    fn gates_that_nobody_holds_are_forgotten() {
        let environment = environment();
        let key = vec!["forgotten".to_owned()];
        drop(Destination::webhook("forgotten", Rate::Unlimited, &environment));
        let _another = Destination::webhook("another", Rate::Unlimited, &environment);
        assert!(!GATES.lock().contains_key(&key));
    }
}
