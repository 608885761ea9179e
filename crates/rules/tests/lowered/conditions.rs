//! Random conditions, of what is lowered and a little of what is not.

use std::fmt::Write;

use crate::chance::Chance;
use crate::events::NAMES;

const TEXTS: [&str; 13] =
    ["", "a", "b", "refund", "Refund", "payment.paid", "é", "ß", "😀", "\\\"", "1", " a ", "a refund please"];
const NUMBERS: [&str; 12] = [
    "0",
    "1",
    "-1",
    "2",
    "5",
    "1.0",
    "0.3",
    "100",
    "100.0",
    "9223372036854775807",
    "1.1",
    "123456789012345678",
];

/// An expression that is often true or false.
pub(crate) fn condition(chance: &mut Chance, depth: usize) -> String {
    match chance.below(if depth > 2 { 13 } else { 18 }) {
        0..=5 => {
            let (left, by, right) = (value(chance, depth), comparison(chance), value(chance, depth));
            format!("{left} {by} {right}")
        }
        6 => format!("{} in {}", value(chance, depth), list(chance)),
        7 => format!("{} {} {}", text(chance), chance.pick(&["in", "!in"]), path(chance)),
        8..=10 => {
            let method = chance.pick(&["contains", "starts_with", "ends_with"]);
            format!("{}.{method}({})", subject(chance), text(chance))
        }
        11 => {
            let question = chance.pick(&[
                "is_missing",
                "is_text",
                "is_number",
                "is_bool",
                "is_list",
                "is_map",
                "is_empty",
                "contains",
            ]);
            if question == "contains" {
                format!("contains({}, {})", path(chance), text(chance))
            } else {
                format!("{question}({})", path(chance))
            }
        }
        12 if chance.once_in(4) => path(chance),
        12 => chance.pick(&["true", "false", "meta.type == \"payment.paid\"", "\"a\" in event"]).to_owned(),
        13 => format!("!({})", condition(chance, depth + 1)),
        14 => format!("({}) ?? {}", path(chance), chance.pick(&["true", "false", "event.b"])),
        kind => {
            let by = if kind == 15 { " || " } else { " && " };
            let parts = 2 + chance.below(2);
            let parts: Vec<String> =
                (0..parts).map(|_| format!("({})", condition(chance, depth + 1))).collect();
            parts.join(by)
        }
    }
}

/// A condition that hardly ever fails.
pub(crate) fn calm(chance: &mut Chance) -> String {
    let name = chance.pick(&["a", "n", "type", "text"]);
    match chance.below(6) {
        0 => format!("event.{name} == {}", text(chance)),
        1 => format!("event.{name} {} {}", comparison(chance), chance.pick(&NUMBERS)),
        2 => format!("is_missing(event.{name})"),
        3 => format!("\"{name}\" in event"),
        4 => chance.pick(&["meta.type == \"payment.paid\"", "meta.key != \"a\"", "true", "false"]).to_owned(),
        _ => condition(chance, 1),
    }
}

fn comparison(chance: &mut Chance) -> &'static str {
    chance.pick(&["==", "==", "==", "!=", "<", "<=", ">", ">="])
}

/// Something to compare.
pub(crate) fn value(chance: &mut Chance, depth: usize) -> String {
    match chance.below(14) {
        0..=4 => path(chance),
        5..=6 => text(chance),
        7..=8 => (*chance.pick(&NUMBERS)).to_owned(),
        9 => chance.pick(&["true", "false", "()", "'a'"]).to_owned(),
        10 => format!("{}.{}()", subject(chance), function(chance)),
        11 if depth < 3 => format!("({} ?? {})", path(chance), value(chance, depth + 1)),
        12 => format!("{}({})", function(chance), subject(chance)),
        _ => match chance.below(3) {
            0 => format!("({} + {})", path(chance), path(chance)),
            1 => format!("({} + {})", path(chance), text(chance)),
            _ => chance
                .pick(&[
                    "meta.type",
                    "meta.id",
                    "meta.key",
                    "meta.account",
                    "meta.time",
                    "meta.lookups.x.status",
                    "meta.lookups.none.status",
                    "meta.lookups",
                    "event",
                    "event.a[0]",
                ])
                .to_owned(),
        },
    }
}

fn function(chance: &mut Chance) -> &'static str {
    chance.pick(&["len", "to_lower", "to_upper", "trim", "is_empty", "to_string"])
}

/// A path of the event.
pub(crate) fn path(chance: &mut Chance) -> String {
    let mut path = "event".to_owned();
    let steps = [1, 1, 1, 1, 2, 2, 2, 3][chance.below(8)];
    for step in 1..=steps {
        let is_inside = step < steps && !chance.once_in(8);
        let name = if is_inside { chance.pick(&["b", "c"]) } else { chance.pick(&NAMES) };
        match chance.below(6) {
            _ if !name.is_ascii() => write!(path, "[\"{name}\"]").unwrap(),
            0 => write!(path, "[\"{name}\"]").unwrap(),
            1 => write!(path, "?.{name}").unwrap(),
            _ => write!(path, ".{name}").unwrap(),
        }
    }
    path
}

/// What a method is called on: often a text.
fn subject(chance: &mut Chance) -> String {
    if chance.once_in(3) { path(chance) } else { format!("({} ?? {})", path(chance), text(chance)) }
}

/// A literal text.
pub(crate) fn text(chance: &mut Chance) -> String {
    format!("\"{}\"", chance.pick(&TEXTS))
}

fn list(chance: &mut Chance) -> String {
    let items: Vec<String> = (0..chance.below(4))
        .map(|_| match chance.below(8) {
            0..=4 => text(chance),
            5..=6 => (*chance.pick(&NUMBERS)).to_owned(),
            _ => chance.pick(&["true", "()", "event.a", "'a'"]).to_owned(),
        })
        .collect();
    format!("[{}]", items.join(", "))
}
