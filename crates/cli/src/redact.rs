//! Signed links: a URL with a query, or with a user name and a password, may let whoever reads it in, so both are shown
//! as `…` unless asked for.

use serde_json::Value;

/// What stands for the query of a link.
const HIDDEN: &str = "?…";
/// What ends a link, beside white space.
const ENDS: &str = "\"'<>\\)]}`";

/// The same value with the query, and the user, of every link in it hidden.
pub(crate) fn value(value: Value) -> Value {
    match value {
        Value::String(string) => Value::String(text(&string)),
        Value::Array(items) => items.into_iter().map(self::value).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, it)| (key, self::value(it))).collect(),
        other => other,
    }
}

/// The same text with the query, and the user, of every link in it hidden.
pub(crate) fn text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = next_link(rest) {
        let (before, link) = rest.split_at(start);
        shown.push_str(before);
        let end = link.find(ends_link).unwrap_or(link.len());
        let query = link[..end].find('?').or_else(|| later_query(link, end));
        let (place, mut after) = link.split_at(query.unwrap_or(end));
        push_place(&mut shown, place);
        if query.is_some() {
            shown.push_str(HIDDEN);
            after = &after[after.find(ends_link).unwrap_or(after.len())..];
        }
        rest = after;
    }
    shown.push_str(rest);
    shown
}

/// Scheme, host and path, without the user before the host.
fn push_place(shown: &mut String, place: &str) {
    let host_at = place.find("://").map_or(0, |at| at + 3);
    let authority = place[host_at..].split('/').next().unwrap_or_default();
    match authority.rfind('@') {
        Some(at) => shown.extend([&place[..host_at], "…", &place[host_at + at..]]),
        None => shown.push_str(place),
    }
}

/// Where the query of a link begins whose path has spaces in it: the `?` of a `?name=` later in its line.
fn later_query(link: &str, end: usize) -> Option<usize> {
    if !link[end..].starts_with(' ') {
        return None;
    }
    let rest = &link[end..];
    let rest = &rest[..rest.find(|sign: char| sign == '\n' || ENDS.contains(sign)).unwrap_or(rest.len())];
    let rest = &rest[..next_link(rest).unwrap_or(rest.len())];
    let is_query = |at: usize| rest[at..].split(' ').next().is_some_and(|query| query.contains('='));
    let mut marks = rest.match_indices('?').map(|(at, _)| at);
    marks.find(|at| is_query(*at)).map(|at| end + at)
}

fn ends_link(sign: char) -> bool {
    sign.is_whitespace() || ENDS.contains(sign)
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

    #[test]
    fn users_and_queries_behind_spaces_are_hidden() {
        for (text, shown) in [
            ("https://user:HUNTER2PW@a.example/f?x=1", "https://…@a.example/f?…"),
            ("https://user:p@ss@a.example", "https://…@a.example"),
            ("https://a.example/@name/1", "https://a.example/@name/1"),
            (
                "\"https://a.example/ok with space?token=T&x\" end",
                "\"https://a.example/ok with space?…\" end",
            ),
            (
                "http://a.example/x is it? yes http://b.example?t=1",
                "http://a.example/x is it? yes http://b.example?…",
            ),
            ("http://a.example/x y? z?t=1", "http://a.example/x y? z?…"),
        ] {
            assert_eq!(super::text(text), shown);
        }
    }
}
