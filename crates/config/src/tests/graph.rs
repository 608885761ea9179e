//! The graph, names, deliveries, and the plan of a whole file.

use sluicebox_core::{Delivery, SourceClass};

use super::{assert_problems, plan};
use crate::testing::{Outside, registry, shown};
use crate::{DeadLetterPolicy, Input, Inputs, schema};

const WHOLE: &str = "name: whole
sources:
  chat_a: {type: feed, token: x, dead_letter: drop}
  chat_b: {type: queue}
transforms:
  last: {type: script, source: x, inputs: [first.left, first]}
  first: {type: script, source: x, outputs: [left], inputs: chat_*, retry: {initial: 1s}}
sinks:
  z: {type: exact, inputs: [last], batch: {max_events: 5}, when: event.x}
  y: {type: plain, inputs: ['*'], delivery: at_least_once}
tests: []
";

#[test]
fn a_right_file_becomes_a_plan() {
    let plan = plan(&Outside::default(), WHOLE);
    assert_eq!(plan.name, "whole");
    assert_eq!(plan.folder.display().to_string(), "dir");
    let input = |component: &str, output: Option<&str>| Input {
        component: component.into(),
        output: output.map(Into::into),
    };
    let transforms: Vec<&str> = plan.transforms.iter().map(|transform| transform.name.as_str()).collect();
    assert_eq!(transforms, ["first", "last"]);
    assert_eq!(plan.transforms[0].inputs, [input("chat_a", None), input("chat_b", None)]);
    assert_eq!(plan.transforms[1].inputs, [input("first", Some("left")), input("first", None)]);
    assert_eq!(plan.transforms[0].retry.initial.to_string(), "1s");
    assert_eq!(plan.sources[0].dead_letter, DeadLetterPolicy::Drop);
    assert!(plan.sources[0].prefetch && !plan.sources[1].prefetch);
    assert_eq!(plan.sources[1].class, SourceClass::ConfirmOnRead);
    assert_eq!(plan.sinks[0].batch.max_events, 5);
    assert_eq!(plan.sinks[0].delivery, Delivery::ExactlyOnce);
    assert_eq!(plan.sinks[0].when.as_ref().map(|when| when.text.as_str()), Some("event.x"));
    assert_eq!(plan.sinks[1].inputs.len(), 4);
    let routes: Vec<String> = plan
        .routes
        .iter()
        .map(|route| format!("{}→{} {}: {}", route.source, route.sink, route.guarantee.as_str(), route.why))
        .collect();
    assert_eq!(
        routes,
        [
            "chat_a→z exactly_once: rows and position share one transaction",
            "chat_a→y at_least_once: it keeps no position",
            "chat_b→z exactly_once: rows and position share one transaction; while the position of `chat_b` is valid \
             upstream",
            "chat_b→y at_least_once: it keeps no position",
        ]
    );
}

#[test]
fn two_paths_are_warned_of_only_where_one_event_takes_both() {
    let plan = plan(&Outside::default(), WHOLE);
    let warnings: Vec<String> = plan.warnings.iter().map(shown).collect();
    // `last` reads both outputs of `first`: each event leaves by one of them.
    assert_eq!(
        warnings,
        [
            "10:28 sinks.y.inputs: events of `chat_a` can reach `y` by two paths (`first` and `y`): one that takes \
             both arrives twice",
            "10:28 sinks.y.inputs: events of `chat_b` can reach `y` by two paths (`first` and `y`): one that takes \
             both arrives twice",
        ]
    );
}

fn with_sinks(components: &str) -> String {
    format!("sources:\n  a: {{type: feed, token: x}}\n{components}")
}

#[test]
fn unknown_inputs_are_named_with_the_nearest() {
    let text = with_sinks(
        "transforms:
  one: {type: script, source: x, outputs: [left, right], inputs: [a]}
sinks:
  z: {type: plain, inputs: [b, oen, one.lef, one.right, a.x, y, zz*, one, one]}
  y: {type: plain, inputs: y}
",
    );
    assert_problems(
        &text,
        &[
            "6:29 sinks.z.inputs: unknown input `b` (did you mean `a`?)",
            "6:32 sinks.z.inputs: unknown input `oen` (did you mean `one`?)",
            "6:37 sinks.z.inputs: `one` has no output `lef` (did you mean `one.left`?)",
            "6:57 sinks.z.inputs: `a` has no output `x` (`a` has only its main output: write `a`)",
            "6:62 sinks.z.inputs: `y` is a sink: nothing comes out of it",
            "6:65 sinks.z.inputs: no source or transform matches `zz*`",
            "6:75 sinks.z.inputs: `one` is listed twice",
            "7:28 sinks.y.inputs: `y` is a sink: nothing comes out of it",
        ],
    );
}

#[test]
fn circles_are_shown_as_events_would_run() {
    let text = with_sinks(
        "transforms:
  one: {type: script, source: x, inputs: [a, three]}
  two: {type: script, source: x, inputs: one}
  three: {type: script, source: x, inputs: two}
  self: {type: script, source: x, inputs: [self, a]}
sinks:
  z: {type: plain, inputs: [three, self]}
",
    );
    assert_problems(
        &text,
        &[
            "4:42 transforms.one.inputs: events would run in a circle: one → two → three → one",
            "7:44 transforms.self.inputs: `self` reads itself",
        ],
    );
}

#[test]
fn dead_letters_go_to_a_sink_that_is_there_and_never_in_a_circle() {
    let text = "sources:\n  a: {type: queue, dead_letter: bda}\nsinks:\n  z: {type: plain, inputs: a, dead_letter: y}\n  \
                y: {type: plain, dead_letter: z}\n  x: {type: plain, inputs: a, dead_letter: x}\n  \
                w: {type: plain, inputs: a, dead_letter: a}\n  bad: {type: plain}\n";
    assert_problems(
        &format!("name: x\n{text}"),
        &[
            "3:33 sources.a.dead_letter: there is no sink `bda` (did you mean `bad`?)",
            "5:44 sinks.z.dead_letter: dead letters would run in a circle: z → y → z (let the last one `store` its own)",
            "6:33 sinks.y.dead_letter: dead letters would run in a circle: y → z → y (let the last one `store` its own)",
            "7:44 sinks.x.dead_letter: a sink cannot take its own dead letters (`store` keeps them in the state; or name \
             another sink)",
            "8:44 sinks.w.dead_letter: `a` is a source: dead letters go to a sink (`store`, `drop`, or the name of a sink)",
            "9:3 sinks.bad: `inputs` is missing (`inputs`: what it reads: names of sources and transforms, \
             `name.output`, globs like `chat_*`)",
        ],
    );
    let text = "name: x\nsources:\n  a: {type: queue, dead_letter: bad}\nsinks:\n  z: {type: plain, inputs: a}\n  \
                bad: {type: plain}\n";
    let plan = plan(&Outside::default(), text);
    assert_eq!(plan.sources[0].dead_letter, DeadLetterPolicy::Sink("bad".into()));
    assert!(plan.sinks[1].inputs.is_empty(), "a sink may take letters alone");
}

#[test]
fn every_event_needs_somewhere_to_go_and_to_come_from() {
    assert_problems(
        &with_sinks("  b: {type: queue}\nsinks:\n  z: {type: plain, inputs: b}\n"),
        &[
            "2:3 sources.a: nobody reads `a`: its events would go nowhere (name it in the `inputs` of a transform or a \
           sink)",
        ],
    );
    assert_problems(
        "name: x\nsinks:\n",
        &[
            "1:1 sources: a pipeline needs at least one source",
            "2:1 sinks: a pipeline needs at least one sink",
        ],
    );
}

#[test]
fn an_unread_main_output_is_a_warning() {
    let text = with_sinks(
        "transforms:
  one: {type: script, source: x, outputs: [left], inputs: a}
sinks:
  z: {type: plain, inputs: one.left}
",
    );
    let warnings: Vec<String> = plan(&Outside::default(), &text).warnings.iter().map(shown).collect();
    assert_eq!(
        warnings,
        [
            "4:3 transforms.one: nobody reads the main output of `one`: what is not sent to a named output is discarded"
        ]
    );
}

#[test]
fn names_and_types_are_checked() {
    assert_problems(
        "name: My Pipe
sorces: {}
sources:
  A b: {type: feed, token: x}
  c: {type: fed}
  d: {type: plain}
  e: {token: x}
  f: feed
  g: {type: [feed]}
sinks:
  c: {type: plain, inputs: '*'}
  z: {type: plain, inputs: '*'}
",
        &[
            "1:7 name: expected a name of `a-z`, `0-9` and `-`, found `My Pipe`",
            "2:1 sorces: unknown key `sorces` (did you mean `sources`?)",
            "4:3 sources.A b: `A b` cannot be a component's name: only `a-z`, `0-9`, `-` and `_` can",
            "5:13 sources.c.type: unknown source type `fed` (did you mean `feed`?)",
            "6:13 sources.d.type: unknown source type `plain` (`plain` is a sink type)",
            "7:3 sources.e.type: the source `e` has no `type` (there are: feed, hook, queue, records)",
            "8:3 sources.f: expected a map with a `type`, found `feed`",
            "9:13 sources.g.type: expected the name of a source type, found a list (there are: feed, hook, queue, \
             records)",
            "11:3 sinks.c: the name `c` is taken (it is a source already; names are unique in a pipeline)",
        ],
    );
}

#[test]
fn the_file_names_the_pipeline_unless_it_cannot() {
    let outside = Outside::default();
    let text = with_sinks("sinks:\n  z: {type: plain, inputs: a}\n");
    assert_eq!(plan(&outside, &text).name, "p");
    let inputs = Inputs { variables: &outside, files: &outside, allow_missing_secrets: false };
    let report = crate::load("My_Pipe.yaml".as_ref(), &text, &registry(), &inputs).err().unwrap();
    assert_eq!(report.problems[0].help.as_deref(), Some("add `name: my-pipe`"));
    assert!(report.to_string().starts_with("My_Pipe.yaml:1:1: the pipeline has no `name`"));
}

#[test]
fn deliveries_that_cannot_be_kept_are_refused() {
    let text = "sources:
  push: {type: hook}
  rows: {type: records}
  feed: {type: feed, token: x}
sinks:
  z: {type: exact, inputs: '*', delivery: exactly_once}
  y: {type: plain, inputs: '*', delivery: exactly_once}
";
    let help = "(leave `delivery` out, or write `at_least_once`)";
    assert_problems(
        text,
        &[&format!(
            "7:43 sinks.y.delivery: this sink cannot deliver exactly once: it keeps no position {help}"
        )],
    );
    assert_problems(
        &text.replace("plain, inputs: '*', delivery: exactly_once", "plain, inputs: '*'"),
        &[
            &format!(
                "6:43 sinks.z.delivery: the route push → z cannot be exactly once: `push` is pushed by its sender, \
                 who may send again {help}"
            ),
            &format!(
                "6:43 sinks.z.delivery: the route rows → z cannot be exactly once: `rows` reads by a field of its \
                 records, with an overlap {help}"
            ),
        ],
    );
    let unasked = plan(&Outside::default(), &text.replace(", delivery: exactly_once", ""));
    let guarantees: Vec<Delivery> = unasked.routes.iter().map(|route| route.guarantee).collect();
    assert_eq!(guarantees.iter().filter(|guarantee| **guarantee == Delivery::ExactlyOnce).count(), 1);
}

/// What is remembered must come out the same when its events come again; what is only passed on need not.
#[test]
fn what_others_answer_may_not_be_counted_exactly_once() {
    let text = "sources:
  a: {type: feed, token: x}
  b: {type: feed, token: x}
transforms:
  found: {type: lookup, inputs: [a], url: 'https://x'}
  judged: {type: filter, inputs: [found, b], when: event.ok}
  counts: {type: tally, inputs: [judged], key: event.k}
  after: {type: lookup, inputs: [b], url: 'https://x'}
sinks:
  counted: {type: exact, inputs: [counts]}
  passed: {type: exact, inputs: [judged, after]}
  plain: {type: plain, inputs: [counts]}
";
    let routes = |text: &str| -> Vec<String> {
        let plan = plan(&Outside::default(), text);
        let told = |route: &crate::Route| format!("{} → {}: {:?}", route.source, route.sink, route.guarantee);
        plan.routes.iter().map(told).collect()
    };
    assert_eq!(
        routes(text),
        [
            "a → counted: AtLeastOnce",
            "a → passed: ExactlyOnce",
            "a → plain: AtLeastOnce",
            "b → counted: ExactlyOnce",
            "b → passed: ExactlyOnce",
            "b → plain: AtLeastOnce",
        ]
    );
    let why = "after a crash, events come again to `counts`, and `found` (`lookup`) may find something else by then";
    assert_eq!(plan(&Outside::default(), text).routes[0].why, why);
    let asked =
        text.replace("inputs: [counts]}\n  passed", "inputs: [counts], delivery: exactly_once}\n  passed");
    let help = "(leave `delivery` out, or write `at_least_once`)";
    assert_problems(
        &asked,
        &[&format!(
            "10:54 sinks.counted.delivery: the route a → counted cannot be exactly once: {why} {help}"
        )],
    );
    for (from, to) in
        [("key: event.k", "key: meta.received"), ("when: event.ok", "when: meta.received > \"x\"")]
    {
        let routes = routes(&text.replace(from, to));
        assert!(routes.contains(&"b → counted: AtLeastOnce".to_owned()), "{to}: {routes:?}");
        assert!(routes.contains(&"b → passed: ExactlyOnce".to_owned()), "{to}: {routes:?}");
    }
}

#[test]
fn a_prefetching_queue_is_warned_of() {
    let text = "sources:\n  q: {type: queue, prefetch: true}\nsinks:\n  z: {type: plain, inputs: q}\n";
    let plan = plan(&Outside::default(), text);
    assert!(plan.sources[0].prefetch);
    assert_eq!((plan.warnings[0].line, plan.warnings[0].column), (2, 20));
}

#[test]
fn the_schema_selects_options_by_type() {
    let schema = schema(&registry());
    let feed = &schema["$defs"]["source.feed"];
    assert_eq!(feed["properties"]["type"]["const"], "feed");
    assert_eq!(
        feed["properties"]["prefetch"]["description"].as_str().map(|text| text.starts_with("Whether")),
        Some(true)
    );
    assert_eq!(feed["required"], serde_json::json!(["token", "type"]));
    assert_eq!(feed["additionalProperties"], false);
    assert!(schema["$defs"]["sink.exact"]["properties"]["batch"]["properties"]["max_wait"].is_object());
    assert_eq!(schema["$defs"]["sink.exact"]["required"], serde_json::json!(["type"]));
    let branches = schema["properties"]["transforms"]["additionalProperties"]["allOf"].as_array().unwrap();
    assert_eq!(branches.len(), 4);
    assert!(!schema.to_string().contains("\"x-"), "annotations of our own are not for editors");
}
