//! Scripts: rules that change, split, route, drop or give up events.

use std::cell::Cell;

use bytes::Bytes;
use rhai::{Dynamic, Expr, Position};
use sluicebox_core::{DeadLetterError, Event, Located, Memory, Problem};
use smol_str::SmolStr;

use crate::compare::same;
use crate::effects::{self, Effects};
use crate::error::{RuleError, kind};
use crate::library::Surroundings;
use crate::lower::{self, NativeScript, Part, Projection, Tier};
use crate::outcome::{Emission, Emitted, ScriptOutcome};
use crate::program::{Program, at};
use crate::state::{Remembering, State, StateHandle};
use crate::view::Needs;
use crate::write::Unwritable;
use crate::{budget, cycles, limits, tree, view, write};

const LAST_VALUE_HELP: &str = "end the line with `;` to keep the event, or use `replace(map)`; a script's last value \
    is nothing, `true` or `event` (keep), `false` or `[]` (drop), a map literal (replace) or an array of maps";

/// A compiled script.
///
/// It changes `event` in place; its last value decides what goes on, together with `emit(map)`, `drop()`,
/// `to("output")`, `replace(map)` and `dead_letter("reason")`. An event that it leaves alone keeps its bytes; of a
/// changed one, whatever the script left alone does.
#[derive(Clone, Debug)]
pub struct Script {
    program: Program,
    outputs: Vec<SmolStr>,
    /// A script that remembers always runs in the interpreter.
    remembering: Option<Remembering>,
    native: Result<NativeScript, String>,
    /// What the interpreter must read of an event.
    reads: Projection,
    /// Whether the flat form may run, if there is one.
    is_flattened: bool,
}

impl Script {
    /// Compiles a script.
    ///
    /// # Errors
    /// What is wrong, with the place inside the text.
    pub fn compile(text: &Located) -> Result<Self, Problem> {
        Self::compile_within(text, &Surroundings::default())
    }

    /// Compiles a script of a pack, which may call the pack's functions and sees its arguments.
    ///
    /// # Errors
    /// What is wrong, with the place inside the text.
    pub fn compile_within(text: &Located, surroundings: &Surroundings<'_>) -> Result<Self, Problem> {
        let program = Program::script(text, surroundings)?;
        let outputs = outputs(&program)?;
        let remembering = surroundings.state.map(|state| Remembering::new(state, &program)).transpose()?;
        program.refuse_unknown_functions()?;
        let native = match remembering {
            None => NativeScript::compile(program.ast()),
            Some(_) => Err("it remembers".to_owned()),
        };
        let reads = Projection::of(program.ast());
        let reads = remembering.iter().fold(reads, |reads, remembering| remembering.add_to(reads));
        Ok(Self { program, outputs, remembering, native, reads, is_flattened: true })
    }

    /// How it runs.
    pub fn tier(&self) -> Tier {
        Tier::of(&self.native)
    }

    /// The same script, by the interpreter for every event, as if it had no native form.
    #[must_use]
    pub fn without_native(self) -> Self {
        Self { native: Err(lower::NOT_WANTED.to_owned()), ..self }
    }

    /// The same script, by the interpreter over the whole tree of every event: what all else is held against.
    #[must_use]
    pub fn interpreted(self) -> Self {
        Self { reads: Projection::default(), is_flattened: false, ..self.without_native() }
    }

    /// What the native form makes of an event, if there is one and it can tell.
    pub fn native_outcome(&self, event: &Event) -> Option<ScriptOutcome> {
        self.native.as_ref().ok()?.run(event)
    }

    /// The state that it declares, if it does.
    pub fn state(&self) -> Option<&State> {
        self.remembering.as_ref().map(|remembering| &remembering.state)
    }

    /// The named outputs: every `to("…")` of the text, sorted.
    pub fn outputs(&self) -> &[SmolStr] {
        &self.outputs
    }

    /// Runs it on one event. One that declares a state remembers nothing beyond it.
    ///
    /// # Errors
    /// The script failed on this event: a dead letter.
    pub fn run(&self, event: &Event) -> Result<ScriptOutcome, RuleError> {
        match self.state() {
            Some(state) => self.run_remembering(event, &mut Memory::new(state.max_entries())),
            None => self.run_over(event, None),
        }
    }

    /// Runs it on one event with what it remembers of those before. An event that becomes a dead letter changes nothing
    /// in the memory.
    ///
    /// # Errors
    /// The script failed on this event: a dead letter.
    pub fn run_remembering(&self, event: &Event, memory: &mut Memory) -> Result<ScriptOutcome, RuleError> {
        let ran = memory.attempt(|memory| {
            memory.advance(event.meta().time);
            match self.run_over(event, Some(memory)) {
                Ok(outcome) if outcome.dead_letter.is_none() => Ok(outcome),
                given_up => Err(Box::new(given_up)),
            }
        });
        ran.or_else(|given_up| *given_up)
    }

    /// What the flat form makes of an event, if there is one and nothing goes wrong.
    fn flat_outcome(&self, event: &Event) -> Option<ScriptOutcome> {
        let flat = self.program.flat().filter(|_| self.is_flattened)?;
        let text = event.json();
        let mut variables = flat.variables(&text)?;
        view::push_meta(&mut variables, event.meta(), self.program.needs());
        let (value, mut effects) = effects::collect(|| self.program.evaluate_flat(flat, &mut variables));
        cycles::cut(&variables);
        let log = std::mem::take(&mut effects.log);
        let run =
            Run { script: self, text, before: Before::Unread, touches_event: false, written: Cell::new(0) };
        let emitted = run.emitted(value?, Dynamic::UNIT, effects).ok()?;
        Some(ScriptOutcome { emitted, dead_letter: None, log })
    }

    /// The tree of an event, as far as it is needed, and what to compare with what becomes of it.
    fn before(&self, text: &Bytes, needs: Needs) -> Result<(Before<'_>, Dynamic), RuleError> {
        if !needs.event {
            return Ok((Before::Unread, Dynamic::UNIT));
        }
        if let Some((part, tree)) = self.reads.part(text) {
            return Ok((Before::Part(part), tree));
        }
        let tree = view::read(text)?;
        Ok((Before::Whole(tree.clone()), tree))
    }

    fn run_over(&self, event: &Event, memory: Option<&mut Memory>) -> Result<ScriptOutcome, RuleError> {
        if let Some(outcome) = self.native_outcome(event) {
            return Ok(outcome);
        }
        let _budget = budget::begin();
        if let Some(outcome) = self.flat_outcome(event) {
            return Ok(outcome);
        }
        let needs = self.program.needs();
        let text = event.json();
        let keys_need = self.remembering.as_ref().map(Remembering::needs).unwrap_or_default();
        let (before, tree) = self.before(&text, needs.and(keys_need))?;
        let mut keyed = if keys_need.event { tree.clone() } else { Dynamic::UNIT };
        let mut variables = view::script_variables(tree, event.meta(), needs);
        let (value, effects) = effects::collect(|| match (&self.remembering, memory) {
            (Some(remembering), Some(memory)) => {
                variables.push_constant(view::STATE, StateHandle);
                let evaluate = || self.program.evaluate(&mut variables);
                remembering.during(memory, (&mut keyed, event.meta()), evaluate)
            }
            _ => self.program.evaluate(&mut variables),
        });
        let changed = view::take_event(&mut variables);
        cycles::cut(&variables);
        let log = effects.log.clone();
        let value = match (value, &effects.dead_letter) {
            (Err(error), Some(reason)) => {
                let dead_letter = DeadLetterError { message: reason.clone(), help: None, ..error.into() };
                return Ok(ScriptOutcome { dead_letter: Some(dead_letter), log, ..ScriptOutcome::default() });
            }
            (value, _) => value?,
        };
        let run = Run { script: self, text, before, touches_event: needs.event, written: Cell::new(0) };
        let emitted = run.emitted(value, changed, effects)?;
        Ok(ScriptOutcome { emitted, dead_letter: None, log })
    }
}

/// What is known of the event as it came.
enum Before<'a> {
    Whole(Dynamic),
    Part(Part<'a>),
    Unread,
}

/// One run that ended without an error.
struct Run<'a> {
    script: &'a Script,
    text: Bytes,
    before: Before<'a>,
    touches_event: bool,
    /// Bytes of JSON so far.
    written: Cell<usize>,
}

impl Run<'_> {
    fn emitted(&self, value: Dynamic, event: Dynamic, effects: Effects) -> Result<Vec<Emission>, RuleError> {
        let mut emitted = Vec::with_capacity(effects.emitted.len() + 1);
        for map in effects.emitted {
            emitted.push(Emission { output: None, event: self.child(&Dynamic::from_map(map))? });
        }
        let output = effects.output;
        if let Some(name) = output.as_ref().filter(|name| !self.script.outputs.contains(name)) {
            let error = format!("the output `{name}` is not named by any `to(\"{name}\")` of the script");
            return Err(self.script.program.error(error));
        }
        let event = effects.replacement.map_or(event, Dynamic::from_map);
        let own = self.own(value, &event)?;
        if !effects.dropped {
            emitted.extend(own.into_iter().map(|event| Emission { output: output.clone(), event }));
        }
        Ok(emitted)
    }

    /// What the last value makes of the event.
    fn own(&self, value: Dynamic, event: &Dynamic) -> Result<Vec<Emitted>, RuleError> {
        match value.as_bool() {
            Ok(true) => return Ok(vec![self.kept(event)?]),
            Ok(false) => return Ok(Vec::new()),
            Err(_) => {}
        }
        if value.is_unit() {
            return Ok(vec![self.kept(event)?]);
        }
        if value.is_map() && value.tag() != tree::NESTED_TAG {
            return Ok(vec![self.changed(&value)?]);
        }
        if value.as_array_ref().is_ok_and(|array| array.iter().all(Dynamic::is_map)) {
            let maps = value.into_array().unwrap_or_default();
            return maps.iter().map(|map| self.child(map)).collect();
        }
        let found = if value.is_map() { "a map of the event" } else { kind(value.type_name()) };
        let message = format!("the script's last value is {found}, which says nothing about the event");
        Err(self.script.program.error(message).with_help(LAST_VALUE_HELP))
    }

    /// The event as the script left it.
    fn kept(&self, event: &Dynamic) -> Result<Emitted, RuleError> {
        if event.is_unit() && !self.touches_event {
            return Ok(Emitted::Unchanged);
        }
        self.changed(event)
    }

    fn changed(&self, event: &Dynamic) -> Result<Emitted, RuleError> {
        if !event.is_map() {
            let found = kind(event.type_name());
            return Err(self.script.program.error(format!("`event` must stay a map, found {found}")));
        }
        let json = match &self.before {
            Before::Whole(before) if same(before, event) => Ok(None),
            Before::Whole(before) => write::patched(&self.text, before, event),
            Before::Part(part) if tree::is_partial(event) => part.patched(event),
            Before::Part(_) | Before::Unread => write::patched(&self.text, &tree::unread_event(), event),
        };
        let json = json.map_err(|error| self.script.program.error(error.to_string()))?;
        Ok(json.map_or(Emitted::Unchanged, |json| Emitted::Changed(json.into())))
    }

    fn child(&self, map: &Dynamic) -> Result<Emitted, RuleError> {
        let left = limits::OUTPUT_BYTES.saturating_sub(self.written.get());
        let json = write::json_within(map, left).map_err(|error| match error {
            Unwritable::Size(_) => self.too_much(),
            error => self.script.program.error(error.to_string()),
        })?;
        self.written.set(self.written.get() + json.len());
        Ok(Emitted::Child(json.into()))
    }

    fn too_much(&self) -> RuleError {
        let most = limits::mebibytes(limits::OUTPUT_BYTES);
        let message = format!("the events that the rule made are larger than {most} together");
        self.script.program.error(message).with_help("emit fewer or smaller events")
    }
}

/// The text of every `to("…")`; anything else there could not be wired.
///
/// # Errors
/// The place of a `to` that is called otherwise.
pub(crate) fn outputs(program: &Program) -> Result<Vec<SmolStr>, Problem> {
    let mut outputs: Vec<SmolStr> = Vec::new();
    let mut wrong = None;
    program.calls(&mut |name, arguments, position: Position| match (name, arguments) {
        ("to", [Expr::StringConstant(output, _)]) => outputs.push(output.as_str().into()),
        ("to", [_]) => wrong = wrong.or(Some(position)),
        _ => {}
    });
    if let Some(position) = wrong {
        let problem = Problem::new("", "`to` takes the name of an output as literal text");
        return Err(at(problem.with_help("call it in the branches of an `if`: `to(\"large\")`"), position));
    }
    outputs.sort();
    outputs.dedup();
    Ok(outputs)
}
