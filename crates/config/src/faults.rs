//! The collector of everything wrong with a file.
//!
//! Invariant: no secret leaves it. Values that interpolation brought in, and secrets written into the file, are
//! replaced in every message and masked in the text that a renderer will show.

use std::ops::Range;
use std::sync::Arc;

use crate::LocatedProblem;
use crate::node::Node;
use crate::text::SourceText;

/// Shorter values would garble messages more than they would betray.
const SHORTEST_REDACTED: usize = 4;

/// One fault or warning, its place still in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) range: Range<usize>,
    pub(crate) path: String,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// A place in another file: a script.
    elsewhere: Option<Arc<Elsewhere>>,
}

#[derive(Debug)]
struct Elsewhere {
    file: String,
    text: String,
    line: usize,
    column: usize,
}

impl Fault {
    pub(crate) fn new(range: Range<usize>, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { range, path: path.into(), message: message.into(), help: None, elsewhere: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Moves the fault within the file.
    pub(crate) fn at(mut self, range: Range<usize>) -> Self {
        self.range = range;
        self
    }

    /// Adds `did you mean …` if one of the names is near.
    pub(crate) fn nearest<'n>(self, wrong: &str, names: impl IntoIterator<Item = &'n str>) -> Self {
        match nearest(wrong, names) {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// Moves the fault into another file.
    pub(crate) fn elsewhere(mut self, file: String, text: String, (line, column): (usize, usize)) -> Self {
        self.elsewhere = Some(Arc::new(Elsewhere { file, text, line, column }));
        self
    }
}

/// The name that was probably meant.
pub(crate) fn nearest<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let distance = |name: &str| strsim::damerau_levenshtein(&wrong.to_lowercase(), &name.to_lowercase());
    let allowed = (wrong.chars().count() / 3).max(1);
    names
        .into_iter()
        .map(|name| (distance(name), name))
        .filter(|(far, _)| *far <= allowed)
        .min()
        .map(|(_, n)| n)
}

/// Collects faults and warnings of one file.
pub(crate) struct Faults {
    pub(crate) text: SourceText,
    problems: Vec<Fault>,
    warnings: Vec<Fault>,
    /// Values with what stands for them in messages.
    redactions: Vec<(String, String)>,
    /// Where the file itself holds a secret.
    literal_secrets: Vec<Range<usize>>,
    /// Values that hold a stand-in for a missing secret: what is wrong with them says nothing.
    stand_ins: Vec<Range<usize>>,
}

impl Faults {
    pub(crate) fn new(text: SourceText) -> Self {
        let (redactions, literal_secrets, stand_ins) = (Vec::new(), Vec::new(), Vec::new());
        Self { text, problems: Vec::new(), warnings: Vec::new(), redactions, literal_secrets, stand_ins }
    }

    pub(crate) fn add(&mut self, fault: Fault) {
        self.problems.push(fault);
    }

    /// How many problems were reported so far.
    pub(crate) fn count(&self) -> usize {
        self.problems.len()
    }

    /// Whether something that is to be reported came after the first `count` problems.
    pub(crate) fn any_since(&self, count: usize) -> bool {
        self.problems.iter().skip(count).any(|fault| self.meant(fault))
    }

    /// Adds help to the fault that was just reported, if it has none.
    pub(crate) fn explain_last(&mut self, help: &str) {
        if let Some(fault) = self.problems.last_mut() {
            fault.help.get_or_insert_with(|| help.to_owned());
        }
    }

    pub(crate) fn warn(&mut self, fault: Fault) {
        self.warnings.push(fault);
    }

    /// What to underline for a value.
    pub(crate) fn focus(&self, node: &Node) -> Range<usize> {
        node.focus(&self.text.text)
    }

    /// From now on messages show `shown` instead of `value`.
    pub(crate) fn redact(&mut self, value: &str, shown: &str) {
        if value.len() >= SHORTEST_REDACTED && !self.redactions.iter().any(|(known, _)| known == value) {
            self.redactions.push((value.to_owned(), shown.to_owned()));
        }
    }

    /// The file itself holds a secret there.
    pub(crate) fn literal_secret(&mut self, range: Range<usize>, value: &str) {
        // A reference is no secret.
        if !value.contains("${") {
            self.redact(value, "…");
            self.literal_secrets.push(range);
        }
    }

    /// What stands there is not shown.
    pub(crate) fn hide(&mut self, range: Range<usize>) {
        self.literal_secrets.push(range);
    }

    /// The value there holds a stand-in for a missing secret.
    pub(crate) fn stand_in(&mut self, range: Range<usize>) {
        self.stand_ins.push(range);
    }

    /// Whether there is anything to report.
    pub(crate) fn any(&self) -> bool {
        self.problems.iter().any(|fault| self.meant(fault))
    }

    /// Problems and warnings, each in the order of the text and only once.
    pub(crate) fn finish(mut self) -> (Vec<LocatedProblem>, Vec<LocatedProblem>) {
        // Longer values first: one may hold another.
        self.redactions.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        let source: Arc<str> = self.masked().into();
        let locate = |faults: &[Fault]| {
            let mut located: Vec<LocatedProblem> = Vec::new();
            for fault in faults.iter().filter(|fault| self.meant(fault)) {
                let problem = self.locate(fault, &source);
                if !located.contains(&problem) {
                    located.push(problem);
                }
            }
            located.sort_by(|a, b| {
                (a.file != self.text.file, a.line, a.column).cmp(&(
                    b.file != self.text.file,
                    b.line,
                    b.column,
                ))
            });
            located
        };
        (locate(&self.problems), locate(&self.warnings))
    }

    /// A fault that is not reported, ready to be so later.
    pub(crate) fn shown(&self, fault: &Fault) -> LocatedProblem {
        self.locate(fault, &self.masked().into())
    }

    fn meant(&self, fault: &Fault) -> bool {
        let inside = |range: &Range<usize>| range.start <= fault.range.start && fault.range.end <= range.end;
        !self.stand_ins.iter().any(inside)
    }

    fn locate(&self, fault: &Fault, source: &Arc<str>) -> LocatedProblem {
        let path = fault.path.clone();
        let message = self.redacted(&fault.message);
        let help = fault.help.as_deref().map(|help| self.redacted(help));
        if let Some(other) = &fault.elsewhere {
            let place = (other.line, other.column);
            let problem = LocatedProblem::in_text(&other.file, &other.text, place, &message);
            return LocatedProblem { path, help, ..problem };
        }
        let (line, column) = self.text.place(fault.range.start);
        let (file, range) = (self.text.file.clone(), fault.range.clone());
        LocatedProblem { file, line, column, path, message, help, range, source: source.clone() }
    }

    fn redacted(&self, message: &str) -> String {
        let mut message = message.to_owned();
        for (value, shown) in &self.redactions {
            if message.contains(value.as_str()) {
                message = message.replace(value.as_str(), shown);
            }
        }
        message
    }

    /// The text with every literal secret as stars, each byte one.
    fn masked(&self) -> String {
        let mut masked = self.text.text.to_string();
        for range in &self.literal_secrets {
            let slice = &self.text.text[range.clone()];
            let star = |sign: char| if sign == '\n' { "\n".to_owned() } else { "*".repeat(sign.len_utf8()) };
            masked.replace_range(range.clone(), &slice.chars().map(star).collect::<String>());
        }
        masked
    }
}
