//! `list`, `explain` and `schema`: everything that ships is documented, from its declaration.

use serde_json::Value;
use sluicebox_core::ComponentKind;
use sluicebox_testkit::Sandbox;

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"))
}

#[test]
fn every_component_is_listed_and_explained() {
    let sandbox = sandbox();
    let list = sandbox.run("list --format json").expect(0);
    let list: Vec<Value> = serde_json::from_str(&list.stdout).expect("a JSON array");
    assert!(list.len() >= 10, "{list:?}");
    for entry in &list {
        let (name, kind) = (entry["type"].as_str().expect("a name"), entry["kind"].as_str().expect("a kind"));
        let summary = entry["summary"].as_str().expect("a summary");
        assert!(!summary.is_empty(), "{name} has no summary");
        let text = sandbox.run(&format!("explain {name}")).expect(0).stdout;
        assert!(text.contains(&format!("{name} ({kind})")), "{text}");
        let page = sandbox.run(&format!("explain {name} --format markdown")).expect(0).stdout;
        assert!(page.starts_with(&format!("# `{name}`\n")), "{page}");
        assert!(page.contains(&format!("    type: {name}\n")), "{page}");
        for line in page.lines().filter(|line| line.starts_with("| `")) {
            assert!(!line.ends_with("|  |"), "an option of {name} is not described: {line}");
        }
    }
    let sinks = sandbox.run("list sinks").expect(0).stdout;
    assert!(sinks.contains("sqlite") && !sinks.contains("zenzap_updates"), "{sinks}");
}

#[test]
fn one_option_can_be_asked_for_and_wrong_names_get_the_nearest() {
    let sandbox = sandbox();
    let text = sandbox.run("explain opentrain_updates.limit").expect(0).stdout;
    assert!(text.contains("limit: 1 to 200, default 100"), "{text}");
    let text = sandbox.run("explain sqlite.batch").expect(0).stdout;
    assert!(text.contains("batch.max_events"), "{text}");
    let finished = sandbox.run("explain sqlte").expect(2);
    assert_eq!(finished.stderr, "error: there is no component type sqlte\nhelp: did you mean sqlite?\n");
    let finished = sandbox.run("explain sqlit").expect(2);
    assert!(finished.stderr.ends_with("help: did you mean sqlite?\n"), "not split: {}", finished.stderr);
    let finished = sandbox.run("explain sqlite.pth").expect(2);
    assert_eq!(finished.stderr, "error: sqlite has no option pth\nhelp: did you mean path?\n");
}

#[test]
fn packs_of_scripts_are_listed_and_explained() {
    let sandbox = sandbox();
    let list = sandbox.run("list transforms").expect(0).stdout;
    assert!(list.contains("  money/convert     Converts an amount"), "{list}");
    assert!(!sandbox.run("list sinks").expect(0).stdout.contains("money/convert"));
    let text = sandbox.run("explain money").expect(0).stdout;
    assert!(text.contains("money (pack of scripts)") && text.contains("money/from_minor"), "{text}");
    let text = sandbox.run("explain chat/first_line").expect(0).stdout;
    assert!(text.contains("  length: an integer, default 80\n"), "{text}");
    assert!(
        text.contains("  type: rhai\n  pack: chat/first_line\n") && !text.contains("chat/links"),
        "{text}"
    );
    let finished = sandbox.run("explain mony").expect(2);
    assert_eq!(finished.stderr, "error: there is no component type mony\nhelp: did you mean money?\n");
}

#[test]
fn functions_are_explained_by_name_and_all_together() {
    let sandbox = sandbox();
    let text = sandbox.run("explain rhai.pad_start").expect(0).stdout;
    let expected = "pad_start(text, length, with) → text   [text]\n\n  Filled up at the start.\n\n  \
                    \"7\".pad_start(3, \"0\")\n  → \"007\"\n";
    assert_eq!(text, expected);
    let text = sandbox.run("explain rhai.len").expect(0).stdout;
    assert!(["[text]", "[list]", "[map]"].iter().all(|family| text.contains(family)), "{text}");
    let text = sandbox.run("explain rhai").expect(0).stdout;
    assert!(text.contains("  regex\n      regex_match, regex_find"), "{text}");
    let text = sandbox.run("explain rhai.source").expect(0).stdout;
    assert!(text.contains("rhai.source (transform)"), "an option of the transform stays one: {text}");
    let all = sandbox.run("explain functions").expect(0).stdout;
    let page = sandbox.run("explain functions --format markdown").expect(0).stdout;
    for function in sluicebox_rules::functions() {
        assert!(all.contains(&format!("  {}\n", function.signature)), "{}", function.signature);
        let signature = function.signature.replace('|', "\\|");
        assert!(page.contains(&format!("| `{signature}` | ")), "{signature}");
    }
    for (verb, said) in [
        (
            "explain rhai.pad_strt",
            "error: rhai has no option or function pad_strt\nhelp: did you mean pad_start?\n",
        ),
        ("explain functions.trm", "error: there is no function trm\nhelp: did you mean trim?\n"),
    ] {
        assert_eq!(sandbox.run(verb).expect(2).stderr, said);
    }
}

#[test]
fn the_schema_knows_every_type() {
    let sandbox = sandbox();
    let schema: Value = serde_json::from_str(&sandbox.run("schema").expect(0).stdout).expect("JSON");
    let list: Vec<Value> = serde_json::from_str(&sandbox.run("list --format json").stdout).expect("JSON");
    for entry in list {
        let name =
            format!("{}.{}", entry["kind"].as_str().expect("text"), entry["type"].as_str().expect("text"));
        assert!(schema["$defs"].get(&name).is_some(), "{name} is not in the schema");
    }
}

/// The example of every page is what `check` accepts, with something to read from or to write to beside it.
#[test]
fn every_example_passes_check() {
    let sandbox = sandbox();
    sandbox.write("rules/price.rhai", "event.checked = true;\n");
    sandbox.write("tables/customers.csv", "id,name\nc1,Ann\n");
    let list: Vec<Value> = serde_json::from_str(&sandbox.run("list --format json").stdout).expect("JSON");
    for entry in list {
        let (name, kind) = (entry["type"].as_str().expect("text"), entry["kind"].as_str().expect("text"));
        let page = sandbox.run(&format!("explain {name} --kind {kind}s --format markdown")).stdout;
        let (_, rest) = page.split_once("```yaml\n").expect("an example");
        let (example, _) = rest.split_once("```").expect("the end of the example");
        // What an example refers to by name exists.
        let example = example.replace("same_as: marketplace", "bearer: x");
        let check = |outputs: &[String]| {
            let (source, sink) = match kind {
                "source" => ("", "sinks: { end: { type: blackhole, inputs: [my_source] } }\n".to_owned()),
                "transform" => {
                    let inputs = [&["my_transform".to_owned()], outputs].concat().join(", ");
                    (GENERATED, format!("sinks: {{ end: {{ type: blackhole, inputs: [{inputs}] }} }}\n"))
                }
                _ => (GENERATED, String::new()),
            };
            let pipeline = format!("{source}{example}{sink}");
            sandbox.write("p.yaml", &pipeline);
            (sandbox.run("check --allow-missing-secrets p.yaml"), pipeline)
        };
        let (first, _) = check(&[]);
        let (finished, pipeline) = check(&unread(&first.stderr));
        assert_eq!(finished.code, 0, "{pipeline}\n{}", finished.stderr);
    }
}

/// The named outputs that nobody reads, as `check` complains about them.
fn unread(complaint: &str) -> Vec<String> {
    let named = complaint.split("nobody reads `").skip(1).filter_map(|rest| rest.split('`').next());
    named.filter(|name| name.contains('.')).map(str::to_owned).collect()
}

const GENERATED: &str = "sources: { my_source: { type: generate } }\n";

/// An option that every component of a kind has would be split off before the component sees its own of that name.
#[test]
fn no_component_has_an_option_of_its_own_that_all_have() {
    let registry = sluicebox_bundle::registry();
    let own = |schema: &schemars::Schema| -> Vec<String> {
        schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect()
    };
    let sources = registry.sources().values().map(|it| (ComponentKind::Source, it.name, own(&it.schema)));
    let transforms = registry.transforms().values().map(|it| &it.component);
    let transforms = transforms.map(|it| (ComponentKind::Transform, it.name, own(&it.schema)));
    let sinks = registry.sinks().values().map(|it| (ComponentKind::Sink, it.name, own(&it.schema)));
    for (kind, name, options) in sources.chain(transforms).chain(sinks) {
        let common = sluicebox_config::common_options(kind, &registry);
        for option in options {
            assert!(common["properties"].get(&option).is_none(), "{} {name}.{option}", kind.as_str());
        }
    }
}
