//! The whole program on a real PostgreSQL that refuses, locks, breaks off and restarts: a window is tried again whole, a
//! COMMIT that nobody heard of is looked up, a bad row is a dead letter that names it, and what needs a person pauses.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use sluicebox_services::Postgres;
use sluicebox_testkit::{FaultProxy, Finished, Process, Sandbox, Stub, get, wait_for};

const EVENTS: usize = 120;

/// A pipeline from a feed of numbered events into a table in a schema of its own.
struct Scene {
    server: Postgres,
    sandbox: Sandbox,
    schema: String,
    /// As the server lists the sessions of the program.
    application: String,
    _stub: Stub,
}

impl Scene {
    /// `options` are those of the sink beyond the schema, with a comma before each; `{schema}` is the schema.
    fn new(server: Postgres, options: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let schema = format!("faults_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        server.psql(&format!("CREATE SCHEMA {schema}"));
        let stub = Stub::feed((1..=EVENTS).map(|id| Stub::event(id, &format!("{{\"n\":{id}}}"))).collect());
        let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
        sandbox.set("URL", server.url());
        let sink = format!("type: postgres, url: \"${{URL}}\", schema: {schema}, table: events");
        let sink = format!("{sink}, retry: {{ initial: 500ms, max: 1s }}{options}");
        let name = schema.replace('_', "-");
        let rest = format!("name: {name}\nsinks:\n  warehouse: {{ inputs: [feed], {sink} }}\n");
        sandbox.pipe(&stub, 20, &rest);
        let application = format!("sluicebox {name}");
        Self { server, sandbox, schema, application, _stub: stub }
    }

    fn sql(&self, sql: &str) -> String {
        self.server.psql(&format!("SET search_path = {}; {sql}", self.schema)).replacen("SET\n", "", 1)
    }

    fn once(&self) -> Finished {
        self.sandbox.run("run --once --log-format json --admin off p.yaml")
    }

    fn begin(&self) -> Process {
        self.sandbox.start("run --log-format json --admin 127.0.0.1:0 p.yaml")
    }

    /// Numbers of rows, and the sum of what the events say: it tells twice from once.
    fn sums(&self, table: &str) -> String {
        self.sql(&format!("SELECT count(*), count(DISTINCT n), sum(n) FROM {table}"))
    }

    /// Waits until a session of the program waits for a lock, in a statement that begins so.
    fn wait_for_lock(&self, process: &mut Process, statement: &str) {
        let waiting = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{}' AND wait_event_type = 'Lock' \
             AND query LIKE '{statement}%'",
            self.application
        );
        wait_for(&format!("a lock that {statement} waits for"), || {
            assert!(!process.has_ended(), "{}", process.stderr());
            (self.server.psql(&waiting) == "1").then_some(())
        });
    }

    /// A trigger that waits while a session keeps the gate closed; `when` says when it strikes.
    fn hold(&self, when: &str) -> String {
        let name = &self.schema;
        format!(
            "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_advisory_xact_lock(hashtext('{name}')); RETURN NEW; END $$; \
             CREATE {constraint}TRIGGER hold {when} EXECUTE FUNCTION hold()",
            constraint = if when.contains("DEFERRED") { "CONSTRAINT " } else { "" }
        )
    }

    fn close_gate(&self) -> String {
        format!("SELECT pg_advisory_lock(hashtext('{}'))", self.schema)
    }

    fn other_session(&self) -> Session {
        let mut command = self.server.psql_command();
        command.args(["-qAtX", "-v", "ON_ERROR_STOP=0", "-d", self.server.database()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut session = Session { child, lines, backend: String::new() };
        session.run(&format!("SET search_path = {}; SET deadlock_timeout = '50s'", self.schema));
        session.backend = session.run("SELECT pg_backend_pid()");
        session
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.server.psql(&format!("SET client_min_messages = error; DROP SCHEMA {} CASCADE", self.schema));
    }
}

/// Somebody else at the same tables: psql in a process of its own, ended on drop.
struct Session {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// The process of the server.
    backend: String,
}

impl Session {
    /// Begins a statement.
    fn send(&mut self, sql: &str) {
        writeln!(self.child.stdin.as_ref().unwrap(), "{sql};").unwrap();
    }

    /// Runs statements to their end, and returns the last row.
    fn run(&mut self, sql: &str) -> String {
        self.send(sql);
        self.send("SELECT 'done'");
        let mut last = String::new();
        for line in self.lines.by_ref().map_while(Result::ok) {
            if line == "done" {
                return last;
            }
            last = line;
        }
        panic!("psql ended in {sql}");
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Each event once: the number of rows, of different ones, and their sum.
fn all(without: usize) -> String {
    let (count, sum) = (EVENTS - usize::from(without > 0), EVENTS * (EVENTS + 1) / 2 - without);
    format!("{count}|{count}|{sum}")
}

const COLUMNS: &str = ", columns: { id: meta.id, n: { value: event.data.n, type: integer } }";

fn end(process: Process) -> Finished {
    process.terminate();
    process.finish().expect(0)
}

/// The messages of the log lines with that `event`.
fn said(log: &[Value], event: &str) -> Vec<String> {
    let lines = log.iter().filter(|line| line["event"] == event);
    lines.map(|line| line["message"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_row_that_breaks_a_constraint_is_a_dead_letter_that_names_it() {
    let Some(server) = Postgres::shared() else { return };
    let scene = Scene::new(server, COLUMNS);
    scene.sql("CREATE TABLE events (id text, n bigint CONSTRAINT not_the_57th CHECK (n <> 57))");
    let log = scene.once().expect(0).log();
    assert_eq!(scene.sums("events"), all(57));
    let letters = scene.sandbox.dead_letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    let letter = &letters[0];
    assert_eq!((&letter["meta"]["id"], &letter["reason"]), (&"opentrain:feed:57".into(), &"rejected".into()));
    assert_eq!(letter["event"]["data"]["n"], 57);
    let message = letter["error"]["message"].as_str().unwrap();
    assert!(message.contains("not_the_57th") && message.contains("SQLSTATE 23514"), "{message}");
    let told = said(&log, "dead_letter");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("event opentrain:feed:57 became a dead letter: "), "{told:?}");
    // Its own transaction has it too.
    assert_eq!(scene.sql("SELECT event_id FROM _sluicebox_dead_letters"), "opentrain:feed:57");
    assert_eq!(scene.sandbox.cursors()[0]["cursor"], EVENTS.to_string());
}

/// Our transactions are READ COMMITTED, where only what runs inside them can fail so: a trigger, a foreign table.
#[test]
fn a_serialization_failure_is_tried_again_whole() {
    let Some(server) = Postgres::shared() else { return };
    let scene = Scene::new(server, COLUMNS);
    scene.sql(&format!(
        "CREATE TABLE events (id text, n bigint); CREATE TABLE gate AS SELECT 1 AS closed; \
         CREATE FUNCTION ask() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF EXISTS (SELECT FROM {}.gate) THEN \
         RAISE 'could not serialize access due to concurrent update' USING ERRCODE = '40001'; END IF; \
         RETURN NEW; END $$; \
         CREATE TRIGGER ask BEFORE INSERT ON events FOR EACH ROW WHEN (NEW.n = 57) EXECUTE FUNCTION ask()",
        scene.schema
    ));
    let mut process = scene.begin();
    process.wait_for_log("SQLSTATE 40001");
    scene.sql("DELETE FROM gate");
    wait_for("all rows", || (scene.sums("events") == all(0)).then_some(()));
    let log = end(process).log();
    let told = said(&log, "retry");
    assert!(
        told[0].contains("could not serialize access") && told[0].contains("trying again in"),
        "{told:?}"
    );
    assert_eq!(said(&log, "resumed"), ["writing works again"]);
    assert_eq!(scene.sandbox.dead_letters(), [] as [Value; 0]);
}

/// We hold row 1 when the other session, which holds row 2, comes for it; then we come for row 2, and the server ends the
/// one that looks first: us.
#[test]
fn a_deadlock_is_tried_again_whole() {
    let Some(server) = Postgres::shared() else { return };
    let columns = ", columns: { id: event.id, n: { value: event.data.n, type: integer } }";
    let scene = Scene::new(server, &format!("{columns}, mode: upsert, key: [id]"));
    scene.sql(&format!(
        "CREATE TABLE events (id text PRIMARY KEY, n bigint); INSERT INTO events VALUES ('1', 0), ('2', 0); {}",
        scene.hold("BEFORE INSERT ON events FOR EACH ROW WHEN (NEW.n = 2)")
    ));
    let (mut gate, mut other) = (scene.other_session(), scene.other_session());
    gate.run(&scene.close_gate());
    other.run("BEGIN; UPDATE events SET n = -2 WHERE id = '2'");
    let mut process = scene.begin();
    scene.wait_for_lock(&mut process, "INSERT INTO");
    other.send("UPDATE events SET n = -2 WHERE id = '1'");
    wait_for("the other session to wait for us", || {
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'transactionid' AND query LIKE";
        let waiting = format!("{waiting} 'UPDATE events SET n = -2%' AND pid = {}", other.backend);
        (scene.server.psql(&waiting) == "1").then_some(())
    });
    gate.run("SELECT pg_advisory_unlock_all()");
    process.wait_for_log("SQLSTATE 40P01");
    other.run("ROLLBACK");
    wait_for("all rows", || (scene.sums("events") == all(0)).then_some(()));
    let told = said(&end(process).log(), "retry");
    assert!(told[0].contains("deadlock detected"), "{told:?}");
    assert_eq!(scene.sandbox.dead_letters(), [] as [Value; 0]);
}

/// Cuts the connection while a trigger holds up a window, in a statement that begins so.
fn cut_while(statement: &str, trigger: &str) {
    let Some(server) = Postgres::shared() else { return };
    let proxy = FaultProxy::start(server.address());
    let mut scene = Scene::new(server, COLUMNS);
    scene.sandbox.set("URL", scene.server.url_at(proxy.address()));
    scene.sql(&format!("CREATE TABLE events (id text, n bigint); {}", scene.hold(trigger)));
    let mut gate = scene.other_session();
    gate.run(&scene.close_gate());
    let mut process = scene.begin();
    scene.wait_for_lock(&mut process, statement);
    proxy.cut();
    process.wait_for_log("\"retry\"");
    gate.run("SELECT pg_advisory_unlock_all()");
    wait_for("all rows", || (scene.sums("events") == all(0)).then_some(()));
    let ended = end(process);
    assert_eq!(scene.sums("events"), all(0), "{}", ended.stderr);
    assert_eq!(said(&ended.log(), "resumed"), ["writing works again"], "{}", ended.stderr);
    assert_eq!(scene.sandbox.cursors()[0]["cursor"], EVENTS.to_string());
}

#[test]
fn a_reset_before_commit_repeats_and_loses_nothing() {
    cut_while("INSERT INTO", "BEFORE INSERT ON events FOR EACH ROW WHEN (NEW.n = 57)");
}

/// The server ends the COMMIT although nobody hears of it.
#[test]
fn a_reset_during_commit_repeats_and_loses_nothing() {
    let trigger = "AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.n = 57)";
    cut_while("COMMIT", trigger);
}

#[test]
fn a_server_that_restarts_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Postgres::private(folder.path()) else { return };
    let scene = Scene::new(server, COLUMNS);
    scene.sql("CREATE TABLE events (id text, n bigint)");
    scene.server.stop();
    let mut process = scene.begin();
    let admin = process.admin();
    process.wait_for_log("the destination cannot be opened, trying again in");
    assert_eq!(get(&format!("{admin}/health/live")).unwrap().status, 200);
    scene.server.start();
    wait_for("all rows", || (scene.sums("events") == all(0)).then_some(()));
    scene.server.kill();
    scene.server.start();
    let ended = end(process);
    assert_eq!(scene.sums("events"), all(0), "{}", ended.stderr);
    scene.once().expect(0);
    assert_eq!(scene.sums("events"), all(0), "nothing is left to do");
}

#[test]
fn missing_rights_pause_and_the_rest_comes_after_they_are_granted() {
    let Some(server) = Postgres::shared() else { return };
    let (address, database) = (server.address(), server.database().to_owned());
    let mut scene = Scene::new(server, COLUMNS);
    let user = scene.schema.clone();
    scene.sandbox.set("URL", format!("postgres://{user}:secret@{address}/{database}"));
    scene.sql(&format!(
        "CREATE ROLE {user} LOGIN PASSWORD 'secret'; GRANT USAGE, CREATE ON SCHEMA {user} TO {user}; \
         CREATE TABLE events (id text, n bigint)"
    ));
    let mut process = scene.begin();
    let admin = process.admin();
    let line = process.wait_for_log("\"paused\"");
    assert!(line.contains("permission denied for table events"), "{line}");
    let ready = wait_for("the obstacle", || {
        get(&format!("{admin}/health/ready")).filter(|answer| answer.status == 503)
    });
    let obstacle = &ready.json()["obstacles"][0];
    assert_eq!((&obstacle["component"], &obstacle["reason"]), (&"warehouse".into(), &"config".into()));
    end(process);
    assert_eq!(scene.sandbox.dead_letters(), [] as [Value; 0]);
    let ended = scene.once().expect(1);
    assert!(ended.stderr.contains("permission denied for table events"), "{}", ended.stderr);
    assert!(scene.sandbox.cursors().iter().all(|row| row["cursor"].is_null()), "nothing is acknowledged");
    scene.sql(&format!("GRANT INSERT ON events TO {user}"));
    scene.once().expect(0);
    assert_eq!(scene.sums("events"), all(0));
    scene.sql(&format!("DROP OWNED BY {user} CASCADE; DROP ROLE {user}"));
}
