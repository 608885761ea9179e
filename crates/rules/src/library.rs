//! What a script of a pack has beside its text: functions that the scripts of the pack share, and arguments.

use std::collections::BTreeSet;

use rhai::Dynamic;
use serde_json::{Map, Value};
use sluicebox_core::{Located, Problem};

use crate::program::Program;
use crate::state::State;
use crate::{script, tree};

/// Functions that several scripts share.
#[derive(Clone, Debug)]
pub struct Library {
    /// Every line ended.
    pub(crate) text: String,
    /// Where it begins, without the text.
    pub(crate) place: Located,
    /// Their names.
    pub(crate) names: BTreeSet<String>,
}

impl Library {
    /// Compiles functions.
    ///
    /// # Errors
    /// What is wrong, with the place inside the text; also what is no function.
    pub fn compile(located: &Located) -> Result<Self, Problem> {
        let functions = Program::functions(located)?;
        script::outputs(&functions)?;
        let mut text = located.text.clone();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let place = Located { text: String::new(), ..located.clone() };
        Ok(Self { text, place, names: functions.function_names() })
    }

    pub(crate) fn lines(&self) -> usize {
        self.text.matches('\n').count()
    }
}

/// What surrounds a script.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'s> {
    /// Functions that it may call beside its own.
    pub library: Option<&'s Library>,
    /// What it sees as the constant map `args`; `None`: there is no such name.
    pub arguments: Option<&'s Map<String, Value>>,
    /// What it declares to remember; `None`: there is no `state`.
    pub state: Option<&'s State>,
}

impl Surroundings<'_> {
    pub(crate) fn arguments(&self) -> Option<Dynamic> {
        let json = serde_json::to_vec(self.arguments?).ok()?;
        tree::read_value(&json).ok()
    }
}
