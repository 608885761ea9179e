//! Every fault of a poll, against the emulated APIs over TCP: what passes is retried and every event arrives once and in
//! order; what does not pass pauses that account alone, with its cursor kept; never a hot loop, never a silent reset.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

use std::time::Duration;

use sluicebox_emulator::{Api, Options};
use sluicebox_testkit::{Feed, Form, assert_patient, for_both_forms, said, wait_for};

/// Events of each account, and of each page.
const EVENTS: u64 = 60;
const PAGE: u64 = 10;

/// The account that nothing strikes, last in every table.
const HEALTHY: (&str, &str) = ("none", "");

/// Faults that pass, each with what the log says of it.
const OPENTRAIN: [(&str, &str); 33] = [
    ("status=500@2", "status 500, code INTERNAL_ERROR"),
    ("status=502@2", "status 502"),
    ("status=503@2", "status 503"),
    ("status=504@2", "status 504"),
    ("status=500@1", "status 500"),
    ("rate_limited=1@2", "asks to wait (status 429"),
    ("rate_limited_date=2@2", "asks to wait (status 429"),
    ("rate_limited@2", "asks to wait (status 429"),
    ("cut=0@2", "cut short after 0 bytes"),
    ("cut=1@2", "cut short after 1 bytes"),
    ("cut=10@2", "cut short after 10 bytes"),
    ("cut=700@2", "cut short after 700 bytes"),
    ("cut=1000000@2", "cut short after"),
    ("cut=100@1", "cut short after 100 bytes"),
    ("reset@2", "failed"),
    ("malformed@2", "not a page of events"),
    ("utf8@2", "not a page of events"),
    ("html@2", "not a page of events"),
    ("wrong_types@2", "not a page of events"),
    ("missing_keys@2", "not a page of events"),
    ("oversized=2MiB@2", "larger than 1048576 bytes"),
    ("bomb=64MiB@2", "larger than 1048576 bytes"),
    ("gzip@2", ""),
    ("trickle=2KiB@2", ""),
    ("duplicate_page@3", "without moving the cursor"),
    ("cursor_backwards@3", "moved the cursor backwards"),
    ("cursor_cycle@4", "moved the cursor backwards"),
    ("stuck_cursor@2", "without moving the cursor"),
    ("null_cursor@2", "without saying where they end"),
    ("empty_page@2", "without moving the cursor"),
    ("has_more_lie@6", ""),
    ("status=503@every:2", "status 503"),
    HEALTHY,
];

/// The same for Zenzap, whose offsets are opaque and whose clock matters.
const ZENZAP: [(&str, &str); 25] = [
    ("status=500@2", "status 500: internal server error"),
    ("status=503@2", "status 503"),
    ("rate_limited=1@2", "asks to wait (status 429"),
    ("rate_limited_date=2@2", "asks to wait (status 429"),
    ("rate_limited@2", "asks to wait (status 429"),
    ("cut=0@2", "cut short after 0 bytes"),
    ("cut=700@2", "cut short after 700 bytes"),
    ("cut=1000000@2", "cut short after"),
    ("reset@2", "failed"),
    ("malformed@2", "not a page of updates"),
    ("utf8@2", "not a page of updates"),
    ("html@2", "not a page of updates"),
    ("wrong_types@2", "not a page of updates"),
    ("missing_keys@2", "not a page of updates"),
    ("oversized=2MiB@2", "larger than 1048576 bytes"),
    ("bomb=64MiB@2", "larger than 1048576 bytes"),
    ("gzip@2", ""),
    ("trickle=2KiB@2", ""),
    ("duplicate_page@3", "without moving the offset on"),
    ("cursor_backwards@3", "without moving the offset on"),
    ("cursor_cycle@4", "without moving the offset on"),
    ("stuck_cursor@2", "without moving the offset on"),
    ("null_cursor@2", ""),
    ("empty_page@2", ""),
    HEALTHY,
];

/// One account for each fault, each struck by its own.
fn struck(form: Form, options: Options, faults: &[&str], more: &str) -> Feed {
    let accounts = u32::try_from(faults.len()).unwrap();
    let feed = Feed::of(form, env!("CARGO_BIN_EXE_sluicebox"), Options { accounts, ..options });
    feed.pipeline(&format!("limit: {PAGE}\nmax_body: 1MiB\n{more}"), "");
    for (account, fault) in (0..).zip(faults).filter(|(_, fault)| **fault != HEALTHY.0) {
        feed.served.fault(&format!("account:{account}:{fault}"));
    }
    feed
}

fn passing_faults_lose_nothing(form: Form, api: Api, table: &[(&'static str, &'static str)]) {
    let faults: Vec<_> = table.iter().map(|(fault, _)| *fault).collect();
    let feed = struck(form, Options { events: EVENTS, ..Options::new(api) }, &faults, "");
    let ended = feed.once().expect(0);
    let log = ended.log();
    for (account, (fault, says)) in (0..).zip(table) {
        feed.assert_whole(account, fault);
        let polls = feed.served.polls(account);
        assert_patient(fault, &polls);
        let struck = polls.iter().any(|poll| poll.fault.is_some());
        assert_eq!(struck, *fault != HEALTHY.0, "{fault} has struck");
        let says = form.says(says);
        assert!(
            says.is_empty() || !said(&log, account, says).is_empty(),
            "{fault}: {says}\n{}",
            ended.stderr
        );
        // Six full pages, the end of the feed, and what had to be asked for again.
        let most = if fault.contains("every") { 20 } else { 13 };
        assert!(polls.len() <= most, "{fault}: {} polls", polls.len());
    }
    assert!(feed.dead_letters().is_empty());
}

fn opentrain_faults_that_pass_are_retried_and_every_event_arrives_once(form: Form) {
    passing_faults_lose_nothing(form, Api::OpenTrain, &OPENTRAIN);
}

fn zenzap_faults_that_pass_are_retried_and_every_event_arrives_once(form: Form) {
    passing_faults_lose_nothing(form, Api::Zenzap, &ZENZAP);
}

/// A fault that only a person can mend, the reason of the pause, and what is said.
type Refusal = (&'static str, &'static str, &'static str);

const PAUSES: [(Api, &[Refusal]); 2] = [
    (
        Api::OpenTrain,
        &[
            ("status=401@3", "auth", "refused the token (status 401"),
            ("status=403@3", "auth", "needs one of proposals:read"),
            ("status=409@3", "permanent", "status 409, code CONFLICT"),
            ("status=400@3", "config", "status 400"),
            ("status=404@3", "config", "there is no feed at"),
            ("redirect=http://127.0.0.1:9/@3", "redirected", "redirects are not followed"),
            ("none", "", ""),
        ],
    ),
    (
        Api::Zenzap,
        &[
            ("status=401@3", "auth", "refused the credentials (status 401: unauthorized)"),
            ("status=403@3", "auth", "the scope `updates:read` is missing"),
            (
                "webhook_mode@3",
                "delivery_mode",
                "not in polling mode (status 409: delivery mode is not polling)",
            ),
            ("expired@3", "offset_expired", "the offset is no longer available"),
            ("status=400@3", "cursor_rejected", "the offset sent was"),
            ("redirect=http://127.0.0.1:9/@3", "redirected", "redirects are not followed"),
            ("none", "", ""),
        ],
    ),
];

/// The reason of a pause: a connector does not tell one 400 from another.
fn reason_of(form: Form, fault: &str, reason: &'static str) -> &'static str {
    match reason {
        "delivery_mode" => form.wrong_mode().1,
        "config" if fault.starts_with("status=400") && !form.understands_refusals() => "cursor_rejected",
        reason => reason,
    }
}

fn refusals_pause_one_account(form: Form, api: Api, table: &[Refusal]) {
    let faults: Vec<_> = table.iter().map(|(fault, ..)| *fault).collect();
    let more = if api == Api::Zenzap { format!("{}: stop", form.on_expired()) } else { String::new() };
    let feed = struck(form, Options { events: EVENTS, ..Options::new(api) }, &faults, &more);
    let ended = feed.once().expect(1);
    let log = ended.log();
    for (account, (fault, reason, says)) in (0..).zip(table) {
        let (rows, truth) = (feed.rows_of(account), feed.served.truth(account));
        let cursor = feed.cursor(account);
        if *fault == HEALTHY.0 {
            assert!(rows == truth && cursor["paused"].is_null(), "others are unaffected: {cursor}");
            continue;
        }
        let reason = reason_of(form, fault, reason);
        assert!(rows == truth[..2 * usize::try_from(PAGE).unwrap()], "{fault}: two pages, then the pause");
        assert_eq!(cursor["paused"], reason, "{fault}: {cursor}");
        let paused = said(&log, account, form.says(says));
        let pause = paused
            .iter()
            .find(|line| line["event"] == "paused")
            .unwrap_or_else(|| panic!("{fault}: {}", ended.stderr));
        assert_eq!(
            (pause["reason"].as_str(), pause["level"].as_str()),
            (Some(reason), Some("error")),
            "{fault}"
        );
        assert_eq!(feed.served.polls(account).len(), 3, "{fault}: asked once, then not again");
    }
    // Mended, each goes on from its cursor.
    feed.once().expect(0);
    for (account, (fault, ..)) in (0..).zip(table) {
        feed.assert_whole(account, fault);
    }
    let cursors = feed.cursors();
    assert!(cursors.iter().all(|row| row["paused"].is_null()), "{cursors:?}");
    let again = feed.served.polls(0)[3].query.clone();
    assert_eq!(again, feed.served.polls(0)[2].query, "from where it stood");
}

fn opentrain_refusals_pause_that_account_with_its_cursor_kept(form: Form) {
    refusals_pause_one_account(form, PAUSES[0].0, PAUSES[0].1);
}

fn zenzap_refusals_pause_that_account_with_its_cursor_kept(form: Form) {
    refusals_pause_one_account(form, PAUSES[1].0, PAUSES[1].1);
}

/// Faults that never end. However they look, nothing is asked for in a hot loop.
const ENDLESS: [(Api, &[&str]); 2] = [
    (
        Api::OpenTrain,
        &[
            "status=500@every:1",
            "rate_limited=1@every:1",
            "rate_limited@every:1",
            "reset@every:1",
            "cut=300@every:1",
            "malformed@every:1",
            "empty_page@every:1",
            "stuck_cursor@every:1",
            "null_cursor@every:1",
            "has_more_lie@every:1",
            "cursor_cycle@every:2",
            "cursor_backwards@every:2",
        ],
    ),
    (
        Api::Zenzap,
        &[
            "status=500@every:1",
            "rate_limited=1@every:1",
            "reset@every:1",
            "malformed@every:1",
            "empty_page@every:1",
            "stuck_cursor@every:1",
            "cursor_cycle@every:2",
            "cursor_backwards@every:2",
            "duplicate_page@every:2",
        ],
    ),
];

fn endless_faults_make_no_hot_loop(form: Form, api: Api, faults: &[&str]) {
    let feed = struck(form, Options { events: EVENTS, ..Options::new(api) }, faults, "");
    let process = feed.begin();
    let watched = Duration::from_secs(6);
    wait_for("a while to watch", || (feed.served.elapsed() > watched).then_some(()));
    process.terminate();
    process.finish().expect(0);
    for (account, fault) in (0..).zip(faults) {
        let polls = feed.served.polls(account);
        assert_patient(fault, &polls);
        let repeated: Vec<_> = polls.windows(2).filter(|pair| pair[0].query == pair[1].query).collect();
        assert!(!repeated.is_empty(), "{fault}: the same was asked for again: {polls:?}");
        for pair in repeated {
            let gap = pair[1].arrived.saturating_sub(pair[0].arrived);
            assert!(gap >= Duration::from_millis(490), "{fault}: the same again after {gap:?}");
        }
        // Twice a second while nothing can be done, and each page of the feed at most twice.
        assert!(polls.len() <= 2 * 7 + 2 * 7, "{fault}: {} polls in {watched:?}", polls.len());
    }
}

fn opentrain_faults_without_end_make_no_hot_loop(form: Form) {
    endless_faults_make_no_hot_loop(form, ENDLESS[0].0, ENDLESS[0].1);
}

fn zenzap_faults_without_end_make_no_hot_loop(form: Form) {
    endless_faults_make_no_hot_loop(form, ENDLESS[1].0, ENDLESS[1].1);
}

for_both_forms!(
    opentrain_faults_that_pass_are_retried_and_every_event_arrives_once,
    zenzap_faults_that_pass_are_retried_and_every_event_arrives_once,
    opentrain_refusals_pause_that_account_with_its_cursor_kept,
    zenzap_refusals_pause_that_account_with_its_cursor_kept,
    opentrain_faults_without_end_make_no_hot_loop,
    zenzap_faults_without_end_make_no_hot_loop,
);
