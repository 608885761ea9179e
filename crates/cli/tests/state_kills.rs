//! kill -9 at random moments while events flow through `dedupe` into `window`: every event once, every window once with
//! the exact count, in SQLite, in PostgreSQL and in an exact file; also while these run ahead of a slower sink, so that
//! what they have committed is ahead of what is remembered.
//!
//! Runs in a short form with the other tests; `SLUICEBOX_KILLS` sets the number of kills.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on says so")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sluicebox_core::Timestamp;
use sluicebox_services::Postgres;
use sluicebox_testkit::{Reply, Sandbox, Stub, get, wait_for};

const RUN: &str = "run --log-format json --admin off p.yaml";

/// Events that appear upstream before each kill.
const STEP: usize = 1000;

/// 2026-06-12T10:00:00Z
const START: i64 = 1_781_258_400_000;

const TRANSFORMS: &str = "
transforms:
  unique: { type: dedupe, inputs: [feed], key: event.data.payment, within: 1h }
  seconds:
    type: window
    inputs: [unique]
    size: 1s
    lateness: 300ms
    key: event.data.team
    aggregates: { n: count, total: { sum: event.data.amount }, people: { distinct: event.data.user } }
  sessions:
    type: window
    inputs: [unique]
    kind: session
    gap: 40ms
    lateness: 300ms
    key: event.data.team
    aggregates: { n: count, first: { first: event.data.payment } }
";

/// One event of the feed.
#[derive(Clone)]
struct Payment {
    id: usize,
    /// Milliseconds after the start.
    time: i64,
    number: usize,
    team: &'static str,
    cents: u64,
    user: u64,
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

/// A feed in which every third event repeats an earlier one, half of them with its id, and events are up to 300 ms out of order.
fn payments(count: usize) -> Vec<Payment> {
    let mut dice = Dice(7);
    let mut all: Vec<Payment> = Vec::with_capacity(count + 1);
    for n in 0..count {
        if n > 50 && n % 3 == 0 {
            let back = usize::try_from(dice.below(n.min(5000) as u64)).unwrap();
            let repeated = all[n - 1 - back].clone();
            let id = if n % 2 == 0 { repeated.id } else { n + 1 };
            all.push(Payment { id, ..repeated });
            continue;
        }
        let late = i64::try_from(dice.below(300)).unwrap();
        let team = ["red", "green", "blue:sky"][usize::try_from(dice.below(3)).unwrap()];
        let (cents, user) = (dice.below(100_000), dice.below(12));
        all.push(Payment {
            id: n + 1,
            time: i64::try_from(n * 10).unwrap() - late,
            number: n,
            team,
            cents,
            user,
        });
    }
    // Far away: it closes everything before it.
    all.push(Payment { id: count + 1, time: 900_000_000, number: count, team: "end", cents: 0, user: 0 });
    all
}

fn item(payment: &Payment) -> String {
    let time = Timestamp::from_millis(START + payment.time);
    let Payment { id, number, team, cents, user, .. } = payment;
    format!(
        r#"{{"id":"{id}","type":"payment.made","createdAt":"{time}","data":{{"payment":{number},"team":"{team}","amount":{}.{:02},"user":{user}}}}}"#,
        cents / 100,
        cents % 100
    )
}

/// A feed of which a growing part can be seen.
struct Upstream {
    stub: Stub,
    visible: Arc<AtomicUsize>,
}

impl Upstream {
    fn new(payments: &[Payment]) -> Self {
        let items: Vec<String> = payments.iter().map(item).collect();
        let visible = Arc::new(AtomicUsize::new(0));
        let shown = Arc::clone(&visible);
        let stub = Stub::new(move |target| {
            let number = |name: &str| {
                let pair =
                    target.split(['?', '&']).find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
                pair.and_then(|value| value.parse::<usize>().ok())
            };
            let visible = shown.load(Ordering::SeqCst);
            let start = number("cursor").unwrap_or(0).min(visible);
            let end = visible.min(start + number("limit").unwrap_or(50));
            let (page, more) = (items[start..end].join(","), end < visible);
            Reply::Json(200, format!(r#"{{"events":[{page}],"nextCursor":"{end}","hasMore":{more}}}"#))
        });
        Self { stub, visible }
    }
}

/// What every sink should hold in the end.
struct Truth {
    /// Numbers of the payments in the order in which each was seen first.
    unique: Vec<usize>,
    /// Every window in the order in which they leave: key, start, count, cents, people.
    seconds: Vec<(String, i64, u64, u64, usize)>,
    /// Sessions: key, start, count, first payment.
    sessions: Vec<(String, i64, u64, usize)>,
}

fn truth(payments: &[Payment]) -> Truth {
    let mut seen = BTreeSet::new();
    let unique: Vec<&Payment> = payments.iter().filter(|payment| seen.insert(payment.number)).collect();
    let mut seconds: BTreeMap<(i64, &str), (u64, u64, BTreeSet<u64>)> = BTreeMap::new();
    let mut by_team: BTreeMap<&str, Vec<&Payment>> = BTreeMap::new();
    for payment in unique.iter().filter(|payment| payment.team != "end") {
        let window = seconds.entry((payment.time.div_euclid(1000) * 1000, payment.team)).or_default();
        window.0 += 1;
        window.1 += payment.cents;
        window.2.insert(payment.user);
        by_team.entry(payment.team).or_default().push(payment);
    }
    let mut sessions = Vec::new();
    for (team, mut payments) in by_team {
        payments.sort_by_key(|payment| payment.time);
        for session in payments.chunk_by(|one, next| next.time - one.time < 40) {
            let (first, last) = (session[0], session[session.len() - 1]);
            sessions.push((last.time, team.to_owned(), first.time, session.len() as u64, first.number));
        }
    }
    sessions.sort();
    Truth {
        unique: unique.iter().map(|payment| payment.number).collect(),
        seconds: seconds
            .into_iter()
            .map(|((start, key), (n, cents, people))| (key.to_owned(), START + start, n, cents, people.len()))
            .collect(),
        sessions: sessions
            .into_iter()
            .map(|(_, key, start, n, first)| (key, START + start, n, first))
            .collect(),
    }
}

fn second(window: &Value) -> (String, i64, u64, u64, usize) {
    let (key, start) = place(window);
    let total = window["total"].to_string();
    let (whole, part) = total.split_once('.').unwrap_or((&total, ""));
    assert!(part.len() <= 2, "a sum of cents is exact: {total}");
    let cents = format!("{whole}{part:0<2}").parse().unwrap();
    (
        key,
        start,
        window["n"].as_u64().unwrap(),
        cents,
        usize::try_from(window["people"].as_u64().unwrap()).unwrap(),
    )
}

fn session(window: &Value) -> (String, i64, u64, usize) {
    let (key, start) = place(window);
    let first = usize::try_from(window["first"].as_u64().unwrap()).unwrap();
    (key, start, window["n"].as_u64().unwrap(), first)
}

fn place(window: &Value) -> (String, i64) {
    let start = Timestamp::parse(window["start"].as_str().unwrap()).unwrap();
    (window["key"].as_str().unwrap().to_owned(), start.as_millis())
}

fn read(lines: &[String]) -> Vec<Value> {
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn kills() -> usize {
    std::env::var("SLUICEBOX_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(16)
}

struct Scene {
    sandbox: Sandbox,
    upstream: Upstream,
    truth: Truth,
}

impl Scene {
    fn new(name: &str, sinks: &str, variables: &[(&str, String)]) -> Self {
        let payments = payments(kills() * STEP);
        let upstream = Upstream::new(&payments);
        let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
        for (name, value) in variables {
            sandbox.set(name, value.clone());
        }
        sandbox.pipe(&upstream.stub, 25, &format!("name: {name}\n{TRANSFORMS}sinks:\n{sinks}"));
        Self { sandbox, upstream, truth: truth(&payments) }
    }

    /// Kills a run after its first polls and a while that differs from round to round.
    fn kill(&self, round: usize) {
        let requests = || self.upstream.stub.requests().len();
        let before = requests();
        let mut process = self.sandbox.start(RUN);
        wait_for("the first polls", || {
            assert!(!process.has_ended(), "{}", process.stderr());
            (requests() > before + 3).then_some(())
        });
        std::thread::sleep(Duration::from_millis(20 + (round as u64) * 67 % 400));
        process.kill();
        process.finish();
    }

    /// Kills again and again, then runs to the end. How many kills left rows in `rows.db` that are beyond the saved cursor,
    /// and with it beyond what is remembered.
    fn play(&self) -> usize {
        let (mut ahead, mut seen) = (0, Vec::new());
        for round in 0..kills() {
            self.upstream.visible.fetch_add(STEP, Ordering::SeqCst);
            self.kill(round);
            let newest = self.sandbox.rows("rows.db", "SELECT max(_event_id + 0) || '' FROM unique_events");
            let newest: usize = newest.first().and_then(|text| text.parse().ok()).unwrap_or(0);
            let saved = self
                .sandbox
                .cursors()
                .first()
                .and_then(|row| row["cursor"].as_str()?.parse().ok())
                .unwrap_or(0);
            seen.push((saved, newest));
            ahead += usize::from(newest > saved);
        }
        println!("saved cursor and newest row at each kill: {seen:?}");
        assert!(
            seen.windows(2).all(|pair| pair[0].0 <= pair[1].0) && seen.last() > Some(&(0, 0)),
            "{seen:?}"
        );
        self.upstream.visible.fetch_add(1, Ordering::SeqCst);
        self.sandbox.run("run --once --log-format json --admin off p.yaml").expect(0);
        assert_eq!(self.sandbox.dead_letters(), [] as [Value; 0]);
        ahead
    }

    fn assert_files(&self) {
        let lines = |path: &str| self.sandbox.read(path).lines().map(str::to_owned).collect::<Vec<_>>();
        let payments: Vec<usize> = read(&lines("unique.jsonl")).iter().map(payment).collect();
        assert!(payments == self.truth.unique, "the file holds each payment once, in order");
        let seconds: Vec<_> = read(&lines("seconds.jsonl")).iter().map(second).collect();
        assert!(seconds == self.truth.seconds, "the file holds each window once, in order, with its sums");
        let sessions: Vec<_> = read(&lines("sessions.jsonl")).iter().map(session).collect();
        assert!(sessions == self.truth.sessions, "and each session");
    }
}

fn payment(event: &Value) -> usize {
    usize::try_from(event["data"]["payment"].as_u64().unwrap()).unwrap()
}

const FILES: &str = "
  unique_file: { type: file, inputs: [unique], path: unique.jsonl, delivery: exactly_once }
  seconds_file: { type: file, inputs: [seconds], path: seconds.jsonl, delivery: exactly_once, batch: { max_events: 10 } }
  sessions_file: { type: file, inputs: [sessions], path: sessions.jsonl, delivery: exactly_once }
";

const TABLES: &str = "
  unique_rows:
    type: sqlite
    inputs: [unique]
    path: rows.db
    table: unique_events
    columns: { _event_id: event.id, payment: { value: event.data.payment, type: integer } }
    batch: { max_events: 60 }
  seconds_rows: { type: sqlite, inputs: [seconds], path: seconds.db, table: events, batch: { max_events: 5 } }
  sessions_rows: { type: sqlite, inputs: [sessions], path: sessions.db, table: events }
";

#[test]
fn every_window_comes_out_once_and_whole_however_often_the_program_is_killed() {
    let slower = "  slower: { type: blackhole, inputs: [feed], delay: 6ms, batch: { max_events: 20 } }\n";
    let scene = Scene::new("kills", &format!("{FILES}{TABLES}{slower}"), &[]);
    let ahead = scene.play();
    println!("{} kills, {ahead} of them with rows ahead of what is remembered", kills());
    let rows = |file: &str| read(&scene.sandbox.rows(file, "SELECT event FROM events ORDER BY rowid"));
    let payments = scene.sandbox.rows("rows.db", "SELECT payment || '' FROM unique_events ORDER BY rowid");
    let payments: Vec<usize> = payments.iter().map(|text| text.parse().unwrap()).collect();
    assert!(payments == scene.truth.unique, "the table holds each payment once, in order");
    let seconds: Vec<_> = rows("seconds.db").iter().map(second).collect();
    assert!(seconds == scene.truth.seconds, "the table holds each window once, in order, with its sums");
    let counted: u64 = seconds.iter().map(|(_, _, n, ..)| n).sum();
    assert_eq!(counted, scene.truth.unique.len() as u64 - 1, "no payment counts twice, and none is left out");
    let sessions: Vec<_> = rows("sessions.db").iter().map(session).collect();
    assert!(sessions == scene.truth.sessions, "and each session");
    scene.assert_files();
    let ids = scene.sandbox.rows("seconds.db", "SELECT count(DISTINCT _event_id) || '' FROM events");
    assert_eq!(ids, [scene.truth.seconds.len().to_string()]);
    assert!(ahead * 2 >= kills(), "half of the kills at least land while a sink is ahead: {ahead}");
}

#[test]
fn postgres_has_every_window_once_however_often_the_program_is_killed() {
    let Some(server) = Postgres::shared() else { return };
    let schema = format!("state_kills_{}", std::process::id());
    server.psql(&format!("CREATE SCHEMA {schema}"));
    let columns = "columns: { key: event.key, start: event.start, n: { value: event.n, type: integer }, \
                   total: { value: event.total, type: number }, people: { value: event.people, type: integer } }";
    let sinks = format!(
        "  windows: {{ type: postgres, inputs: [seconds], url: \"${{URL}}\", schema: {schema}, table: windows, {columns}, \
         batch: {{ max_events: 20 }} }}\n  \
         sessions_rows: {{ type: sqlite, inputs: [sessions], path: sessions.db, table: events }}\n"
    );
    let scene = Scene::new(&schema.replace('_', "-"), &sinks, &[("URL", server.url())]);
    scene.play();
    let query = format!("SELECT json_agg(w ORDER BY start, key COLLATE \"C\") FROM {schema}.windows w");
    let rows: Vec<Value> = serde_json::from_str(&server.psql(&query)).unwrap();
    let windows: Vec<_> = rows.iter().map(second).collect();
    assert!(
        windows == scene.truth.seconds,
        "the table holds each window once with its sums: {}",
        json!(rows.len())
    );
    server.psql(&format!("DROP SCHEMA {schema} CASCADE"));
}

#[test]
fn how_much_is_remembered_is_a_metric_also_before_the_first_event_of_a_run() {
    let scene = Scene::new("metric", FILES, &[]);
    scene.upstream.visible.store(300, Ordering::SeqCst);
    let payments: BTreeSet<usize> = payments(300)[..300].iter().map(|payment| payment.number).collect();
    let gauge =
        "sluicebox_state_entries{account=\"\",component=\"unique\",pipeline=\"metric\",source=\"feed\"}";
    for _ in 0..2 {
        let mut process = scene.sandbox.start("run --log-format json --admin 127.0.0.1:0 p.yaml");
        let metrics = format!("{}/metrics", process.admin());
        let line = format!("{gauge} {}\n", payments.len());
        wait_for(&line, || get(&metrics).filter(|answer| answer.body.contains(&line)));
        process.terminate();
        process.finish().expect(0);
    }
}
