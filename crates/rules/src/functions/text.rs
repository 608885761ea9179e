//! Text: cut, searched, replaced, put together.
//!
//! Texts are values here: no function of this file changes the text it is given. (Rhai's own `trim`, `replace` and
//! `truncate` did and gave nothing back, so that `event.name = event.name.trim()` lost the name; ours replace them.)
//! Positions and lengths count characters, not bytes.

use rhai::{Array, Dynamic, Engine};

use super::catalogue::{Family, functions};
use super::outcome::{Outcome, Text, list, plain, texts};
use super::text_form::{capitalized, padding, slug, snake_case, truncated};

pub(super) const FAMILY: Family = Family {
    name: "text",
    summary: "Text cut, searched, replaced, put together. Each function gives a new text and leaves the old one as it was; \
              positions and lengths count characters. Text is put together with `+`, or in a text in backticks with `${…}`.",
    functions: functions! {
        "len" "(text) → integer": "How many characters." r#""Müller".len()"# => "6";
        "is_empty" "(text) → true or false": "Whether there is not one character." r#""".is_empty()"# => "true";
        "trim" "(text) → text": "Without white space at both ends." r#""  Ann ".trim()"# => r#""Ann""#;
        "trim_start" "(text) → text": "Without white space at the start." r#"" Ann ".trim_start()"# => r#""Ann ""#;
        "trim_end" "(text) → text": "Without white space at the end." r#"" Ann ".trim_end()"# => r#"" Ann""#;
        "to_lower" "(text) → text": "In lower case." r#""ÄB".to_lower()"# => r#""äb""#;
        "to_upper" "(text) → text": "In upper case." r#""äb".to_upper()"# => r#""ÄB""#;
        "capitalize" "(text) → text": "The first letter in upper case, the rest as it is."
            r#""annual report".capitalize()"# => r#""Annual report""#;
        "contains" "(text, part) → true or false": "Whether the part is in it." r#""payment.paid".contains("paid")"# => "true";
        "starts_with" "(text, start) → true or false": "Whether it begins so."
            r#""payment.paid".starts_with("payment.")"# => "true";
        "ends_with" "(text, end) → true or false": "Whether it ends so." r#""a.csv".ends_with(".csv")"# => "true";
        "index_of" "(text, part) → integer":
            "Where the part begins, from 0; -1 if it is not there. A third argument says where to begin looking."
            r#""a-b-c".index_of("-")"# => "1";
        "sub_string" "(text, start, length) → text":
            "A part of it. A negative start counts from the end; without a length, all the rest."
            r#"["abcdef".sub_string(1, 3), "abcdef".sub_string(-2)]"# => r#"["bcd","ef"]"#;
        "truncate" "(text, length) → text": "At most so many characters." r#""abcdef".truncate(3)"# => r#""abc""#;
        "truncate" "(text, length, ending) → text":
            "The same, and what had to be cut ends so; the ending counts."
            r#""A long sentence".truncate(7, "…")"# => r#""A long…""#;
        "strip_prefix" "(text, start) → text": "Without that start, if it begins so."
            r#""refs/heads/main".strip_prefix("refs/heads/")"# => r#""main""#;
        "strip_suffix" "(text, end) → text": "Without that end, if it ends so." r#""a.csv".strip_suffix(".csv")"# => r#""a""#;
        "replace" "(text, part, with) → text": "Every occurrence of the part replaced."
            r#""1.234.567".replace(".", "")"# => r#""1234567""#;
        "pad_start" "(text, length, with) → text": "Filled up at the start." r#""7".pad_start(3, "0")"# => r#""007""#;
        "pad_end" "(text, length, with) → text": "Filled up at the end." r#""ab".pad_end(4, ".")"# => r#""ab..""#;
        "repeat" "(text, times) → text": "Again and again." r#""ab".repeat(3)"# => r#""ababab""#;
        "split" "(text, delimiter) → list":
            "The parts between the delimiters. A third argument bounds the parts; without a delimiter, words."
            r#"["a,b,c".split(","), "a,b,c".split(",", 2), "a  b".split()]"#
            => r#"[["a","b","c"],["a","b,c"],["a","b"]]"#;
        "split_rev" "(text, delimiter) → list": "The same from the end." r#""a,b,c".split_rev(",", 2)"# => r#"["c","a,b"]"#;
        "lines" "(text) → list": "Its lines, without line ends." r#""a\r\nb\n".lines()"# => r#"["a","b"]"#;
        "join" "(list, separator) → text":
            "The items with the separator between them: texts, numbers, true and false. A missing item is empty."
            r#"["a", 1, true].join(", ")"# => r#""a, 1, true""#;
        "slug" "(text) → text":
            "For addresses and file names: lower case, everything but letters and digits a `-`."
            r#"slug("Data labels, 2nd try!")"# => r#""data-labels-2nd-try""#;
        "snake_case" "(text) → text":
            "For names of columns: words in lower case with `_` between them."
            r#"[snake_case("amountUsd"), snake_case("HTTPStatus Code")]"# => r#"["amount_usd","http_status_code"]"#;
        "to_chars" "(text) → list": "Its characters." r#""abc".to_chars()"# => r#"["a","b","c"]"#;
        "chars" "(text) → range": "Its characters for a `for` loop."
            r#"let n = 0; for c in "banana".chars() { if c == 'a' { n += 1 } } n"# => "3";
        "bytes" "(text) → integer": "How many bytes in UTF-8." r#""Müller".bytes()"# => "7";
        "get" "(text, index) → character": "The character at a place from 0, missing beyond the end; also `text[0]`."
            r#"["abc".get(1), "abc"[0], "abc".get(9)]"# => r#"["b","a",null]"#;
    },
};

pub(super) fn register(engine: &mut Engine) {
    cutting(engine);
    replacing(engine);
    splitting(engine);
    engine.register_fn("capitalize", capitalized);
    engine.register_fn("slug", slug);
    engine.register_fn("snake_case", snake_case);
    engine.register_fn("join", |items: Array, separator: &str| join(&items, separator));
}

fn cutting(engine: &mut Engine) {
    engine.register_fn("trim", |text: &str| text.trim().to_owned());
    engine.register_fn("trim_start", |text: &str| text.trim_start().to_owned());
    engine.register_fn("trim_end", |text: &str| text.trim_end().to_owned());
    engine.register_fn("truncate", |text: &str, length: i64| truncated(text, length, ""));
    engine.register_fn("truncate", truncated);
    engine.register_fn("strip_prefix", |text: &str, start: &str| {
        text.strip_prefix(start).unwrap_or(text).to_owned()
    });
    engine.register_fn("strip_suffix", |text: &str, end: &str| {
        text.strip_suffix(end).unwrap_or(text).to_owned()
    });
}

fn replacing(engine: &mut Engine) {
    engine.register_fn("replace", replaced);
    engine.register_fn("replace", |text: &str, part: char, with: &str| {
        replaced(text, part.encode_utf8(&mut [0; 4]), with)
    });
    engine.register_fn("replace", |text: &str, part: &str, with: char| {
        replaced(text, part, with.encode_utf8(&mut [0; 4]))
    });
    engine.register_fn("replace", |text: &str, part: char, with: char| {
        replaced(text, part.encode_utf8(&mut [0; 4]), with.encode_utf8(&mut [0; 4]))
    });
    engine.register_fn("pad_start", |text: &str, length: i64, with: &str| -> Outcome<String> {
        Ok(padding("pad_start", text, length, with)? + text)
    });
    engine.register_fn("pad_end", |text: &str, length: i64, with: &str| -> Outcome<String> {
        Ok(text.to_owned() + padding("pad_end", text, length, with)?.as_str())
    });
    engine.register_fn("repeat", |text: &str, times: i64| -> Outcome<String> {
        let mut repeated = Text::default();
        repeated.push_many(text, super::outcome::count("repeat", "a number", times)?)?;
        Ok(repeated.done())
    });
}

fn splitting(engine: &mut Engine) {
    engine.register_fn("lines", |text: &str| texts(text.lines()));
    engine.register_fn("to_chars", |text: &str| list(text.chars().map(|character| Ok(character.into()))));
    engine.register_fn("split", |text: &str| match text {
        "" => texts([""].into_iter()),
        text => texts(text.split_whitespace()),
    });
    engine.register_fn("split", |text: &str, delimiter: &str| texts(text.split(delimiter)));
    engine.register_fn("split", |text: &str, delimiter: char| texts(text.split(delimiter)));
    engine.register_fn("split", |text: &str, delimiter: &str, most: i64| {
        texts(text.splitn(segments(most), delimiter))
    });
    engine.register_fn("split", |text: &str, delimiter: char, most: i64| {
        texts(text.splitn(segments(most), delimiter))
    });
    engine.register_fn("split_rev", |text: &str, delimiter: &str| texts(text.rsplit(delimiter)));
    engine.register_fn("split_rev", |text: &str, delimiter: char| texts(text.rsplit(delimiter)));
    engine.register_fn("split_rev", |text: &str, delimiter: &str, most: i64| {
        texts(text.rsplitn(segments(most), delimiter))
    });
    engine.register_fn("split_rev", |text: &str, delimiter: char, most: i64| {
        texts(text.rsplitn(segments(most), delimiter))
    });
}

/// How many parts a rule asks for; less than one part is none less.
fn segments(most: i64) -> usize {
    usize::try_from(most).unwrap_or(0).max(1)
}

fn replaced(text: &str, part: &str, with: &str) -> Outcome<String> {
    if part.is_empty() {
        return Ok(text.to_owned());
    }
    let mut replaced = Text::default();
    for (index, rest) in text.split(part).enumerate() {
        if index > 0 {
            replaced.push(with)?;
        }
        replaced.push(rest)?;
    }
    Ok(replaced.done())
}

fn join(items: &[Dynamic], separator: &str) -> Outcome<String> {
    let mut joined = Text::default();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            joined.push(separator)?;
        }
        joined.push(&plain("join", item)?)?;
    }
    Ok(joined.done())
}
