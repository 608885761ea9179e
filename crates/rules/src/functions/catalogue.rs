//! The shape in which every function is documented, and the search in what is documented.
//!
//! What `explain`, the reference and the messages about wrong arguments know of a function comes from here, so the
//! three cannot differ. Invariant: an example is run by a test and its value compared.

/// A function that rules may call, as the reference shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// What it is called by. A name may stand in several families: `len` of text, of a list, of a map.
    pub name: &'static str,
    /// `pad_start(text, length, with) → text`: its name, what it takes, what it gives.
    pub signature: &'static str,
    /// What it does, in a sentence or two.
    pub summary: &'static str,
    /// An expression that uses it; a short script where it changes something in place.
    pub example: &'static str,
    /// The value of the example as JSON; in the family `script`, what the script decides for the event `{"n":5}`.
    pub gives: &'static str,
}

/// Functions about one kind of thing.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// One word: `text`, `time`.
    pub name: &'static str,
    /// What its functions have in common.
    pub summary: &'static str,
    /// Its functions, in the order of the reference.
    pub functions: &'static [Function],
}

/// Entries of a family: `"name" "(takes) → gives": "summary" "example" => "value";`
macro_rules! functions {
    ($($name:literal $takes:literal: $summary:literal $example:literal => $gives:literal;)*) => {
        &[$($crate::functions::catalogue::Function {
            name: $name,
            signature: concat!($name, $takes),
            summary: $summary,
            example: $example,
            gives: $gives,
        }),*]
    };
}
pub(super) use functions;

/// The name of a known function that is nearest to a wrong one, if one is near.
pub(crate) fn nearest(wrong: &str) -> Option<&'static str> {
    if !wrong.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return None;
    }
    let distance = |name: &str| strsim::damerau_levenshtein(wrong, name);
    let nearest = super::functions().map(|function| function.name).min_by_key(|name| distance(name))?;
    (distance(nearest) <= (wrong.chars().count() / 3).max(1)).then_some(nearest)
}

/// Every way to call a function, one after the other; `None` for a name that is not documented.
pub(crate) fn usage(name: &str) -> Option<String> {
    let ways: Vec<String> = super::functions()
        .filter(|function| function.name == name)
        .map(|function| format!("`{}`", function.signature.split(" →").next().unwrap_or_default()))
        .collect();
    (!ways.is_empty()).then(|| ways.join(" or "))
}
