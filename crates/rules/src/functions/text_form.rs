//! Text in another form: cut to a length, filled up to one, made fit for names.

use super::outcome::{Outcome, Text, count, fault};

/// The first letter in upper case.
pub(super) fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// At most `length` characters, the last of them `ending` if something had to go.
pub(super) fn truncated(text: &str, length: i64, ending: &str) -> Outcome<String> {
    let length = count("truncate", "a length", length)?;
    if text.chars().nth(length).is_none() {
        return Ok(text.to_owned());
    }
    let kept = length.saturating_sub(ending.chars().count());
    Ok(text.chars().take(kept).chain(ending.chars()).take(length).collect())
}

/// What `text` lacks to be `length` characters long.
pub(super) fn padding(function: &str, text: &str, length: i64, with: &str) -> Outcome<String> {
    let missing = count(function, "a length", length)?.saturating_sub(text.chars().count());
    let unit = with.chars().count();
    if unit == 0 && missing > 0 {
        return Err(fault(function, "a text to fill up with", "an empty one"));
    }
    let mut padding = Text::default();
    if missing > 0 {
        padding.push_many(with, missing / unit)?;
        padding.push(&with.chars().take(missing % unit).collect::<String>())?;
    }
    Ok(padding.done())
}

/// Letters and digits in lower case, `-` for every run of anything else between them.
pub(super) fn slug(text: &str) -> String {
    let mut slug = String::with_capacity(text.len());
    for word in text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty()) {
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.push_str(&word.to_lowercase());
    }
    slug
}

/// Words in lower case with `_` between them; a word begins at a capital after a small letter, and at the last
/// capital of several before a small letter.
pub(super) fn snake_case(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut name = String::with_capacity(text.len() + 8);
    for (index, character) in characters.iter().enumerate() {
        if !character.is_alphanumeric() {
            if !name.is_empty() && !name.ends_with('_') {
                name.push('_');
            }
            continue;
        }
        let before = index.checked_sub(1).map(|before| characters[before]);
        let begins_word = character.is_uppercase()
            && before.is_some_and(|before| {
                let after_is_small = characters.get(index + 1).is_some_and(|after| after.is_lowercase());
                before.is_lowercase() || before.is_numeric() || (before.is_uppercase() && after_is_small)
            });
        if begins_word && !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
        name.extend(character.to_lowercase());
    }
    name.trim_end_matches('_').to_owned()
}
