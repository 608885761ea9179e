//! Whether there is more to ask for at once.
//!
//! Invariant: an answer that does not say what the declaration promises is malformed; silence is never taken for "no
//! more".

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

/// How an API says that there is more.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MoreOptions {
    /// A field of the body that is `true` or `false`, as a path: `hasMore`.
    Field(String),
    /// There is more while a page holds `limit` items.
    FullPage,
    /// There is more until a page comes empty.
    UntilEmpty,
    /// There is more while the answer gives a next cursor.
    WhileNext,
    /// There is never more: one page at each interval.
    Never,
}

/// What is at hand to tell.
pub(super) struct Signs<'a> {
    pub(super) field: Option<&'a RawValue>,
    pub(super) count: usize,
    pub(super) limit: Option<u32>,
    pub(super) has_next: bool,
}

impl MoreOptions {
    /// Whether "more" is a promise of the API, and not just worth a try.
    pub(super) fn is_promise(&self) -> bool {
        matches!(self, Self::Field(_) | Self::FullPage)
    }

    /// Whether there is more.
    ///
    /// # Errors
    /// The answer does not say, in words.
    pub(super) fn says(&self, signs: &Signs<'_>) -> Result<bool, String> {
        Ok(match self {
            Self::Field(path) => match signs.field.map(RawValue::get) {
                Some("true") => true,
                Some("false") => false,
                _ => return Err(format!("`{path}` is neither true nor false")),
            },
            Self::FullPage => {
                let limit = signs.limit.and_then(|limit| usize::try_from(limit).ok());
                limit.is_some_and(|limit| signs.count >= limit)
            }
            Self::UntilEmpty => signs.count > 0,
            Self::WhileNext => signs.has_next,
            Self::Never => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(more: &MoreOptions, field: &str, count: usize) -> Option<bool> {
        let field: Option<&RawValue> = serde_json::from_str(field).ok();
        more.says(&Signs { field, count, limit: Some(2), has_next: false }).ok()
    }

    #[test]
    fn every_sign_is_read() {
        let field = MoreOptions::Field("more".to_owned());
        assert_eq!(says(&field, "true", 0), Some(true));
        assert_eq!(says(&field, "false", 9), Some(false));
        for odd in ["null", "\"true\"", "1", ""] {
            assert_eq!(says(&field, odd, 1), None, "{odd}");
        }
        assert_eq!(
            [1, 2, 3].map(|count| says(&MoreOptions::FullPage, "", count).unwrap()),
            [false, true, true]
        );
        assert_eq!([0, 1].map(|count| says(&MoreOptions::UntilEmpty, "", count).unwrap()), [false, true]);
        assert_eq!(says(&MoreOptions::WhileNext, "", 5), Some(false));
        assert_eq!(says(&MoreOptions::Never, "", 5), Some(false));
    }
}
