//! Signed links: a URL with a query may let whoever reads it in, so the query is shown as `…` unless asked for.

use serde_json::Value;

/// What stands for the query of a link.
const HIDDEN: &str = "?…";

/// The same value with the query of every link in it hidden.
pub(crate) fn value(value: Value) -> Value {
    match value {
        Value::String(string) => Value::String(text(&string)),
        Value::Array(items) => items.into_iter().map(self::value).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, it)| (key, self::value(it))).collect(),
        other => other,
    }
}

/// The same text with the query of every link in it hidden.
pub(crate) fn text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = next_link(rest) {
        let (before, link) = rest.split_at(start);
        shown.push_str(before);
        let end = link.find(|sign: char| sign.is_whitespace() || "\"'<>\\)]}`".contains(sign));
        let (link, after) = link.split_at(end.unwrap_or(link.len()));
        match link.split_once('?') {
            Some((place, _)) => {
                shown.push_str(place);
                shown.push_str(HIDDEN);
            }
            None => shown.push_str(link),
        }
        rest = after;
    }
    shown.push_str(rest);
    shown
}

fn next_link(text: &str) -> Option<usize> {
    let found = ["https://", "http://"].into_iter().filter_map(|scheme| text.find(scheme));
    found.min()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn queries_are_hidden_and_nothing_else() {
        let text =
            "see https://a.example/f?sig=abc&x=1, or (http://b.example/plain) ok? https://c.example?t=1";
        assert_eq!(
            super::text(text),
            "see https://a.example/f?… or (http://b.example/plain) ok? https://c.example?…"
        );
        let value = json!({ "n": 1, "files": [{ "url": "https://a.example/f?sig=abc" }] });
        assert_eq!(super::value(value), json!({ "n": 1, "files": [{ "url": "https://a.example/f?…" }] }));
    }
}
