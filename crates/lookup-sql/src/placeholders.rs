//! Which parameters a query asks for, as far as its text shows without a parser.
//!
//! Invariant: only what is certain is a problem; what a database alone can judge is left to it.

use sluicebox_core::Problem;

/// What does not fit between a query and its parameters.
pub(crate) fn problem(query: &str, parameters: usize) -> Option<Problem> {
    let text = without_quotes(query);
    if text.trim_end().ends_with(';') {
        return Some(Problem::new("query", "the query ends with a semicolon").with_help("leave it out"));
    }
    if text.trim().is_empty() {
        return Some(Problem::new("query", "the query is empty"));
    }
    let asked = numbers(&text);
    if let Some(highest) = asked.iter().copied().max().filter(|highest| *highest > parameters) {
        let message = format!("the query asks for ${highest}, and the number of parameters is {parameters}");
        return Some(Problem::new("query", message));
    }
    let unused = (1..=parameters).find(|number| !asked.contains(number))?;
    let message = format!("the query does not use ${unused}");
    Some(Problem::new("query", message).with_help(format!("write `${unused}` where the value belongs")))
}

/// The numbers after every `$`.
fn numbers(text: &str) -> Vec<usize> {
    let after = |part: &str| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    text.split('$').skip(1).filter_map(after).collect()
}

/// The query without comments, texts and quoted names.
fn without_quotes(query: &str) -> String {
    let mut text = String::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let skipped = match first {
            '\'' | '"' => 1 + rest[1..].find(first).map_or(rest.len() - 1, |end| end + 1),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            _ => 0,
        };
        if skipped == 0 {
            text.push(first);
        }
        rest = &rest[skipped.max(if skipped == 0 { first.len_utf8() } else { 0 })..];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_placeholders_are_held_against_each_other() {
        for (query, parameters, expected) in [
            ("SELECT 1 WHERE a = $1", 1, None),
            ("SELECT $2, $1 -- and $3\n", 2, None),
            ("SELECT '$9 isn''t', \"$8\", 'ü' /* $7 */ WHERE a = $1", 1, None),
            ("SELECT 1 WHERE a = $2", 1, Some("the query asks for $2, and the number of parameters is 1")),
            ("SELECT '$1'", 1, Some("the query does not use $1")),
            ("SELECT $1 ; -- end", 1, Some("the query ends with a semicolon")),
            (" -- nothing", 0, Some("the query is empty")),
            ("SELECT 'open $1", 0, None),
        ] {
            let found = problem(query, parameters).map(|problem| problem.message);
            assert_eq!(found.as_deref(), expected, "{query}");
        }
    }
}
