//! Rules over the events of both APIs, and what is said of them.

use sluicebox_catalogue::Catalogue;
use sluicebox_core::{Event, KnownEvents, Located, Meta, RuleForm};
use sluicebox_rules::{Condition, Expression};

use super::review;

fn events(apis: &[&'static str], added: &[&str]) -> KnownEvents {
    let added = added.iter().map(|name| vec![(*name).to_owned()]).collect();
    KnownEvents { apis: apis.iter().copied().collect(), added, ..KnownEvents::default() }
}

/// `line:column message (help)` of every problem.
fn said(text: &str, form: RuleForm, events: Option<&KnownEvents>) -> Vec<String> {
    let problems = review(text, form, events).into_iter().map(|problem| {
        let (line, column) = problem.inside.unwrap();
        let help = problem.help.map_or_else(String::new, |help| format!(" ({help})"));
        format!("{line}:{column} {}{help}", problem.message)
    });
    problems.collect()
}

#[track_caller]
fn assert_said(api: &'static str, rules: &[(&str, &[&str])]) {
    for (text, expected) in rules {
        assert_eq!(said(text, RuleForm::Expression, Some(&events(&[api], &[]))), *expected, "{text}");
    }
}

#[track_caller]
fn assert_silent(api: &'static str, rules: &[&str]) {
    for text in rules {
        assert_said(api, &[(text, &[])]);
    }
}

#[test]
fn a_field_that_no_event_has_is_told_with_the_nearest() {
    assert_said(
        "opentrain",
        &[
            (
                r#"event.data.contractid == "c1""#,
                &[
                    "1:12 no event of OpenTrain is known to have `event.data.contractid` (did you mean `contractId`?)",
                ],
            ),
            (
                r#"event["data"].amountUsd > 5"#,
                &["1:15 no event of OpenTrain is known to have `event.data.amountUsd`"],
            ),
            (
                "event.date.contractId",
                &["1:7 no event of OpenTrain is known to have `event.date` (did you mean `data`?)"],
            ),
            (
                "event.contractId",
                &[
                    "1:7 no event of OpenTrain is known to have `event.contractId` (did you mean `data.contractId`?)",
                ],
            ),
            (
                "event.payload.contractId",
                &[
                    "1:7 no event of OpenTrain is known to have `event.payload` (known in `event`: `apiVersion`, \
                   `createdAt`, `data`, `id`, `jobId`, `resourceId`, `type`)",
                ],
            ),
            (
                r#"(event.data.contractid ?? "") != "" || "contractid" in event.data"#,
                &[
                    "1:13 no event of OpenTrain is known to have `event.data.contractid` (did you mean `contractId`?)",
                    "1:40 no event of OpenTrain is known to have `event.data.contractid` (did you mean `contractId`?)",
                ],
            ),
        ],
    );
    assert_said(
        "zenzap",
        &[
            (
                "event.data.message.attachments[0].transcription.txt",
                &["1:49 no event of Zenzap is known to have \
                   `event.data.message.attachments[…].transcription.txt` (did you mean `text`?)"],
            ),
            (
                "event.data.text.len() > 3",
                &[
                    "1:12 no event of Zenzap is known to have `event.data.text` (did you mean `message.text`?)",
                ],
            ),
        ],
    );
}

#[test]
fn a_field_of_another_type_is_told_where_the_type_is_pinned() {
    assert_said(
        "opentrain",
        &[
            (
                r#"meta.type == "payment.pending" && event.data.status == "paid""#,
                &[
                    "1:46 no event of type `payment.pending` is known to have `event.data.status` (`event.data.status` is \
                   a field of `approval.confirmed`, `milestone.status_changed`, `proposal.status_changed`)",
                ],
            ),
            (
                r#"(event.type == "contract.created" || event.type.starts_with("payment.")) && event.data.invoiceid"#,
                &["1:88 no event of type `contract.created`, `payment.pending` is known to have \
                   `event.data.invoiceid` (did you mean `invoiceId`?)"],
            ),
        ],
    );
    assert_said(
        "zenzap",
        &[(
            r#"meta.type.starts_with("message.") && event.data.emoji == "x""#,
            &[
                "1:49 no event of type `message.created`, `message.deleted`, `message.updated` is known to have \
               `event.data.emoji` (`event.data.emoji` is a field of `reaction.added`, `reaction.removed`)",
            ],
        )],
    );
    assert_silent(
        "opentrain",
        &[
            r#"meta.type == "payment.pending" || event.data.status == "paid""#,
            r#"meta.type != "payment.pending" && event.data.status == "paid""#,
            r#"meta.type in ["payment.pending", "approval.confirmed"] && event.data.status == "paid""#,
            r#"meta.type == "payment.pending" && (event.data.status ?? "") == "paid""#,
            r#"meta.type == "payment.pending" && "status" in event.data"#,
            r#"meta.type == "payment.pending" && meta.type == "contract.created" && event.data.nope == 1"#,
        ],
    );
}

#[test]
fn a_type_that_is_not_known_is_told_with_the_nearest() {
    let known = "known: `approval.confirmed`, `contract.budget_state_changed`, `contract.created`, \
                 `message.received`, `milestone.status_changed`, `payment.pending`, `proposal.received`, \
                 `proposal.status_changed`";
    assert_said(
        "opentrain",
        &[
            (
                r#"event.type == "payment.pendng""#,
                &[
                    "1:15 no known event type of OpenTrain is `payment.pendng`: this never holds (did you mean \
                   `payment.pending`?)",
                ],
            ),
            (
                r#""payment.pendng" != meta.type"#,
                &[
                    "1:1 no known event type of OpenTrain is `payment.pendng`: this always holds (did you mean \
                   `payment.pending`?)",
                ],
            ),
            (
                r#"meta.type in ["payment.pending", "call.ended"]"#,
                &[&format!("1:34 no known event type of OpenTrain is `call.ended` ({known})")],
            ),
            (
                r#"meta.type.starts_with("paymnt.")"#,
                &[
                    "1:23 no known event type of OpenTrain begins with `paymnt.`: this never holds (did you mean \
                   `payment.`?)",
                ],
            ),
            ("meta.type == 7", &["1:14 `meta.type` is text: a comparison with an integer never holds"]),
        ],
    );
}

#[test]
fn of_the_fields_of_an_unknown_type_nothing_is_told() {
    let known = events(&["opentrain"], &[]);
    for text in [
        r#"meta.type == "contract.document_signed" && event.data.documentVersion > 1"#,
        r#"event.type in ["payment.pending", "call.ended"] && event.data.seconds > 1"#,
        r#"(meta.type == "payment.pending" || meta.type == "call.ended") && event.data.seconds > 1"#,
    ] {
        let said = said(text, RuleForm::Expression, Some(&known));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("no known event type"), "{said:?}");
    }
}

#[test]
fn a_comparison_that_can_never_hold_is_told() {
    assert_said(
        "opentrain",
        &[
            ("event.id > 1042", &["1:12 `event.id` is text: a comparison with an integer never holds"]),
            (
                r#"event.data.consumedFraction != "0.5""#,
                &["1:32 `event.data.consumedFraction` is a number: a comparison with text always holds"],
            ),
            (
                r#"event.data.paymentType == "PAY_PER_HOURS""#,
                &[
                    "1:27 `event.data.paymentType` is never \"PAY_PER_HOURS\": this never holds (did you mean \
                   `PAY_PER_HOUR`?)",
                ],
            ),
            (
                r#"event.data.paymentType in ["FIXED_PRICE", "HOURLY"]"#,
                &[
                    "1:43 `event.data.paymentType` is never \"HOURLY\": this never holds for it (it is one of \
                   `FIXED_PRICE`, `PAY_PER_HOUR`, `PAY_PER_LABEL`)",
                ],
            ),
            (
                "event.jobId != ()",
                &[
                    "1:16 a comparison with `()` always holds, whether or not the field is there (ask `\"jobId\" in \
                   event`)",
                ],
            ),
            ("meta.tpye == \"x\"", &["1:6 there is no `meta.tpye` (did you mean `type`?)"]),
        ],
    );
}

#[test]
fn what_could_be_right_is_not_told() {
    assert_silent(
        "opentrain",
        &[
            "true",
            r#""contractId" in event.data"#,
            r#""amountUsd" in event.data && event.jobId == "j""#,
            "(event.data.amountUsd ?? 0) > 5",
            r#"event.data.status == "whatever""#,
            r#"event.data.paymentType.starts_with("PAY")"#,
            "event.data.fundedVolume >= 2.5 && event.data.fundedVolume < 7",
            "event.resourceId.len > 3",
            r#"meta.type.split(".")[0] in ["contract", "milestone"]"#,
            r#"meta.lookups.contract.status == "ok""#,
            "if event.nothing { event.data.nothing == 1 } else { false }",
            "event[meta.key] == 1",
            r#"event.contract("x")"#,
            "event.data.contractid = ",
        ],
    );
    assert_silent(
        "zenzap",
        &[
            r#"event.data.changes.anything == "x""#,
            r#"meta.type == "webhook.test" && event.data.durationSeconds > 3"#,
            r#""x" in event.data.message.text"#,
            "event.data.message.attachments[0].len > 3",
            r#"event.data.message.type == "poll""#,
            "event.createdAt > 1740988800000",
        ],
    );
}

#[test]
fn what_was_added_on_the_way_and_what_nobody_knows_is_left_alone() {
    let with_contract = events(&["opentrain"], &["contract"]);
    let text = "event.contract.rateUsd > 5 && event.contrct.rateUsd > 5";
    assert_eq!(
        said(text, RuleForm::Expression, Some(&with_contract)),
        ["1:37 no event of OpenTrain is known to have `event.contrct` (did you mean `contract`?)"]
    );
    let mut looked_up = events(&["opentrain"], &[]);
    let fields = ["job", "proposal"].map(|field| vec!["details".to_owned(), field.to_owned()]);
    looked_up.added.extend(fields);
    let text = "event.details.job.any > 5 && event.details.propsal.id > 5 && event.details.x > 5 && event.detail.job";
    assert_eq!(
        said(text, RuleForm::Expression, Some(&looked_up)),
        [
            "1:44 no event of OpenTrain is known to have `event.details.propsal` (did you mean `proposal`?)",
            "1:76 no event of OpenTrain is known to have `event.details.x` (known in `event.details`: `job`, `proposal`)",
            "1:91 no event of OpenTrain is known to have `event.detail` (did you mean `details`?)"
        ]
    );
    let text = r#"event.nope == 1 && meta.type == "nope" && meta.tim == "x""#;
    let meta_only = ["1:48 there is no `meta.tim` (did you mean `time`?)"];
    assert_eq!(said(text, RuleForm::Expression, None), meta_only);
    assert_eq!(said(text, RuleForm::Expression, Some(&events(&["opentrain", "other"], &[]))), meta_only);
}

#[test]
fn events_of_two_apis_are_known_together() {
    let both = events(&["opentrain", "zenzap"], &[]);
    let told = |text: &str| said(text, RuleForm::Expression, Some(&both));
    let nothing: [String; 0] = [];
    for text in [
        r#"event.data.contractId == "c" || event.data.emoji == "x""#,
        r#"meta.type == "payment.pending" || meta.type == "message.created""#,
        "event.createdAt > 5",
        r#"event.type == "payment.pending" && event.data.invoiceId == "i""#,
    ] {
        assert_eq!(told(text), nothing, "{text}");
    }
    assert_eq!(
        told("event.data.emojo"),
        ["1:12 no event of OpenTrain or Zenzap is known to have `event.data.emojo` (did you mean `emoji`?)"]
    );
    assert_eq!(
        told(r#"event.eventType == "message.created" && event.data.invoiceId == "i""#),
        ["1:52 no event of type `message.created` is known to have `event.data.invoiceId` \
          (`event.data.invoiceId` is a field of `payment.pending`)"]
    );
}

#[test]
fn what_events_matched_on_the_way_pins_their_types() {
    let mut known = events(&["opentrain"], &[]);
    known.matched.insert("meta.type.starts_with(\"payment.\")".to_owned());
    assert_eq!(
        said("{{ event.data.status }}", RuleForm::Template, Some(&known)),
        [
            "1:15 no event of type `payment.pending` is known to have `event.data.status` (`event.data.status` is a \
          field of `approval.confirmed`, `milestone.status_changed`, `proposal.status_changed`)"
        ]
    );
    let nothing: [String; 0] = [];
    assert_eq!(said("event.data.invoiceId", RuleForm::Expression, Some(&known)), nothing);
    known.matched.insert("meta.type == \"call.ended\"".to_owned());
    assert_eq!(said("event.data.status", RuleForm::Expression, Some(&known)), nothing);
}

#[test]
fn templates_are_read_too() {
    let text = "paid: {{ event.data.contractid }}\n{{ event.nope ?? 1 }} {{ event.data.jobId }}";
    assert_eq!(
        said(text, RuleForm::Template, Some(&events(&["opentrain"], &[]))),
        ["1:21 no event of OpenTrain is known to have `event.data.contractid` (did you mean `contractId`?)"]
    );
    assert!(said("{{ event.", RuleForm::Template, None).is_empty());
}

/// What is said of comparisons is true of the rule language itself.
#[test]
fn comparisons_end_as_is_said() {
    let event = Event::parse(&(&br#"{"id":"1042","there":1}"#[..]).into(), Meta::new("a", "a", "a")).unwrap();
    for (text, expected) in [
        ("event.missing == ()", false),
        ("event.there == ()", false),
        ("event.missing != ()", true),
        ("event.there != ()", true),
        ("event.id == 1042", false),
        ("event.id != 1042", true),
        ("event.id < 9999", false),
        ("event.id >= 0", false),
        ("event.there == 1.0", true),
    ] {
        assert_eq!(Condition::compile(&Located::from(text)).unwrap().matches(&event), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_known_of_meta_is_what_rules_see() {
    let event = Event::parse(&(&b"{}"[..]).into(), Meta::new("a", "a", "a")).unwrap();
    let seen = Expression::compile(&Located::from("meta.keys()")).unwrap().evaluate(&event).unwrap();
    let mut seen: Vec<String> = serde_json::from_value(seen).unwrap();
    seen.sort();
    assert_eq!(seen, Catalogue::meta().names().collect::<Vec<_>>());
}

fn script(api: &'static str, text: &str) -> Vec<String> {
    said(text, RuleForm::Script, Some(&events(&[api], &[])))
}

#[track_caller]
fn assert_script(text: &str, expected: &[&str]) {
    assert_eq!(script("opentrain", text), expected, "{text}");
}

#[test]
fn what_scripts_read_and_compare_is_judged() {
    assert_script(
        "let id = event.data.contractid;\nif meta.type == \"payment.pendng\" { event.x = 1; }",
        &[
            "1:21 no event of OpenTrain is known to have `event.data.contractid` (did you mean `contractId`?)",
            "2:17 no known event type of OpenTrain is `payment.pendng`: this never holds (did you mean \
             `payment.pending`?)",
        ],
    );
    assert_script(
        "event.day = meta.tim.sub_string(0, 10);",
        &["1:18 there is no `meta.tim` (did you mean `time`?)"],
    );
    assert_script(
        "for job in event.data.jobs { emit(#{ id: event.data.contractid }) }",
        &[
            "1:23 no event of OpenTrain is known to have `event.data.jobs`",
            "1:53 no event of OpenTrain is known to have `event.data.contractid` (did you mean `contractId`?)",
        ],
    );
    assert_script(
        "event.total = if event.id == 7 { 1 } else { 2 };",
        &["1:30 `event.id` is text: a comparison with an integer never holds"],
    );
}

#[test]
fn what_a_script_put_in_is_there_afterwards() {
    for text in [
        "event.total = 1; if event.total > 5 { drop() }",
        "event.data.total = 1; event.more = event.data.total;",
        "event.data[\"x\"] = #{ a: 1 }; event.y = event.data.x.a.b;",
        "event.a = #{}; event.a.b = 1; event.c = event.a;",
        "if event.jobId == \"j\" { event.total = 1 } else { event.total = 2 }\nevent.twice = event.total;",
        "for at in 0..3 { if at > 0 { event.last += at } else { event.last = 0 } }",
        "event += #{ total: 1 }; event.twice = event.total;",
        "event.mixin(#{ total: 1 }); event.twice = event.total;",
        "event.set(\"total\", 1); event.twice = event.total;",
        "event = event.set_path(\"data.x.y\", 1); event.twice = event.data.x.y;",
        "event = event.merge(#{ total: 1 }); event.twice = event.total;",
        "event = #{ mine: 1 }; event.twice = event.anything;",
        "event = parse_json(event.data.contractId); event.a = event.anything;",
        "event[meta.key] = 1; event.a = event.anything;",
        "event.data[meta.key] = 1; event.a = event.data.contractId;",
        "try { event.total = 1 } catch { event.total = 2 } event.twice = event.total;",
        "let x = { event.total = 1; 2 }; event.twice = event.total;",
        "[1, 2].filter(|it| { event.total = it; true }); event.twice = event.total;",
        "switch event.jobId { \"j\" => event.total = 1, _ => event.total = 2 }\nevent.twice = event.total;",
    ] {
        assert_script(text, &[]);
    }
    assert_script(
        "event.twice = event.totl; event.total = 1;",
        &["1:21 no event of OpenTrain is known to have `event.totl` (known in `event`: `apiVersion`, \
             `createdAt`, `data`, `id`, `jobId`, `resourceId`, `type`)"],
    );
    assert_script(
        "event.data.total = 1; event.x = event.data.contractid;",
        &["1:44 no event of OpenTrain is known to have `event.data.contractid` (did you mean `contractId`?)"],
    );
}

#[test]
fn whoever_asks_or_gives_a_default_may_know_more() {
    for text in [
        "if \"amountUsd\" in event.data { event.x = event.data.amountUsd * 2; }",
        "if !(\"amountUsd\" in event.data) { event.data.amountUsd = 0 }\nevent.x = event.data.amountUsd;",
        "if !(\"amountUsd\" in event.data) { return; }\nevent.x = event.data.amountUsd;",
        "if event.data.contains(\"amountUsd\") && event.data.amountUsd > 5 { drop() }",
        "if is_missing(event.data.amountUsd) { return; }\nevent.x = event.data.amountUsd;",
        "let a = event.data.amountUsd ?? 0; if a > 1 { event.x = event.data.amountUsd; }",
        "event.data.contractIds = event.data.contractIds ?? [];",
        "if !(\"contractIds\" in event.data) { event.data.contractIds = []; }",
        "let e = event; e.anything = 1; if e.anything == 1 { drop() }",
        "let event = #{}; event.x = event.anything;",
        "let text = event.anything_is_own; fn f(event) { event.anything }",
    ] {
        let expected: &[&str] = if text.contains("is_own") {
            &["1:18 no event of OpenTrain is known to have `event.anything_is_own` (known in `event`: \
               `apiVersion`, `createdAt`, `data`, `id`, `jobId`, `resourceId`, `type`)"]
        } else {
            &[]
        };
        assert_script(text, expected);
    }
}

#[test]
fn the_types_at_hand_follow_the_branches() {
    assert_script(
        "if meta.type == \"payment.pending\" {\n  event.x = event.data.status;\n} else {\n  event.x = event.data.status;\n}",
        &[
            "2:24 no event of type `payment.pending` is known to have `event.data.status` (`event.data.status` is \
             a field of `approval.confirmed`, `milestone.status_changed`, `proposal.status_changed`)",
        ],
    );
    assert_script(
        "if meta.type != \"payment.pending\" { return; }\nevent.x = event.data.status;",
        &[
            "2:22 no event of type `payment.pending` is known to have `event.data.status` (`event.data.status` is \
             a field of `approval.confirmed`, `milestone.status_changed`, `proposal.status_changed`)",
        ],
    );
    for text in [
        "if meta.type == \"payment.pending\" { event.x = 1; }\nevent.y = event.data.status;",
        "if meta.type == \"approval.confirmed\" { event.x = event.data.status; }",
        "switch meta.type { \"approval.confirmed\" => event.x = event.data.status, _ => () }",
        "while event.n < 3 { event.n += 1 }",
    ] {
        let told = script("opentrain", text);
        assert!(told.iter().all(|it| it.contains("`event.n`")), "{text}: {told:?}");
    }
}

#[test]
fn branches_that_are_never_reached_are_told() {
    let never = "this never holds for the events that get here, so what depends on it is never reached";
    for (text, place) in [
        (
            "if meta.type == \"payment.pending\" {\n  if meta.type == \"contract.created\" { event.x = 1; }\n}",
            "2:6",
        ),
        (
            "if meta.type == \"payment.pending\" { }\nelse if event.type == \"payment.pending\" { event.x = 1; }",
            "2:9",
        ),
        (
            "if meta.type != \"payment.pending\" { return; }\nif meta.type.starts_with(\"contract.\") { drop() }",
            "2:4",
        ),
        ("if meta.type in [\"payment.pending\"] && meta.type == \"contract.created\" { drop() }", "1:4"),
        ("if false { drop() }", "1:4"),
        ("if !true || false { drop() }", "1:4"),
    ] {
        assert_script(text, &[&format!("{place} {never}")]);
    }
    let always = "this is never reached: the condition before it always holds";
    for (text, place) in [
        ("if true { event.x = 1; } else {\n  event.x = 2;\n}", "2:3"),
        (
            "if meta.type != \"payment.pending\" { return; }\nif meta.type.starts_with(\"payment.\") { drop() } else { event.x = 1; }",
            "2:56",
        ),
    ] {
        assert_script(text, &[&format!("{place} {always}")]);
    }
    let ended = "this is never reached: the script has ended before";
    for (text, place) in [
        ("return;\nevent.x = 1;", "2:1"),
        ("if event.jobId == \"j\" { dead_letter(\"no\");\n  drop(); }", "2:3"),
        ("if event.jobId == \"j\" { return true; } else { throw \"x\"; }\n  drop();", "2:3"),
        ("loop { break; event.x = 1; }", "1:15"),
    ] {
        assert_script(text, &[&format!("{place} {ended}")]);
    }
}

#[test]
fn branches_that_may_be_reached_are_left_alone() {
    for text in [
        // An event type that nobody knows yet gets here.
        "if meta.type.starts_with(\"payment.\") || meta.type.starts_with(\"contract.\") || \
         meta.type.starts_with(\"approval.\") || meta.type.starts_with(\"message.\") || \
         meta.type.starts_with(\"milestone.\") || meta.type.starts_with(\"proposal.\") { drop() } else { event.x = 1; }",
        "if meta.type == \"payment.pending\" { event.a = 1; } else if meta.type == \"contract.created\" { event.a = 2; } \
         else { event.a = 3; }",
        "if meta.type.starts_with(\"payment.\") { if meta.type == \"payment.pending\" { event.a = 1; } else { event.a = 2; } }",
        "if event.jobId == \"j\" { return; } event.x = 1;",
        "if meta.type == \"payment.pending\" && event.jobId == \"j\" { drop() } else { event.x = 1; }",
        "if !(meta.type == \"payment.pending\") { drop() }",
        "let done = false; if done { drop() } else { event.x = 1; }",
        "while true { if event.jobId == \"j\" { break; } return; }",
        "dead_letter(\"no\");",
        "return;",
        "fn f(x) { return x; } event.x = f(1);",
        "event.type = \"payment.pending\"; if event.type == \"mine\" { drop() }",
    ] {
        assert_script(text, &[]);
    }
}

#[test]
fn values_that_are_thrown_away_are_told() {
    for (text, expected) in [
        (
            "event.jobId.trim();",
            "1:13 `trim` gives a new value, and it is thrown away: this changes nothing (assign it: `event.jobId = \
             event.jobId.trim();`)",
        ),
        (
            "let n = event.jobId;\nn.replace(\"a\", \"b\");\nevent.n = n;",
            "2:3 `replace` gives a new value, and it is thrown away: this changes nothing (assign it: `n = \
             n.replace(…);`)",
        ),
        (
            "if event.jobId == \"j\" { trim(event.jobId); }",
            "1:25 `trim` gives a new value, and it is thrown away: this changes nothing (assign it to something)",
        ),
        (
            "event.jobId == \"j\"; event.x = 1;",
            "1:13 the value of `==` is thrown away: this changes nothing (one `=` assigns: `event.x = 1`)",
        ),
        (
            "event.merge(#{ a: 1 });",
            "1:7 `merge` gives a new value, and it is thrown away: this changes nothing (assign it: `event = \
             event.merge(…);`)",
        ),
    ] {
        assert_script(text, &[expected]);
    }
    for text in [
        "event.jobId.trim()",
        "let list = []; list.push(1); list.sort(); event.list = list;",
        "event.remove(\"jobId\");",
        "[1, 2].map(|it| emit(#{ n: it }));",
        "log(event.jobId.trim());",
        "replace(#{ a: 1 });",
        "fn trim(x) { log(x) } trim(event.jobId);",
        "event.x = 1; event.jobId == \"j\"",
        "drop(); to(\"large\");",
    ] {
        assert_script(text, &[]);
    }
}
