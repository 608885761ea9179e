//! The terminal of the prompt: line editing, completion, history. What an entry does is the session's.

use std::path::{Path, PathBuf};

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::completion::Vocabulary;
use super::open_brackets::has_open;
use super::session::{Answer, Session};
use crate::exit::{Ended, Exit, Stop};
use crate::terminal;

/// Entries that are kept.
const KEPT: usize = 1000;

/// Reads entries until Ctrl-D or `:quit`; Ctrl-C clears the line.
pub(super) async fn run(session: &mut Session<'_>, history: Option<PathBuf>) -> Ended {
    let failed = |error: ReadlineError| Stop::failed("cannot use the terminal", &error);
    let config = Config::builder().completion_type(CompletionType::List).history_ignore_space(true);
    let config = config.max_history_size(KEPT).map_err(failed)?.build();
    let mut editor = Editor::<Hand, FileHistory>::with_config(config).map_err(failed)?;
    let mut history = history.filter(|file| load(&mut editor, file));
    loop {
        editor.set_helper(Some(Hand { vocabulary: session.vocabulary(), files: FilenameCompleter::new() }));
        let entry = match editor.readline(&session.prompt()) {
            Ok(entry) => entry,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(Exit::Done),
            Err(error) => return Err(failed(error)),
        };
        editor.add_history_entry(entry.as_str()).map_err(failed)?;
        // At once, so that a session that is killed has lost none.
        history = history.filter(|file| is_kept(&editor.append_history(file), file));
        match session.enter(&entry).await {
            Answer::Text(text) => terminal::print(&text),
            Answer::End => return Ok(Exit::Done),
        }
    }
}

/// Reads what was typed in earlier sessions; false: the file cannot be used.
fn load(editor: &mut Editor<Hand, FileHistory>, file: &Path) -> bool {
    let folder = file.parent().map_or(Ok(()), std::fs::create_dir_all);
    let loaded = folder.map_err(ReadlineError::Io).and_then(|()| match editor.load_history(file) {
        Err(ReadlineError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        loaded => loaded,
    });
    is_kept(&loaded, file)
}

/// Whether the history can go on to be kept; complains otherwise.
fn is_kept(result: &rustyline::Result<()>, file: &Path) -> bool {
    if let Err(error) = result {
        terminal::complain(&format!("warning: the history is not kept in {}: {error}\n", file.display()));
    }
    result.is_ok()
}

/// What the editor asks while somebody types.
struct Hand {
    vocabulary: Vocabulary,
    files: FilenameCompleter,
}

impl Completer for Hand {
    type Candidate = Pair;

    fn complete(&self, line: &str, cursor: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        if line.starts_with(":load ") {
            return self.files.complete_path(line, cursor);
        }
        let (start, candidates) = self.vocabulary.complete(&line[..cursor]);
        let pair = |candidate: super::completion::Candidate| Pair {
            display: candidate.shown,
            replacement: candidate.replacement,
        };
        Ok((start, candidates.into_iter().map(pair).collect()))
    }
}

impl Validator for Hand {
    fn validate(&self, entry: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let goes_on = !entry.input().starts_with(':') && has_open(entry.input());
        Ok(if goes_on { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl Hinter for Hand {
    type Hint = String;
}

impl Highlighter for Hand {}

impl Helper for Hand {}
