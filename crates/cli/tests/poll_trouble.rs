//! Trouble of a poll that outlasts one answer: an API that is away, silent or elsewhere, clocks that disagree, offsets
//! that expire, credentials that change. Others go on meanwhile, nothing is lost, and nothing is reset in silence.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

use sluicebox_emulator::{Api, DeliveryMode, Options};
use sluicebox_testkit::{
    Feed, Form, Process, Sandbox, Served, assert_patient, for_both_forms, get, said, wait_for,
};

fn feed(form: Form, options: Options) -> Feed {
    Feed::of(form, env!("CARGO_BIN_EXE_sluicebox"), options)
}

/// Waits until an account has delivered so many events.
fn wait_for_rows(feed: &Feed, account: u32, count: usize) {
    wait_for(&format!("{count} rows of account {account}"), || {
        (feed.rows_of(account).len() == count).then_some(())
    });
}

fn end(process: Process) -> sluicebox_testkit::Finished {
    process.terminate();
    process.finish().expect(0)
}

/// The sum of the samples of a metric whose labels hold a text.
fn metric(admin: &str, name: &str, labels: &str) -> f64 {
    let text = get(&format!("{admin}/metrics")).expect("the admin server answers").body;
    let of_name = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'));
    let samples = text.lines().filter(of_name).filter(|line| line.contains(labels));
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

fn an_api_that_goes_away_is_waited_for(form: Form) {
    let mut feed = feed(form, Options { events: 30, ..Options::new(Api::OpenTrain) });
    let mut process = feed.begin();
    wait_for_rows(&feed, 0, 30);
    feed.served.stop();
    process.wait_for_log("connection refused");
    process.wait_for_log("\"retry\"");
    feed.served.restart();
    feed.served.append(0, 25);
    wait_for_rows(&feed, 0, 55);
    let ended = end(process);
    feed.assert_whole(0, &ended.stderr);
    assert!(!said(&ended.log(), 0, "polling works again").is_empty(), "{}", ended.stderr);
}

/// Four accounts of one source: nobody listens, no such host, silence, and one that works.
fn hosts_that_are_gone_or_silent_hold_up_nobody(form: Form) {
    let served = Served::new(Options { events: 30, accounts: 2, ..Options::new(Api::Zenzap) });
    served.fault("account:0:hang=50");
    let account = |id: &str, url: &str, number: u32| {
        let (key, secret) = (served.credential(number, "key"), served.credential(number, "secret"));
        format!("      - {{ id: {id}, url: \"{url}\", key: {key}, secret: {secret} }}\n")
    };
    let access = form.access_entries(Api::Zenzap, |name| format!("${{account.{name}}}"));
    let access = format!("    {}\n", access.join("\n    "));
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    let accounts = [
        account("refused", "http://127.0.0.1:1", 0),
        account("nowhere", "https://sluicebox.invalid", 0),
        account("silent", served.url(), 0),
        account("healthy", served.url(), 1),
    ];
    sandbox.write(
        "p.yaml",
        &format!(
            "sources:\n  feed:\n    type: {}\n    base_url: ${{account.url}}\n    timeout: 1s\n{access}    accounts:\n{}\
             sinks:\n  rows: {{ type: sqlite, inputs: [feed], path: rows.db, table: events }}\n",
            form.source_type(Api::Zenzap),
            accounts.concat()
        ),
    );
    let rows = |id: &str| {
        sandbox.rows("rows.db", &format!("SELECT event FROM events WHERE _account = '{id}' ORDER BY rowid"))
    };
    let mut process = sandbox.start("run --admin off p.yaml");
    wait_for("the healthy account", || (rows("healthy") == served.truth(1)).then_some(()));
    process.wait_for_log("feed/refused: GET http://127.0.0.1:1/v2/updates failed: connection refused");
    process.wait_for_log("feed/nowhere: GET https://sluicebox.invalid/v2/updates failed");
    served.append(1, 10);
    wait_for("the healthy account, later", || (rows("healthy") == served.truth(1)).then_some(()));
    assert!(rows("silent").is_empty(), "it is silent all the while");
    process.wait_for_log("feed/silent: GET ");
    process.wait_for_log(form.says("no answer within 16 s"));
    wait_for("the account that was silent", || (rows("silent") == served.truth(0)).then_some(()));
    end(process);
}

fn an_expired_offset_is_a_gap_that_is_logged_and_counted(form: Form) {
    let feed = feed(form, Options { events: 40, accounts: 2, ..Options::new(Api::Zenzap) });
    let mut process = feed.begin();
    let admin = process.admin();
    (0..2).for_each(|account| wait_for_rows(&feed, account, 40));
    assert!(metric(&admin, "sluicebox_source_gap_total", "a0") < 0.5, "there is no gap yet");
    feed.served.expire_offsets(0);
    process.wait_for_log("\"gap\"");
    (0..2).for_each(|account| feed.served.append(account, 15));
    (0..2).for_each(|account| wait_for_rows(&feed, account, 55));
    let gaps = ["\"a0\"", "\"a1\""].map(|account| metric(&admin, "sluicebox_source_gap_total", account));
    assert!((gaps[0] - 1.0).abs() < 0.1 && gaps[1] < 0.1, "one gap of one account: {gaps:?}");
    let expired = metric(&admin, "sluicebox_source_polls_total", "outcome=\"expired\"");
    assert!((expired - 1.0).abs() < 0.1, "{expired}");
    let ended = end(process);
    (0..2).for_each(|account| feed.assert_whole(account, &ended.stderr));
    let gap = said(&ended.log(), 0, form.says("the offset is no longer available"));
    assert_eq!(
        (gap.len(), gap[0]["event"].as_str(), gap[0]["level"].as_str()),
        (1, Some("gap"), Some("error"))
    );
}

/// The official client resets on every 409 and spins; a bot that is not in polling mode must not.
fn a_409_after_the_reset_and_webhook_mode_pause(form: Form) {
    let feed = feed(form, Options { events: 20, accounts: 3, ..Options::new(Api::Zenzap) });
    let process = feed.begin();
    (0..3).for_each(|account| wait_for_rows(&feed, account, 20));
    let before = [0, 1].map(|account| feed.served.polls(account).len());
    feed.served.fault("account:0:expired@every:1");
    feed.served.set_delivery_mode(1, DeliveryMode::Webhook);
    let paused = |account| feed.cursor(account)["paused"].as_str().map(str::to_owned);
    wait_for("both pauses", || (paused(0).is_some() && paused(1).is_some()).then_some(()));
    feed.served.append(2, 10);
    wait_for_rows(&feed, 2, 30);
    let ended = end(process);
    assert_eq!([paused(0).as_deref(), paused(1).as_deref()], [Some(form.wrong_mode().1); 2]);
    assert_eq!(
        said(&ended.log(), 0, form.says("the offset is no longer available")).len(),
        1,
        "{}",
        ended.stderr
    );
    assert!(
        said(&ended.log(), 1, form.says("the offset is no longer available")).is_empty(),
        "{}",
        ended.stderr
    );
    let polls = [0, 1].map(|account| feed.served.polls(account));
    assert_patient("twice 409", &polls[0]);
    // The poll that was held, the one that was refused, and for the first the one without an offset.
    assert!(polls[0].len() <= before[0] + 3 && polls[1].len() <= before[1] + 2, "{polls:?}");
    assert!(polls[0].last().unwrap().query.as_ref().unwrap().starts_with("limit="), "without an offset");
}

fn a_clock_that_is_wrong_is_corrected_or_named(form: Form) {
    for (skew, names) in [(3600, "s behind the server's"), (-3600, "s ahead of the server's")] {
        let feed = feed(form, Options { events: 30, clock_skew: skew, ..Options::new(Api::Zenzap) });
        let ended = feed.once().expect(0);
        feed.assert_whole(0, &ended.stderr);
        // A server that is behind accepts times in its future: there is nothing to correct.
        assert_eq!(ended.stderr.contains("clock differs from the server's"), skew > 0, "{}", ended.stderr);
        feed.served.revoke(0);
        let ended = feed.once().expect(1);
        let refused = said(&ended.log(), 0, names);
        assert_eq!(refused.len(), 1, "{}", ended.stderr);
        let message = refused[0]["message"].as_str().unwrap();
        let seconds = message.split("clock is ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
        let seconds: i64 = seconds.parse().unwrap();
        assert!((seconds - 3600).abs() <= 60, "{message}");
        assert_eq!(feed.cursor(0)["paused"], "auth");
        assert_eq!(feed.rows_of(0).len(), 30, "the cursor is kept, and nothing came twice");
    }
}

/// A secret that is rotated in its file is read again at the first 401; nothing pauses.
fn a_rotated_secret_is_read_again(form: Form) {
    let served = Served::new(Options { events: 30, ..Options::new(Api::OpenTrain) });
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write("token", &format!("{}\n", served.credential(0, "token")));
    sandbox.write(
        "p.yaml",
        &format!(
            "sources:\n  feed: {{ type: {}, base_url: {}, token: \"${{file:{}}}\", interval: 1s, \
             rate: unlimited }}\nsinks:\n  rows: {{ type: sqlite, inputs: [feed], path: rows.db, table: events }}\n",
            form.source_type(Api::OpenTrain),
            served.url(),
            sandbox.path("token").display()
        ),
    );
    let rows = || sandbox.rows("rows.db", "SELECT event FROM events ORDER BY rowid");
    let process = sandbox.start("run --admin off p.yaml");
    wait_for("the first events", || (rows().len() == 30).then_some(()));
    // Equal options give equal credentials: a twin knows the next token before this server does.
    let twin = Served::new(Options::new(Api::OpenTrain));
    twin.rotate(0);
    sandbox.write("fresh", &format!("{}\n", twin.credential(0, "token")));
    std::fs::rename(sandbox.path("fresh"), sandbox.path("token")).unwrap();
    served.rotate(0);
    served.append(0, 10);
    wait_for("the later events", || (rows() == served.truth(0)).then_some(()));
    let ended = end(process);
    assert!(!ended.stderr.contains("paused"), "{}", ended.stderr);
    assert!(served.polls(0).iter().any(|poll| poll.status == Some(401)), "the old one was refused");
}

for_both_forms!(
    an_api_that_goes_away_is_waited_for,
    hosts_that_are_gone_or_silent_hold_up_nobody,
    an_expired_offset_is_a_gap_that_is_logged_and_counted,
    a_409_after_the_reset_and_webhook_mode_pause,
    a_clock_that_is_wrong_is_corrected_or_named,
    a_rotated_secret_is_read_again,
);
