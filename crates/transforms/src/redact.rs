//! The `redact` transform: its options, which are its reference page.
//!
//! Invariant: what it is told to hide does not leave it, whatever way the event spells it (escapes, repeated keys); what
//! it is not told to hide keeps its bytes.

mod card;
mod disguise;
mod email;
mod entry;
mod finder;
mod numbers;
mod path;
mod phone;
mod plan;
mod row;
mod scan;
#[cfg(test)]
mod tests;
mod text;
mod walk;

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    CheckContext, Context, DeadLetterError, Effect, Error, Event, Outputs, Problem, Reason, Result,
    ScriptFiles, Secret, Transform, TransformSpec,
};

pub use disguise::How;
pub use entry::{EventPath, Pattern, Rule, Sort};

use plan::Plan;

/// Hides personal data: fields by their paths, and e-mail addresses, phone numbers, card numbers and patterns of your
/// own wherever they stand in texts.
///
/// A value at one of `paths` is hidden whole; if it is a map or a list, so is every text, number and truth value below
/// it. `detect` and `patterns` look into the texts that are left and hide what they find there. `null` stays `null`.
///
/// `how` decides what becomes of a value: `mask` keeps what is needed to recognise it (`a***@example.com`, `***71` of a
/// phone number, `****1111` of a card, otherwise the first character: `J***`), `hash` puts a keyed hash in its place,
/// `drop` removes the field, or the found words from their text, and `{replace: …}` puts a text in its place. A masked or
/// hashed number becomes a text. Each entry may say `how` for itself.
///
/// A hash is the HMAC-SHA-256 of the text with `salt` as the key, as 64 hexadecimal digits. Equal texts give equal hashes
/// wherever they stand, so hashed columns can still be joined and counted; texts that differ in a capital or a space
/// do not. Whoever has the salt can find out short values by trying them: keep it secret, and make it long and random.
///
/// What is found: e-mail addresses as HTML defines them, with a dot in the domain, letters of any language, and `%40`
/// for the `@`; cards by the lengths and prefixes of the networks and their check digit, whole or in their usual groups
/// with spaces or dashes; phone numbers from `+` or `00` with 8 to 15 digits, and national ones with a separator:
/// beginning with 0 (`030/1234567`, `020 7946 0958`) or North American (`(415) 555-2671`). Digits without a separator and
/// without `+` are never a phone number, and a number that is no text is never searched: list it under `paths`. Of
/// random 16-digit texts about 3 in 100 pass for a card.
///
/// A dead letter that another component makes later holds the redacted event; one that stands above this transform,
/// and `meta`, hold what the source sent. An event nested deeper than 127 levels is a dead letter with reason `parse`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "paths": ["data.email", { "path": "data.members[].phone", "how": "drop" }],
    "detect": ["email", "phone", "card"]
}))]
#[schemars(example = serde_json::json!({
    "paths": ["data.contractor.email"],
    "patterns": { "ticket": "TCK-[0-9]{6}" },
    "within": ["data.text"],
    "how": "hash",
    "salt": "${REDACT_SALT}"
}))]
pub struct Redact {
    /// Fields to hide: dotted paths inside the event. `[]` stands for every element of a list, `[2]` for one, `*` for
    /// every key of a map; a name that is no identifier is written `["a-b"]`. A path that leads through a list must say
    /// so. An entry is a path, or `{path, how}`.
    #[serde(default)]
    #[schemars(example = ["data.email", "data.members[].phone", "data.contacts.*.email"])]
    pub paths: Vec<Rule<EventPath>>,
    /// What to look for in texts. An entry is a word, or `{find, how}`.
    #[serde(default)]
    pub detect: Vec<Rule<Sort>>,
    /// Regular expressions to look for in texts, by a name of your choice. An entry is the expression, or `{regex, how}`.
    /// They run in linear time, so there is no look-around and there are no back-references.
    #[serde(default)]
    #[schemars(example = BTreeMap::from([("ticket", "TCK-[0-9]{6}")]))]
    pub patterns: BTreeMap<String, Rule<Pattern>>,
    /// Paths as above: `detect` and `patterns` look only at and below them; unset: everywhere.
    #[serde(default)]
    #[schemars(example = ["data.text"])]
    pub within: Vec<String>,
    /// What becomes of a value that is hidden, unless its entry says otherwise.
    #[serde(default)]
    pub how: How,
    /// The key of the hashes; required where `how` is `hash`.
    #[serde(default)]
    pub salt: Option<Secret>,
    /// Whether `detect` and `patterns` look into the keys of maps too. Keys that would become equal get `~2`, `~3` at
    /// their end.
    #[serde(default)]
    pub keys: bool,
}

#[async_trait]
impl TransformSpec for Redact {
    const TYPE: &'static str = "redact";

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        Plan::compile(self).err().unwrap_or_default()
    }

    /// A hidden field may go, and a number become a text; what is found in texts leaves texts.
    fn effect(&self, _component: &str) -> Effect {
        if self.paths.is_empty() && !self.keys { Effect::None } else { Effect::Unknown }
    }

    async fn build(self, _cx: &Context, _files: &dyn ScriptFiles) -> Result<Box<dyn Transform>> {
        let plan = Plan::compile(&self).map_err(|problems| {
            let messages: Vec<_> = problems.into_iter().map(|problem| problem.message).collect();
            Error::config(messages.join("; "))
        })?;
        Ok(Box::new(Redactor { plan }))
    }
}

struct Redactor {
    plan: Plan,
}

#[async_trait]
impl Transform for Redactor {
    async fn apply(&self, batch: Vec<Event>, out: &mut Outputs) -> Result<()> {
        for (index, event) in batch.into_iter().enumerate() {
            match walk::redacted(&self.plan, &event.json()) {
                Ok(None) => out.emit(index, event),
                Ok(Some(json)) => out.emit(index, event.with_json(json)),
                Err(unreadable) => {
                    out.dead_letter(
                        index,
                        event,
                        Reason::Parse,
                        DeadLetterError::new(unreadable.to_string()),
                    );
                }
            }
        }
        Ok(())
    }
}
