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
use super::pages::{Order, PageOptions, Rule as PageRule, Which};
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
    /// Where the next page of a sweep is, and what kind of text it is.
    pub(super) pages: Option<(Next, CursorKind)>,
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
        let page_options = options.cursor.as_ref().and_then(|cursor| cursor.pages.as_ref());
        let pages = page_options.and_then(|pages| Some((pages.compile(&mut problems)?, pages.kind())));
        let more = options.more.clone().unwrap_or(match (&options.cursor, kind) {
            _ if matches!(page_options, Some(PageOptions::LastListed(_))) => MoreOptions::UntilEmpty,
            _ if page_options.is_some() => MoreOptions::WhileNext,
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
                pages,
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

impl Compiled {
    /// How it is told where the cursor goes after a sweep: so that nothing newer can have been passed over.
    pub(super) fn rule(&self, is_time: bool) -> PageRule {
        let order = match self.kind {
            CursorKind::Number => Order::Number,
            _ if is_time => Order::Time,
            _ => Order::Unknown,
        };
        let is_of_items = self.next.as_ref().is_some_and(|next| next.item_path().is_some());
        let which = match order {
            _ if self.newest_first || !is_of_items => Which::First,
            Order::Unknown => Which::Last,
            Order::Number | Order::Time => Which::Greatest,
        };
        PageRule { which, order }
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
    let names_page = request.names(super::template::Template::names_page);
    match options.cursor.as_ref().and_then(|cursor| cursor.pages.as_ref()) {
        Some(pages) if pages.kind() != CursorKind::Url && !names_page => problems.push(
            Problem::new("cursor.pages", "the page is read and never sent")
                .with_help("put `{{ page }}` where the API takes it, like `request.query.page_token`"),
        ),
        None if names_page => problems.push(
            Problem::new("request", "the request names `{{ page }}`, and there is no `cursor.pages`")
                .with_help("say where the next one is: `cursor: { pages: { body: nextPage } }`"),
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
