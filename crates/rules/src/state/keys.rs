//! The declared keys of one event: what `key:` gives for it.
//!
//! They are taken from the event as it came, before the script runs: what the script changes does not move its counts.
//! A key that is nothing but a path is looked up; anything else is a rule and runs as one.

use rhai::{Dynamic, Expr};
use sluicebox_core::{Memory, Meta};
use smol_str::SmolStr;

use super::{Declared, State};
use crate::error::kind;
use crate::limits;
use crate::lower::Projection;
use crate::program::Program;
use crate::view::{self, EVENT, META, Needs};

/// The key of an event, or why there is none; `None` where no call asks for it.
pub(super) type Key = Option<Result<SmolStr, String>>;

/// How a declared key is found.
#[derive(Debug)]
pub(super) enum KeyRule {
    /// `event.data.userId`
    Event(Vec<SmolStr>),
    /// `meta.key`
    Meta(fn(&Meta) -> &str),
    /// Anything else.
    Rule(Box<Program>),
}

impl KeyRule {
    pub(super) fn new(program: Program) -> Self {
        match program.only_expression().and_then(path).as_ref().and_then(|(base, path)| known(base, path)) {
            Some(rule) => rule,
            None => Self::Rule(Box::new(program)),
        }
    }

    pub(super) fn needs(&self) -> Needs {
        match self {
            Self::Event(_) => Needs { event: true, meta: false },
            Self::Meta(_) => Needs::default(),
            Self::Rule(program) => program.needs(),
        }
    }

    /// A projection with what it reads.
    pub(super) fn add_to(&self, reads: Projection) -> Projection {
        match self {
            Self::Event(path) => reads.and_path(path),
            Self::Meta(_) => reads,
            Self::Rule(program) => reads.and(program.ast()),
        }
    }

    /// The key, if it takes no rule to find it.
    fn plain(&self, declared: &Declared, event: &Dynamic, meta: &Meta) -> Key {
        Some(match self {
            Self::Event(path) => {
                let key = found(event, path, |value| of_value(declared, value));
                let in_the_way =
                    || Err(format!("the key of `{}` leads through something that is no map", declared.name));
                key.unwrap_or_else(in_the_way)
            }
            Self::Meta(field) => of_text(declared, field(meta)),
            Self::Rule(_) => return None,
        })
    }
}

/// What stands in front of the first dot, and the names behind the dots.
fn path(expression: &Expr) -> Option<(SmolStr, Vec<SmolStr>)> {
    let Expr::Dot(pair, ..) = expression else { return None };
    let Expr::Variable(variable, ..) = &pair.lhs else { return None };
    let mut names = Vec::new();
    let mut rest = &pair.rhs;
    while let Expr::Dot(pair, ..) = rest {
        names.push(name(&pair.lhs)?);
        rest = &pair.rhs;
    }
    names.push(name(rest)?);
    Some((variable.1.as_str().into(), names))
}

fn name(expression: &Expr) -> Option<SmolStr> {
    match expression {
        Expr::Property(property, _) => Some(property.2.as_str().into()),
        _ => None,
    }
}

fn known(base: &str, path: &[SmolStr]) -> Option<KeyRule> {
    match (base, path) {
        (EVENT, _) => Some(KeyRule::Event(path.to_vec())),
        (META, [field]) => {
            let field: fn(&Meta) -> &str = match field.as_str() {
                "id" => |meta| &meta.id,
                "type" => |meta| &meta.event_type,
                "source" => |meta| &meta.source,
                "account" => |meta| &meta.account,
                "key" => |meta| &meta.key,
                _ => return None,
            };
            Some(KeyRule::Meta(field))
        }
        _ => None,
    }
}

/// The value at a path; `None` if something that is no map is in the way.
fn found<T>(event: &Dynamic, path: &[SmolStr], on_found: impl FnOnce(&Dynamic) -> T) -> Option<T> {
    let [name, rest @ ..] = path else { return Some(on_found(event)) };
    if event.is_unit() {
        return Some(on_found(event));
    }
    let map = event.as_map_ref().ok()?;
    found(map.get(name.as_str()).unwrap_or(&Dynamic::UNIT), rest, on_found)
}

/// The keys of all names for an event; `original` is lent to the rules and given back.
pub(super) fn of(state: &State, used: &[bool], original: &mut Dynamic, meta: &Meta) -> Vec<Key> {
    let (mut keys, mut rules) = (Vec::with_capacity(used.len()), Vec::new());
    for (index, (declared, used)) in state.names.iter().zip(used).enumerate() {
        keys.push(match &declared.key {
            _ if !used => None,
            None => Some(Ok(SmolStr::default())),
            Some(rule) => rule.plain(declared, original, meta),
        });
        if let (Some(KeyRule::Rule(rule)), true) = (&declared.key, *used) {
            rules.push((index, rule));
        }
    }
    if !rules.is_empty() {
        let needs = rules.iter().fold(Needs::default(), |needs, (_, rule)| needs.and(rule.needs()));
        let mut scope = view::constants(std::mem::take(original), meta, needs);
        for (index, rule) in rules {
            let declared = &state.names[index];
            keys[index] = Some(match rule.evaluate(&mut scope) {
                Ok(value) => of_value(declared, &value),
                Err(error) => Err(format!("the key of `{}` failed: {error}", declared.name)),
            });
        }
        *original = scope.remove(EVENT).unwrap_or_default();
    }
    keys
}

/// A value as a key: text as it is, numbers and truth as text.
///
/// # Errors
/// It is missing, of another kind or too long.
pub(super) fn of_value(declared: &Declared, value: &Dynamic) -> Result<SmolStr, String> {
    let name = &declared.name;
    if let Ok(text) = value.as_immutable_string_ref() {
        return of_text(declared, &text);
    }
    if value.is_int() || value.is_float() || value.is_decimal() || value.is_bool() {
        return of_text(declared, &value.to_string());
    }
    Err(if value.is_unit() {
        format!("the key of `{name}` is missing: give a default with `??`, or ask first whether it is there")
    } else {
        format!("the key of `{name}` must be text or a number, found {}", kind(value.type_name()))
    })
}

fn of_text(declared: &Declared, text: &str) -> Result<SmolStr, String> {
    let name = &declared.name;
    if text.len() > limits::STATE_KEY_BYTES {
        let most = limits::STATE_KEY_BYTES;
        return Err(format!("the key of `{name}` is longer than {most} bytes: use a hash of it"));
    }
    if text.contains(Memory::GROUP_END) {
        return Err(format!("the key of `{name}` holds the character U+001F, which no key may hold"));
    }
    Ok(text.into())
}
