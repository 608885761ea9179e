//! The examples of a pack, run as its tests.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value};
use sluicebox_core::{Event, Memory, Meta, Problem};
use sluicebox_rules::{Emitted, Script};

use super::declaration::Example;
use super::pack::Pack;

/// What the main output is called.
const MAIN: &str = "main";

/// What came of an event: the events by output, or the message of its dead letter.
type Outcome = Result<BTreeMap<String, Vec<Value>>, String>;

/// Runs the examples of one script of a pack.
///
/// # Errors
/// The first that gives something else than it says.
pub(super) fn run(pack: &Pack<'_>, script: &str) -> Result<(), Vec<Problem>> {
    let declared = pack.script(script).map_err(|problem| vec![problem])?;
    for example in &declared.examples {
        let keys = [format!("{script}:"), format!("name: {}", example.name)];
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let at = |message: String| vec![pack.at(&keys, format!("the example `{}` {message}", example.name))];
        let compiled = pack.compile(script, &example.with, &declared.state).map_err(|problems| {
            let first = problems.into_iter().next();
            match first {
                // A fault of its script has a place of its own.
                Some(problem) if problem.file.is_some() => vec![problem],
                Some(problem) => at(format!("cannot be run: {}", problem.message)),
                None => at("cannot be run".to_owned()),
            }
        })?;
        if let Some(difference) = difference(example, outcome(&compiled, example)) {
            return Err(at(difference));
        }
    }
    Ok(())
}

fn outcome(script: &Script, example: &Example) -> Outcome {
    let read = |event: &Map<String, Value>| {
        let text = Bytes::from(Value::Object(event.clone()).to_string());
        let meta =
            Meta { event_type: example.meta_type.as_str().into(), ..Meta::new("example", "example", "1") };
        Event::parse(&text, meta).map_err(|error| error.to_string())
    };
    let mut memory = script.state().map(|state| Memory::new(state.max_entries()));
    let mut run = |event: &Event| {
        let outcome = match &mut memory {
            Some(memory) => script.run_remembering(event, memory),
            None => script.run(event),
        };
        outcome.map_err(|error| error.to_string())
    };
    for event in &example.before {
        run(&read(event)?)?;
    }
    let event = read(&example.event)?;
    let text = event.json();
    let outcome = run(&event)?;
    if let Some(letter) = outcome.dead_letter {
        return Err(letter.message);
    }
    let mut outputs: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for emission in outcome.emitted {
        let json = match &emission.event {
            Emitted::Unchanged => &text,
            Emitted::Changed(json) | Emitted::Child(json) => json,
        };
        let value = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let output = emission.output.map_or_else(|| MAIN.to_owned(), |output| output.to_string());
        outputs.entry(output).or_default().push(value);
    }
    Ok(outputs)
}

/// What is different from what the example says; `None`: nothing.
fn difference(example: &Example, outcome: Outcome) -> Option<String> {
    match (&example.dead_letter, outcome) {
        (Some(part), Err(message)) if message.contains(part.as_str()) => None,
        (Some(part), Err(message)) => {
            Some(format!("gives a dead letter with `{message}`, not with `{part}`"))
        }
        (Some(_), Ok(outputs)) => Some(format!("gives {}, and no dead letter", shown(&outputs))),
        (None, Err(message)) => Some(format!("gives a dead letter: {message}")),
        (None, Ok(outputs)) => {
            let mut expected = example.expect.clone();
            expected.retain(|_, events| !events.is_empty());
            (!same(&outputs, &expected))
                .then(|| format!("gives {}, expected {}", shown(&outputs), shown(&expected)))
        }
    }
}

fn shown(outputs: &BTreeMap<String, Vec<Value>>) -> String {
    if outputs.is_empty() { "nothing".to_owned() } else { serde_json::json!(outputs).to_string() }
}

fn same(outputs: &BTreeMap<String, Vec<Value>>, expected: &BTreeMap<String, Vec<Value>>) -> bool {
    let equal = |(name, events): (&String, &Vec<Value>)| {
        expected.get(name).is_some_and(|expected| {
            events.len() == expected.len() && events.iter().zip(expected).all(|(a, b)| equal(a, b))
        })
    };
    outputs.len() == expected.len() && outputs.iter().all(equal)
}

/// Equal as JSON, where `1` and `1.0` are one number.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| equal(value, other)))
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_packs_do_what_their_examples_say() {
        let packs = Pack::shipped();
        assert_eq!(packs.iter().map(|pack| pack.name.as_str()).collect::<Vec<_>>(), ["chat", "money"]);
        for pack in &packs {
            for script in pack.declaration.scripts.keys() {
                assert_eq!(run(pack, script), Ok(()), "{}/{script}", pack.name);
            }
        }
    }
}
