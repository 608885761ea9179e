//! The table of tasks in three languages: what stands in its last column is run over an event and compared.
//!
//! `docs/from-vrl-and-bloblang.jsonl` says for each row, by its task, what the cell `is` (`script`, `value`, `condition`,
//! `transform`), an `event`, and what it `gives`: a list of outcomes, texts as the guide writes them or JSON.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::page::{rows, spans};
use crate::pipeline;
use crate::rule::{Kind, outcome};

/// Stands for a value that is another one each time.
const ANY: &str = "…";

/// The head of the last column.
const LAST: &str = "Sluicebox";

pub(crate) fn assert_right(page: &str, cases: &str) {
    let case = |line| -> (String, Value) {
        let case: Value = serde_json::from_str(line).unwrap();
        (case["task"].as_str().unwrap().to_owned(), case)
    };
    let mut cases: BTreeMap<String, Value> = cases.lines().map(case).collect();
    let rows = rows(page, LAST);
    assert!(rows.len() >= 40, "only {} rows", rows.len());
    let mut wrong = Vec::new();
    for row in rows {
        let [task, _, _, cell] = &row[..] else { panic!("not four cells: {row:?}") };
        let case = cases.remove(task).unwrap_or_else(|| panic!("no case for the row `{task}`"));
        let code = spans(cell).first().copied().unwrap_or_else(|| panic!("no code in `{cell}`"));
        let event = case["event"].to_string();
        let lines = match case["is"].as_str().unwrap() {
            "script" => outcome(Kind::Script, code, &event),
            "value" => outcome(Kind::Value, code, &event),
            "condition" => outcome(Kind::Condition, code, &event),
            "transform" => {
                let text = format!("transforms:\n  t: {{ inputs: [marketplace], {code} }}\n");
                pipeline::outcome(&text, &[&event])
            }
            other => panic!("`{task}` is {other}"),
        };
        let wanted = case["gives"].as_array().unwrap();
        let same = |(line, wanted): (&String, &Value)| {
            wanted.as_str() == Some(line)
                || wanted == ANY && !line.starts_with("error: ")
                || serde_json::from_str::<Value>(line).is_ok_and(|line| line == *wanted)
        };
        if lines.len() != wanted.len() || !lines.iter().zip(wanted).all(same) {
            wrong.push(format!("{task}: `{code}` of {event} gives {lines:?}, not {wanted:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.is_empty(), "cases without a row: {:?}", cases.keys());
}
