//! What is wrong with the file of a connector.

use sluicebox_declared::Plugin;

const GOOD: &str = r#"name: feed
summary: A feed.
parameters:
  token: { type: secret, required: true, description: The token. }
source:
  base_url: https://api.example.com
  auth: { bearer: "{{ parameters.token }}" }
  request: { path: /events, query: { after: "{{ cursor }}" } }
  items: events
  cursor: { next: { body: next } }
  event: { id: id }
"#;

/// `LINE PATH: MESSAGE` of each problem.
fn problems(text: &str) -> Vec<String> {
    let report = Plugin::read("plugins/http/feed.yaml", text).unwrap_err();
    let shown = report.problems.iter();
    shown.map(|problem| format!("{} {}: {}", problem.line, problem.path, problem.message)).collect()
}

#[test]
fn a_sound_file_is_read() {
    let connector = Plugin::read("plugins/http/feed.yaml", GOOD).unwrap();
    assert_eq!((connector.name(), connector.summary()), ("feed", "A feed."));
}

#[test]
fn a_misspelt_field_is_told_with_the_one_that_was_meant() {
    let report = Plugin::read("plugins/http/feed.yaml", &GOOD.replacen("items:", "itms:", 1)).unwrap_err();
    assert_eq!(report.problems[0].help.as_deref(), Some("did you mean `items`?"));
}

#[test]
fn faults_are_told_at_their_place() {
    for (from, to, begins, part) in [
        ("name: feed", "name: food", "1 name", "calls itself `food`"),
        ("summary: A feed.", "sumary: A feed.", "2 sumary", "unknown key"),
        ("type: secret", "type: password", "4 parameters.token.type", "password"),
        ("parameters.token }}\"", "parameters.tken }}\"", "5 source", "`tken`"),
        ("bearer: \"{{ parameters.token }}\"", "bearer: x", "4 parameters.token", "never says"),
        ("  token: {", "  key: {", "4 parameters.key", "every source has"),
        ("path: /events", "path: events", "8 source.request.path", "begins with `/`"),
        ("items: events", "itens: events", "9 source.itens", "unknown field"),
        ("body: next", "body: a..b", "10 source.cursor.next.body", "a..b"),
        ("event: { id: id }", "event: {}", "11 source.event", "id"),
        ("summary: A feed.", "summary: \"${HOME}\"", "2 summary", "HOME"),
    ] {
        let changed = GOOD.replacen(from, to, 1);
        assert_ne!(changed, GOOD);
        let found = problems(&changed);
        assert!(found.iter().any(|it| it.starts_with(begins) && it.contains(part)), "{to}: {found:#?}");
    }
}
