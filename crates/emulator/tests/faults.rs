//! Every kind of fault does on the wire what it says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something unexpected happens")]

mod wire;

use std::io::Read;
use std::time::{Duration, Instant};

use flate2::read::MultiGzDecoder;
use serde_json::Value;
use sluicebox_emulator::{Api, Emulator, Fault, FaultKind, Options, Target, start};
use wire::{Received, encode, get, get_as, now};

async fn emulator(api: Api, faults: &[&str]) -> Emulator {
    let faults = faults.iter().map(|text| text.parse().unwrap()).collect();
    start(Options { events: 1000, faults, ..Options::new(api) }).await.unwrap()
}

fn poll_uri(api: Api) -> &'static str {
    match api {
        Api::OpenTrain => "/updates?limit=20",
        Api::Zenzap => "/v2/updates?limit=20",
        Api::Slack => unreachable!("nothing is polled from Slack"),
    }
}

/// One poll that the fault strikes.
async fn struck(api: Api, fault: &str) -> Received {
    let emulator = emulator(api, &[fault]).await;
    let answer = get(&emulator, poll_uri(api)).await;
    let record = emulator.control().log().pop().unwrap();
    let kind = fault.parse::<Fault>().unwrap().kind;
    assert_eq!(record.fault, Some(kind.to_string()));
    assert_eq!(record.status, Some(answer.status));
    answer
}

const BOTH: [Api; 2] = [Api::OpenTrain, Api::Zenzap];

fn inflate(body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    MultiGzDecoder::new(body).read_to_end(&mut plain).unwrap();
    plain
}

#[tokio::test]
async fn statuses_come_with_the_errors_of_the_api() {
    for (status, code) in
        [(401, "UNAUTHORIZED"), (403, "FORBIDDEN"), (409, "CONFLICT"), (500, "INTERNAL_ERROR")]
    {
        let answer = struck(Api::OpenTrain, &format!("status={status}")).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)));
        let answer = struck(Api::Zenzap, &format!("status={status}")).await;
        assert_eq!(answer.status, status);
        assert!(answer.header("content-type").unwrap().starts_with("text/plain"));
    }
    for api in BOTH {
        for status in [502, 503, 504] {
            assert_eq!(struck(api, &format!("status={status}")).await.status, status);
        }
    }
}

#[tokio::test]
async fn rate_limits_say_when_to_return_or_not() {
    for api in BOTH {
        let answer = struck(api, "rate_limited=7").await;
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some("7")));
        let answer = struck(api, "rate_limited").await;
        assert_eq!((answer.status, answer.header("retry-after")), (429, None));
        let answer = struck(api, "rate_limited_date=90").await;
        let date = answer.header("retry-after").unwrap();
        let told = jiff::fmt::rfc2822::parse(date).unwrap().timestamp().as_millisecond();
        assert!((80_000..=90_000).contains(&(told - now())), "{date}");
    }
}

#[tokio::test]
async fn the_log_remembers_retry_after() {
    let emulator =
        emulator(Api::OpenTrain, &["rate_limited=7", "rate_limited", "rate_limited_date=90"]).await;
    for _ in 0..3 {
        get(&emulator, "/updates").await;
    }
    let told: Vec<Option<u64>> =
        emulator.control().log().iter().map(|record| record.retry_after.map(|time| time.as_secs())).collect();
    assert_eq!(told[..2], [Some(7), None]);
    assert!((88..=90).contains(&told[2].unwrap()));
}

#[tokio::test]
async fn a_cut_body_ends_at_the_byte() {
    for api in BOTH {
        for bytes in [0, 1, 333] {
            let answer = struck(api, &format!("cut={bytes}")).await;
            assert_eq!((answer.status, answer.body.len(), answer.whole), (200, bytes, false));
        }
        let answer = struck(api, "cut=99999999").await;
        let promised: usize = answer.header("content-length").unwrap().parse().unwrap();
        assert_eq!((answer.body.len(), answer.whole), (promised - 1, false), "at least one byte is missing");
    }
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    for api in BOTH {
        let emulator = emulator(api, &["reset"]).await;
        let error = get_as(&emulator, 0, poll_uri(api)).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!(emulator.control().log()[0].status, None);
        assert_eq!(get(&emulator, poll_uri(api)).await.status, 200, "once only");
    }
}

#[tokio::test]
async fn a_hanging_request_is_closed_without_an_answer() {
    let emulator = emulator(Api::OpenTrain, &["hang=0.3"]).await;
    let start = Instant::now();
    let error = get_as(&emulator, 0, "/updates").await.unwrap_err();
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_trickle_takes_its_time_and_arrives_whole() {
    let emulator = emulator(Api::OpenTrain, &["trickle=10000"]).await;
    let start = Instant::now();
    let answer = get(&emulator, "/updates?limit=20").await;
    assert!(answer.whole && answer.items().len() == 20);
    // A twentieth of a second for each twentieth of the rate: all but a rounding of the whole.
    let least = Duration::from_micros(answer.body.len() as u64 * 90);
    assert!(start.elapsed() >= least, "{:?} for {} bytes", start.elapsed(), answer.body.len());
}

#[tokio::test]
async fn broken_pages_do_not_parse() {
    for api in BOTH {
        let answer = struck(api, "malformed").await;
        assert!(answer.whole && serde_json::from_slice::<Value>(&answer.body).is_err());
        let answer = struck(api, "utf8").await;
        assert!(answer.whole && std::str::from_utf8(&answer.body).is_err());
        let answer = struck(api, "html").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html; charset=utf-8")));
    }
}

#[tokio::test]
async fn wrong_pages_parse_and_are_wrong() {
    let page = struck(Api::OpenTrain, "wrong_types").await.json();
    assert!(page["events"].is_object() && page["nextCursor"].is_f64() && page["hasMore"].is_string());
    let page = struck(Api::Zenzap, "wrong_types").await.json();
    assert!(page["updates"].is_object() && page["nextOffset"].is_f64());
    for (api, key) in [(Api::OpenTrain, "events"), (Api::Zenzap, "updates")] {
        assert!(struck(api, "missing_keys").await.json().get(key).is_none());
        let page = struck(api, "poison").await;
        assert!(page.items()[0].is_string() && page.items().len() == 21);
        let page = struck(api, "nameless").await;
        assert!(page.items()[0].is_object() && page.items().len() == 21);
        assert!(page.items()[0].get("id").or(page.items()[0].get("updateId")).is_none());
    }
}

#[tokio::test]
async fn large_bodies_are_large() {
    for api in BOTH {
        let answer = struck(api, "oversized=3MiB").await;
        assert!(answer.body.len() >= 3 << 20 && answer.items().len() == 20);
        let answer = struck(api, "gzip").await;
        assert_eq!(answer.header("content-encoding"), Some("gzip"));
        let plain: Value = serde_json::from_slice(&inflate(&answer.body)).unwrap();
        assert!(plain.get("events").or(plain.get("updates")).is_some());
        let answer = struck(api, "bomb=5MiB").await;
        assert!(answer.body.len() < 100_000, "{}", answer.body.len());
        let plain = inflate(&answer.body);
        assert!(plain.len() >= 5 << 20);
        assert!(serde_json::from_slice::<Value>(&plain).unwrap().get("padding").is_some());
    }
}

/// Polls three times with the cursors that it is given, then once more; returns the cursors and the last page.
async fn walk(api: Api, fault: &str) -> (Vec<String>, Received) {
    let emulator = emulator(api, &[]).await;
    let name = if api == Api::OpenTrain { "cursor" } else { "offset" };
    let mut cursors: Vec<String> = Vec::new();
    let mut uri = poll_uri(api).to_owned();
    for _ in 0..3 {
        cursors.push(get(&emulator, &uri).await.next().unwrap());
        uri = format!("{}&{name}={}", poll_uri(api), encode(cursors.last().unwrap()));
    }
    emulator.control().add_fault(fault.parse().unwrap());
    let bent = get(&emulator, &uri).await;
    let honest = get(&emulator, &uri).await;
    assert_eq!(honest.items().len(), 20, "the fault struck once");
    (cursors, bent)
}

#[tokio::test]
async fn cursors_go_astray() {
    for api in BOTH {
        // The poll that is struck sends the third cursor; the page before was asked for with the second.
        for (fault, expected) in [
            ("cursor_backwards", Some(1)),
            ("cursor_cycle", Some(0)),
            ("stuck_cursor", Some(2)),
            ("null_cursor", None),
        ] {
            let (cursors, page) = walk(api, fault).await;
            assert_eq!(page.next(), expected.map(|at: usize| cursors[at].clone()), "{fault}");
            assert_eq!(page.items().len(), 20, "{fault}: the events are right");
        }
        let (cursors, page) = walk(api, "duplicate_page").await;
        assert_eq!((page.next(), page.items().len()), (Some(cursors[2].clone()), 20));
        let (cursors, page) = walk(api, "empty_page").await;
        assert_eq!((page.next(), page.items().len()), (Some(cursors[2].clone()), 0));
        assert_ne!(page.json()["hasMore"], false, "an empty page does not claim the end");
    }
    let (_, page) = walk(Api::OpenTrain, "has_more_hidden").await;
    assert_eq!(page.json()["hasMore"], false);
    let emulator = emulator(Api::OpenTrain, &["has_more_lie"]).await;
    let page = get(&emulator, "/updates?cursor=9999999").await;
    assert_eq!((page.json()["hasMore"].as_bool(), page.items().len()), (Some(true), 0));
}

#[tokio::test]
async fn other_ways_to_be_refused() {
    let answer = struck(Api::OpenTrain, "redirect=http://127.0.0.1:9/elsewhere").await;
    assert_eq!((answer.status, answer.header("location")), (302, Some("http://127.0.0.1:9/elsewhere")));
    let answer = struck(Api::Zenzap, "expired").await;
    assert!(answer.status == 409 && !answer.text().contains("delivery mode"));
    let answer = struck(Api::Zenzap, "webhook_mode").await;
    assert_eq!((answer.status, answer.text()), (409, "delivery mode is not polling"));
    let answer = struck(Api::Zenzap, "skew=600").await;
    assert_eq!(answer.status, 401);
    let told = jiff::fmt::rfc2822::parse(answer.header("date").unwrap()).unwrap().timestamp();
    assert!((590_000..=600_000).contains(&(told.as_millisecond() - now())));
}

#[tokio::test]
async fn faults_strike_the_requests_they_are_for() {
    let options = Options { accounts: 2, ..Options::new(Api::Zenzap) };
    let emulator = start(options).await.unwrap();
    let control = emulator.control();
    control.add_fault(Fault::every(1, FaultKind::Status(503)).on(Target::LookUp).for_account(1));
    assert_eq!(get_as(&emulator, 1, "/v2/updates").await.unwrap().status, 200);
    assert_eq!(get_as(&emulator, 0, "/v2/members/me").await.unwrap().status, 200);
    assert_eq!(get_as(&emulator, 1, "/v2/members/me").await.unwrap().status, 503);
    assert_eq!(get_as(&emulator, 1, "/v2/topics").await.unwrap().status, 503);
    control.clear_faults();
    assert_eq!(get_as(&emulator, 1, "/v2/topics").await.unwrap().status, 200);
    control.add_fault("oauth:status=500".parse().unwrap());
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = wire::exchange(emulator.address(), "POST", "/oauth/token", &form, "").await.unwrap();
    assert_eq!(answer.status, 500);
}

#[tokio::test]
async fn under_every_transient_fault_a_patient_client_gets_every_event() {
    let small = Fault::transient_set().into_iter().map(|mut fault| {
        match &mut fault.kind {
            FaultKind::Oversized(bytes) | FaultKind::Bomb(bytes) => *bytes = 1 << 20,
            FaultKind::Hang(time) => *time = Duration::from_millis(10),
            _ => {}
        }
        fault
    });
    let options = Options { events: 3000, faults: small.collect(), ..Options::new(Api::OpenTrain) };
    let emulator = start(options).await.unwrap();
    let mut seen = std::collections::BTreeMap::new();
    let (mut cursor, mut end) = (None::<u64>, false);
    while !end {
        let uri =
            cursor.map_or("/updates?limit=10".to_owned(), |at| format!("/updates?limit=10&cursor={at}"));
        let Ok(answer) = get_as(&emulator, 0, &uri).await else { continue };
        let body = match answer.header("content-encoding") {
            Some(_) => inflate(&answer.body),
            None => answer.body.clone(),
        };
        let Ok(page) = serde_json::from_slice::<Value>(&body) else { continue };
        let (true, Some(events)) = (answer.whole && answer.status == 200, page["events"].as_array()) else {
            continue;
        };
        for event in events.iter().filter(|event| event["id"].is_string()) {
            seen.insert(event["id"].as_str().unwrap().parse::<u64>().unwrap(), event.clone());
        }
        let next = page["nextCursor"].as_str().map(|next| next.parse().unwrap());
        end = page["hasMore"] == false;
        cursor = next.filter(|next| Some(*next) > cursor).or(cursor);
    }
    let truth = sluicebox_emulator::events(Api::OpenTrain, 1, 0, 0..3000);
    let truth: Vec<Value> = truth.iter().map(|event| serde_json::from_slice(event).unwrap()).collect();
    assert_eq!(seen.into_values().collect::<Vec<_>>(), truth);
    let stats = emulator.control().stats();
    assert!(stats.faults > 100, "{stats:?}");
}
