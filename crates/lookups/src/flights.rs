//! Who fetches which key: of all who need one at a time, one does, and the others wait for it.
//!
//! For fetches of many keys at once, where the cache's own single flight (one key, one future) does not reach.
//! Invariant: a fetch that is given up (its future dropped) wakes those who wait, and one of them takes over.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::sync::watch;

/// How the fetch of one key ended, while somebody may wait for it.
type News<T> = watch::Sender<Option<T>>;
/// Waits for the end of somebody else's fetch.
pub(crate) type Waiting<T> = watch::Receiver<Option<T>>;

/// The fetches under way.
pub(crate) struct Flights<T> {
    under_way: Mutex<HashMap<String, Waiting<T>>>,
}

/// Who fetches which of some keys.
pub(crate) struct Claimed<'a, T> {
    pub(crate) claim: Claim<'a, T>,
    /// Keys that are ours to fetch.
    pub(crate) mine: Vec<String>,
    /// Keys that somebody else fetches.
    pub(crate) theirs: Vec<(String, Waiting<T>)>,
}

/// The right to fetch keys.
pub(crate) struct Claim<'a, T> {
    flights: &'a Flights<T>,
    news: Mutex<HashMap<String, News<T>>>,
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self { under_way: Mutex::default() }
    }
}

impl<T> Flights<T> {
    /// Takes those of `keys` that nobody fetches; the others come with what there is to wait for.
    pub(crate) fn claim(&self, keys: Vec<String>) -> Claimed<'_, T> {
        let (mut news, mut mine, mut theirs) = (HashMap::new(), Vec::new(), Vec::new());
        let mut under_way = self.under_way.lock();
        for key in keys {
            if let Some(waiting) = under_way.get(&key) {
                theirs.push((key, waiting.clone()));
                continue;
            }
            let (sender, receiver) = watch::channel(None);
            under_way.insert(key.clone(), receiver);
            news.insert(key.clone(), sender);
            mine.push(key);
        }
        drop(under_way);
        Claimed { claim: Claim { flights: self, news: Mutex::new(news) }, mine, theirs }
    }
}

impl<T> Claim<'_, T> {
    /// The fetch of a key has ended: tells those who wait.
    pub(crate) fn land(&self, key: &str, end: T) {
        let Some(news) = self.news.lock().remove(key) else { return };
        self.flights.under_way.lock().remove(key);
        news.send_replace(Some(end));
    }
}

impl<T> Drop for Claim<'_, T> {
    fn drop(&mut self) {
        let mut under_way = self.flights.under_way.lock();
        for key in self.news.get_mut().keys() {
            under_way.remove(key);
        }
    }
}

/// The end of somebody else's fetch; `None`: it was given up.
pub(crate) async fn wait<T: Clone>(mut waiting: Waiting<T>) -> Option<T> {
    waiting.wait_for(Option::is_some).await.ok().and_then(|end| end.clone())
}
