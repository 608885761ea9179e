//! The state while a script runs on this thread.
//!
//! Evaluation is synchronous and the engine is shared, so the memory is lent to a thread-local between the start of a
//! run and its end, as effects are; whatever happens in between, it is given back.

use std::cell::RefCell;

use rhai::{Dynamic, EvalAltResult};
use sluicebox_core::Memory;

use super::entries::Place;
use super::keys::{self, Key};
use super::{Operation, State};

struct Session {
    state: State,
    keys: Vec<Key>,
    memory: Memory,
}

thread_local! {
    static SESSION: RefCell<Option<Session>> = const { RefCell::new(None) };
}

/// Runs `evaluate`, which may call the functions of `state`.
pub(super) fn lend<T>(state: &State, keys: Vec<Key>, memory: &mut Memory, evaluate: impl FnOnce() -> T) -> T {
    let lent = std::mem::replace(memory, Memory::new(0));
    SESSION.set(Some(Session { state: state.clone(), keys, memory: lent }));
    let value = evaluate();
    if let Some(session) = SESSION.take() {
        *memory = session.memory;
    }
    value
}

/// A call of `state.OPERATION(name, …)`.
///
/// # Errors
/// The name is not declared, the arguments do not fit it, or the value does not.
pub(crate) fn call(
    operation: Operation,
    name: &str,
    arguments: &[Dynamic],
) -> Result<Dynamic, Box<EvalAltResult>> {
    SESSION.with_borrow_mut(|session| {
        let Some(Session { state, keys, memory }) = session else {
            return Err("`state` can be used while the script runs only".into());
        };
        let Some((index, declared)) = state.find(name) else {
            let (message, help) = state.unknown(name);
            return Err(format!("{message}: {help}").into());
        };
        let gives_key = operation.gives_key((name, declared.kind), arguments.len())?;
        let given = if gives_key { Some(keys::of_value(declared, &arguments[0])?) } else { None };
        let key = match (&given, keys.get(index)) {
            (Some(key), _) | (None, Some(Some(Ok(key)))) => key,
            (None, Some(Some(Err(error)))) => return Err(error.clone().into()),
            (None, _) => return Err(format!("the key of `{name}` is not known here").into()),
        };
        let own = arguments.get(usize::from(gives_key));
        Place { declared, key, memory }.call(operation, own)
    })
}
