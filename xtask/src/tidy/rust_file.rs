//! A Rust source as the rules see it: code without comments and literals, production apart from tests.
//!
//! A mask in place of a parser: comments and the insides of literals become blanks, everything else keeps its line
//! and column. It is enough to tell a call from a mention of it, and it judges files that do not compile.

/// A Rust source.
pub(crate) struct RustFile {
    /// Relative to the root, with `/` between the parts.
    pub(crate) path: String,
    /// As it is written.
    pub(crate) text: String,
    /// The same lines with blanks for comments and literals.
    pub(crate) code: String,
    /// How many lines precede the test module at the foot; none of a file that is all test.
    pub(crate) production_lines: usize,
}

impl RustFile {
    /// Masks a source.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = mask(text);
        let production_lines = if is_test_path(path) { 0 } else { production_lines(&code) };
        Self { path: path.to_owned(), text: text.to_owned(), code, production_lines }
    }

    /// Whether the whole file is test code.
    pub(crate) fn is_test(&self) -> bool {
        is_test_path(&self.path)
    }

    /// The masked lines before the test module.
    pub(crate) fn production(&self) -> impl Iterator<Item = &str> {
        self.code.lines().take(self.production_lines)
    }

    /// The name of the module: the file's, or the folder's of a `mod.rs`.
    pub(crate) fn module(&self) -> &str {
        let stem = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        let stem = stem.strip_suffix("/mod").unwrap_or(stem);
        stem.rsplit('/').next().unwrap_or(stem)
    }
}

fn is_test_path(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs")
}

fn production_lines(code: &str) -> usize {
    let lines: Vec<&str> = code.lines().collect();
    let starts_tests = |index: &usize| {
        let mut after = lines[index + 1..].iter().map(|line| line.trim());
        let item = after.find(|line| !line.is_empty() && !line.starts_with("#["));
        lines[*index].trim() == "#[cfg(test)]"
            && item.is_some_and(|item| item.contains("mod ") && item.ends_with('{'))
    };
    (0..lines.len()).find(starts_tests).unwrap_or(lines.len())
}

fn mask(text: &str) -> String {
    let source: Vec<char> = text.chars().collect();
    let mut masked = String::with_capacity(text.len());
    let mut at = 0;
    while at < source.len() {
        let begins_word = at == 0 || !is_word(source[at - 1]);
        let length = hidden_length(&source[at..], begins_word);
        if length == 0 {
            masked.push(source[at]);
            at += 1;
            continue;
        }
        let end = (at + length).min(source.len());
        masked.extend(source[at..end].iter().map(|&letter| if letter == '\n' { '\n' } else { ' ' }));
        at = end;
    }
    masked
}

/// How many characters from here belong to one comment or literal; 0 when none begins here.
fn hidden_length(rest: &[char], begins_word: bool) -> usize {
    match rest {
        ['/', '/', ..] => rest.iter().position(|&letter| letter == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_comment_length(rest),
        ['"', ..] => quoted_length(rest),
        ['r', ..] if begins_word => raw_length(rest, 1),
        ['b' | 'c', 'r', ..] if begins_word => raw_length(rest, 2),
        ['\'', '\\', _, tail @ ..] => {
            3 + tail.iter().position(|&letter| letter == '\'').map_or(tail.len(), |end| end + 1)
        }
        ['\'', _, '\'', ..] => 3,
        _ => 0,
    }
}

fn block_comment_length(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted_length(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// A raw string after a prefix of `prefix` letters, or 0 when it is an ordinary word that begins alike.
fn raw_length(rest: &[char], prefix: usize) -> usize {
    let hashes = rest[prefix..].iter().take_while(|&&letter| letter == '#').count();
    let begin = prefix + hashes + 1;
    if rest.get(begin - 1) != Some(&'"') {
        return 0;
    }
    let closes = |window: &[char]| window[0] == '"' && window[1..].iter().all(|&letter| letter == '#');
    let end = rest[begin..].windows(hashes + 1).position(closes);
    end.map_or(rest.len(), |end| begin + end + hashes + 1)
}

/// Whether a letter can be part of an identifier.
pub(crate) fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blank_and_places_stay() {
        let text = "let a = \"x\\\"y\"; // note\nlet b = r#\"q\"q\"#; /* a /* b */ c */ let c = b\"z\";\n";
        let masked = mask(text);
        assert_eq!(masked.len(), text.len());
        let words: Vec<&str> = masked.split_whitespace().collect();
        assert_eq!(words.join(" "), "let a = ; let b = ; let c = b ;");
    }

    #[test]
    fn lifetimes_are_code_and_characters_are_not() {
        let masked =
            mask("fn f<'a>(x: &'a str) { if x == '\"' || y == '\\'' || z == '\\u{7f}' { r#type() } }");
        let words: Vec<&str> = masked.split_whitespace().collect();
        assert_eq!(words.join(" "), "fn f<'a>(x: &'a str) { if x == || y == || z == { r#type() } }");
    }

    #[test]
    fn production_ends_at_the_test_module_but_not_at_a_declaration() {
        let file = |text: &str| RustFile::new("crates/core/src/a.rs", text).production_lines;
        assert_eq!(file("//! A.\nfn a() {}\n#[cfg(test)]\nmod tests {\n}\n"), 2);
        assert_eq!(file("//! A.\n#[cfg(test)]\n#[path = \"b.rs\"]\nmod tests {\n}\n"), 1);
        assert_eq!(file("//! A.\n#[cfg(test)]\nmod tests;\nfn a() {}\n"), 4);
        assert_eq!(file("//! A.\n#[cfg(test)]\nfn a() {}\n"), 3);
    }

    #[test]
    fn test_folders_hold_no_production() {
        for path in ["crates/core/tests/a.rs", "crates/core/src/a/tests.rs", "crates/core/src/tests/a.rs"] {
            let file = RustFile::new(path, "fn a() {}\n");
            assert!(file.is_test() && file.production_lines == 0, "{path}");
        }
    }

    #[test]
    fn a_module_is_named_by_its_file_or_folder() {
        let module = |path: &str| RustFile::new(path, "").module().to_owned();
        assert_eq!(module("crates/core/src/event.rs"), "event");
        assert_eq!(module("crates/core/src/event/mod.rs"), "event");
    }
}
