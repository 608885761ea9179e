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

#[test]
fn groups_name_parameters_that_may_be_left_out() {
    let token = "  token: { type: secret, required: true, description: The token. }\n";
    for (groups, part) in [
        ("[[token], []]", "`token` always has a value"),
        ("[[tken], []]", "`tken`, and there is none"),
        ("[[token]]", "2"),
    ] {
        let changed = GOOD.replacen(token, &format!("{token}either: {groups}\n"), 1);
        let found = problems(&changed);
        assert!(
            found.iter().any(|it| it.starts_with("5 either") && it.contains(part)),
            "{groups}: {found:#?}"
        );
    }
    let chosen = GOOD.replacen("required: true, ", "", 1).replacen(
        "source:",
        "either: [[token, token], []]\nsource:",
        1,
    );
    assert!(problems(&chosen)[0].contains("twice"));
    Plugin::read("plugins/http/feed.yaml", &chosen.replacen("token, token", "token", 1)).unwrap();
}

#[test]
fn an_error_that_no_source_has_is_told_with_the_word_that_was_meant() {
    let tests = "tests:\n  - name: busy\n    polls:\n      - { answer: { status: 503 }, error: transent }\n";
    let report = Plugin::read("plugins/http/feed.yaml", &format!("{GOOD}{tests}")).unwrap_err();
    let problem = &report.problems[0];
    assert_eq!((problem.line, problem.path.as_str()), (15, "tests[0].polls[0].error"));
    assert_eq!(problem.help.as_deref(), Some("did you mean `transient`?"));
}

#[test]
fn every_group_is_tried_when_a_file_is_read() {
    let text = include_str!("../../../../plugins/http/zenzap_feed.yaml");
    let misspelt = text.replacen("oauth: { client_id:", "oauth: { client:", 1);
    assert_ne!(text, misspelt);
    let report = Plugin::read("plugins/http/zenzap_feed.yaml", &misspelt).unwrap_err();
    assert_eq!(report.problems[0].path, "source.auth.oauth.client");
}
