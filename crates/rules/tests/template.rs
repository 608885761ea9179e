//! Templates: what they render, and what they never let out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use bytes::Bytes;
use sluicebox_core::{Event, Located, Meta, Reason, Timestamp};
use sluicebox_rules::{Template, TemplateKind};

fn event(json: &str) -> Event {
    let meta = Meta {
        event_type: "t".into(),
        time: Timestamp::parse("2026-06-12T23:30:00+02:00").unwrap(),
        key: "a".into(),
        ..Meta::new("market", "acme/eu", "a:1")
    };
    Event::parse(&Bytes::copy_from_slice(json.as_bytes()), meta).unwrap()
}

fn render(template: &str, kind: TemplateKind, json: &str) -> Result<String, String> {
    let template = Template::compile(&template.into(), kind).unwrap_or_else(|p| panic!("{template}: {p:?}"));
    template.render(&event(json)).map_err(|error| error.details().message.clone())
}

#[test]
fn text_shows_values_as_they_are_and_missing_as_nothing() {
    let json = r#"{"s":"a/b \"q\"","n":5,"x":1.5,"yes":true,"m":{"k":[1]},"nil":null}"#;
    for (template, expected) in [
        ("New *{{ event.s }}*!", "New *a/b \"q\"*!"),
        ("{{event.n}}-{{ event.x }}-{{ event.yes }}", "5-1.5-true"),
        ("[{{ event.nope.deep }}{{ event[\"nil\"] }}]", "[]"),
        ("{{ event.m }}", r#"{"k":[1]}"#),
        ("{{ #{a: #{b: \"}}\"}} }}", r#"{"a":{"b":"}}"}}"#),
        ("{{ `${event.n}}}` }} }} %Y", "5}} }} %Y"),
        ("no template", "no template"),
        ("", ""),
        ("{{ meta.source }} {{ meta.account }}", "market acme/eu"),
    ] {
        assert_eq!(render(template, TemplateKind::Text, json).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn paths_take_the_event_time_and_no_value_leaves_its_segment() {
    let path = |template: &str, value: &str| {
        render(template, TemplateKind::Path, &serde_json::json!({ "v": value }).to_string())
    };
    let template = "archive/{{ event.v }}/%Y-%m-%d.jsonl";
    for (value, expected) in [
        ("plain", "archive/plain/2026-06-12.jsonl"),
        ("..", "archive/%2E%2E/2026-06-12.jsonl"),
        (".", "archive/%2E/2026-06-12.jsonl"),
        ("../../etc", "archive/..%2F..%2Fetc/2026-06-12.jsonl"),
        ("/etc/passwd", "archive/%2Fetc%2Fpasswd/2026-06-12.jsonl"),
        ("%Y", "archive/%25Y/2026-06-12.jsonl"),
        ("a\u{0}b\\c\n", "archive/a%00b%5Cc%0A/2026-06-12.jsonl"),
    ] {
        assert_eq!(path(template, value).as_deref(), Ok(expected), "{value:?}");
    }
    assert_eq!(path("data/{{ event.v }}{{ event.v }}/x", ".").as_deref(), Ok("data/%2E%2E/x"));
    assert_eq!(path("data/.{{ event.v }}/x", ".").as_deref(), Ok("data/.%2E/x"));
    assert_eq!(path("data/100%%/{{ event.v }}", "x").as_deref(), Ok("data/100%/x"));
    assert!(path(template, "").unwrap_err().contains("empty"));
    assert!(path("data/{{ event.nope }}", "").unwrap_err().contains("empty"));
    assert!(path("data/{{ event }}", "").unwrap_err().contains("a map"));
    assert!(path(template, &"x".repeat(300)).unwrap_err().contains("255"));
}

#[test]
fn urls_keep_their_host_and_their_path() {
    let url = |template: &str, value: &str| {
        render(template, TemplateKind::Url, &serde_json::json!({ "v": value }).to_string())
    };
    let template = "https://api.example.com/v1/things/{{ event.v }}?q={{ event.v }}";
    assert_eq!(
        url(template, "a/b?c&d=e#f").as_deref(),
        Ok("https://api.example.com/v1/things/a%2Fb%3Fc%26d%3De%23f?q=a%2Fb%3Fc%26d%3De%23f")
    );
    assert_eq!(url("https://h/%7e/{{ event.v }}", "@evil:1").as_deref(), Ok("https://h/%7e/%40evil%3A1"));
    for value in ["..", "."] {
        assert!(url(template, value).unwrap_err().contains("segment"), "{value}");
    }
    assert!(url("http://h/.{{ event.v }}/x", ".").is_err());
    assert!(url(template, "").is_err());
}

#[test]
fn what_could_lead_elsewhere_does_not_compile() {
    for (template, kind) in [
        ("{{ event.v }}/x", TemplateKind::Path),
        ("", TemplateKind::Path),
        ("a/%!", TemplateKind::Path),
        ("{{ event.v }}", TemplateKind::Url),
        ("https://{{ event.host }}/x", TemplateKind::Url),
        ("https://api.example.com{{ event.v }}", TemplateKind::Url),
        ("https://api.example.com:{{ event.v }}/", TemplateKind::Url),
        ("https:///{{ event.v }}", TemplateKind::Url),
        ("/relative/{{ event.v }}", TemplateKind::Url),
    ] {
        assert!(Template::compile(&template.into(), kind).is_err(), "{template}");
    }
}

#[test]
fn prefixes_and_fixed_templates_are_known() {
    for (template, kind, fixed, prefix) in [
        ("archive/{{ meta.source }}/x", TemplateKind::Path, false, "archive/"),
        ("archive/%Y/x", TemplateKind::Path, false, "archive/"),
        ("archive/x.jsonl", TemplateKind::Path, true, "archive/x.jsonl"),
        ("50 % {{ 1 }}", TemplateKind::Text, false, "50 % "),
        ("https://h/%20", TemplateKind::Url, true, "https://h/%20"),
        ("https://h", TemplateKind::Url, true, "https://h"),
    ] {
        let template = Template::compile(&template.into(), kind).unwrap();
        assert_eq!((template.is_fixed(), template.literal_prefix()), (fixed, prefix));
    }
}

#[test]
fn errors_name_their_place() {
    for (template, place) in [
        ("a {{ event.x ", (1, 3)),
        ("a {{ event. }}", (1, 13)),
        ("a\nbc {{ nope }} d", (2, 7)),
        ("{{ }}", (1, 3)),
        ("{{ drop() }}", (1, 4)),
    ] {
        let problem = Template::compile(&template.into(), TemplateKind::Text).unwrap_err();
        assert_eq!(problem.inside, Some(place), "{template}: {problem:?}");
    }
    let located = Located {
        text: "x {{ 1 }} {{ event.nope.len() }}".into(),
        file: "p.yaml".into(),
        line: 7,
        column: 10,
        block: false,
    };
    let error = Template::compile(&located, TemplateKind::Text).unwrap().render(&event("{}")).unwrap_err();
    let details = error.details();
    assert_eq!((details.file.as_deref(), details.line, details.column), (Some("p.yaml"), Some(7), Some(34)));
    assert_eq!(error.reason(), Reason::Script);
}

#[test]
fn values_can_be_put_by_an_escaping_that_the_literal_parts_are_not_given() {
    let template =
        Template::compile(&"<b>{{ event.a }}</b>{{ event.none }}".into(), TemplateKind::Text).unwrap();
    let text = template
        .render_with(&event(r#"{"a":"<i>"}"#), |text, value| {
            assert!(text == "<b>" || text.ends_with("</b>"), "{text}");
            text.push_str(&value.replace('<', "&lt;"));
        })
        .unwrap();
    assert_eq!(text, "<b>&lt;i></b>");
}

#[test]
fn the_values_of_a_url_are_found_again() {
    let values = |template: &str, text: &str| {
        let template = Template::compile(&template.into(), TemplateKind::Url).unwrap();
        template.values_in(text).map(|values| values.join("|"))
    };
    let one = "https://a.b/c/{{ event.id }}";
    assert_eq!(values(one, "https://a.b/c/x%2Fy").as_deref(), Some("x%2Fy"));
    for other in ["https://a.b/c/x/y", "https://a.b/d/x", "http://a.b/c/x", "https://a.b/c"] {
        assert_eq!(values(one, other), None, "{other}");
    }
    let several = "https://a.b/{{ event.a }}/of/{{ event.b }}.json?q={{ event.c }}&z=1";
    assert_eq!(values(several, "https://a.b/1/of/2.3.json?q=4&z=1").as_deref(), Some("1|2.3|4"));
    assert_eq!(values(several, "https://a.b/1/of/2.json?q=4&z=2"), None);
    assert_eq!(values("https://a.b/c", "https://a.b/c").as_deref(), Some(""));
    assert_eq!(values("https://a.b/{{ event.a }}{{ event.b }}", "https://a.b/12"), None);
}
