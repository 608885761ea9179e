//! Accounts from a file, with the real binary: they come, change and go while it runs, and leave the others alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::fmt::Write;

use sluicebox_emulator::{Api, Options};
use sluicebox_testkit::{Sandbox, Served, wait_for};

fn scene(accounts: u32, events: u64) -> (Served, Sandbox) {
    let served = Served::new(Options { events, accounts, ..Options::new(Api::OpenTrain) });
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    let url = served.url();
    sandbox.write(
        "p.yaml",
        &format!(
            "sources:\n  feed: {{ type: opentrain_updates, base_url: \"{url}\", token: \"${{account.token}}\", \
             interval: 1s, rate: unlimited, accounts: {{ file: accounts.csv }} }}\n\
             sinks:\n  rows: {{ type: sqlite, inputs: [feed], path: rows.db, table: events }}\n"
        ),
    );
    (served, sandbox)
}

/// Replaces the file in one step, as one should.
fn put(sandbox: &Sandbox, served: &Served, accounts: impl IntoIterator<Item = u32>, more: &str) {
    let mut text = "id,token\n".to_owned();
    for account in accounts {
        writeln!(text, "a{account},{}", served.credential(account, "token")).unwrap();
    }
    sandbox.write("new.csv", &(text + more));
    std::fs::rename(sandbox.path("new.csv"), sandbox.path("accounts.csv")).unwrap();
}

fn rows_of(sandbox: &Sandbox, account: u32) -> Vec<String> {
    sandbox.rows("rows.db", &format!("SELECT event FROM events WHERE _account = 'a{account}' ORDER BY rowid"))
}

fn wait_for_all(sandbox: &Sandbox, served: &Served, account: u32) {
    let truth = served.truth(account);
    wait_for("every event of the account", || (rows_of(sandbox, account).len() >= truth.len()).then_some(()));
    assert!(rows_of(sandbox, account) == truth, "account {account}: each event once, in order");
}

#[test]
fn accounts_come_and_go_and_a_bad_key_or_row_changes_nothing_for_the_others() {
    let (served, sandbox) = scene(3, 120);
    put(&sandbox, &served, [0, 1], "");
    let mut process = sandbox.start("run --admin off p.yaml");
    wait_for_all(&sandbox, &served, 0);
    wait_for_all(&sandbox, &served, 1);

    put(&sandbox, &served, [0, 1, 2], "bad,ot_pat_wrong\nworse,ot_pat_none\n");
    wait_for_all(&sandbox, &served, 2);
    wait_for("both are paused", || {
        (process.stderr().matches("refused the token").count() == 2).then_some(())
    });
    served.append(1, 30);
    wait_for_all(&sandbox, &served, 1);

    // One row is mended: its account goes on, and the other one is left as it is.
    let mended = format!("bad,{}\nworse,ot_pat_none\n", served.credential(0, "token"));
    put(&sandbox, &served, [1, 2], &mended);
    let told = process.wait_for_log("polling works again");
    assert!(told.contains("bad"), "{told}");
    let of_bad = "SELECT event FROM events WHERE _account = 'bad' ORDER BY rowid";
    wait_for("every event of the mended account", || {
        (sandbox.rows("rows.db", of_bad) == served.truth(0)).then_some(())
    });
    assert_eq!(process.stderr().matches("refused the token").count(), 2, "nobody else was asked again");
    put(&sandbox, &served, [0, 1, 2], "");
    wait_for("three are gone for now", || {
        (process.stderr().matches("the account is gone").count() == 3).then_some(())
    });

    put(&sandbox, &served, [1, 2], "");
    wait_for("it is gone", || (process.stderr().matches("the account is gone").count() == 4).then_some(()));
    let polls = || served.log().iter().filter(|request| request.account == Some(0)).count();
    // A poll may be under way when it goes.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let known = polls();
    served.append(0, 30);
    served.append(1, 30);
    wait_for_all(&sandbox, &served, 1);
    assert_eq!(polls(), known, "nobody asks for an account that is gone");

    put(&sandbox, &served, [0, 1, 2], "a1,twice\n");
    process.wait_for_log("accounts.csv:5: two accounts have the id `a1`");
    assert_eq!(polls(), known, "a file with a bad row is not taken at all");
    put(&sandbox, &served, [0, 1, 2], "");
    wait_for_all(&sandbox, &served, 0);

    process.interrupt();
    process.finish().expect(0);
    served.append(2, 10);
    put(&sandbox, &served, [2], "");
    sandbox.run("run --once --admin off p.yaml").expect(0);
    for account in 0..3 {
        wait_for_all(&sandbox, &served, account);
    }
    assert_eq!(rows_of(&sandbox, 2).len(), 130);
}

#[test]
fn a_file_of_accounts_is_checked_line_by_line() {
    let (_served, sandbox) = scene(1, 1);
    for (text, expected) in [
        ("", "accounts.csv:1: expected a column `id`"),
        ("id,token\n", "accounts.csv:1: there is no account in it"),
        ("id,token,id\n", "accounts.csv:1: there are two columns `id`"),
        ("id,token\na,x\nb\n", "accounts.csv:3: expected 2 cells, found 1"),
        ("id,token\n,x\n", "accounts.csv:2: an account needs an `id`"),
        ("id,token\na,${NOWHERE}\n", "accounts.csv:2: `token`: the variable `NOWHERE` is not set"),
        ("id,tokn\na,x\n", "the account has no field `token`"),
    ] {
        sandbox.write("accounts.csv", text);
        let refused = sandbox.run("check p.yaml").expect(78);
        let said = format!("{}{}", refused.stdout, refused.stderr);
        assert!(said.contains(expected), "{text:?}\n{said}");
    }
    sandbox.write("accounts.csv", "id,token,note\n\"a\",\"x\",\"1, 2\"\n");
    sandbox.run("check p.yaml").expect(0);
}

/// Resident memory in MiB.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    resident.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn a_thousand_accounts_fit_into_one_process_and_ten_come_while_ten_go() {
    let (served, sandbox) = scene(1010, 20);
    let pipeline = sandbox.read("p.yaml").replace("interval: 1s", "interval: 15s");
    sandbox.write("p.yaml", &pipeline);
    put(&sandbox, &served, 0..999, "bad,ot_pat_wrong\n");
    let mut process = sandbox.start("run --admin off p.yaml");
    let count =
        || sandbox.rows("rows.db", "SELECT cast(count(*) AS text) FROM events").pop().unwrap_or_default();
    wait_for("every event of 999 accounts", || (count() == (999 * 20).to_string()).then_some(()));
    process.wait_for_log("refused the token");
    put(&sandbox, &served, 10..1009, "bad,ot_pat_wrong\n");
    wait_for("every event of ten more", || (count() == (1009 * 20).to_string()).then_some(()));
    // Two thirds of that when it is optimized.
    let resident = resident(process.id());
    assert!(resident < 160, "{resident} MiB");
    process.interrupt();
    process.finish().expect(0);
    for account in [0, 9, 10, 998, 1000, 1008] {
        wait_for_all(&sandbox, &served, account);
    }
}
