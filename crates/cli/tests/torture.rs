//! Scripts that try to stop the process: each is ended within its limits, the process grows by no more than 64 MiB, and
//! the worker takes the next event. The real program, one process per script.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says so"
)]

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use sluicebox_testkit::{Process, Sandbox, Stub, wait_for};

/// What a script may add to the process, in KiB.
const MOST_KIBIBYTES: u64 = 64 << 10;
/// What one event may cost, looks at the clock and what comes before and after the script included: time of the CPU,
/// so a loaded machine changes nothing.
const MOST_TIME: Duration = Duration::from_secs(10);

const OPERATIONS: &str = "stopped after 100000 operations";
const CPU: &str = "stopped after 1 s of CPU time";
const MEMORY: &str = "it would hold more than 32 MiB";
const TEXT: &str = "the text in one value is over the limit of 1 MiB";
const ITEMS: &str = "the number of items in one value is over the limit of 10000";
const FIELDS: &str = "the number of fields in one value is over the limit of 10000";
const NESTING: &str = "the nesting of a value is over the limit of 127 levels";
const LEVELS: &str = "functions call each other deeper than 16 levels";

/// A text of 512 KiB.
const LARGE: &str = "let t = \"a\"; for i in 0..19 { t += t; }";

/// What strikes, its functions, its code (a line of its own in the pipeline file), and what may be said: where two
/// limits are near each other, a slow machine meets the other one.
struct Torture(&'static str, &'static str, &'static str, &'static [&'static str]);

/// As [`Torture`], with [`LARGE`] before the code.
struct TortureOfLarge(&'static str, &'static str, &'static [&'static str]);

const TORTURES: &[Torture] = &[
    Torture("endless loop", "", "loop { }", &[OPERATIONS]),
    Torture("endless loop with a body", "", "let n = 0; while true { n += 1; n -= 1; }", &[OPERATIONS]),
    Torture("range without end", "", "for i in 0..9223372036854775807 { let x = i; }", &[OPERATIONS]),
    Torture("limits caught", "", "loop { try { loop { } } catch { } }", &[OPERATIONS]),
    Torture("errors caught", "", "loop { try { throw \"x\"; } catch (e) { let f = e; } }", &[OPERATIONS]),
    Torture("deep recursion", "fn f(n) { f(n + 1) }", "f(0);", &[LEVELS]),
    Torture("mutual recursion", "fn f(n) { g(n + 1) } fn g(n) { f(n + 1) }", "f(0);", &[LEVELS]),
    Torture(
        "recursion inside deep expressions",
        "fn f(n) { if true { if true { [[[[[[f(n + 1)]]]]]] } } }",
        "f(0);",
        &[LEVELS],
    ),
    Torture("recursion through lists", "fn f(n) { [n].map(|x| [x].map(|y| f(y + 1))) }", "f(0);", &[LEVELS]),
    Torture("text doubled", "", "let s = \"x\"; loop { s += s; }", &[TEXT]),
    Torture("text put together", "", "let s = \"x\"; loop { s = `${s}${s}${s}`; }", &[TEXT]),
    Torture("text repeated", "", "let s = \"x\".repeat(9000000000);", &[TEXT]),
    Torture("list doubled", "", "let a = [1]; loop { a += a; }", &[ITEMS]),
    Torture("list of lists", "", "let a = [1]; loop { a = [a, a]; }", &[ITEMS]),
    Torture("list filled up", "", "let a = []; a.pad(2000000000, \"x\");", &[ITEMS, TEXT]),
    Torture("nested without end", "", "let a = []; loop { a = [a]; }", &[NESTING]),
    Torture("map in itself", "", "let m = #{}; loop { m[\"m\"] = m; }", &[NESTING]),
    Torture("map by key", "", "let m = #{}; for i in 0..999999 { m[`k${i}`] = i; }", &[OPERATIONS, CPU]),
    Torture(
        "map of lists by key",
        "",
        "let a = []; a.pad(9000, #{ x: 1 }); let m = #{}; for i in 0..999999 { m[`k${i}`] = a; }",
        &[MEMORY],
    ),
    Torture(
        "list by index",
        "",
        "let a = []; a.pad(9000, #{ x: 1 }); let l = []; l.pad(9000, 0); for i in 0..9000 { l[i] = a; }",
        &[MEMORY],
    ),
    Torture(
        "event by key",
        "",
        "let a = []; a.pad(9000, #{ x: 1 }); for i in 0..999999 { event[`k${i}`] = a; }",
        &[MEMORY],
    ),
    Torture(
        "map by function",
        "",
        "let m = #{}; for i in 0..999999 { m.set(`k${i}`, i); }",
        &[FIELDS, OPERATIONS, CPU],
    ),
    Torture(
        "map mixed",
        "",
        "let m = #{}; for i in 0..99999 { m.mixin(#{ a: [m, m] }); }",
        &[FIELDS, ITEMS, NESTING],
    ),
    Torture(
        "copies of the largest map",
        "",
        "let a = []; a.pad(2000, #{ x: 1 }); let m = #{}; for i in 0..14 { m[`k${i}`] = a; } let n = m; let o = m; let p = m.merge(m);",
        &[MEMORY],
    ),
    Torture(
        "functions around functions",
        "",
        "let f = |x| x; loop { let g = f; f = |x| g.call(x); }",
        &[NESTING, LEVELS],
    ),
    Torture(
        "functions that hold lists",
        "",
        "let l = []; for i in 0..9999 { let a = []; a.pad(9000, #{ x: 1 }); l.push(|| a); }",
        &[MEMORY, CPU, ITEMS],
    ),
    Torture("sort that never ends", "", "let a = [3, 1, 2]; a.sort(|x, y| { loop { } });", &[OPERATIONS]),
    Torture(
        "sort of much",
        "",
        "let a = []; a.pad(9000, 1); loop { a.sort(|x, y| y - x); }",
        &[OPERATIONS, CPU],
    ),
    Torture("sums of large numbers", "", "let n = 9223372036854775807; loop { n += n; }", &["overflow"]),
    Torture(
        "powers",
        "",
        "let d = decimal(\"1.0000001\"); loop { d = d * d; if d > 1000000 { d = decimal(\"1.0000001\"); } }",
        &[OPERATIONS, CPU],
    ),
    Torture(
        "events without end",
        "",
        "loop { emit(#{ a: 1 }); }",
        &["the number of emitted events is over the limit of 10000", OPERATIONS],
    ),
    Torture("large events", "", "let a = []; a.pad(5000, #{ x: 1 }); loop { emit(#{ a: a }); }", &[MEMORY]),
    Torture(
        "log without end",
        "",
        "loop { log(\"x\"); }",
        &["the number of log lines is over the limit of 100"],
    ),
    Torture(
        "times",
        "",
        "loop { in_zone(add_duration(\"2026-06-12T10:00:00Z\", \"1h\"), \"Europe/Berlin\").format_time(\"%c\"); }",
        &[OPERATIONS, CPU],
    ),
    Torture(
        "patterns without end",
        "",
        "for i in 0..99999 { \"aaaa\".regex_find(`(a?){${i % 900}}b${i}`); }",
        &[OPERATIONS, CPU, MEMORY],
    ),
    Torture(
        "too large a pattern",
        "",
        "\"a\".regex_match(\"(\\\\w{100}){100}\");",
        &["cannot use the pattern"],
    ),
    Torture("too many groups", "", "\"a\".regex_captures(\"(a)\".repeat(1000));", &["groups"]),
];

const TORTURES_OF_LARGE: &[TortureOfLarge] = &[
    TortureOfLarge("text replaced", "let u = t.replace(\"a\", t);", &[TEXT]),
    TortureOfLarge("text replaced by a pattern", "let u = t.regex_replace(\"a\", t);", &[TEXT, CPU]),
    TortureOfLarge("text joined", "let u = [t, t, t].join(t);", &[ITEMS, TEXT]),
    TortureOfLarge("text padded", "let u = t.pad_start(9000000000, \"äöü\");", &[TEXT]),
    TortureOfLarge("text in characters", "let u = t.to_chars();", &[ITEMS]),
    TortureOfLarge("text split", "let u = t.split_rev('a');", &[ITEMS]),
    TortureOfLarge("text searched", "loop { t.index_of(\"aaaaaaaaaaaaaaab\"); }", &[CPU, OPERATIONS]),
    TortureOfLarge(
        "one text a thousand times",
        "let m = #{}; for i in 0..1000 { m[`k${i}`] = t; } let s = `${m}`;",
        &[TEXT],
    ),
    TortureOfLarge(
        "one text a thousand times as JSON",
        "let m = #{}; for i in 0..1000 { m[`k${i}`] = t; } let s = to_json(m);",
        &[TEXT],
    ),
    TortureOfLarge(
        "one text in many events",
        "for i in 0..1000 { emit(#{ a: t }); }",
        &["the events that the rule made are larger than 16 MiB together"],
    ),
    TortureOfLarge(
        "large texts logged",
        "for i in 0..1000 { log(t); }",
        &["the number of log lines is over the limit of 100"],
    ),
    TortureOfLarge("a large text thrown", "throw t;", &["aaaa"]),
    TortureOfLarge(
        "catastrophic pattern",
        "loop { t.regex_match(\"(a?){400}a{400}[bc]\"); }",
        &[CPU, OPERATIONS],
    ),
    TortureOfLarge(
        "catastrophic pattern that catches",
        "t.regex_groups(\"(?<x>a*)(?<y>a*)(?<z>a*)*b\"); loop { t.regex_captures(\"^(a*)(a*)(a*)(a*)$\"); }",
        &[CPU, OPERATIONS],
    ),
    TortureOfLarge("fingerprints", "loop { sha512(t); }", &[CPU, OPERATIONS]),
    TortureOfLarge("nested JSON", "parse_json(t.replace(\"a\", \"[\"));", &["expected JSON"]),
    TortureOfLarge(
        "dense JSON",
        "parse_json(\"[\" + t.replace(\"aaaa\", \"{},\") + \"1]\");",
        &[MEMORY, ITEMS],
    ),
    TortureOfLarge(
        "format of times",
        "format_time(meta.time, t.replace(\"aa\", \"%c\"));",
        &["a format of at most 1024 bytes"],
    ),
    TortureOfLarge(
        "words",
        "slug(t.replace(\"aa\", \"a \")); snake_case(t); loop { t.to_upper(); }",
        &[CPU, OPERATIONS],
    ),
];

struct Case {
    name: &'static str,
    functions: &'static str,
    code: String,
    says: &'static [&'static str],
}

fn cases() -> Vec<Case> {
    let small = TORTURES.iter().map(|Torture(name, functions, code, says)| Case {
        name,
        functions,
        code: (*code).to_owned(),
        says,
    });
    let large = TORTURES_OF_LARGE.iter().map(|TortureOfLarge(name, code, says)| Case {
        name,
        functions: "",
        code: format!("{LARGE} {code}"),
        says,
    });
    small.chain(large).collect()
}

/// What a process has used so far.
#[derive(Clone, Copy)]
struct Used {
    /// The most memory that it ever held.
    kibibytes: u64,
    /// Time of the CPU, all threads together.
    time: Duration,
}

fn used(process: &Process) -> Used {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", process.id())).unwrap();
    let status = read("status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kibibytes = peak.split_whitespace().next().unwrap().parse().unwrap();
    // The fields after the name: state is the 3rd of all, time in user mode and in the kernel 14th and 15th, in ticks
    // of 10 ms.
    let stat = read("stat");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<u64>().unwrap();
    Used { kibibytes, time: Duration::from_millis(10 * (ticks(11) + ticks(12))) }
}

/// A feed of two good events around a bad one, and what the program used until it was through.
fn strike(case: &Case) -> (Used, Sandbox) {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    let events = ["good", "bad", "good"].map(|kind| format!("{{\"kind\":\"{kind}\"}}"));
    let feed = (1..).zip(events).map(|(id, data)| Stub::event(id, &data)).collect();
    let Case { functions, code, .. } = case;
    let script = format!("{functions}\nif event.data.kind == \"bad\" {{\n{code}\n}}\nevent.seen = true;");
    let script = script.replace('\n', "\n      ");
    sandbox.pipe(
        &Stub::feed(feed),
        10,
        &format!(
            "transforms:\n  rule:\n    type: rhai\n    inputs: [feed]\n    source: |\n      {script}\n\
             sinks:\n  out: {{ type: file, inputs: [rule], path: out.jsonl }}\n"
        ),
    );
    let mut process = sandbox.start("run --log-format json --admin off p.yaml");
    let has_written = || {
        let written = std::fs::read_to_string(sandbox.path("out.jsonl")).unwrap_or_default();
        (written.lines().filter(|line| line.contains("\"seen\":true")).count() >= 2).then_some(())
    };
    wait_for(case.name, || {
        assert!(!process.has_ended(), "{}: the process ended: {}", case.name, process.stderr());
        has_written()
    });
    let used = used(&process);
    process.terminate();
    process.finish().expect(0);
    (used, sandbox)
}

/// One dead letter, with its place, its reason and a sentence.
fn judge(case: &Case, sandbox: &Sandbox) -> Result<String, String> {
    let letters = sandbox.dead_letters();
    let [letter] = letters.as_slice() else { return Err(format!("{} dead letters", letters.len())) };
    let error = &letter["error"];
    let message = error["message"].as_str().unwrap_or_default().to_owned();
    let text = sandbox.read("p.yaml");
    let first = text.lines().position(|line| line.ends_with("source: |")).unwrap() + 2;
    let lines = first as u64..=first as u64 + 4;
    let is_placed = error["line"].as_u64().is_some_and(|line| lines.contains(&line))
        && error["column"].as_u64().is_some_and(|column| column > 6);
    let written = sandbox.read("out.jsonl");
    let ids: Vec<bool> = written.lines().map(|line| line.contains("\"kind\":\"good\"")).collect();
    if letter["reason"] != "script" || letter["event"]["data"]["kind"] != "bad" || error["file"] != "p.yaml" {
        return Err(format!("{letter}"));
    }
    if !is_placed || ids != [true, true] || !case.says.iter().any(|says| message.contains(says)) {
        return Err(format!("{error}, good events written: {ids:?}"));
    }
    Ok(message)
}

#[test]
fn each_ends_within_its_limits_and_the_worker_lives_on() {
    let cases = cases();
    assert!(cases.len() >= 15);
    let honest = Case { name: "honest", functions: "", code: "throw \"no\";".to_owned(), says: &["no"] };
    let (base, sandbox) = strike(&honest);
    judge(&honest, &sandbox).unwrap();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(String::new()));
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (used, sandbox) = strike(case);
            let kibibytes = used.kibibytes.saturating_sub(base.kibibytes);
            let time = used.time.saturating_sub(base.time);
            let verdict = judge(case, &sandbox);
            let said = verdict.as_ref().map_or_else(Clone::clone, |said| said.chars().take(90).collect());
            println!("{:34} {:5} ms {:6} KiB  {said}", case.name, time.as_millis(), kibibytes);
            if verdict.is_err() || kibibytes > MOST_KIBIBYTES || time > MOST_TIME {
                writeln!(wrong.lock().unwrap(), "{}: {kibibytes} KiB, {time:?}, {said}", case.name).unwrap();
            }
        }
    };
    thread::scope(|scope| (0..2).for_each(|_| _ = scope.spawn(work)));
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{wrong}");
}
