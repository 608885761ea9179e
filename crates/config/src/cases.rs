//! Tests of a pipeline: what stands under `tests:`, in the pipeline file or in a file beside it, read and checked.
//!
//! Invariant: a [`TestCase`] that exists names only components that are there, and everything it expects has its place,
//! so that a mismatch can be shown where it was expected.

mod expect;
mod names;
mod options;
mod read;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use sluicebox_core::Timestamp;
use smol_str::SmolStr;

use crate::component::Checker;
use crate::faults::{Fault, Faults, nearest};
use crate::form::found;
use crate::interpolate::{Account, Scope};
use crate::node::{Kind, Node};
use crate::options::declared;
use crate::text::SourceText;
use crate::{Inputs, Plan, Report, yaml};

pub(crate) use names::Outline;
pub use options::{FaultWord, GivenFault};

/// One test.
#[derive(Clone, Debug)]
pub struct TestCase {
    /// What is tested, in words.
    pub name: String,
    /// The file that holds it, as the user typed it.
    pub file: String,
    /// Where its name stands.
    pub place: Place,
    /// What goes in.
    pub given: Given,
    /// What the look-ups answer: by component, by the values of the URL's template joined by `/`, in order.
    pub lookups: BTreeMap<SmolStr, BTreeMap<String, Vec<Reply>>>,
    /// What the sinks do instead of taking what comes, in order.
    pub sinks: BTreeMap<SmolStr, Vec<GivenFault>>,
    /// What `${VAR}` of the pipeline stands for.
    pub variables: BTreeMap<String, String>,
    /// When it begins, by the clock of the test.
    pub now: Option<Timestamp>,
    /// What must come out.
    pub expect: Expectations,
}

/// A line and a column of a test's file, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// What goes in.
#[derive(Clone, Debug)]
pub enum Given {
    /// Pages of the sources; one that is not named has nothing.
    Sources(BTreeMap<SmolStr, Vec<GivenPage>>),
    /// Events for one transform alone.
    Transform(SmolStr, Vec<Value>),
}

/// One answer of a source to a poll.
#[derive(Clone, Debug)]
pub enum GivenPage {
    /// Events, and the cursor after them unless it is that of the last.
    Events(Vec<Value>, Option<String>),
    /// None.
    Fault(GivenFault),
}

/// One answer of a look-up.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The body of a 200.
    Body(Value),
    /// Anything else.
    Fault(GivenFault),
}

/// Something that is expected, with its place.
#[derive(Clone, Debug)]
pub struct Expected<T> {
    /// Where the test says so.
    pub place: Place,
    /// What.
    pub value: T,
}

/// Expected entries, each with its place, and the place of their list.
pub type ExpectedList = Expected<Vec<Expected<Value>>>;

/// What must come out. What is not named is not looked at, but dead letters and errors never pass unnoticed.
#[derive(Clone, Debug, Default)]
pub struct Expectations {
    /// What each sink received.
    pub sinks: BTreeMap<SmolStr, ExpectedList>,
    /// What the transform that is tested alone gave, by output; `main` is the one without a name.
    pub outputs: BTreeMap<SmolStr, ExpectedList>,
    /// The dead letters, each as a map of which every entry must be in the letter.
    pub dead_letters: Option<ExpectedList>,
    /// The committed cursor of a source, or of `SOURCE/ACCOUNT`; `None`: none.
    pub cursors: BTreeMap<String, Expected<Option<String>>>,
    /// Sums of the series that a selector like `sluicebox_retries_total{component="x"}` takes.
    pub metrics: Vec<Expected<(MetricSelector, f64)>>,
    /// Part of the message with which the run ends, where it is to fail.
    pub error: Option<Expected<String>>,
    /// How long the run takes by the clock of the test: at least, at most.
    pub took: Option<Expected<(Duration, Duration)>>,
}

/// Some series of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricSelector {
    /// The selector as it is written.
    pub text: String,
    /// The metric.
    pub name: String,
    /// Labels with the values that they must have.
    pub labels: Vec<(String, String)>,
}

/// The tests of a file beside the pipeline file of `plan`.
///
/// # Errors
/// Everything that is wrong with the file, at once.
pub fn load_tests(
    file: &Path,
    text: &str,
    plan: &Plan,
    inputs: &Inputs<'_>,
) -> Result<Vec<TestCase>, Report> {
    let mut faults = Faults::new(SourceText::new(file.display().to_string(), text));
    let root = yaml::parse(&mut faults);
    let scope = Scope { inputs: *inputs, account: Account::None };
    let tests = root.map(|root| beside(&root, &Outline::of_plan(plan), scope, &mut faults));
    let failed = faults.any();
    let (problems, _) = faults.finish();
    match tests {
        Some(tests) if !failed => Ok(tests),
        _ => Err(Report { problems }),
    }
}

/// The JSON Schema of one test.
pub(crate) fn test_schema() -> Value {
    declared::<options::TestOptions>()
}

/// The tests of a file that holds nothing else.
fn beside(root: &Node, outline: &Outline, scope: Scope<'_>, faults: &mut Faults) -> Vec<TestCase> {
    if !matches!(root.kind, Kind::Map(_)) {
        let message = format!("a file of tests is a map with `tests`, found {}", found(root));
        faults.add(Fault::new(root.label.clone(), "", message));
        return Vec::new();
    }
    for entry in root.entries().iter().filter(|entry| entry.key != "tests") {
        let message = format!("unknown key `{}`", entry.key);
        let fault = Fault::new(entry.key_range.clone(), entry.key.clone(), message);
        faults.add(match nearest(&entry.key, ["tests"]) {
            Some(name) => fault.help(format!("did you mean `{name}`?")),
            None => fault.help("known here: `tests`; the pipeline itself stands in the file beside this one"),
        });
    }
    section(root, outline, scope, faults)
}

impl Checker<'_> {
    /// The tests in the pipeline file itself.
    pub(crate) fn tests(&mut self, root: &Node, outline: &Outline) -> Vec<TestCase> {
        section(root, outline, self.scope(), self.faults)
    }
}

/// The tests under `tests:`, as far as they are right.
fn section(root: &Node, outline: &Outline, scope: Scope<'_>, faults: &mut Faults) -> Vec<TestCase> {
    let Some(node) = root.get("tests") else { return Vec::new() };
    let items = match &node.kind {
        Kind::List(items) => items,
        Kind::Null | Kind::Broken => return Vec::new(),
        _ => {
            let message = format!("expected a list of tests, each with a `name`, found {}", found(node));
            faults.add(Fault::new(faults.focus(node), "tests", message));
            return Vec::new();
        }
    };
    let schema = test_schema();
    let mut tests: Vec<TestCase> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let path = format!("tests[{index}]");
        let mut reader = read::Reader { schema: &schema, outline, scope, faults };
        let Some(test) = reader.test(item, &path) else { continue };
        if tests.iter().any(|other| other.name == test.name) {
            let message = format!("two tests are called `{}`", test.name);
            let range = item.get("name").map_or(item.label.clone(), |name| faults.focus(name));
            faults.add(Fault::new(range, format!("{path}.name"), message));
        }
        tests.push(test);
    }
    tests
}
