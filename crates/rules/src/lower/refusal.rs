//! The quickest answer: an event that does not even hold the text that a condition asks for.
//!
//! `event.type == "payment.paid" && …` cannot hold where `"payment.paid"` is nowhere in the bytes. Invariant: an event
//! is refused only if the interpreter would have said `false` too, and no error: the first part of the condition must
//! be one that never fails, no escape may hide the text, and the rest of the event must be [`plain`].

use memchr::memmem::Finder;

use super::fields::Fields;
use super::node::{Literal, Node};
use super::value::Comparison;

/// More texts than this are not searched for one by one.
const MOST: usize = 4;

/// Texts of which an event must hold at least one.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    texts: Vec<Finder<'static>>,
}

impl Refusal {
    /// What a condition asks for at its start, if that can be searched for.
    pub(super) fn of(condition: &Node, fields: &Fields) -> Option<Self> {
        let texts = texts(condition, fields).filter(|texts| texts.len() <= MOST)?;
        let quoted = |text: Vec<u8>| Finder::new(&[b"\"", text.as_slice(), b"\""].concat()).into_owned();
        Some(Self { texts: texts.into_iter().map(quoted).collect() })
    }

    /// Whether the condition is false for these bytes for sure.
    pub(super) fn refuses(&self, bytes: &[u8]) -> bool {
        self.texts.iter().all(|text| text.find(bytes).is_none()) && plain(bytes)
    }
}

fn texts(node: &Node, fields: &Fields) -> Option<Vec<Vec<u8>>> {
    match node {
        Node::Compare(Comparison::Equal, pair) => match &**pair {
            (Node::Field(field), Node::Literal(literal)) | (Node::Literal(literal), Node::Field(field)) => {
                texts_of(*field, std::slice::from_ref(literal), fields)
            }
            _ => None,
        },
        Node::Among(inner, literals) => match **inner {
            Node::Field(field) => texts_of(field, literals, fields),
            _ => None,
        },
        Node::Any(nodes) => {
            let texts: Option<Vec<_>> = nodes.iter().map(|node| texts(node, fields)).collect();
            texts.map(|texts| texts.concat())
        }
        Node::All(nodes) => texts(nodes.first()?, fields),
        _ => None,
    }
}

/// A field of the event itself is read without fail; one further inside might stand behind something that is no map.
fn texts_of(field: usize, literals: &[Literal], fields: &Fields) -> Option<Vec<Vec<u8>>> {
    let is_spelt_one_way =
        |text: &&[u8]| text.iter().all(|byte| *byte >= b' ' && *byte != b'"' && *byte != b'\\');
    let text = |literal: &Literal| literal.0.text().ok().filter(is_spelt_one_way).map(<[u8]>::to_vec);
    if fields.path(field).len() != 1 {
        return None;
    }
    literals.iter().map(text).collect()
}

/// Whether valid JSON holds no escape and nothing that a tree could not hold: looked for in the bytes, without regard to
/// what is text and what is not, so it says no more often than it must.
fn plain(bytes: &[u8]) -> bool {
    memchr::memchr(b'\\', bytes).is_none()
        && !is_deep(bytes)
        && !has_long_number(bytes)
        && !has_exponent(bytes)
}

/// Whether it may be nested deeper than is read: that many brackets open.
fn is_deep(bytes: &[u8]) -> bool {
    const BRACKETS: usize = 120;
    // `[` and `{` differ in one bit. In steps whose count fits a byte, which the compiler turns into vectors.
    let opened = |bytes: &[u8]| bytes.iter().fold(0_u8, |count, byte| count + u8::from(byte | 0x20 == b'{'));
    bytes.len() > 2 * BRACKETS
        && bytes.chunks(255).map(|chunk| usize::from(opened(chunk))).sum::<usize>() > BRACKETS
}

/// Whether there may be a number of 200 bytes: it would cover three of these places in a row.
fn has_long_number(bytes: &[u8]) -> bool {
    const STEP: usize = 64;
    let is_digit = |at: usize| bytes.get(at).is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.');
    (0..bytes.len()).step_by(STEP).any(|at| is_digit(at) && is_digit(at + STEP) && is_digit(at + 2 * STEP))
}

/// Whether there may be an exponent of three digits: a digit, `e`, a sign or not, digits.
fn has_exponent(bytes: &[u8]) -> bool {
    const FURTHER: usize = 4;
    let Some(places) = bytes.len().checked_sub(FURTHER) else { return false };
    let digit = |byte: u8| u8::from(byte.wrapping_sub(b'0') < 10);
    let [first, second, third, fourth, fifth] = [0, 1, 2, 3, 4].map(|from| &bytes[from..from + places]);
    let mut found = 0;
    // Without a branch, so that the compiler turns it into vectors.
    for at in 0..places {
        found |= digit(first[at])
            & u8::from(second[at] | 0x20 == b'e')
            & (digit(third[at]) | u8::from(third[at] == b'+'))
            & digit(fourth[at])
            & digit(fifth[at]);
    }
    found != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_fail_elsewhere_is_not_plain() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let long = format!("{{\"a\":{}}}", "1".repeat(300));
        for text in [r#"{"a":1e400}"#, r#"{"a":1E+999}"#, r#"{"a":"\u0061"}"#, &deep, &long] {
            assert!(!plain(text.as_bytes()), "{text}");
        }
        for text in ["{}", r#"{"id":"cmf4k1e9","n":[1.5e10,-2]}"#, &"x".repeat(1000)] {
            assert!(plain(text.as_bytes()), "{text}");
        }
    }
}
