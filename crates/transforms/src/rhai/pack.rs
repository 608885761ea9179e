//! Packs: found beside the pipeline file or among those that ship, read, and compiled with arguments.
//!
//! Invariant: a pack beside the pipeline file hides a shipped one of its name, and no pack reaches a file outside its
//! own folder.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde_json::{Map, Value};
use sluicebox_core::{Effect, Located, Problem, ScriptFiles};
use sluicebox_rules::{Flow, Library, Script, State, Surroundings};

use super::declaration::{Declaration, ScriptDeclaration};
use super::state::StateOptions;
use super::{arguments, shipped, state};
use crate::nearest::nearest;

/// Where packs lie, beside a pipeline file and in the repository of Sluicebox.
const FOLDER: &str = "plugins/rhai";
/// The declaration in the folder of a pack.
const DECLARATION: &str = "pack.yaml";
/// The option that names a pack.
const PACK: &str = "pack";

/// A pack, read.
pub(super) struct Pack<'f> {
    pub(super) name: String,
    pub(super) declaration: Declaration,
    /// The text of `pack.yaml`.
    yaml: String,
    /// `None`: it is a shipped one.
    files: Option<&'f dyn ScriptFiles>,
}

/// Splits `money/convert`.
///
/// # Errors
/// It names no script of a pack.
pub(super) fn split(named: &str) -> Result<(&str, &str), Problem> {
    named.split_once('/').filter(|(pack, script)| is_name(pack) && is_name(script)).ok_or_else(|| {
        let problem = Problem::new(PACK, format!("expected a pack and one of its scripts, found `{named}`"));
        problem.with_help("like `money/convert`; `sluicebox list` shows the packs that ship")
    })
}

fn is_name(text: &str) -> bool {
    let allowed = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || "_-".contains(sign);
    !text.is_empty() && text.chars().all(allowed)
}

impl<'f> Pack<'f> {
    /// Finds a pack and reads what it says of itself.
    ///
    /// # Errors
    /// There is none of that name, or its declaration is wrong.
    pub(super) fn find(name: &str, files: &'f dyn ScriptFiles) -> Result<Self, Problem> {
        let beside = files.folders(FOLDER);
        if beside.iter().any(|folder| folder == name) {
            let path = format!("{FOLDER}/{name}/{DECLARATION}");
            let yaml = files
                .read(&path)
                .map_err(|message| Problem::new(PACK, format!("cannot read {path}: {message}")))?;
            return Self::read(name, yaml, Some(files));
        }
        if let Some(yaml) = shipped::text(name, DECLARATION) {
            return Self::read(name, yaml.to_owned(), None);
        }
        let names = beside.iter().map(String::as_str).chain(shipped::names());
        let help = if let Some(near) = nearest(name, names.clone()) {
            format!("did you mean `{near}`?")
        } else {
            let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
            format!("there are: {}; packs of yours lie in {FOLDER}", names.join(", "))
        };
        Err(Problem::new(PACK, format!("there is no pack `{name}`")).with_help(help))
    }

    /// Every pack that ships.
    pub(super) fn shipped() -> Vec<Pack<'static>> {
        let text = |name: &&'static str| Some((*name, shipped::text(name, DECLARATION)?.to_owned()));
        let packs = shipped::names().into_iter().filter_map(|name| text(&name));
        packs.filter_map(|(name, yaml)| Pack::read(name, yaml, None).ok()).collect()
    }

    fn read(name: &str, yaml: String, files: Option<&'f dyn ScriptFiles>) -> Result<Self, Problem> {
        let path = format!("{FOLDER}/{name}/{DECLARATION}");
        let declaration: Declaration = sluicebox_config::document(&path, &yaml).map_err(|report| {
            let first = report.problems.into_iter().next();
            first.map_or_else(
                || Problem::new(PACK, format!("{path} cannot be read")),
                |first| Problem {
                    help: first.help,
                    ..Problem::new(PACK, first.message).inside(first.line, first.column).in_file(&path, &yaml)
                },
            )
        })?;
        let pack = Self { name: name.to_owned(), declaration, yaml, files };
        if pack.declaration.name != name {
            let message =
                format!("the pack calls itself `{}`, and its folder `{name}`", pack.declaration.name);
            return Err(pack.at(&["name:"], message));
        }
        pack.check_defaults()?;
        Ok(pack)
    }

    fn check_defaults(&self) -> Result<(), Problem> {
        for (script, declared) in &self.declaration.scripts {
            for (name, parameter) in &declared.parameters {
                let keys = [format!("{script}:"), format!("{name}:")];
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                let default = &parameter.default;
                if parameter.required && !default.is_null() {
                    let message = format!("`{name}` is required, so its default is never used");
                    return Err(self.at(&keys, message));
                }
                if !default.is_null() && arguments::typed(parameter.kind, default).as_ref() != Some(default) {
                    let message = format!("the default of `{name}` is not {}", parameter.kind.in_words());
                    return Err(self.at(&keys, message));
                }
            }
        }
        Ok(())
    }

    /// A problem where the keys stand in `pack.yaml`, one below the other.
    pub(super) fn at(&self, keys: &[&str], message: String) -> Problem {
        let mut line = 0;
        for key in keys {
            let mut lines = self.yaml.lines().enumerate().skip(line);
            let found = lines.find(|(_, text)| text.trim_start_matches(['-', '{', ' ']).starts_with(key));
            line = found.map_or(line, |(number, _)| number);
        }
        let indent = self.yaml.lines().nth(line).map_or(0, |text| text.len() - text.trim_start().len());
        let path = format!("{FOLDER}/{}/{DECLARATION}", self.name);
        Problem::new(PACK, message).inside(line + 1, indent + 1).in_file(path, &self.yaml)
    }

    /// One of its scripts.
    ///
    /// # Errors
    /// It has none of that name.
    pub(super) fn script(&self, name: &str) -> Result<&ScriptDeclaration, Problem> {
        let scripts = &self.declaration.scripts;
        scripts.get(name).ok_or_else(|| {
            let problem = Problem::new(PACK, format!("the pack `{}` has no script `{name}`", self.name));
            if let Some(near) = nearest(name, scripts.keys().map(String::as_str)) {
                return problem.with_help(format!("did you mean `{}/{near}`?", self.name));
            }
            let names: Vec<String> = scripts.keys().map(|name| format!("`{name}`")).collect();
            problem.with_help(format!("it has: {}", names.join(", ")))
        })
    }

    /// One of its scripts, compiled with arguments and the state that the pipeline declares.
    ///
    /// # Errors
    /// Everything that is wrong with the arguments and the state, or the first thing that is wrong with the pack.
    pub(super) fn compile(
        &self,
        name: &str,
        given: &Map<String, Value>,
        state: &BTreeMap<String, StateOptions>,
    ) -> Result<Script, Vec<Problem>> {
        let declared = self.script(name).map_err(|problem| vec![problem])?;
        let called = format!("{}/{name}", self.name);
        let arguments = arguments::resolve(&called, &declared.parameters, given);
        let state = state::of_pack(&called, &declared.state, state);
        let (arguments, state) = match (arguments, state) {
            (Ok(arguments), Ok(state)) => (arguments, state),
            (arguments, state) => {
                let problems = arguments.err().into_iter().chain(state.err());
                return Err(problems.flatten().collect());
            }
        };
        self.compiled(declared, (&arguments, state.as_ref())).map_err(|problem| vec![problem])
    }

    /// What one of its scripts does to the shape of events.
    pub(super) fn effect(&self, name: &str, given: &Map<String, Value>) -> Option<Effect> {
        let declared = self.script(name).ok()?;
        let arguments = arguments::resolve(name, &declared.parameters, given).ok()?;
        let library = self.library().ok()?;
        let surroundings = Surroundings {
            library: library.as_ref(),
            arguments: Some(&arguments),
            ..Surroundings::default()
        };
        let flow = self.in_file(&declared.file, |located| Flow::of_script(located, &surroundings));
        flow.ok().map(|flow| flow.effect)
    }

    fn library(&self) -> Result<Option<Library>, Problem> {
        let functions = self.declaration.functions.as_ref();
        functions.map(|file| self.in_file(file, Library::compile)).transpose()
    }

    fn compiled(
        &self,
        declared: &ScriptDeclaration,
        (given, state): (&Map<String, Value>, Option<&State>),
    ) -> Result<Script, Problem> {
        let library = self.library()?;
        let surroundings = Surroundings { library: library.as_ref(), arguments: Some(given), state };
        self.in_file(&declared.file, |located| Script::compile_within(located, &surroundings))
    }

    /// Compiles one of its files; what is wrong has its place there.
    fn in_file<T>(
        &self,
        file: &str,
        compile: impl FnOnce(&Located) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let path = format!("{FOLDER}/{}/{file}", self.name);
        let is_own = Path::new(file).components().all(|part| matches!(part, Component::Normal(_)));
        if !is_own {
            return Err(self.at(&[], format!("`{file}` is not in the folder of the pack")));
        }
        let text = match self.files {
            Some(files) => {
                files.read(&path).map_err(|message| self.at(&[], format!("cannot read {path}: {message}")))?
            }
            None => shipped::text(&self.name, file).unwrap_or_default().to_owned(),
        };
        compile(&Located::whole_file(text.as_str(), path.as_str())).map_err(|problem| {
            let (line, column) = problem.inside.unwrap_or((1, 1));
            problem.under(PACK).inside(line, column).in_file(path, text)
        })
    }

    /// Whether it lies beside the pipeline file.
    pub(super) fn is_local(&self) -> bool {
        self.files.is_some()
    }
}
