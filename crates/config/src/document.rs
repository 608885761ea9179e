//! YAML files that are no pipelines: read along the declaration of a struct, with every fault at its place.
//!
//! Nothing is filled in: `${…}` in such a file is an error, unless the declaration keeps it as text.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use sluicebox_core::ScriptFiles;

use crate::faults::{Fault, Faults};
use crate::interpolate::{Account, Scope};
use crate::node::Node;
use crate::options::declared;
use crate::shape::Walk;
use crate::text::SourceText;
use crate::{Inputs, Report, Variables, yaml};

/// Reads a YAML file that `T` declares. `file` is what messages call it.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn document<T: DeserializeOwned + JsonSchema>(file: &str, text: &str) -> Result<T, Report> {
    let mut faults = Faults::new(SourceText::new(file, text));
    let read = yaml::parse(&mut faults).and_then(|root| read(&root, &mut faults));
    let failed = faults.any();
    match read {
        Some(read) if !failed => Ok(read),
        _ => Err(Report { problems: faults.finish().0 }),
    }
}

fn read<T: DeserializeOwned + JsonSchema>(root: &Node, faults: &mut Faults) -> Option<T> {
    let schema = declared::<T>();
    let inputs = Inputs { variables: &Nothing, files: &Nothing, allow_missing_secrets: false };
    let scope = Scope { inputs, account: Account::None };
    let value = Walk { root: &schema, scope, faults }.value(&schema, root, "")?;
    match serde_path_to_error::deserialize(value) {
        Ok(read) => Some(read),
        Err(error) => {
            let path = error.path().to_string();
            let range = faults.focus(root.find(&path));
            faults.add(Fault::new(range, path, error.into_inner().to_string()));
            None
        }
    }
}

/// No variables, no files.
struct Nothing;

impl Variables for Nothing {
    fn get(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &str) -> Result<String, String> {
        Err("not read from here".to_owned())
    }
}

impl ScriptFiles for Nothing {
    fn read(&self, _: &str) -> Result<String, String> {
        Err("not read from here".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::testing::shown;

    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Recipe {
        name: String,
        #[serde(default)]
        steps: Vec<String>,
        #[serde(default)]
        amounts: BTreeMap<String, serde_json::Value>,
    }

    #[test]
    fn a_file_is_read_along_its_declaration() {
        let text = "name: 010\nsteps: [stir]\namounts: { salt: 1, eggs: [two] }\n";
        let recipe: Recipe = document("r.yaml", text).unwrap();
        assert_eq!((recipe.name.as_str(), recipe.steps), ("010", vec!["stir".to_owned()]));
        assert_eq!(serde_json::json!(recipe.amounts), serde_json::json!({ "salt": 1, "eggs": ["two"] }));
    }

    #[test]
    fn what_is_wrong_is_told_at_once_with_its_place() {
        let text = "steps: stir\nnmae: soup\namounts: { salt: \"${GRAMS}\" }\n";
        let report = document::<Recipe>("r.yaml", text).unwrap_err();
        assert_eq!(report.problems[0].file, "r.yaml");
        let problems: Vec<String> = report.problems.iter().map(shown).collect();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].starts_with("1:8 steps: expected a list"), "{problems:?}");
        assert!(
            problems[1].starts_with("2:1 nmae: unknown key `nmae` (did you mean `name`?)"),
            "{problems:?}"
        );
        assert!(problems[2].starts_with("3:19 amounts.salt: "), "{problems:?}");
        assert_eq!(document::<Recipe>("r.yaml", "a: [").unwrap_err().problems.len(), 1);
    }
}
