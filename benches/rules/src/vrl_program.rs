//! VRL as a program uses it: compiled once, the JSON read into its values for every event.

use std::cell::RefCell;

use vrl::compiler::{Program, TargetValue, TimeZone, compile, runtime::Runtime};
use vrl::value::{ObjectMap, Secrets, Value};

/// A compiled program.
pub struct Vrl {
    program: Program,
    runtime: RefCell<Runtime>,
}

impl Vrl {
    pub fn new(source: &str) -> Self {
        let compiled =
            compile(source, &vrl::stdlib::all()).unwrap_or_else(|problems| panic!("{source}\n{problems:?}"));
        Self { program: compiled.program, runtime: RefCell::new(Runtime::default()) }
    }

    /// Runs it on the JSON text of an event: the value of the program, and what became of the event.
    pub fn run(&self, json: &[u8]) -> (Value, Value) {
        let value: Value = serde_json::from_slice(json).expect("an event is JSON");
        let mut target =
            TargetValue { value, metadata: Value::Object(ObjectMap::new()), secrets: Secrets::default() };
        let mut runtime = self.runtime.borrow_mut();
        let result =
            runtime.resolve(&mut target, &self.program, &TimeZone::default()).expect("no event fails");
        runtime.clear();
        (result, target.value)
    }
}
