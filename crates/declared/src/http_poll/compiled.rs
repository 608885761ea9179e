//! A declaration, read: every path and template ready to be used.
//!
//! Invariant: `check` and the running source read the declaration by the same code, so what passed the check runs.

use http::HeaderName;
use sluicebox_core::Problem;
use sluicebox_polling::path::Path;

use super::HttpPoll;
use super::cursor::{CursorKind, CursorOptions, Next, header};
use super::event::{EventPaths, path};
use super::more::MoreOptions;
use super::refusals::Rule;
use super::request::Request;

/// What a declaration says, ready to be used.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) request: Request,
    pub(super) items: Path,
    pub(super) newest_first: bool,
    pub(super) next: Option<Next>,
    pub(super) kind: CursorKind,
    pub(super) more: MoreOptions,
    /// The path of `more: { field: … }`.
    pub(super) more_path: Option<Path>,
    pub(super) limit: Option<u32>,
    pub(super) rules: Vec<Rule>,
    pub(super) event: EventPaths,
    pub(super) interval_header: Option<HeaderName>,
}

impl Compiled {
    /// Reads a declaration; `family` is the type of items that do not say theirs.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn new(options: &HttpPoll, family: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let request = Request::compile(&options.request, &mut problems);
        let next = options.cursor.as_ref().and_then(|cursor| cursor.compile(&mut problems));
        let kind = options.cursor.as_ref().map(CursorOptions::kind).unwrap_or_default();
        let more = options.more.clone().unwrap_or(match (&options.cursor, kind) {
            (None, _) => MoreOptions::Never,
            (Some(_), CursorKind::Url) => MoreOptions::WhileNext,
            (Some(_), _) => MoreOptions::UntilEmpty,
        });
        let more_path = match &more {
            MoreOptions::Field(text) => path("more.field", text, &mut problems),
            _ => None,
        };
        if matches!(more, MoreOptions::FullPage) && options.limit.is_none() {
            problems.push(
                Problem::new("more", "`full_page` needs `limit`, the number of items of a full page")
                    .with_help("add `limit`, and send it as `{{ limit }}`"),
            );
        }
        check_use(options, &request, kind, &mut problems);
        let rules = options.errors.iter().enumerate();
        let rules = rules.map(|(index, rule)| Rule::compile(index, rule, &mut problems)).collect();
        let event = EventPaths::compile(&options.event, family, &mut problems);
        let interval_header = options.interval_header.as_deref();
        let interval_header = interval_header.and_then(|name| header("interval_header", name, &mut problems));
        let items = path("items", &options.items, &mut problems);
        match items {
            Some(items) if problems.is_empty() => Ok(Self {
                request,
                items,
                newest_first: options.newest_first,
                next,
                kind,
                more,
                more_path,
                limit: options.limit,
                rules,
                event,
                interval_header,
            }),
            _ => Err(problems),
        }
    }
}

/// Values that are declared and never sent, or sent and never declared.
fn check_use(options: &HttpPoll, request: &Request, kind: CursorKind, problems: &mut Vec<Problem>) {
    let names_cursor = request.names(super::template::Template::names_cursor);
    match &options.cursor {
        Some(_) if kind != CursorKind::Url && !names_cursor => problems.push(
            Problem::new("cursor", "the cursor is read and never sent")
                .with_help("put `{{ cursor }}` where the API takes it, like `request.query.after`"),
        ),
        None if names_cursor => problems.push(
            Problem::new("request", "the request names `{{ cursor }}`, and there is no `cursor`")
                .with_help("say where the next one is: `cursor: { next: { body: nextCursor } }`"),
        ),
        _ => {}
    }
    if options.limit.is_none() && request.names(super::template::Template::names_limit) {
        problems.push(Problem::new("limit", "the request names `{{ limit }}`, and there is no `limit`"));
    }
    let names_timeout = request.names(super::template::Template::names_timeout);
    if options.timeout.is_none() && names_timeout {
        problems
            .push(Problem::new("timeout", "the request names `{{ timeout }}`, and there is no `timeout`"));
    }
}
