//! Which rules are judged, and by what.

use super::plan;
use crate::testing::{Outside, shown};

const RULES: &str = "sources:
  a: {type: feed, token: t, when: ODD a, key: ODD b}
  b: {type: queue, when: ODD c}
transforms:
  kept: {type: filter, inputs: a, when: ODD d}
  looked: {type: lookup, inputs: kept, url: 'https://x/{{ ODD e }}', when: ODD f}
  changed: {type: script, inputs: looked, source: '{{ ODD g }}', when: ODD h}
sinks:
  one: {type: exact, inputs: [looked, kept], columns: {x: y, z: ODD i}, when: ODD j}
  two: {type: plain, inputs: [changed], when: ODD k}
  three: {type: plain, inputs: [kept, b], when: ODD l, dead_letter: four}
  four: {type: plain, inputs: [kept], when: ODD m}
";

fn warnings(text: &str) -> Vec<String> {
    let warnings = plan(&Outside::default(), text).warnings;
    warnings.iter().map(shown).filter(|warning| warning.ends_with("(even)")).collect()
}

#[test]
fn every_rule_is_judged_by_the_events_that_reach_it() {
    assert_eq!(
        warnings(&format!("name: x\n{RULES}")),
        [
            r#"3:35 sources.a.when: Expression: {"feed api"} with {} where {} (even)"#,
            r#"3:47 sources.a.key: Expression: {"feed api"} with {} where {} (even)"#,
            "4:26 sources.b.when: Expression: nothing known (even)",
            r#"6:41 transforms.kept.when: Expression: {"feed api"} with {} where {"ODD a"} (even)"#,
            r#"7:59 transforms.looked.url: Template: {"feed api"} with {} where {"ODD a", "ODD d"} (even)"#,
            r#"7:76 transforms.looked.when: Expression: {"feed api"} with {} where {"ODD a", "ODD d"} (even)"#,
            r#"8:72 transforms.changed.when: Expression: {"feed api"} with {["of_looked"]} where {"ODD a", "ODD d"} (even)"#,
            r#"10:65 sinks.one.columns.z: Expression: {"feed api"} with {["of_looked"]} where {"ODD a", "ODD d"} (even)"#,
            r#"10:79 sinks.one.when: Expression: {"feed api"} with {["of_looked"]} where {"ODD a", "ODD d"} (even)"#,
            "11:47 sinks.two.when: Expression: nothing known (even)",
            "12:49 sinks.three.when: Expression: nothing known (even)",
            "13:45 sinks.four.when: Expression: nothing known (even)",
        ]
    );
}

#[test]
fn a_strict_pipeline_refuses_what_another_is_warned_of() {
    let text = "name: x\ncatalogue: {strict: true}\nsources:\n  a: {type: feed, token: t, when: ODD}\nsinks:\n  \
                z: {type: plain, inputs: a}\n";
    let problem = r#"4:35 sources.a.when: Expression: {"feed api"} with {} where {} (even)"#;
    assert_eq!(Outside::default().problems(text), [problem]);
    assert_eq!(warnings(&text.replace("true", "false")), [problem]);
    assert_eq!(
        Outside::default().problems(&text.replace("strict: true", "strct: true").replace(" ODD", " x")),
        ["2:13 catalogue.strct: unknown key `strct` (did you mean `strict`?)"]
    );
}
