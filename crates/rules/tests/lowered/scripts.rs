//! Random scripts: fields set, moved, taken out, maps made, branches, endings, and what has no native form.

use std::fmt::Write;

use crate::chance::Chance;
use crate::conditions::{calm, path, text, value};
use crate::events::NAMES;

/// The text of a script.
pub(crate) fn script(chance: &mut Chance) -> String {
    let mut script = String::new();
    if chance.once_in(4) {
        (0..chance.below(3)).for_each(|_| reading(chance, &mut script));
    } else {
        statements(chance, &mut script, 0);
    }
    match chance.below(12) {
        0 => script.push_str("event"),
        1 => script.push_str(&calm(chance)),
        2 => script.push_str(chance.pick(&["true", "false", "()"])),
        3 | 4 => script.push_str(&map(chance, 0)),
        5 => write!(script, "if {} {{ {} }}", calm(chance), chance.pick(&["false", "true", "", "event"]))
            .unwrap(),
        _ => {}
    }
    script
}

fn statements(chance: &mut Chance, script: &mut String, depth: usize) {
    for _ in 0..=chance.below(3) {
        statement(chance, script, depth);
    }
}

fn statement(chance: &mut Chance, script: &mut String, depth: usize) {
    match chance.below(if depth < 2 { 17 } else { 14 }) {
        0..=5 => write!(script, "{} = {}; ", place(chance), assigned(chance)).unwrap(),
        6 | 7 => write!(script, "{} = {}; ", place(chance), map(chance, 1)).unwrap(),
        8 | 9 => write!(script, "{} = {}; ", place(chance), removal(chance)).unwrap(),
        10 | 11 => write!(script, "{}; ", removal(chance)).unwrap(),
        12 => match chance.below(12) {
            0 => script.push_str("drop(); "),
            1 => script.push_str("to(\"b\"); "),
            2 => script.push_str("event = #{ a: event.b }; "),
            3 => script.push_str("dead_letter(\"no\"); "),
            _ => write!(script, "{} = {}; ", place(chance), path(chance)).unwrap(),
        },
        13 => beyond_native(chance, script),
        _ => {
            write!(script, "if {} {{ ", calm(chance)).unwrap();
            statements(chance, script, depth + 1);
            if chance.once_in(6) {
                script.push_str(chance.pick(&["return; ", "return false; ", "throw \"x\"; ", "to(\"a\"); "]));
            }
            script.push_str("} ");
            if chance.once_in(2) {
                script.push_str("else { ");
                statements(chance, script, depth + 1);
                script.push_str("} ");
            }
        }
    }
}

/// What only reads the event.
fn reading(chance: &mut Chance, script: &mut String) {
    let path = path(chance);
    match chance.below(7) {
        0 => write!(script, "let x = {path}; x += 1; log(`${{x}}`); "),
        1 => write!(script, "if {} {{ emit({}); }} ", calm(chance), map(chance, 0)),
        2 => write!(script, "let x = {path}; if x.contains(\"a\") {{ x.remove(\"a\"); replace(x); }} "),
        3 => write!(script, "for item in {path} {{ log(item.to_string()); }} "),
        4 => write!(script, "let y = {path}[0]; log(`${{y}} ${{{path}.len()}}`); "),
        5 => write!(script, "if {} {{ drop(); }} ", calm(chance)),
        _ => write!(script, "log({path}.to_upper()); "),
    }
    .unwrap();
}

/// What only the interpreter does.
fn beyond_native(chance: &mut Chance, script: &mut String) {
    let (path, place) = (path(chance), place(chance));
    match chance.below(12) {
        0 => write!(script, "let x = {path}; x = {}; {place} = x; ", assigned(chance)),
        1 => write!(script, "let x = {path}; x.remove(\"{}\"); ", chance.pick(&NAMES)),
        2 => write!(script, "if {path}.contains(\"{}\") {{ {place} = 1; }} ", chance.pick(&NAMES)),
        3 => write!(script, "if \"{}\" in {path} {{ {place} = 1; }} ", chance.pick(&NAMES)),
        4 => write!(script, "for name in [\"a\", \"b\"] {{ {path}[name] = 1; }} "),
        5 => write!(script, "for item in {path} {{ {place} = item; }} "),
        6 => write!(script, "emit({}); ", map(chance, 0)),
        7 => write!(script, "replace({}); ", map(chance, 0)),
        8 => write!(script, "let f = |x| event.b == x; {place} = f.call({path}); "),
        9 => write!(script, "let event = {}; ", map(chance, 0)),
        10 => write!(script, "try {{ {place} = {path}.len(); }} catch {{ {place} = \"?\"; }} "),
        _ => write!(script, "{path}.set({}); {place} += 1; ", assigned(chance)),
    }
    .unwrap();
}

fn assigned(chance: &mut Chance) -> String {
    match chance.below(6) {
        0..=2 => path(chance),
        3 => text(chance),
        4 => chance.pick(&["1", "true", "()", "2.50", "meta.type", "event.n ?? 0"]).to_owned(),
        _ => value(chance, 1),
    }
}

/// A field to change: mostly one of the event itself.
fn place(chance: &mut Chance) -> String {
    let mut place = "event".to_owned();
    let steps = [1, 1, 1, 1, 1, 1, 2, 2, 3][chance.below(9)];
    for step in 1..=steps {
        let is_inside = step < steps && !chance.once_in(8);
        let name = match chance.below(4) {
            _ if is_inside => chance.pick(&["b", "c"]),
            0 => chance.pick(&["new", "z", "0"]),
            _ => chance.pick(&NAMES),
        };
        if name.chars().all(char::is_alphabetic) && name.is_ascii() && name != "new" {
            write!(place, ".{name}").unwrap();
        } else {
            write!(place, "[\"{name}\"]").unwrap();
        }
    }
    place
}

fn removal(chance: &mut Chance) -> String {
    let around = if chance.once_in(4) { path(chance) } else { "event".to_owned() };
    format!("{around}.remove(\"{}\")", chance.pick(&NAMES))
}

fn map(chance: &mut Chance, depth: usize) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut map = "#{".to_owned();
    for _ in 0..chance.below(5) {
        let name = chance.pick(&NAMES);
        if names.contains(&name) {
            continue;
        }
        names.push(name);
        let value = match chance.below(6) {
            0 if depth < 2 => map_inside(chance, depth),
            1 => text(chance),
            _ => assigned(chance),
        };
        write!(map, "{}\"{name}\": {value}", if names.len() > 1 { ", " } else { "" }).unwrap();
    }
    map.push('}');
    map
}

fn map_inside(chance: &mut Chance, depth: usize) -> String {
    map(chance, depth + 1)
}
