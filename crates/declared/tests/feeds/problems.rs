//! What `check` finds, each at its place.

use serde_json::json;

use crate::support::problems;

#[test]
fn good_options_have_no_problems() {
    for more in [
        json!({}),
        json!({ "start": { "cursor": "7" }, "timeout": "20s", "limit": 10, "more": "full_page" }),
        json!({ "cursor": null, "request": { "path": "/" }, "etag": true }),
        json!({ "cursor": { "next": { "link": "next" } }, "request": {} }),
        json!({ "auth": { "basic": { "username": "u", "password": "p" } }, "class": "confirm_on_read" }),
    ] {
        assert_eq!(problems(&more), [], "{more}");
    }
}

#[test]
fn every_fault_is_found_at_its_place() {
    for (more, path) in [
        (json!({ "base_url": "http://api.example.com" }), "base_url"),
        (json!({ "auth": { "same_as": "x" } }), "auth.same_as"),
        (json!({ "auth": { "webhook": { "secret": "s" } } }), "auth.webhook"),
        (json!({ "auth": { "header": { "name": "a b", "value": "v" } } }), "auth.header.name"),
        (json!({ "items": "a..b" }), "items"),
        (json!({ "interval": "500ms" }), "interval"),
        (json!({ "timeout": "1500ms" }), "timeout"),
        (json!({ "limit": 0 }), "limit"),
        (json!({ "more": "full_page" }), "more"),
        (json!({ "more": { "field": "." } }), "more.field"),
        (json!({ "cursor": { "next": { "body": "" } } }), "cursor.next.body"),
        (json!({ "cursor": { "next": { "header": "a b" } } }), "cursor.next.header"),
        (
            json!({ "cursor": { "next": { "body": "n" }, "kind": "number", "initial": "x" } }),
            "cursor.initial",
        ),
        (json!({ "request": { "path": "/x" } }), "cursor"),
        (json!({ "cursor": null }), "request"),
        (json!({ "request": { "path": "/{{ cursor }}/{{ limit }}" } }), "limit"),
        (json!({ "request": { "path": "/{{ cursor }}/{{ timeout }}" } }), "timeout"),
        (json!({ "event": { "id": [] } }), "event.id"),
        (json!({ "event": { "id": "id", "key": ["a", ""] } }), "event.key"),
        (json!({ "cursor": { "next": { "last_item": "at" }, "overlap": "5m" } }), "cursor.overlap"),
        (json!({ "cursor": { "next": { "link": "next" }, "pages": { "link": "next" } } }), "cursor.pages"),
        (json!({ "cursor": { "next": { "body": "n" }, "pages": { "body": "p" } } }), "cursor.pages"),
        (json!({ "cursor": { "next": { "body": "n" }, "pages": { "link": "" } }, "class": "feed" }), "class"),
        (
            json!({ "cursor": { "next": { "body": "n" }, "pages": { "address": "a..b" } } }),
            "cursor.pages.address",
        ),
        (
            json!({ "cursor": { "next": { "body": "n" }, "pages": { "header": "a b" } }, "request": { "path": "/{{ cursor }}/{{ page }}" } }),
            "cursor.pages.header",
        ),
        (
            json!({ "cursor": { "next": { "body": "n" }, "pages": { "link": "next" } }, "timeout": "5s" }),
            "timeout",
        ),
        (json!({ "request": { "path": "/{{ cursor }}/{{ page }}" } }), "request"),
        (json!({ "event": { "id": "id", "within": "" } }), "event.within"),
        (json!({ "interval_header": "a b" }), "interval_header"),
        (json!({ "errors": [{ "then": "retry" }] }), "errors[0]"),
        (json!({ "errors": [{ "status": 999, "then": "retry" }] }), "errors[0].status"),
        (json!({ "errors": [{ "status": 400, "is": "x", "then": "retry" }] }), "errors[0].is"),
        (json!({ "class": "feed", "cursor": { "next": { "link": "next" } }, "request": {} }), "class"),
        (json!({ "start": { "cursor": "7" }, "cursor": null, "request": {} }), "start.cursor"),
    ] {
        let found = problems(&more);
        let paths: Vec<&str> = found.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, [path], "{more}");
    }
}

#[test]
fn an_unknown_value_of_a_template_is_told_with_those_that_there_are() {
    let found = problems(&json!({ "request": { "query": { "after": "{{ cursr }}" } } }));
    let problem = found.iter().find(|problem| problem.path == "request.query.after").unwrap();
    assert!(problem.message.contains("`cursor`"), "{}", problem.message);
}
