//! Whether a rule goes on in the next line: a bracket, a text or a comment is still open.

/// What the place after the text is inside of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Code,
    /// Up to this quote.
    Text(char),
    LineComment,
    BlockComment(usize),
}

/// Whether something is left open. A closing bracket too many is the compiler's to tell, and ends the entry.
pub(super) fn has_open(rule: &str) -> bool {
    let (mut depth, mut inside) = (0_i64, Inside::Code);
    let mut signs = rule.chars().peekable();
    while let Some(sign) = signs.next() {
        match (inside, sign) {
            (Inside::Code, '(' | '[' | '{') => depth += 1,
            (Inside::Code, ')' | ']' | '}') => depth -= 1,
            (Inside::Code, '"' | '\'' | '`') => inside = Inside::Text(sign),
            (Inside::Code, '/') if signs.next_if_eq(&'/').is_some() => inside = Inside::LineComment,
            (Inside::Code, '/') if signs.next_if_eq(&'*').is_some() => inside = Inside::BlockComment(1),
            // An escaped sign ends nothing.
            (Inside::Text(quote), '\\') if quote != '`' => drop(signs.next()),
            (Inside::Text(quote), sign) if sign == quote => inside = Inside::Code,
            // Only a text in backticks goes over several lines.
            (Inside::Text('"' | '\'') | Inside::LineComment, '\n') => inside = Inside::Code,
            (Inside::BlockComment(level), '/') if signs.next_if_eq(&'*').is_some() => {
                inside = Inside::BlockComment(level + 1);
            }
            (Inside::BlockComment(level), '*') if signs.next_if_eq(&'/').is_some() => {
                inside = if level == 1 { Inside::Code } else { Inside::BlockComment(level - 1) };
            }
            _ => {}
        }
    }
    depth > 0 || matches!(inside, Inside::Text('`') | Inside::BlockComment(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_texts_and_comments_stay_open() {
        for open in
            ["if x {", "emit(#{", "a[1", "`line", "/* a", "if x { \"}\"", "{ // }", "/* /* */", "f('(',"]
        {
            assert!(has_open(open), "{open}");
        }
        let closed = [
            "",
            "a.b",
            "if x { 1 }",
            "\"{\"",
            "\"\\\"{\"",
            "'('",
            "`(`",
            "// {",
            "/* { */",
            "a)",
            "a / b",
            "\"open",
        ];
        for closed in closed {
            assert!(!has_open(closed), "{closed}");
        }
    }
}
