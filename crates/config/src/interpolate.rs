//! `${VAR}`, `${VAR:-default}`, `${file:PATH}`, `${account.FIELD}` and `$${` in one text.
//!
//! Happens on the tree, never on the text of the file: a value cannot break out of its place, and places stay true.
//! Keys are not interpolated, nor are `when`, `key` and scripts (their schema says so): Rhai has a `${…}` of its own.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::Inputs;
use crate::faults::nearest;

/// What stands for a missing secret where that is allowed.
const STAND_IN: &str = "missing";

/// The fields of an account by name.
pub(crate) type Fields = BTreeMap<String, Field>;

/// One field of an account.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) filled: Filled,
    /// Where the pipeline file gives it; `None` if another place does.
    pub(crate) range: Option<Range<usize>>,
    /// Whether its row holds nothing there.
    pub(crate) is_null: bool,
}

/// What `${…}` can stand for at some place of the file.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) inputs: Inputs<'a>,
    pub(crate) account: Account<'a>,
}

/// The account whose options are filled in.
#[derive(Clone, Copy)]
pub(crate) enum Account<'a> {
    /// There is none.
    None,
    Known(&'a Fields),
    /// One of many that nobody has read yet: something stands for every field.
    Any,
}

impl<'a> Account<'a> {
    /// A field of a known account.
    pub(crate) fn field(self, name: &str) -> Option<&'a Field> {
        match self {
            Self::Known(fields) => fields.get(name),
            Self::None | Self::Any => None,
        }
    }
}

/// A text with everything filled in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filled {
    pub(crate) text: String,
    /// The file that the whole text came from.
    pub(crate) file: Option<String>,
    /// Every reference as written, with what it stood for.
    pub(crate) values: Vec<(String, String)>,
    /// Whether a stand-in for something missing is in it.
    pub(crate) stand_in: bool,
    pub(crate) failures: Vec<Failure>,
}

/// A reference that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The reference as written.
    pub(crate) reference: String,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// What a reference stands for: its value, and the file it came from.
type Found = (String, Option<String>);

impl Scope<'_> {
    /// Fills in every reference of a text.
    pub(crate) fn fill(&self, text: &str) -> Filled {
        let mut filled = Filled::default();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            if rest[..start].ends_with('$') {
                filled.text.push_str(&rest[..start - 1]);
                filled.text.push_str("${");
                rest = &rest[start + 2..];
                continue;
            }
            filled.text.push_str(&rest[..start]);
            let Some(length) = rest[start..].find('}') else {
                let help = "a literal `${` is written `$${`".to_owned();
                let message = "`${` without a closing `}`".to_owned();
                filled.failures.push(Failure {
                    reference: rest[start..].to_owned(),
                    message,
                    help: Some(help),
                });
                return filled;
            };
            let reference = &rest[start..=start + length];
            let whole = reference.len() == text.len();
            self.fill_one(reference, whole, &mut filled);
            rest = &rest[start + length + 1..];
        }
        filled.text.push_str(rest);
        filled
    }

    fn fill_one(&self, reference: &str, whole: bool, filled: &mut Filled) {
        let inner = &reference[2..reference.len() - 1];
        if matches!(self.account, Account::Any) && inner.starts_with("account.") {
            filled.text.push_str(STAND_IN);
            filled.stand_in = true;
            return;
        }
        match self.look_up(inner) {
            Ok((value, file)) => {
                filled.text.push_str(&value);
                filled.values.push((reference.to_owned(), value));
                filled.file = file.filter(|_| whole);
            }
            Err((_, _, true)) if self.inputs.allow_missing_secrets => {
                filled.text.push_str(STAND_IN);
                filled.stand_in = true;
            }
            Err((message, help, _)) => {
                filled.failures.push(Failure { reference: reference.to_owned(), message, help });
            }
        }
    }

    /// The value of what stands between the braces; an error says whether it is only missing.
    fn look_up(&self, inner: &str) -> Result<Found, (String, Option<String>, bool)> {
        let variables = self.inputs.variables;
        if let Some(path) = inner.strip_prefix("file:") {
            return match variables.file(path) {
                Ok(text) => Ok((without_final_newline(text), Some(path.to_owned()))),
                Err(reason) => Err((format!("cannot read `{path}`: {reason}"), None, true)),
            };
        }
        if let Some(field) = inner.strip_prefix("account.") {
            return self.account_field(field);
        }
        let (name, default) =
            inner.split_once(":-").map_or((inner, None), |(name, default)| (name, Some(default)));
        let named = name.starts_with(|sign: char| sign.is_ascii_alphabetic() || sign == '_')
            && name.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '_');
        if !named {
            let forms = "`${VAR}`, `${VAR:-default}`, `${file:PATH}` and `${account.FIELD}` are known; a literal \
                         `${` is written `$${`";
            return Err((format!("`${{{inner}}}` is no reference"), Some(forms.to_owned()), false));
        }
        let value = variables.get(name).filter(|value| default.is_none() || !value.is_empty());
        let unset = || (format!("the variable `{name}` is not set"), None, true);
        value.or_else(|| default.map(str::to_owned)).map(|value| (value, None)).ok_or_else(unset)
    }

    fn account_field(&self, field: &str) -> Result<Found, (String, Option<String>, bool)> {
        let Account::Known(fields) = self.account else {
            let message = "`${account.…}` has a meaning only in a source with `accounts:`".to_owned();
            return Err((message, None, false));
        };
        let Some(value) = fields.get(field) else {
            let help = nearest(field, fields.keys().map(String::as_str))
                .map(|name| format!("did you mean `{name}`?"));
            return Err((format!("the account has no field `{field}`"), help, false));
        };
        if value.filled.stand_in {
            // A stand-in stays one, so that nobody judges it by what a value has to be.
            return Err((format!("the field `{field}` is made of something missing"), None, true));
        }
        if value.is_null {
            let message = format!("the field `{field}` of the account is NULL");
            let help =
                format!("leave such rows out in the query, or give it a value: `coalesce({field}, …)`");
            return Err((message, Some(help), false));
        }
        Ok((value.filled.text.clone(), value.filled.file.clone()))
    }
}

fn without_final_newline(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Outside;

    fn fill(text: &str) -> Filled {
        let outside = Outside::new(&[("A", "1"), ("EMPTY", "")]).file("/x", "s3cret\n\n");
        let inputs = Inputs { variables: &outside, files: &outside, allow_missing_secrets: false };
        Scope { inputs, account: Account::None }.fill(text)
    }

    #[test]
    fn every_form_is_filled_in() {
        for (text, expected) in [
            ("a${A}b${A}", "a1b1"),
            ("${NONE:-x}${EMPTY:-y}${A:-z}", "xy1"),
            ("[${EMPTY}]", "[]"),
            ("$${A} $$ $", "${A} $$ $"),
            ("${file:/x}", "s3cret\n"),
            ("${NONE:-}", ""),
        ] {
            let filled = fill(text);
            assert_eq!(filled.text, expected, "{text}");
            assert_eq!(filled.failures, []);
        }
        assert_eq!(fill("${file:/x}").file.as_deref(), Some("/x"));
        assert_eq!(fill("a${file:/x}").file, None);
    }

    #[test]
    fn what_cannot_be_filled_in_is_named_without_values() {
        for (text, message) in [
            ("${NONE}", "the variable `NONE` is not set"),
            ("x${A", "`${` without a closing `}`"),
            ("${a-b}", "`${a-b}` is no reference"),
            ("${file:/y}", "cannot read `/y`: not found"),
            ("${account.x}", "`${account.…}` has a meaning only in a source with `accounts:`"),
        ] {
            assert_eq!(fill(text).failures[0].message, message, "{text}");
        }
    }
}
