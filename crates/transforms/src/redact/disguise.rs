//! What stands in the place of a hidden text.
//!
//! Invariant: a mask says nothing about the length of what it hides.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::Sha256;
use sluicebox_core::Secret;

use super::entry::Sort;
use super::finder::found_whole;
use super::numbers::digits;

/// What becomes of a value that is hidden.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// As much of it stays as is needed to recognise it.
    #[default]
    Mask,
    /// Its keyed hash stands in its place; needs `salt`.
    Hash,
    /// The field goes, or the words that were found.
    Drop,
    /// This text stands in its place.
    Replace(String),
}

const STARS: &str = "***";
/// Characters of a text of no known kind from which the first one is shown.
const SHOWN_FROM: usize = 5;

/// Makes disguises, with the key of the hashes.
pub(super) struct Wardrobe {
    key: Option<Hmac<Sha256>>,
}

impl Wardrobe {
    pub(super) fn new(salt: Option<&Secret>) -> Self {
        let key = salt.map(|salt| {
            Hmac::new_from_slice(salt.expose().as_bytes()).expect("HMAC takes keys of any length (RFC 2104)")
        });
        Self { key }
    }

    /// What stands in the place of a whole value.
    pub(super) fn of_value(&self, how: &How, text: &str) -> String {
        match how {
            How::Mask => mask(found_whole(text), text),
            other => self.of_match(other, None, text),
        }
    }

    /// What stands in the place of words that were found; `None`: by a pattern.
    pub(super) fn of_match(&self, how: &How, sort: Option<Sort>, text: &str) -> String {
        match how {
            How::Mask => mask(sort, text),
            How::Hash => self.hash(text),
            How::Drop => String::new(),
            How::Replace(replacement) => replacement.clone(),
        }
    }

    /// 64 lower-case hexadecimal digits; without a key, which a checked configuration has, nothing is given away.
    fn hash(&self, text: &str) -> String {
        let Some(mut mac) = self.key.clone() else { return STARS.to_owned() };
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().iter().fold(String::with_capacity(64), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("writing to memory cannot fail");
            hex
        })
    }
}

fn mask(sort: Option<Sort>, text: &str) -> String {
    match sort {
        Some(Sort::Email) => email(text),
        Some(Sort::Phone) => format!("{STARS}{}", last_digits(text, 2)),
        Some(Sort::Card) => format!("****{}", last_digits(text, 4)),
        None => format!("{}{STARS}", first_if_longer(text, SHOWN_FROM)),
    }
}

/// `a***@example.com`.
fn email(address: &str) -> String {
    let at = address.rfind('@').or_else(|| address.rfind("%40")).unwrap_or(0);
    let (local, domain) = address.split_at(at);
    format!("{}{STARS}{domain}", first_if_longer(local, 2))
}

/// The first character of a text that has at least so many.
fn first_if_longer(text: &str, least: usize) -> &str {
    let mut places = text.char_indices().map(|(place, _)| place);
    let end = places.nth(1);
    let long_enough = text.chars().nth(least - 1).is_some();
    end.filter(|_| long_enough).map_or("", |end| &text[..end])
}

fn last_digits(text: &str, count: usize) -> String {
    let digits = digits(text);
    digits[digits.len().saturating_sub(count)..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_keeps_what_is_needed_to_recognise_a_value_and_not_its_length() {
        let wardrobe = Wardrobe::new(None);
        for (text, expected) in [
            ("alice@example.com", "a***@example.com"),
            ("al@example.com", "a***@example.com"),
            ("a@example.com", "***@example.com"),
            ("jürgen@müller.de", "j***@müller.de"),
            ("alice%40example.com", "a***%40example.com"),
            ("4111 1111 1111 1111", "****1111"),
            ("4111111111111111", "****1111"),
            ("+49 151 23456789", "***89"),
            ("(415) 555-2671", "***71"),
            ("Jane Doe", "J***"),
            ("Élodie", "É***"),
            ("Jane", "***"),
            ("", "***"),
            ("1234567", "1***"),
            ("mail alice@example.com", "m***"),
        ] {
            assert_eq!(wardrobe.of_value(&How::Mask, text), expected, "{text}");
        }
    }

    #[test]
    fn hashes_are_hmac_sha_256() {
        // RFC 4231, test case 2.
        let wardrobe = Wardrobe::new(Some(&Secret::new("Jefe")));
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(wardrobe.of_value(&How::Hash, "what do ya want for nothing?"), expected);
        assert_eq!(wardrobe.of_match(&How::Hash, None, "what do ya want for nothing?"), expected);
        let other = Wardrobe::new(Some(&Secret::new("other")));
        assert_ne!(other.of_value(&How::Hash, "what do ya want for nothing?"), expected);
    }
}
