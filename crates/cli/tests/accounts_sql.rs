//! Accounts from a database, with the real binary: they come and go with their rows, a database that is down changes
//! nothing, and a row that is mended mends its account.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use rusqlite::Connection;
use sluicebox_emulator::{Api, Options};
use sluicebox_services::Postgres;
use sluicebox_testkit::{Process, Sandbox, Served, get, wait_for};

const TABLE: &str = "CREATE TABLE accounts (id text, token text, active boolean, note text)";
const QUERY: &str = "SELECT id, token, note FROM accounts WHERE active";

/// A feed of many accounts, whose rows stand in a database.
struct Scene {
    served: Served,
    sandbox: Sandbox,
}

impl Scene {
    /// `url` of the database, with more options of the source.
    fn new(accounts: u32, url: &str, more: &str) -> Self {
        let served = Served::new(Options { events: 20, accounts, ..Options::new(Api::OpenTrain) });
        let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
        sandbox.set("DATABASE", url);
        let scene = Self { served, sandbox };
        scene.pipeline(QUERY, "${account.token}", more);
        scene
    }

    fn pipeline(&self, query: &str, token: &str, more: &str) {
        let url = self.served.url();
        let text = format!(
            "sources:\n  feed: {{ type: opentrain_updates, base_url: \"{url}\", token: \"{token}\", interval: 1s, \
             rate: unlimited,{more} accounts: {{ sql: {{ url: \"${{DATABASE}}\", query: \"{query}\", every: 1s, \
             timeout: 2s }} }} }}\n\
             sinks:\n  rows: {{ type: sqlite, inputs: [feed], path: rows.db, table: events }}\n"
        );
        self.sandbox.write("p.yaml", &text);
    }

    fn insert(&self, accounts: impl IntoIterator<Item = u32>) -> String {
        let row =
            |account| format!("('a{account}', '{}', true, NULL)", self.served.credential(account, "token"));
        let rows: Vec<String> = accounts.into_iter().map(row).collect();
        format!("INSERT INTO accounts VALUES {}", rows.join(", "))
    }

    fn rows_of(&self, account: u32) -> Vec<String> {
        let query = format!("SELECT event FROM events WHERE _account = 'a{account}' ORDER BY rowid");
        self.sandbox.rows("rows.db", &query)
    }

    fn wait_for_all(&self, accounts: impl IntoIterator<Item = u32>) {
        for account in accounts {
            let truth = self.served.truth(account);
            wait_for("every event of the account", || {
                (self.rows_of(account).len() >= truth.len()).then_some(())
            });
            assert!(self.rows_of(account) == truth, "account {account}: each event once, in order");
        }
    }

    fn polls(&self, account: u32) -> usize {
        self.served.polls(account).len()
    }

    /// Waits until the account is polled again, so that whatever was under way before is over.
    fn wait_for_polls(&self, account: u32, more: usize) {
        let before = self.polls(account);
        wait_for("more polls", || (self.polls(account) >= before + more).then_some(()));
    }

    /// Nobody shall find a token of anybody in what was said.
    fn assert_discreet(&self, said: &str) {
        for account in 0..2 {
            assert!(!said.contains(&self.served.credential(account, "token")), "{said}");
        }
    }
}

/// Ten come and ten go while it runs, one with a bad key; `sql` changes the database.
fn ten_come_and_ten_go(scene: &Scene, process: &mut Process, sql: impl Fn(&str)) {
    scene.wait_for_all(0..15);
    process.wait_for_log("refused the token");
    sql(&scene.insert(15..25));
    sql("UPDATE accounts SET active = false WHERE id IN ('a0','a1','a2','a3','a4','a5','a6','a7','a8','a9')");
    scene.wait_for_all(15..25);
    wait_for("the farewell to ten", || {
        (process.stderr().matches("the account is gone").count() == 10).then_some(())
    });
    scene.wait_for_polls(12, 2);
    let before: usize = (0..10).map(|account| scene.polls(account)).sum();
    (0..25).for_each(|account| scene.served.append(account, 5));
    scene.wait_for_all(10..25);
    let after: usize = (0..10).map(|account| scene.polls(account)).sum();
    assert_eq!(before, after, "nobody asks for an account that is gone");
    sql("UPDATE accounts SET active = true WHERE id = 'a3'");
    scene.wait_for_all([3]);
}

#[test]
fn accounts_of_a_sqlite_file_come_and_go_and_a_mended_row_resumes_its_account() {
    let scene = Scene::new(25, "sqlite:accounts.db", "");
    let database = Connection::open(scene.sandbox.path("accounts.db")).unwrap();
    let sql = |text: &str| database.execute_batch(text).unwrap();
    sql(TABLE);
    sql(&scene.insert(0..15));
    sql(
        "INSERT INTO accounts VALUES ('bad', 'ot_pat_wrong', true, NULL), ('worse', 'ot_pat_none', true, NULL)",
    );
    let mut process = scene.sandbox.start("run p.yaml --admin 127.0.0.1:0");
    ten_come_and_ten_go(&scene, &mut process, sql);

    // A row that is wrong: nothing at all is taken, and it is said once.
    sql("INSERT INTO accounts VALUES ('a11', 'twice', true, NULL)");
    process.wait_for_log("two accounts have the id `a11`");
    sql(
        "UPDATE accounts SET note = 'x' WHERE id = 'a12'; UPDATE accounts SET active = false WHERE id = 'a13'",
    );
    scene.wait_for_polls(12, 3);
    assert_eq!(process.stderr().matches("two accounts have the id").count(), 1);
    assert!(process.stderr().matches("the account is gone").count() == 10, "{}", process.stderr());
    sql("DELETE FROM accounts WHERE token = 'twice'");
    process.wait_for_log("the accounts can be read again");

    // Mended, it goes on at its position; the other one stays as it is.
    let paused = process.stderr().matches("paused").count();
    assert!(!process.stderr().contains("resumed"), "{}", process.stderr());
    sql("DELETE FROM accounts WHERE id = 'a14'");
    let token = scene.served.credential(14, "token");
    sql(&format!("UPDATE accounts SET token = '{token}' WHERE id = 'bad'"));
    let told = process.wait_for_log("polling works again");
    assert!(told.contains("bad"), "{told}");
    let of_bad = "SELECT event FROM events WHERE _account = 'bad' ORDER BY rowid";
    wait_for("every event of the mended account", || {
        (scene.sandbox.rows("rows.db", of_bad) == scene.served.truth(14)).then_some(())
    });
    assert_eq!(process.stderr().matches("paused").count(), paused, "nobody else was looked at");
    let admin = process.admin();
    let health = get(&format!("{admin}/health/ready")).unwrap().json();
    let unwell: Vec<_> = health["obstacles"].as_array().unwrap().iter().map(|it| &it["account"]).collect();
    assert_eq!(unwell, ["worse"]);
    let metrics = get(&format!("{admin}/metrics")).unwrap().body;
    let of = |account: &str| {
        metrics.lines().filter(|line| line.contains("source_paused{")).find(|line| line.contains(account))
    };
    assert!(of("\"bad\"").unwrap().ends_with(" 0") && of("\"worse\"").unwrap().ends_with(" 1"), "{metrics}");
    // Who is gone is no worry any more.
    sql("DELETE FROM accounts WHERE id = 'worse'");
    wait_for("good health", || get(&format!("{admin}/health/ready")).filter(|it| it.status == 200));
    scene.assert_discreet(&process.stderr());
    process.interrupt();
    process.finish().expect(0);
}

#[test]
fn accounts_of_postgresql_come_and_go_and_a_server_that_is_down_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Postgres::private(folder.path()) else { return };
    let scene = Scene::new(25, &server.url(), "");
    let sql = |text: &str| drop(server.psql(text));
    sql(TABLE);
    sql(&scene.insert(0..15));
    sql("INSERT INTO accounts VALUES ('bad', 'ot_pat_wrong', true, NULL)");
    // Down at the start: it waits, and says so once.
    server.stop();
    let mut process = scene.sandbox.start("run p.yaml --admin off");
    process.wait_for_log("waiting for the accounts: cannot connect to the database");
    server.start();
    ten_come_and_ten_go(&scene, &mut process, sql);

    // Down for a while: everybody is polled on, and it is said once.
    server.stop();
    process.wait_for_log("the accounts stay as they are: cannot");
    (10..25).for_each(|account| scene.served.append(account, 5));
    scene.wait_for_all(10..25);
    let is_refused = |line: &str| line.contains("stay as they are") && line.contains("Connection refused");
    wait_for("nobody listens any more", || process.stderr().lines().any(is_refused).then_some(()));
    let told = |process: &Process| process.stderr().matches("the accounts stay as they are").count();
    let before = told(&process);
    scene.wait_for_polls(12, 3);
    assert_eq!(told(&process), before, "said once, not each time:\n{}", process.stderr());
    server.start();
    process.wait_for_log("the accounts can be read again");
    // One that takes connections and says nothing is waited for no longer than `timeout`.
    server.freeze();
    process.wait_for_log("no answer within 2 s");
    scene.served.append(12, 5);
    scene.wait_for_all([12]);
    server.thaw();
    wait_for("the second recovery", || {
        (process.stderr().matches("the accounts can be read again").count() == 2).then_some(())
    });
    sql("DELETE FROM accounts WHERE id = 'a12'");
    wait_for("the farewell", || {
        (process.stderr().matches("the account is gone").count() == 11).then_some(())
    });
    // A query whose answer holds nobody takes nobody's account away.
    sql("UPDATE accounts SET active = false");
    process.wait_for_log("the query gives no account");
    scene.served.append(20, 5);
    scene.wait_for_all([20]);
    scene.assert_discreet(&process.stderr());
    process.interrupt();
    process.finish().expect(0);

    // Encrypted, and the server known by its authority.
    sql("UPDATE accounts SET active = true WHERE id = 'a20'");
    let plain = scene.sandbox.read("p.yaml");
    let tls = format!("timeout: 2s, tls: {{ ca_file: '{}' }}", server.ca_file().display());
    let encrypted = plain.replace("timeout: 2s", &tls).replace("${DATABASE}", &server.tls_url());
    scene.sandbox.write("p.yaml", &encrypted);
    assert!(scene.sandbox.run("check --connect p.yaml").expect(0).stdout.contains("the query gives 1"));
    scene.sandbox.write("p.yaml", &plain.replace("${DATABASE}", &server.tls_url()));
    let refused = scene.sandbox.run("check --connect p.yaml").expect(1).stdout;
    assert!(refused.contains("give the authority that signed the server's certificate"), "{refused}");

    // The server itself quotes the value; it is not passed on.
    scene.pipeline("SELECT id, token::integer AS token FROM accounts", "${account.token}", "");
    let ended = scene.sandbox.run("check --connect p.yaml").expect(1);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains("the query fails at a value of a row"), "{said}");
    scene.assert_discreet(&said);
}

#[test]
fn a_run_waits_for_rows_that_are_right_and_says_so_to_whoever_asks_for_its_health() {
    let scene = Scene::new(2, "sqlite:accounts.db", "");
    let database = Connection::open(scene.sandbox.path("accounts.db")).unwrap();
    database.execute_batch(TABLE).unwrap();
    let mut process = scene.sandbox.start("run p.yaml --admin 127.0.0.1:0");
    let admin = process.admin();
    process.wait_for_log("waiting for the accounts: the query gives no account");
    database.execute_batch(&scene.insert([0, 0])).unwrap();
    process.wait_for_log("waiting for the accounts: the rows of `sql`: two accounts have the id `a0`");
    let health = get(&format!("{admin}/health/ready")).unwrap();
    assert_eq!(health.status, 503);
    assert!(health.body.contains("two accounts have the id `a0`"), "{}", health.body);
    database.execute_batch("DELETE FROM accounts WHERE rowid = 1").unwrap();
    scene.wait_for_all([0]);
    process.interrupt();
    process.finish().expect(0);

    database.execute_batch("DELETE FROM accounts").unwrap();
    let mut process = scene.sandbox.start("run p.yaml --admin off");
    process.wait_for_log("waiting for the accounts");
    process.interrupt();
    process.finish().expect(0);

    // The query is sound, a value is not.
    database.execute_batch(&scene.insert(0..1)).unwrap();
    scene.pipeline("SELECT id, json_extract(token, '$.t') AS token FROM accounts", "${account.token}", "");
    let mut process = scene.sandbox.start("run p.yaml --admin off");
    process.wait_for_log("waiting for the accounts: the query fails at a value of a row");
    process.interrupt();
    process.finish().expect(0);
}

#[test]
fn what_a_check_says_of_accounts_from_a_database() {
    let scene = Scene::new(2, "sqlite:accounts.db", "");
    let check = |arguments: &str, exit: i32| {
        let ended = scene.sandbox.run(arguments).expect(exit);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        scene.assert_discreet(&said);
        said
    };
    // Nobody is asked: any column may be there, and the other options are looked at.
    check("check p.yaml", 0);
    scene.pipeline(QUERY, "${account.anything}", " limit: '${account.limit}',");
    check("check p.yaml", 0);
    scene.pipeline(QUERY, "${account.token}", " limit: 1000,");
    assert!(check("check p.yaml", 78).contains("expected an integer"));
    scene.pipeline(QUERY, "${account.token}", "");
    assert!(check("check --connect p.yaml", 1).contains("cannot open the database accounts.db"));

    let database = Connection::open(scene.sandbox.path("accounts.db")).unwrap();
    database.execute_batch(TABLE).unwrap();
    assert!(check("check --connect p.yaml", 1).contains("the query gives no account"));
    assert!(check("run --once --admin off p.yaml", 78).contains("the query gives no account"));
    database.execute_batch(&scene.insert(0..2)).unwrap();
    let fine = check("check --connect p.yaml", 0);
    assert!(fine.contains("the query gives 2") && fine.contains("feed/a1"), "{fine}");
    scene.pipeline(QUERY, "${account.tokn}", "");
    assert!(check("check --connect p.yaml", 1).contains("did you mean `token`?"));
    scene.pipeline(QUERY, "${account.note}", "");
    assert!(check("check --connect p.yaml", 1).contains("the field `note` of the account is NULL"));
    scene.pipeline("DELETE FROM accounts", "${account.token}", "");
    assert!(check("check --connect p.yaml", 1).contains("the query writes"));
    scene.pipeline("SELECT token FROM accounts", "${account.token}", "");
    assert!(check("check --connect p.yaml", 1).contains("expected a column `id`"));
    scene.pipeline("SELECT id FROM nowhere", "${account.id}", "");
    assert!(check("run --admin off p.yaml", 78).contains("no such table: nowhere"));
    scene.pipeline(QUERY, "${account.token}", "");
    check("run --once --admin off p.yaml", 0);
    scene.wait_for_all(0..2);
}

#[test]
fn a_test_of_the_pipeline_asks_no_database() {
    let scene = Scene::new(1, "sqlite:nowhere.db", "");
    let pipeline = scene.sandbox.read("p.yaml").replace(
        "sinks:",
        "tests:\n  - name: one event\n    sources: { feed: [{ id: e1, type: proposal.created }] }\n    \
         expect: { sinks: { rows: [{ id: e1, type: proposal.created }] } }\nsinks:",
    );
    scene.sandbox.write("p.yaml", &pipeline);
    let ended = scene.sandbox.run("test p.yaml");
    assert!(ended.stdout.contains("1 passed"), "{}\n{}", ended.stdout, ended.stderr);
}

#[test]
fn sources_with_partitions_of_their_own_take_no_rows() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write("accounts.csv", "id,part\na,x\n");
    let kafka = "type: kafka, brokers: [\"127.0.0.1:9092\"], group: g, topics: [t]";
    let sources = [
        kafka,
        "type: amqp, url: \"amqp://127.0.0.1\", queue: q",
        "type: file, path: \"${account.part}.jsonl\"",
        "type: stdin",
        "type: webhook, listen: \"127.0.0.1:0\", path: /x, secrets: [s], scheme: github",
    ];
    for source in sources {
        for accounts in ["file: accounts.csv", "sql: { url: \"sqlite:a.db\", query: SELECT 1 AS id }"] {
            sandbox.write(
                "p.yaml",
                &format!(
                    "sources:\n  feed: {{ {source}, accounts: {{ {accounts} }} }}\n\
                     sinks:\n  rows: {{ type: blackhole, inputs: [feed] }}\n"
                ),
            );
            let refused = sandbox.run("check p.yaml").expect(78);
            let said = format!("{}{}", refused.stdout, refused.stderr);
            assert!(said.contains("cannot come and go"), "{source}\n{said}");
            assert!(said.contains("list its accounts here"), "{said}");
        }
    }
}
