//! Which branches of which rules are reached: for the tests of a pipeline.
//!
//! While a [`Coverage`] looks on, every script that is compiled gets a call at the head of each of its branches, and
//! every condition tells its answers. Invariant: what is compiled while nobody looks on is left as it is, and what is
//! observed gives the same results and names the same places.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use parking_lot::{Mutex, RwLock};
use rhai::{AST, ASTNode, Engine, Expr, FlowControl, INT, Position, Stmt, StmtBlock};
use sluicebox_core::Located;

use crate::origin::Origin;

/// The function that a marked branch calls; it exists for marked scripts only.
pub(crate) const REACHED: &str = "sluicebox_reached";

/// Whether something was reached.
type Flag = Arc<AtomicBool>;

/// The flags of all branches, by the number that a branch calls with.
static FLAGS: LazyLock<RwLock<Vec<Flag>>> = LazyLock::new(RwLock::default);

thread_local! {
    /// Who looks on while this thread compiles.
    static OBSERVER: RefCell<Option<Coverage>> = const { RefCell::new(None) };
}

/// What can be reached in a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// The condition is true.
    True,
    /// The condition is false.
    False,
    /// The branch of an `if`, a `switch` or a `catch` that begins there is taken.
    Branch,
    /// The `if` that begins there is false, and has no `else`.
    NoBranch,
    /// The body of the loop that begins there runs.
    Loop,
}

/// One thing that can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The file, as the pipeline names it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What it is.
    pub way: Way,
    /// Whether it was.
    pub reached: bool,
}

/// A place in a file, and what is to happen there.
type Key = (String, usize, usize, Way);

/// Looks on while rules are compiled and run. Clones share what they see.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    points: Arc<Mutex<BTreeMap<Key, Flag>>>,
}

impl Coverage {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Does something; the rules that this thread compiles in the meantime are observed, wherever and whenever they run.
    pub fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = OBSERVER.replace(Some(self.clone()));
        let done = work();
        OBSERVER.set(before);
        done
    }

    /// Everything that can be reached, in the order of files and lines.
    pub fn points(&self) -> Vec<Point> {
        let point = |((file, line, column, way), flag): (&Key, &Flag)| Point {
            file: file.clone(),
            line: *line,
            column: *column,
            way: *way,
            reached: flag.load(Ordering::Relaxed),
        };
        self.points.lock().iter().map(point).collect()
    }

    /// The flag of a point; the same whenever the same text is compiled.
    fn flag(&self, key: Key) -> Flag {
        Arc::clone(self.points.lock().entry(key).or_default())
    }
}

/// The name of a point; `None` where its place is unknown.
fn key(located: &Located, (line, column): (usize, usize), way: Way) -> Option<Key> {
    let (line, column) = located.place(line, column)?;
    Some((located.file.clone(), line, column, way))
}

/// The answers of a condition.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    yes: Flag,
    no: Flag,
}

impl Answers {
    /// Those of a condition that is compiled now; `None`: nobody looks on.
    pub(crate) fn of(located: &Located) -> Option<Self> {
        OBSERVER.with_borrow(|observer| {
            let flag = |way| Some(observer.as_ref()?.flag(key(located, (1, 1), way)?));
            Some(Self { yes: flag(Way::True)?, no: flag(Way::False)? })
        })
    }

    pub(crate) fn see(&self, answer: bool) {
        if answer { &self.yes } else { &self.no }.store(true, Ordering::Relaxed);
    }
}

/// Texts that were put in: line and column in the marked text, and how long they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks(Vec<(usize, usize, usize)>);

impl Marks {
    /// The place before anything was put in.
    pub(crate) fn original(&self, position: Position) -> Position {
        let (Some(line), Some(column)) = (position.line(), position.position()) else { return position };
        let before = self.0.iter().filter(|(at, from, _)| *at == line && *from < column);
        let put_in: usize = before.map(|(.., length)| length).sum();
        let number = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        Position::new(number(line), number(column.saturating_sub(put_in).max(1)))
    }
}

/// Teaches an engine the function that marked branches call.
pub(crate) fn register(engine: &mut Engine) {
    engine.register_fn(REACHED, |number: INT| {
        let flags = FLAGS.read();
        if let Some(flag) = usize::try_from(number).ok().and_then(|number| flags.get(number)) {
            flag.store(true, Ordering::Relaxed);
        }
    });
}

/// A text with a call in each branch.
pub(crate) struct Marked {
    pub(crate) text: String,
    pub(crate) marks: Marks,
    observer: Coverage,
    /// The points with the numbers that their branches call with.
    points: Vec<(usize, Key)>,
}

/// Marks the branches of a text; `None`: nobody looks on, or there is no branch.
pub(crate) fn mark(ast: &AST, text: &str, origin: &Origin) -> Option<Marked> {
    let observer = OBSERVER.with_borrow(Clone::clone)?;
    let (mut insertions, mut points) = (Vec::new(), Vec::new());
    for Branch { at, shown, way } in branches(ast) {
        let (located, place) = origin.find(shown);
        let places = at.line().zip(at.position()).zip(place.line().zip(place.position()));
        let named = places.and_then(|(at, place)| Some((at, key(located, place, way)?)));
        let Some((at, key)) = named else { continue };
        let mut flags = FLAGS.write();
        flags.push(Flag::default());
        let number = flags.len() - 1;
        let call = format!("{REACHED}({number});");
        let call = if way == Way::NoBranch { format!(" else {{{call}}}") } else { call };
        insertions.push((at, call));
        points.push((number, key));
    }
    insertions.sort();
    let (text, marks) = put_in(text, &insertions);
    (!points.is_empty()).then_some(Marked { text, marks, observer, points })
}

impl Marked {
    /// From now on its branches are points that can be reached.
    pub(crate) fn observe(self) -> Marks {
        let mut flags = FLAGS.write();
        for (number, key) in self.points {
            flags[number] = self.observer.flag(key);
        }
        self.marks
    }
}

/// Puts texts behind the characters at their places, which are in order.
fn put_in(text: &str, insertions: &[((usize, usize), String)]) -> (String, Marks) {
    let (mut out, mut marks) = (String::with_capacity(text.len() * 2), Marks::default());
    let mut left = insertions.iter().peekable();
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let mut longer = 0;
        for (index, sign) in line.chars().enumerate() {
            out.push(sign);
            while let Some((_, call)) = left.next_if(|(place, _)| *place == (number + 1, index + 1)) {
                let length = call.chars().count();
                marks.0.push((number + 1, index + 1 + longer, length));
                longer += length;
                out.push_str(call);
            }
        }
    }
    (out, marks)
}

/// A place behind which a call belongs.
struct Branch {
    /// The brace.
    at: Position,
    /// The place to show.
    shown: Position,
    way: Way,
}

/// Every branch of a script.
fn branches(ast: &AST) -> Vec<Branch> {
    let mut found = Vec::new();
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::If(control, position))) => of_if(control, *position, &mut found),
            Some(ASTNode::Stmt(Stmt::TryCatch(control, _))) => {
                found.extend(inside(&control.branch, Way::Branch));
            }
            Some(ASTNode::Stmt(Stmt::While(control, _) | Stmt::Do(control, ..))) => {
                found.extend(inside(&control.body, Way::Loop));
            }
            Some(ASTNode::Stmt(Stmt::For(parts, _))) => found.extend(inside(&parts.2.body, Way::Loop)),
            Some(ASTNode::Stmt(Stmt::Switch(parts, _))) => {
                let blocks = parts.1.expressions.iter().filter_map(|case| match &case.rhs {
                    Expr::Stmt(block) => inside(block, Way::Branch),
                    _ => None,
                });
                found.extend(blocks);
            }
            _ => {}
        }
        true
    });
    found
}

fn of_if(control: &FlowControl, position: Position, found: &mut Vec<Branch>) {
    found.extend(inside(&control.body, Way::Branch));
    let chained = matches!(control.branch.statements(), [Stmt::If(..)]);
    if control.branch.position().is_none() && control.branch.is_empty() {
        found.push(Branch { at: control.body.end_position(), shown: position, way: Way::NoBranch });
    } else if !chained {
        found.extend(inside(&control.branch, Way::Branch));
    }
}

/// The head of a block.
fn inside(block: &StmtBlock, way: Way) -> Option<Branch> {
    let at = block.position();
    (!at.is_none()).then_some(Branch { at, shown: at, way })
}
