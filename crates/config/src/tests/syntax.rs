//! YAML itself: what is no YAML, what YAML makes of templates, aliases and their bounds.

use std::fmt::Write as _;

use super::{assert_problems, plan, with_source, with_transform};
use crate::testing::Outside;

#[test]
fn what_is_no_yaml_has_a_place_and_help() {
    for (text, expected) in [
        ("", "1:1 : the file is empty"),
        ("# nothing\n", "1:1 : the file is empty"),
        ("a: [1\n", "1:4 : this is no valid YAML"),
        ("name: a: b\n", "1:8 : this is no valid YAML"),
        ("name: \"a\" in b\n", "1:11 : this is no valid YAML"),
        ("name: @a\n", "1:7 : this is no valid YAML"),
        ("name: *a\n", "1:7 : this is no valid YAML"),
        ("name: !event.x\n", "1:15 : the YAML tag `!event.x` has no meaning here"),
        ("name: a\n---\nname: b\n", "2:1 : a second document begins here"),
        ("name: &a [*a]\n", "1:11 : this alias stands for a value that holds it"),
        ("<<: x\n", "1:1 : `<<` merges a map"),
        ("[a]: b\n", "1:1 : the keys of a map must be plain text"),
        ("- a\n", "1:1 : a pipeline is a map"),
        ("just text\n", "1:1 : a pipeline is a map"),
    ] {
        let problems = Outside::default().problems(text);
        assert!(problems.iter().any(|problem| problem.starts_with(expected)), "{text}: {problems:?}");
    }
}

#[test]
fn a_duplicate_key_names_both_places() {
    assert_problems(
        &with_source("limit: 1\nlimit: 2"),
        &["6:5 : duplicate key `limit` (it is first given on line 5, column 5)"],
    );
}

#[test]
fn an_unquoted_template_is_explained_once() {
    let message = "7:10 : an unquoted `{{ … }}` is a YAML map, not a template (quote it: \"{{ event.x }}\")";
    assert_problems(&with_transform("type: lookup\nurl: {{ event.x }}"), &[message]);
    assert_problems(&with_transform("type: lookup\nurl: {{ event.x }}/a"), &[message]);
    let flow = with_source("tags: [a, {{ x }}]");
    let expected = "5:15 : an unquoted `{{ … }}` is a YAML map, not a template (quote it: \"{{ x }}\")";
    assert_problems(&flow, &[expected]);
}

#[test]
fn anchors_and_merged_maps_work() {
    let text = "sources:
  a: &feed {type: feed, token: x, limit: 7}
  b:
    <<: *feed
    limit: 9
sinks:
  z: {type: plain, inputs: &in [a, b]}
  y: {type: plain, inputs: *in}
";
    assert_eq!(plan(&Outside::default(), text).sinks[1].inputs.len(), 2);
    assert_problems(
        &text.replace("limit: 7", "limit: 0"),
        &["2:42 sources.a.limit: expected an integer from 1 to 200, found `0`"],
    );
}

#[test]
fn an_alias_bomb_is_refused_before_it_grows() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        let aliases = [below.as_str(); 9].join(", ");
        writeln!(text, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    let problems = Outside::default().problems(&text);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("the file holds too much"), "{problems:?}");

    let long = "x".repeat(1 << 20);
    let texts = format!("a: &a {long}\nb: [{}]\n", ["*a"; 40].join(", "));
    assert!(Outside::default().problems(&texts)[0].contains("the file holds too much"));
}

#[test]
fn depth_and_length_have_bounds() {
    let deep = format!("a: {}{}\n", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(Outside::default().problems(&deep).len(), 1);
    let long = format!("a: {}\n", "x".repeat(5 << 20));
    assert!(Outside::default().problems(&long)[0].contains("larger than 4 MiB"));
}

#[test]
fn lines_that_end_as_on_windows_keep_their_places() {
    let text = with_source("limit: 0").replace('\n', "\r\n");
    assert_problems(&text, &["5:12 sources.a.limit: expected an integer from 1 to 200, found `0`"]);
}

#[test]
fn no_broken_file_breaks_the_reader() {
    let whole = "sources:\n  a: &x {type: feed, token: \"${T}é\", tags: [{{ y }}]}\ntransforms:\n  t:\n    type: script\n    \
                 inputs: [a]\n    source: |\n      é BAD\nsinks:\n  z: {<<: *x, type: exact, columns: {k: 'v'}}\n";
    let outside = Outside::default();
    for (offset, sign) in whole.char_indices() {
        let rest = &whole[offset + sign.len_utf8()..];
        for put in ["", "é", "\n", "{", "\"", ": ", "|", "~"] {
            for text in [format!("{}{put}{rest}", &whole[..offset]), format!("{}{put}", &whole[..offset])] {
                let problems = outside.load(&text).err().unwrap_or_default();
                for problem in problems {
                    assert!(problem.source.get(problem.range.clone()).is_some(), "{text}: {problem:?}");
                    assert!(problem.line > 0 && problem.column > 0);
                }
            }
        }
    }
}
