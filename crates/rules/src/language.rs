//! The one Rhai engine: chosen packages, limits, and nothing that reaches outside.
//!
//! It starts from `Engine::new_raw`, so what is not listed here does not exist: no files, modules, clock, `sleep`,
//! `eval` or output. The engine is shared by every rule of the process and holds no state; the string interner is off
//! because event text is always new and a full interner is scanned for every string.

use std::sync::LazyLock;

use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage,
    BasicMathPackage, BasicStringPackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{Dynamic, Engine, OptimizationLevel};

use crate::{budget, copies, coverage, depth, functions, limits, shared_text};

/// Words that no rule may use. `this` and `curry` would let a value grow where `depth` cannot see it.
const DISABLED: [&str; 7] = ["eval", "import", "export", "print", "debug", "this", "curry"];

static ENGINE: LazyLock<Engine> = LazyLock::new(build);

/// For scripts whose branches tell that they are reached.
static OBSERVED: LazyLock<Engine> = LazyLock::new(|| {
    let mut engine = build();
    coverage::register(&mut engine);
    engine
});

/// The engine that knows what marked branches call.
pub(crate) fn observed_engine() -> &'static Engine {
    &OBSERVED
}

/// The engine.
pub(crate) fn engine() -> &'static Engine {
    &ENGINE
}

fn build() -> Engine {
    let mut engine = Engine::new_raw();
    ArithmeticPackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    BasicStringPackage::new().register_into_engine(&mut engine);
    MoreStringPackage::new().register_into_engine(&mut engine);
    BasicMathPackage::new().register_into_engine(&mut engine);
    BasicArrayPackage::new().register_into_engine(&mut engine);
    BasicMapPackage::new().register_into_engine(&mut engine);
    BasicIteratorPackage::new().register_into_engine(&mut engine);
    BasicFnPackage::new().register_into_engine(&mut engine);
    functions::register(&mut engine);
    for word in DISABLED {
        engine.disable_symbol(word);
    }
    // Fast operators would answer `() == ()` before ours is asked.
    engine.set_fast_operators(false);
    engine.set_strict_variables(true);
    engine.set_optimization_level(OptimizationLevel::None);
    engine.set_max_strings_interned(0);
    set_limits(&mut engine);
    engine
}

fn set_limits(engine: &mut Engine) {
    // Rhai's own count is the second: it starts anew where a function is given to another.
    engine.set_max_operations(limits::OPERATIONS + 1);
    engine.set_max_call_levels(limits::CALL_LEVELS);
    engine.set_max_expr_depths(limits::EXPRESSION_DEPTH.0, limits::EXPRESSION_DEPTH.1);
    engine.set_max_string_size(limits::TEXT_BYTES);
    engine.set_max_array_size(limits::ARRAY_ELEMENTS);
    engine.set_max_map_size(limits::MAP_ENTRIES);
    engine.set_max_variables(limits::VARIABLES);
    engine.set_max_functions(limits::FUNCTIONS);
    engine.set_max_modules(0);
    #[allow(deprecated, reason = "not deprecated but volatile, says Rhai; its version is pinned")]
    engine.on_var(|name, _, context| {
        copies::watch(name, context.scope())?;
        shared_text::watch(&context)?;
        depth::watch(context.scope()).map(|()| None)
    });
    engine.on_progress(|_| budget::overrun().map(Dynamic::from));
}
