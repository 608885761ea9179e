//! A native script run over one event.

use smol_str::SmolStr;

use super::draft::Draft;
use super::node::Node;
use super::scan::{Native, Token, Unusual};
use super::script::{Ending, Step};
use super::value::Value;

/// What a run decided beside the changes of the draft.
#[derive(Debug, Default)]
pub(super) struct Decided {
    /// It does not go on.
    pub(super) is_dropped: bool,
    /// Where it goes on.
    pub(super) output: Option<SmolStr>,
}

impl Draft<'_> {
    /// Runs a script; true: it is over.
    pub(super) fn run(&mut self, steps: &[Step], decided: &mut Decided) -> Native<bool> {
        for step in steps {
            match step {
                Step::Set(target, node) => {
                    let value = self.evaluate(node)?;
                    self.set(*target, value)?;
                }
                Step::Make { target, maps, values } => self.make_all(*target, maps, values)?,
                Step::Move { target, from, value } => {
                    let value = self.evaluate(value)?;
                    self.remove(*from)?;
                    self.set(*target, value)?;
                }
                Step::Remove(from) => self.remove(*from)?,
                Step::If(condition, then, otherwise) => {
                    let steps = if condition.truth(self)? { then } else { otherwise };
                    if self.run(steps, decided)? {
                        return Ok(true);
                    }
                }
                Step::Drop => decided.is_dropped = true,
                Step::To(output) => decided.output = Some(output.clone()),
                Step::End(Ending::Keep) => return Ok(true),
                Step::End(Ending::Decide(node)) => {
                    let is_kept = match node.value(self)? {
                        Value::Unit => true,
                        Value::Bool(is_kept) => is_kept,
                        _ => return Err(Unusual),
                    };
                    decided.is_dropped |= !is_kept;
                    return Ok(true);
                }
                Step::Interpret => return Err(Unusual),
            }
        }
        Ok(false)
    }

    /// A new map; its values are what they were before it took the place of anything.
    fn make_all(&mut self, target: usize, maps: &[usize], values: &[(usize, Node)]) -> Native<()> {
        let written: Vec<Token> =
            values.iter().map(|(_, node)| self.evaluate(node)).collect::<Native<_>>()?;
        self.make(target)?;
        for map in maps {
            self.make(*map)?;
        }
        for ((name, _), value) in values.iter().zip(written) {
            self.set(*name, value)?;
        }
        Ok(())
    }
}
