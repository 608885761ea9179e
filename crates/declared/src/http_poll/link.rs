//! The header `Link` (RFC 8288), as far as paging needs it.
//!
//! Invariant: what cannot be read is no link; the target stays as it is written.

use http::HeaderMap;
use http::header::LINK;

/// The target of the first link of a relation.
pub(super) fn target(headers: &HeaderMap, relation: &str) -> Option<String> {
    let values = headers.get_all(LINK).into_iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(links)
        .find(|(_, parameters)| has_relation(parameters, relation))
        .map(|(target, _)| target)
}

/// The links of one header: `<target>; parameters, <target>; parameters`.
fn links(text: &str) -> Vec<(String, String)> {
    let mut links = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let Some(end) = rest[start..].find('>').map(|end| start + end) else { break };
        let target = &rest[start + 1..end];
        rest = &rest[end + 1..];
        // A comma inside quotes belongs to a parameter.
        let mut quoted = false;
        let stop = rest.find(|c: char| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        let (parameters, after) = rest.split_at(stop.unwrap_or(rest.len()));
        links.push((target.to_owned(), parameters.to_owned()));
        rest = after;
    }
    links
}

fn has_relation(parameters: &str, relation: &str) -> bool {
    parameters.split(';').filter_map(|parameter| parameter.split_once('=')).any(|(name, value)| {
        let mut words = value.trim().trim_matches('"').split_whitespace();
        name.trim().eq_ignore_ascii_case("rel") && words.any(|word| word.eq_ignore_ascii_case(relation))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(values: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(LINK, value.parse().unwrap());
        }
        target(&headers, "next")
    }

    #[test]
    fn the_link_of_the_relation_is_found() {
        let both =
            r#"<https://h/a?page=1,2>; rel="prev", <https://h/a?page=3>; title="x, y"; rel="last next""#;
        assert_eq!(next(&[both]).unwrap(), "https://h/a?page=3");
        assert_eq!(next(&["</a>; rel=prev", "</b>; REL=Next"]).unwrap(), "/b");
    }

    #[test]
    fn what_is_no_link_is_left_alone() {
        for value in ["", "<unclosed; rel=next", "/b; rel=next", "<a>; rev=next", "<a>"] {
            assert_eq!(next(&[value]), None, "{value}");
        }
    }
}
