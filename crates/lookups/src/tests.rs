//! Answers, flights and keys, on paused time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use sluicebox_core::{Environment, LookupStatus};

use crate::{Answers, CacheOptions, Found, Key, Portions, Unavailable, key_text};

const PORTIONS: Portions = Portions { keys: 3, at_once: 2 };

fn environment() -> Environment {
    sluicebox_testkit::environment()
}

fn answers() -> Answers {
    Answers::new(&CacheOptions::default(), environment().clock)
}

fn keys(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn the_cache_is_bounded_and_errors_are_not_remembered() {
    let options = CacheOptions { max_entries: 10, ..CacheOptions::default() };
    let cache = Answers::new(&options, environment().clock);
    for number in 0..100 {
        let found = Found::Answer(vec![b'x'; 100].into());
        cache.get(number.to_string(), || Box::pin(async { Ok(found) })).await.unwrap();
    }
    assert!(cache.len().await <= 10);
    assert_eq!(cache.tally().totals(), [("hit", 0), ("miss", 100), ("failed", 0)]);
    let failed = cache.get("x".into(), || Box::pin(async { Err(Unavailable("down".into())) })).await;
    assert_eq!(*failed.unwrap_err(), Unavailable("down".into()));
    let nothing = Found::nothing(LookupStatus::NotFound, "");
    let next = nothing.clone();
    assert_eq!(cache.get("x".into(), || Box::pin(async { Ok(next) })).await, Ok(nothing.clone()));
    assert_eq!(cache.get("x".into(), || unreachable!("it is known")).await, Ok(nothing));
    assert_eq!(cache.tally().totals(), [("hit", 1), ("miss", 102), ("failed", 1)]);
}

/// Answers every key but those that are multiples of 7, and counts the calls; takes 10 ms.
struct Service {
    calls: AtomicUsize,
    keys: AtomicUsize,
}

impl Service {
    fn new() -> Arc<Self> {
        Arc::new(Self { calls: AtomicUsize::new(0), keys: AtomicUsize::new(0) })
    }

    async fn fetch(&self, keys: Vec<String>) -> Vec<(String, Result<Found, Unavailable>)> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.keys.fetch_add(keys.len(), Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(10)).await;
        let wanted = keys.into_iter().filter(|key| key.parse::<usize>().unwrap() % 7 != 0);
        wanted.map(|key| (key.clone(), Ok(Found::Answer(key.into())))).collect()
    }

    fn totals(&self) -> (usize, usize) {
        (self.calls.load(Ordering::Relaxed), self.keys.load(Ordering::Relaxed))
    }
}

#[tokio::test(start_paused = true)]
async fn many_keys_are_fetched_in_portions_and_remembered_each() {
    let (answers, service) = (answers(), Service::new());
    let get = |range| answers.get_many(keys(range), PORTIONS, |keys| Box::pin(service.fetch(keys)));
    let landed = get(0..10).await;
    assert_eq!(landed.len(), 10);
    assert_eq!(landed["3"], Ok(Found::Answer("3".into())));
    assert!(matches!(&landed["7"], Ok(Found::Nothing(LookupStatus::NotFound, _))));
    assert_eq!(service.totals(), (4, 10));
    get(5..12).await;
    assert_eq!(service.totals(), (5, 12), "only what was not known");
    assert_eq!(answers.tally().totals(), [("hit", 5), ("miss", 12), ("failed", 0)]);
    tokio::time::advance(Duration::from_secs(61)).await;
    get(0..8).await;
    assert_eq!(service.totals(), (6, 14), "0 and 7 were not found, which is remembered for a shorter time");
}

#[tokio::test(start_paused = true)]
async fn of_many_who_ask_for_one_key_one_fetches_it() {
    let (answers, service) = (Arc::new(answers()), Service::new());
    let tasks: Vec<_> = (0..100)
        .map(|first| {
            let (answers, service) = (Arc::clone(&answers), Arc::clone(&service));
            tokio::spawn(async move {
                let keys = keys(first % 4..4);
                let count = keys.len();
                let landed = answers.get_many(keys, PORTIONS, |keys| Box::pin(service.fetch(keys))).await;
                assert_eq!(landed.len(), count);
                assert!(landed.values().all(Result::is_ok));
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(service.totals().1, 4);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_is_given_up_is_taken_over() {
    let (answers, service) = (Arc::new(answers()), Service::new());
    let given_up = {
        let answers = Arc::clone(&answers);
        tokio::spawn(async move {
            answers.get_many(keys(1..2), PORTIONS, |_| Box::pin(std::future::pending())).await
        })
    };
    tokio::task::yield_now().await;
    let heir = {
        let (answers, service) = (Arc::clone(&answers), Arc::clone(&service));
        tokio::spawn(async move {
            answers.get_many(keys(1..2), PORTIONS, |keys| Box::pin(service.fetch(keys))).await
        })
    };
    tokio::task::yield_now().await;
    assert_eq!(service.totals(), (0, 0), "it waits for the first");
    given_up.abort();
    assert_eq!(heir.await.unwrap()["1"], Ok(Found::Answer("1".into())));
    assert_eq!(service.totals(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn errors_of_a_portion_reach_those_who_wait_and_are_not_remembered() {
    let (answers, service) = (answers(), Service::new());
    let down = |keys: Vec<String>| {
        let ends = keys.into_iter().map(|key| (key, Err(Unavailable("down".to_owned())))).collect();
        Box::pin(async { ends }) as futures::future::BoxFuture<'_, _>
    };
    let landed = answers.get_many(keys(1..3), PORTIONS, down).await;
    assert!(landed.values().all(|end| *end == Err(Arc::new(Unavailable("down".into())))));
    let landed = answers.get_many(keys(1..3), PORTIONS, |keys| Box::pin(service.fetch(keys))).await;
    assert!(landed.values().all(Result::is_ok));
}

#[test]
fn keys_are_compared_as_text() {
    let text = |value: serde_json::Value| key_text(&value).map(std::borrow::Cow::into_owned);
    for (value, expected) in [
        (json!("007"), "007"),
        (json!(7), "7"),
        (json!(7.0), "7"),
        (json!(-0.0), "0"),
        (json!(1e3), "1000"),
        (json!(0.5), "0.5"),
        (json!(u64::MAX), "18446744073709551615"),
        (json!(true), "true"),
        (json!(""), ""),
    ] {
        assert_eq!(text(value.clone()).as_deref(), Some(expected), "{value}");
    }
    assert_eq!(text(json!(null)), None);
    let key = |parts: &[&str]| Key::of(parts.iter().map(|part| Some((*part).into())));
    assert_ne!(key(&["a", "bc"]), key(&["ab", "c"]));
    assert_ne!(key(&["1:a"]), key(&["1:a", ""]));
    assert_eq!(Key::of([Some("a".into()), None].into_iter()), None);
    assert_eq!(Key::of([None].into_iter()), None);
}
