//! Tables of every format, what is wrong with them, and files that change while events flow.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};
use sluicebox_core::{CacheTally, Context, Error, ErrorClass, Transform, TransformOutcome};

use crate::testing::{Files, apply, build, check, context, event, parse};

/// A folder with these files, and a context in it.
fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Context) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let cx = Context { folder: folder.path().to_owned(), ..context() };
    (folder, cx)
}

fn database(path: &Path, sql: &str) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(sql).unwrap();
    connection
}

/// The status and the JSON of each event, given by their `k`.
async fn told(transform: &dyn Transform, keys: &[Value]) -> Vec<String> {
    let events = keys.iter().map(|key| event("1", "a", &json!({ "k": key }).to_string())).collect();
    let tell = |(_, outcome)| match outcome {
        TransformOutcome::Emit(None, event) => {
            let text = String::from_utf8(event.json().to_vec()).unwrap();
            let status = event.meta().lookups["thing"].as_str();
            let (_, added) = text.split_once(r#","thing":"#).unwrap_or_default();
            format!("{status} {}", added.strip_suffix('}').unwrap_or_default())
        }
        TransformOutcome::DeadLetter(_, reason, error) => format!("{}: {}", reason.as_str(), error.message),
        other => format!("{other:?}"),
    };
    apply(transform, events).await.into_iter().map(tell).collect()
}

async fn refusal(options: &Value, cx: &Context) -> Error {
    let built = parse("table_lookup", options).build(cx, &Files(BTreeMap::new())).await;
    built.err().expect("the table is wrong")
}

#[tokio::test]
async fn csv_cells_are_text_unless_they_have_a_type() {
    let text = "id,name,rate,active\r\n1,\"Ann, B\",12.50,TRUE\r\n007,\"say \"\"hi\"\"\n\",,false\r\n";
    let (_folder, cx) = folder(&[("t.csv", text)]);
    let options = json!({ "file": "t.csv", "key": "id", "by": "event.k" });
    let plain = build("table_lookup", &options, &cx).await;
    let found = told(&*plain, &[json!(1), json!("1"), json!(1.0), json!("007"), json!(7), json!(null)]).await;
    let ann = r#"ok {"id":"1","name":"Ann, B","rate":"12.50","active":"TRUE"}"#;
    let other = r#"ok {"id":"007","name":"say \"hi\"\n","rate":"","active":"false"}"#;
    assert_eq!(found, [ann, ann, ann, other, "not_found ", "not_found "]);

    let options = json!({ "file": "t.csv", "key": "id", "by": "event.k", "columns": ["rate", "active"],
        "types": { "rate": "number", "active": "boolean" } });
    let typed = build("table_lookup", &options, &cx).await;
    let found = told(&*typed, &[json!(1), json!("007")]).await;
    assert_eq!(found, [r#"ok {"rate":12.50,"active":true}"#, r#"ok {"rate":null,"active":false}"#]);

    let (_folder, cx) = folder(&[("t.tsv", "\u{feff}a\tb\nx\t1\n"), ("s.csv", "a;b\nx;2\n")]);
    for (file, delimiter, expected) in [("t.tsv", json!(null), "ok \"1\""), ("s.csv", json!(";"), "ok \"2\"")]
    {
        let options =
            json!({ "file": file, "delimiter": delimiter, "key": "a", "by": "event.k", "select": "b" });
        assert_eq!(told(&*build("table_lookup", &options, &cx).await, &[json!("x")]).await, [expected]);
    }
}

#[tokio::test]
async fn json_rows_keep_their_bytes() {
    let (_folder, cx) = folder(&[
        (
            "array.json",
            "[{\"id\": 1, \"rate\": 1.10},\n {\"id\": null}, {\"id\": \"b\",\n \"deep\": {\"x\": 2}}]",
        ),
        ("object.json", "{\"1\": {\"rate\": 1.10}, \"b\": {\"deep\": {\"x\": 2}}}"),
        ("lines.jsonl", "{\"id\":1,\"rate\":1.10}\n\n{\"id\":\"b\",\"deep\":{\"x\":2}}\r\n"),
    ]);
    let keys = [json!("1"), json!("b")];
    for (options, expected) in [
        (
            json!({ "file": "array.json", "key": "id" }),
            [r#"{"id": 1, "rate": 1.10}"#, "{\"id\": \"b\",  \"deep\": {\"x\": 2}}"],
        ),
        (json!({ "file": "object.json" }), [r#"{"rate": 1.10}"#, r#"{"deep": {"x": 2}}"#]),
        (
            json!({ "file": "lines.jsonl", "key": "id" }),
            [r#"{"id":1,"rate":1.10}"#, r#"{"id":"b","deep":{"x":2}}"#],
        ),
        (json!({ "file": "lines.jsonl", "key": "id", "columns": ["rate"] }), [r#"{"rate":1.10}"#, "{}"]),
    ] {
        let mut options = options;
        options["by"] = json!("event.k");
        let transform = build("table_lookup", &options, &cx).await;
        assert_eq!(told(&*transform, &keys).await, expected.map(|row| format!("ok {row}")), "{options}");
    }
    let options = json!({ "file": "lines.jsonl", "key": "id", "by": "event.k", "select": "deep.x" });
    assert_eq!(told(&*build("table_lookup", &options, &cx).await, &keys).await, ["not_found ", "ok 2"]);
}

#[tokio::test]
async fn sqlite_tables_and_queries_are_read_by_several_columns() {
    let (folder, cx) = folder(&[]);
    let sql = "CREATE TABLE rates (country TEXT, plan INTEGER, rate REAL, blob BLOB);
        INSERT INTO rates VALUES ('de', 1, 1.5, x'00ff'), ('de', 2, 3.0, NULL), ('ke', 1, 9, 'x'), (NULL, 1, 0, NULL)";
    drop(database(&folder.path().join("rates.db"), sql));
    let by = json!(["event.k.c", "event.k.p"]);
    let options = json!({ "file": "rates.db", "table": "rates", "key": ["country", "plan"], "by": by });
    let transform = build("table_lookup", &options, &cx).await;
    let key = |country, plan| json!({ "c": country, "p": plan });
    let found = told(&*transform, &[key("de", 1), key("de", 2), key("ke", 2)]).await;
    let first = r#"ok {"country":"de","plan":1,"rate":1.5,"blob":"\\x00ff"}"#;
    let second = r#"ok {"country":"de","plan":2,"rate":3.0,"blob":null}"#;
    assert_eq!(found, [first, second, "not_found "]);
    let options = json!({ "file": "rates.db", "key": ["country", "plan"], "by": by, "select": "rate",
        "query": "SELECT country, plan, rate * 2 AS rate FROM rates WHERE rate > 1", "on_error": "dead_letter" });
    let found =
        told(&*build("table_lookup", &options, &cx).await, &[key("ke", 1), json!({ "c": "at" })]).await;
    let dead = "lookup: the look-up `thing` ended not_found: rates.db has no row whose `country, plan` is \"at\", null";
    assert_eq!(found, ["ok 18.0", dead]);
}

/// Options of a table of `t.<ending>`, and more of them.
fn options(ending: &str, more: &Value) -> Value {
    let mut options = json!({ "file": format!("t.{ending}"), "key": "id", "by": "event.k" });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    options
}

/// The start and `check` both refuse a file of this ending with these words.
async fn assert_refused(ending: &str, text: &'static str, more: Value, expected: &str) {
    let (name, options) = (&*format!("t.{ending}"), options(ending, &more));
    let (_folder, cx) = folder(&[(name, text)]);
    let error = refusal(&options, &cx).await;
    let sentence = format!("the table cannot be used: {name}, {expected}");
    assert_eq!((error.class(), error.to_string()), (ErrorClass::Config, sentence));
    let name: &'static str = if ending == "csv" {
        "t.csv"
    } else if ending == "json" {
        "t.json"
    } else {
        "t.jsonl"
    };
    let problems = check("table_lookup", &options, &Files(BTreeMap::from([(name, text)])));
    assert_eq!(problems.len(), 1, "{options}");
    assert_eq!((problems[0].path.as_str(), &problems[0].message), ("file", &format!("{name}, {expected}")));
}

#[tokio::test]
async fn what_is_wrong_with_a_csv_file_is_told_with_its_line() {
    let types = |word: &str| json!({ "types": { "n": word } });
    for (text, more, expected) in [
        ("id,n\na,1\nb\n", json!({}), "line 3: expected 2 cells, found 1"),
        ("id\na\nb\na\n", json!({}), "line 4: a second row whose `id` is `a`"),
        ("nr\na\n", json!({}), "line 1: there is no column `id`"),
        ("", json!({}), "line 1: the file is empty"),
        ("id,id\n", json!({}), "line 1: there are two columns `id`"),
        ("id,n\na,1\nb,01\n", types("number"), "line 3: `n`: expected a number, found `01`"),
        ("id,n\na,yes\n", types("boolean"), "line 2: `n`: expected true or false, found `yes`"),
        ("id\na\nb\nc\n", json!({ "max_rows": 2 }), "line 4: the table has more than 2 rows"),
        ("id\naaaaaaaaaaaa\n", json!({ "max_bytes": "50B" }), "line 2: the table takes more than 50 bytes"),
    ] {
        assert_refused("csv", text, more, expected).await;
    }
    let near =
        check("table_lookup", &options("csv", &json!({})), &Files(BTreeMap::from([("t.csv", "ID,n\n")])));
    assert_eq!(near[0].help.as_deref(), Some("did you mean `ID`?"));
    for (word, expected) in [("last", "ok \"2\""), ("first", "ok \"1\"")] {
        let (_folder, cx) = folder(&[("t.csv", "id,n\na,1\na,2\n")]);
        let options = options("csv", &json!({ "duplicates": word, "select": "n" }));
        assert_eq!(told(&*build("table_lookup", &options, &cx).await, &[json!("a")]).await, [expected]);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_json_file_is_told_with_its_line() {
    for (ending, text, more, expected) in [
        ("json", "[{\"id\": 1},\n{\"id\": 2},\n 7]", json!({}), "line 3: expected an object"),
        ("json", "[{\"id\": 1},\n{\"id\" 2}]", json!({}), "line 2: this is not JSON: expected `:`"),
        ("json", "[{\"id\": 1},\n{\"nr\": 2}]", json!({}), "line 2: there is no column `id`"),
        ("json", "3", json!({}), "line 1: expected an array of objects, or an object of objects"),
        ("json", "[{}]", json!({ "key": null }), "line 1: the rows of an array have no names"),
        ("jsonl", "{\"id\":1}\n{\"id\":1}", json!({}), "line 2: a second row whose `id` is `1`"),
    ] {
        assert_refused(ending, text, more, expected).await;
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_keeps_the_pipeline_from_starting() {
    let text = "not a database, but long enough to be looked at ".repeat(9);
    let (_folder, cx) = folder(&[("t.db", &text)]);
    for (options, expected) in [
        (options("csv", &json!({})), "t.csv: it cannot be read"),
        (options("db", &json!({ "table": "t" })), "t.db: it cannot be opened"),
    ] {
        let error = refusal(&options, &cx).await;
        assert!(error.class() == ErrorClass::Config && error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn wrong_options_are_told_where_they_are() {
    let files = Files(BTreeMap::from([("t.csv", "id\n"), ("t.json", "{}")]));
    let good = json!({ "file": "t.csv", "key": "id", "by": "event.k" });
    assert_eq!(check("table_lookup", &good, &files), []);
    assert_eq!(check("table_lookup", &json!({ "file": "t.json", "by": "event.k" }), &files), []);
    for (options, path) in [
        (json!({ "file": "t.csv", "key": "id", "by": "event." }), "by"),
        (json!({ "file": "t.csv", "key": ["id", "n"], "by": ["event.k", "event."] }), "by[1]"),
        (json!({ "file": "t.csv", "key": ["id", "n"], "by": "event.k" }), "by"),
        (json!({ "file": "t.csv", "by": "event.k" }), ""),
        (json!({ "file": "t.txt", "key": "id", "by": "event.k" }), "file"),
        (json!({ "file": "gone.csv", "key": "id", "by": "event.k" }), "file"),
        (json!({ "file": "t.csv", "key": "id", "by": "event.k", "table": "t" }), "table"),
        (json!({ "file": "t.csv", "key": "id", "by": "event.k", "delimiter": "→" }), "delimiter"),
        (json!({ "file": "t.json", "key": "id", "by": "event.k", "types": { "id": "number" } }), "types"),
        (json!({ "file": "t.db", "key": "id", "by": "event.k" }), ""),
        (json!({ "file": "t.db", "key": "id", "by": "event.k", "table": "t", "query": "q" }), "query"),
        (json!({ "file": "t.csv", "key": "id", "by": "event.k", "select": "a..b" }), "select"),
        (json!({ "file": "t.csv", "key": "id", "by": "event.k", "into": "a.b" }), "into"),
        (json!({ "file": "t.csv", "key": "id", "by": "event.k", "max_rows": 0 }), "max_rows"),
    ] {
        let problems = check("table_lookup", &options, &files);
        assert_eq!(problems.len(), 1, "{options} {problems:?}");
        assert_eq!(problems[0].path, path, "{options}");
    }
}

/// Makes time pass, so that the file is looked at again.
async fn later() {
    tokio::time::advance(Duration::from_secs(11)).await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_file_takes_the_place_of_the_old_one_and_a_broken_one_does_not() {
    let (folder, cx) = folder(&[("t.csv", "id,n\na,1\n")]);
    let path = folder.path().join("t.csv");
    let options = json!({ "file": "t.csv", "key": "id", "by": "event.k", "select": "n" });
    let transform = build("table_lookup", &options, &cx).await;
    let keys = [json!("a"), json!("b")];
    fs::write(&path, "id,n\na,10\nb,20\n").unwrap();
    assert_eq!(
        told(&*transform, &keys).await,
        ["ok \"1\"", "not_found "],
        "it is not looked at all the time"
    );
    later().await;
    assert_eq!(told(&*transform, &keys).await, ["ok \"10\"", "ok \"20\""]);
    let failures = || cx.shared.find::<CacheTally>("thing", "").unwrap().totals()[2].1;
    for broken in [Some("id,n\na,1,2\n"), Some(""), None] {
        match broken {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let before = failures();
        for _ in 0..3 {
            later().await;
            assert_eq!(told(&*transform, &keys).await, ["ok \"10\"", "ok \"20\""]);
        }
        assert_eq!(failures() - before, 1, "once for each change: {broken:?}");
    }
    fs::write(folder.path().join("new"), "id,n\nb,30\n").unwrap();
    fs::rename(folder.path().join("new"), &path).unwrap();
    later().await;
    assert_eq!(told(&*transform, &keys).await, ["not_found ", "ok \"30\""]);
}

#[tokio::test(start_paused = true)]
async fn a_sqlite_file_is_read_again_while_its_changes_are_still_in_the_log() {
    let (folder, cx) = folder(&[]);
    let sql = "PRAGMA journal_mode = wal; CREATE TABLE t (id, n); INSERT INTO t VALUES ('a', 1)";
    let connection = database(&folder.path().join("t.db"), sql);
    let options = json!({ "file": "t.db", "table": "t", "key": "id", "by": "event.k", "select": "n" });
    let transform = build("table_lookup", &options, &cx).await;
    assert_eq!(told(&*transform, &[json!("a")]).await, ["ok 1"]);
    connection.execute("UPDATE t SET n = 2", []).unwrap();
    later().await;
    assert_eq!(told(&*transform, &[json!("a")]).await, ["ok 2"]);
}

#[tokio::test(start_paused = true)]
async fn events_of_one_batch_see_one_table_whoever_reads_the_next() {
    let table = |n: usize| (0..500).fold("id,n\n".to_owned(), |text, id| format!("{text}{id},{n}\n"));
    let (folder, cx) = folder(&[("t.csv", &table(0))]);
    let options = json!({ "file": "t.csv", "key": "id", "by": "event.k", "select": "n", "reload": "1s" });
    let transform: Arc<dyn Transform> = build("table_lookup", &options, &cx).await.into();
    let keys: Vec<Value> = (0..500).map(Value::from).collect();
    for turn in 1..20 {
        fs::write(folder.path().join("new"), table(turn)).unwrap();
        fs::rename(folder.path().join("new"), folder.path().join("t.csv")).unwrap();
        tokio::time::advance(Duration::from_secs(2)).await;
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let (transform, keys) = (Arc::clone(&transform), keys.clone());
                tokio::spawn(async move { told(&*transform, &keys).await })
            })
            .collect();
        for task in tasks {
            let found = task.await.unwrap();
            assert!(found.iter().all(|one| *one == found[0] && one.starts_with("ok ")), "{:?}", &found[..9]);
        }
    }
}

#[tokio::test]
async fn a_probe_says_whether_the_table_can_be_read() {
    let (_folder, cx) = folder(&[("t.csv", "id\na\nb\n")]);
    let probe =
        parse("table_lookup", &json!({ "file": "t.csv", "key": "id", "by": "event.k" })).probe(&cx).await;
    let shown = format!("{:?}", probe.findings());
    assert!(probe.is_fine() && shown.contains("t.csv, rows: 2"), "{shown}");
    let probe =
        parse("table_lookup", &json!({ "file": "u.csv", "key": "id", "by": "event.k" })).probe(&cx).await;
    assert!(!probe.is_fine());
}

/// A Parquet file with three rows.
fn parquet_file(path: &Path) {
    use parquet::basic::{Compression, ZstdLevel};
    use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    let schema = "message rows { required int64 id; optional binary name (UTF8); required double rate; \
        required int32 amount (DECIMAL(9,2)); required int64 at (TIMESTAMP_MILLIS); required int32 day (DATE); \
        required binary raw; }";
    let schema = Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let properties = WriterProperties::builder().set_compression(zstd).build();
    let file = fs::File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
    let mut rows = writer.next_row_group().unwrap();
    let bytes = |texts: [&[u8]; 3]| texts.map(|text| ByteArray::from(text.to_vec()));
    for column in 0.. {
        let Some(mut next) = rows.next_column().unwrap() else { break };
        match column {
            0 => next.typed::<Int64Type>().write_batch(&[9_007_199_254_740_993, 2, 3], None, None),
            1 => {
                let names = &bytes([b"Ann \"A\"", b"B", b"-"])[..2];
                next.typed::<ByteArrayType>().write_batch(names, Some(&[1, 1, 0]), None)
            }
            2 => next.typed::<DoubleType>().write_batch(&[1.5, f64::NAN, 3.0], None, None),
            3 => next.typed::<Int32Type>().write_batch(&[12_345, -5, 0], None, None),
            4 => next.typed::<Int64Type>().write_batch(&[1_781_258_400_500, 0, 1], None, None),
            5 => next.typed::<Int32Type>().write_batch(&[20_616, 0, 1], None, None),
            _ => next.typed::<ByteArrayType>().write_batch(&bytes([b"\x00\xff", b"", b"a"]), None, None),
        }
        .unwrap();
        next.close().unwrap();
    }
    rows.close().unwrap();
    writer.close().unwrap();
}

#[tokio::test(start_paused = true)]
async fn parquet_files_are_tables_too() {
    let (folder, cx) = folder(&[]);
    let path = folder.path().join("t.parquet");
    parquet_file(&path);
    let whole = options("parquet", &json!({}));
    assert_eq!(check("table_lookup", &whole, &Files(BTreeMap::new())), []);
    let transform = build("table_lookup", &whole, &cx).await;
    let keys = [json!("9007199254740993"), json!(2), json!(3), json!(4)];
    let expected = [
        r#"ok {"id":9007199254740993,"name":"Ann \"A\"","rate":1.5,"amount":123.45,"at":"2026-06-12T10:00:00.500Z","day":"2026-06-12","raw":"\\x00ff"}"#,
        r#"ok {"id":2,"name":"B","rate":null,"amount":-0.05,"at":"1970-01-01T00:00:00.000Z","day":"1970-01-01","raw":"\\x"}"#,
        r#"ok {"id":3,"name":null,"rate":3.0,"amount":0.00,"at":"1970-01-01T00:00:00.001Z","day":"1970-01-02","raw":"\\x61"}"#,
        "not_found ",
    ];
    assert_eq!(told(&*transform, &keys).await, expected);
    let some = options(
        "parquet",
        &json!({ "columns": ["name"], "key": ["day", "id"], "by": ["event.k.day", "event.k.id"] }),
    );
    let key = json!({ "day": "1970-01-02", "id": 3 });
    assert_eq!(told(&*build("table_lookup", &some, &cx).await, &[key]).await, [r#"ok {"name":null}"#]);

    let good = fs::read(&path).unwrap();
    for length in [0, 3, good.len() / 2, good.len() - 1] {
        fs::write(&path, &good[..length]).unwrap();
        later().await;
        assert_eq!(told(&*transform, &keys).await, expected, "the old table stays");
        let error = refusal(&whole, &cx).await;
        assert!(error.class() == ErrorClass::Config && error.to_string().contains("t.parquet: "), "{error}");
    }
    // Somewhere in the middle: whatever the reader makes of it, the look-up lives on.
    for place in (4..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[place] ^= 0xff;
        fs::write(&path, &bad).unwrap();
        later().await;
        assert_eq!(told(&*transform, &keys).await.len(), 4);
    }
    fs::write(&path, &good).unwrap();
    later().await;
    assert_eq!(told(&*transform, &keys).await, expected);
    let missing = options("parquet", &json!({ "key": "idd" }));
    let error = refusal(&missing, &cx).await;
    assert_eq!(
        (error.to_string().contains("no column `idd`"), error.help()),
        (true, Some("did you mean `id`?"))
    );
}
