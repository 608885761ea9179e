//! Random events: fields absent, null, of other types, repeated, escaped; numbers and texts at the edges.

use std::fmt::Write;

use crate::chance::Chance;

/// Names of fields; rules read the same.
pub(crate) const NAMES: [&str; 7] = ["a", "b", "c", "type", "text", "n", "ü"];

const NUMBERS: [&str; 24] = [
    "0",
    "-0",
    "1",
    "1.0",
    "-1",
    "2",
    "5",
    "1e2",
    "1E-2",
    "1.10",
    "0.1",
    "0.30000000000000004",
    "-0.0",
    "100",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "18446744073709551615",
    "123456789012345678",
    "1234567890123456789012",
    "1e308",
    "1e-400",
    "5e-324",
    "10000000000000000.5",
];

const TEXTS: [&str; 26] = [
    "",
    "a",
    "b",
    "refund",
    "Refund",
    "a refund please",
    "re\\u0066und",
    "\\u0061",
    "\\ud83d\\ude00",
    "😀",
    "é",
    "É",
    "ß",
    "İ",
    "ǅ",
    "\\\"",
    "\\\\",
    "\\n",
    "\\/",
    "payment.paid",
    "payment.\\u0070aid",
    " a ",
    "\\u000ba",
    "1",
    "true",
    "ΑΣ",
];

/// What no tree can hold.
const UNREADABLE: [&str; 5] = ["1e400", "-1e999", "\"\\ud800\"", "\"\\ude00x\"", "\"\\ud83d\\u0061\""];

/// The JSON text of an event.
pub(crate) fn event(chance: &mut Chance) -> String {
    let mut text = String::new();
    if chance.once_in(20) {
        blank(chance, &mut text);
    }
    map(chance, &mut text, 0);
    text
}

fn map(chance: &mut Chance, text: &mut String, depth: usize) {
    text.push('{');
    let mut used: Vec<&str> = Vec::new();
    for index in 0..chance.below(7) {
        if index > 0 {
            text.push(',');
        }
        blank(chance, text);
        let mut name = chance.pick(&NAMES);
        while used.contains(&name) && !chance.once_in(12) {
            name = chance.pick(&NAMES);
        }
        used.push(name);
        if chance.once_in(30) {
            text.push('"');
            name.encode_utf16().for_each(|unit| write!(text, "\\u{unit:04x}").unwrap());
            text.push('"');
        } else {
            write!(text, "\"{name}\"").unwrap();
        }
        blank(chance, text);
        text.push(':');
        blank(chance, text);
        // Maps stand where rules look inside.
        if matches!(name, "b" | "c") && depth < 3 && !chance.once_in(4) {
            map(chance, text, depth + 1);
        } else {
            value(chance, text, depth + 1);
        }
        blank(chance, text);
    }
    text.push('}');
}

fn value(chance: &mut Chance, text: &mut String, depth: usize) {
    match chance.below(if depth < 4 { 20 } else { 13 }) {
        0 => text.push_str("null"),
        1 => text.push_str("true"),
        2 => text.push_str("false"),
        3..=6 => text.push_str(chance.pick(&NUMBERS)),
        7..=11 => write!(text, "\"{}\"", chance.pick(&TEXTS)).unwrap(),
        12 if chance.once_in(12) => text.push_str(chance.pick(&UNREADABLE)),
        12 if chance.once_in(40) => {
            // Not near the limit: the interpreter looks now and then only how deep a script has nested a value.
            let levels = [20, 60, 100, 130][chance.below(4)];
            write!(text, "{}{}", "[".repeat(levels), "]".repeat(levels)).unwrap();
        }
        12 => text.push_str("[]"),
        13 => list(chance, text, depth),
        _ => map(chance, text, depth),
    }
}

fn list(chance: &mut Chance, text: &mut String, depth: usize) {
    text.push('[');
    for index in 0..chance.below(4) {
        if index > 0 {
            text.push(',');
        }
        value(chance, text, depth + 1);
    }
    text.push(']');
}

fn blank(chance: &mut Chance, text: &mut String) {
    if chance.once_in(15) {
        text.push_str(chance.pick(&[" ", "\n", "\t ", "  "]));
    }
}
