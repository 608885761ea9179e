//! The two forms of the source of an API: programmed, and declared as a connector in a file.
//!
//! Both pass the same tests, which ask here for all that they write differently. Invariant: where the two forms behave
//! differently, and why, stands in this file and nowhere else.

use serde_json::{Value, json};
use sluicebox_core::ErrorClass;
use sluicebox_emulator::Api;

/// How a source is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In Rust: `opentrain_updates`, `zenzap_updates`.
    BuiltIn,
    /// In `plugins/http`: `opentrain_feed`, `zenzap_feed`.
    Declared,
}

/// Which of its credentials an account uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// A token, or a key that signs.
    Key,
    /// `OAuth` client credentials, which fetch access tokens.
    OAuth,
}

impl Form {
    /// What a pipeline calls the type.
    ///
    /// # Panics
    /// For Slack, which nothing polls.
    pub fn source_type(self, api: Api) -> &'static str {
        match (self, api) {
            (Self::BuiltIn, Api::OpenTrain) => "opentrain_updates",
            (Self::BuiltIn, Api::Zenzap) => "zenzap_updates",
            (Self::Declared, Api::OpenTrain) => "opentrain_feed",
            (Self::Declared, Api::Zenzap) => "zenzap_feed",
            (_, Api::Slack) => panic!("nothing can be polled from Slack"),
        }
    }

    /// The options that hold the credentials; `credential` gives them by the name that an emulator announces.
    pub fn access(self, api: Api, login: Login, credential: impl Fn(&str) -> Value) -> Value {
        let (key, secret) = (credential("key"), credential("secret"));
        let (id, client_secret) = (credential("client_id"), credential("client_secret"));
        match (api, self, login) {
            (Api::OpenTrain | Api::Slack, ..) => json!({ "token": credential("token") }),
            (Api::Zenzap, Self::BuiltIn, Login::Key) => {
                json!({ "auth": { "api_key": { "key": key, "secret": secret } } })
            }
            (Api::Zenzap, Self::BuiltIn, Login::OAuth) => {
                json!({ "auth": { "oauth": { "client_id": id, "client_secret": client_secret } } })
            }
            (Api::Zenzap, Self::Declared, Login::Key) => json!({ "api_key": key, "api_secret": secret }),
            (Api::Zenzap, Self::Declared, Login::OAuth) => {
                json!({ "client_id": id, "client_secret": client_secret })
            }
        }
    }

    /// The same as entries of a YAML map, with what `variable` makes of the name of a credential.
    pub fn access_entries(self, api: Api, variable: impl Fn(&str) -> String) -> Vec<String> {
        let access = self.access(api, Login::Key, |name| variable(name).into());
        // JSON is YAML.
        access.as_object().into_iter().flatten().map(|(option, value)| format!("{option}: {value}")).collect()
    }

    /// The option that says what becomes of a cursor that the API has forgotten: Zenzap calls it an offset.
    pub fn on_expired(self) -> &'static str {
        match self {
            Self::BuiltIn => "on_offset_expired",
            Self::Declared => "on_cursor_expired",
        }
    }

    /// What a bot that is not in polling mode pauses with. A connector's rule says `pause` and what to do.
    pub fn wrong_mode(self) -> (ErrorClass, &'static str) {
        match self {
            Self::BuiltIn => (ErrorClass::Config, "delivery_mode"),
            Self::Declared => (ErrorClass::Permanent, "permanent"),
        }
    }

    /// Whether the id of the last update serves as offset where an answer gives none. A connector has one place for the
    /// next cursor, and keeps the one that it has.
    pub fn falls_back_to_the_last_update(self) -> bool {
        self == Self::BuiltIn
    }

    /// Whether the API's own words for a refusal are understood: the field that is wrong, the scopes that there are and
    /// that there must be. A connector quotes them and says what its rule says.
    pub fn understands_refusals(self) -> bool {
        self == Self::BuiltIn
    }

    /// What the log says where it says `words` of the built-in source.
    pub fn says(self, words: &'static str) -> &'static str {
        let declared = WORDS.iter().find(|(built_in, _)| *built_in == words && self == Self::Declared);
        declared.map_or(words, |(_, declared)| declared)
    }
}

/// The built-in sources know what they read; a connector knows the host and what is declared.
const WORDS: [(&str, &str); 13] = [
    ("not a page of events", "something that is not a page"),
    ("not a page of updates", "something that is not a page"),
    ("without moving the offset on", "the cursor is kept, the page's items go on"),
    ("status 500, code INTERNAL_ERROR", "status 500"),
    ("status 409, code CONFLICT", "status 409"),
    ("refused the token (status 401", "refused the credentials (status 401"),
    ("needs one of proposals:read", "refused the credentials (status 403"),
    ("the scope `updates:read` is missing", "does not allow this (status 403"),
    ("there is no feed at", "there is nothing at"),
    ("the offset sent was", "the cursor sent was"),
    (
        "not in polling mode (status 409: delivery mode is not polling)",
        "(status 409: delivery mode is not polling)",
    ),
    // A connector is as patient with a short poll as with any request.
    ("no answer within 16 s", "no answer within 30 s"),
    ("the offset is no longer available", "the cursor is no longer available"),
];

/// Makes of each test that takes a [`Form`] one for the built-in source and one for the connector.
#[macro_export]
macro_rules! for_both_forms {
    ($($test:ident),+ $(,)?) => {
        mod built_in {
            $(#[test]
            fn $test() {
                super::$test($crate::Form::BuiltIn);
            })+
        }
        mod declared {
            $(#[test]
            fn $test() {
                super::$test($crate::Form::Declared);
            })+
        }
    };
}
