//! YAML events into the tree, within bounds: the only module that sees the parser.
//!
//! The parser's events (not a serde layer above them) keep the source text and style of scalars. Aliases are copied,
//! and every copy is charged to a budget before it is made, so that an alias bomb is refused at once.

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, StructureStyle};

use crate::faults::{Fault, Faults};
use crate::node::{Entry, Kind, Node, Scalar, Style};

/// Far beyond any pipeline; keeps a wrong file (a dump, a log) from being read for minutes.
const MOST_BYTES: usize = 4 << 20;
/// Values in all, copies by aliases included.
const MOST_NODES: usize = 100_000;
/// Bytes of text in all, copies by aliases included.
const MOST_TEXT: usize = 16 << 20;
/// Maps and lists within each other.
const MOST_DEPTH: usize = 64;

/// The document as a tree; `None` if it is no YAML, which is then reported.
pub(crate) fn parse(faults: &mut Faults) -> Option<Node> {
    let text = faults.text.text.clone();
    if text.len() > MOST_BYTES {
        faults.add(Fault::new(0..0, "", "the file is larger than 4 MiB: this is no pipeline"));
        return None;
    }
    let mut options = granit_parser::options! {
        flow_nesting_limit: MOST_DEPTH,
        block_nesting_limit: MOST_DEPTH,
    };
    options.set_emit_comments(false);
    let events = Parser::new_from_str_with_options(&text, options);
    let (anchors, spent) = (HashMap::new(), Weight::default());
    let mut tree = Tree { events, text: &text, anchors, spent, last_template: None, faults };
    tree.document().ok()
}

/// The parse ended early; the reason has been reported.
struct Stopped;

/// What a subtree costs.
#[derive(Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    text: usize,
}

struct Tree<'t, 'f> {
    events: Parser<'t, StrInput<'t>>,
    text: &'t str,
    /// Finished anchored values with their cost.
    anchors: HashMap<usize, (Node, Weight)>,
    spent: Weight,
    /// The line of the last unquoted template.
    last_template: Option<usize>,
    faults: &'f mut Faults,
}

impl<'t> Tree<'t, '_> {
    fn document(&mut self) -> Result<Node, Stopped> {
        let root = loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (Event::StreamEnd, _) => return Err(self.stop(0..0, "the file is empty")),
                (event, range) => break self.node(event, range)?,
            }
        };
        loop {
            match self.next()? {
                (Event::DocumentStart(..), range) => {
                    let fault =
                        Fault::new(range, "", "a second document begins here: one file is one pipeline");
                    self.faults.add(fault);
                    return Err(Stopped);
                }
                (Event::StreamEnd, _) => return Ok(root),
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Range<usize>), Stopped> {
        match self.events.next_event() {
            Some(Ok((event, span))) => Ok((event, self.range(&span))),
            Some(Err(error)) => {
                // What follows an unquoted template is no YAML either; the template has been reported.
                let line = self.faults.text.place(error.marker().byte_offset().unwrap_or(0)).0;
                if self.last_template != Some(line) {
                    self.faults.add(syntax_fault(&error, self.faults));
                }
                Err(Stopped)
            }
            None => Ok((Event::StreamEnd, self.text.len()..self.text.len())),
        }
    }

    fn range(&self, span: &Span) -> Range<usize> {
        let start = span.start.byte_offset().unwrap_or(0).min(self.text.len());
        let end = span.end.byte_offset().unwrap_or(start).clamp(start, self.text.len());
        let trimmed = self.text[start..end].trim_end_matches(['\n', '\r']).len();
        start..start + trimmed
    }

    fn stop(&mut self, range: Range<usize>, message: &str) -> Stopped {
        self.faults.add(Fault::new(range, "", message));
        Stopped
    }

    fn charge(&mut self, weight: Weight, range: &Range<usize>) -> Result<(), Stopped> {
        self.spent.nodes += weight.nodes;
        self.spent.text += weight.text;
        if self.spent.nodes > MOST_NODES || self.spent.text > MOST_TEXT {
            let message = "the file holds too much: more than 100000 values or 16 MiB of text, aliases counted \
                           each time they are used";
            return Err(self.stop(range.clone(), message));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'t>, range: Range<usize>) -> Result<Node, Stopped> {
        let before = self.spent;
        let own_text = event.scalar().map_or(0, |(text, _)| text.len());
        self.charge(Weight { nodes: 1, text: own_text }, &range)?;
        let tagged = event.tag().map(|tag| (tag.is_yaml_core_schema(), tag.original()));
        let as_text = event.tag().is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
        let anchor = event.anchor_id();
        let mut node = match event {
            Event::Alias(id) => return self.alias(id, range),
            Event::Scalar(text, style, ..) => scalar(&text, style, range, as_text),
            Event::SequenceStart(style, ..) => self.list(style, range)?,
            Event::MappingStart(style, ..) => self.map(style, range)?,
            _ => return Err(self.stop(range, "a value is expected here")),
        };
        if let Some((false, tag)) = tagged.filter(|(_, tag)| tag != "!") {
            let fault =
                Fault::new(node.range.clone(), "", format!("the YAML tag `{tag}` has no meaning here"));
            self.faults.add(fault.help("quote the text if it is meant to begin with `!`"));
            node.kind = Kind::Broken;
        }
        if let Some(id) = anchor.filter(|id| *id != 0) {
            let weight =
                Weight { nodes: self.spent.nodes - before.nodes, text: self.spent.text - before.text };
            self.charge(weight, &node.range)?;
            self.anchors.insert(id, (node.clone(), weight));
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, range: Range<usize>) -> Result<Node, Stopped> {
        let Some(weight) = self.anchors.get(&id).map(|(_, weight)| *weight) else {
            return Err(self.stop(range, "this alias stands for a value that holds it"));
        };
        self.charge(weight, &range)?;
        let kind = self.anchors.get(&id).map_or(Kind::Broken, |(node, _)| node.kind.clone());
        Ok(Node { label: range.clone(), range, kind })
    }

    fn list(&mut self, style: StructureStyle, start: Range<usize>) -> Result<Node, Stopped> {
        let mut items = Vec::new();
        let end = loop {
            match self.next()? {
                (Event::SequenceEnd, end) => break end,
                (event, range) => items.push(self.node(event, range)?),
            }
        };
        let last = items.last().map_or(start.end, |item: &Node| item.range.end);
        let end = if style == StructureStyle::Flow { end.end } else { last };
        let range = start.start..end.max(start.end);
        Ok(Node { label: start, range, kind: Kind::List(items) })
    }

    fn map(&mut self, style: StructureStyle, start: Range<usize>) -> Result<Node, Stopped> {
        let flow = style == StructureStyle::Flow;
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: HashMap<String, usize> = HashMap::new();
        let (mut merged, mut template, mut broken) = (Vec::new(), false, false);
        let end = loop {
            let (event, key_range) = match self.next()? {
                (Event::MappingEnd, end) => break end,
                other => other,
            };
            template |= flow && matches!(event, Event::MappingStart(StructureStyle::Flow, ..));
            let key = self.key(event, key_range.clone())?;
            let (event, range) = self.next()?;
            let mut value = self.node(event, range)?;
            value.label = key_range.clone();
            match key {
                None => broken = true,
                Some(key) if key == "<<" => self.merge(value, &mut merged),
                Some(key) => {
                    if let Some(first) = seen.get(&key) {
                        self.duplicate(&key, *first, key_range);
                        continue;
                    }
                    seen.insert(key.clone(), key_range.start);
                    entries.push(Entry { key, key_range, value });
                }
            }
        };
        entries.extend(merged.into_iter().filter(|entry| !seen.contains_key(&entry.key)));
        let first = entries.first().map_or(start.clone(), |entry| entry.key_range.clone());
        let last = entries.last().map_or(start.end, |entry| entry.value.range.end);
        let range = if flow { start.start..end.end } else { start.start..last.max(start.end) };
        if template {
            self.unquoted_template(range.clone());
        } else if broken {
            self.faults.add(Fault::new(range.clone(), "", "the keys of a map must be plain text"));
        }
        let label = if flow { range.clone() } else { first };
        let kind = if template || broken { Kind::Broken } else { Kind::Map(entries) };
        Ok(Node { range, label, kind })
    }

    /// The text of a key; `None` if the key is no text.
    fn key(&mut self, event: Event<'t>, range: Range<usize>) -> Result<Option<String>, Stopped> {
        if let Event::Scalar(text, ..) = &event
            && event.tag().is_none()
        {
            return Ok(Some(if range.is_empty() { String::new() } else { text.to_string() }));
        }
        let node = self.node(event, range)?;
        Ok(node.text().map(str::to_owned))
    }

    /// `<<: *defaults`, or a list of them; what the map says itself goes first.
    fn merge(&mut self, value: Node, merged: &mut Vec<Entry>) {
        let maps = match value.kind {
            Kind::Map(entries) => vec![entries],
            Kind::List(items) if items.iter().all(|item| matches!(item.kind, Kind::Map(_))) => {
                items.into_iter().map(|item| item.entries().to_vec()).collect()
            }
            Kind::Broken => return,
            _ => {
                self.faults.add(Fault::new(value.label, "", "`<<` merges a map, or a list of maps"));
                return;
            }
        };
        for entry in maps.into_iter().flatten() {
            if !merged.iter().any(|known| known.key == entry.key) {
                merged.push(entry);
            }
        }
    }

    fn duplicate(&mut self, key: &str, first: usize, range: Range<usize>) {
        let (line, column) = self.faults.text.place(first);
        let fault = Fault::new(range, "", format!("duplicate key `{key}`"));
        self.faults.add(fault.help(format!("it is first given on line {line}, column {column}")));
    }

    fn unquoted_template(&mut self, range: Range<usize>) {
        let written = self.text[range.clone()].to_owned();
        self.last_template = Some(self.faults.text.place(range.start).0);
        let fault = Fault::new(range, "", "an unquoted `{{ … }}` is a YAML map, not a template");
        self.faults.add(fault.help(format!("quote it: \"{written}\"")));
    }
}

/// A scalar as the file spells it, or nothing.
fn scalar(text: &str, style: ScalarStyle, range: Range<usize>, as_text: bool) -> Node {
    let plain = style == ScalarStyle::Plain;
    let empty = range.is_empty() || matches!(text, "~" | "null" | "Null" | "NULL");
    if plain && empty && !as_text {
        return Node { label: range.clone(), range, kind: Kind::Null };
    }
    let (style, skipped) = match style {
        ScalarStyle::Literal => (Style::Literal, 0),
        ScalarStyle::Folded => (Style::Folded, 0),
        ScalarStyle::Plain => (if as_text { Style::Quoted } else { Style::Plain }, 0),
        _ => (Style::Quoted, 1),
    };
    let block = matches!(style, Style::Literal | Style::Folded);
    let lines_above = if block { text.chars().take_while(|sign| *sign == '\n').count() } else { 0 };
    // An empty plain scalar is written by the parser as `~`.
    let text = if plain && range.is_empty() { String::new() } else { text.to_owned() };
    let content = range.start + skipped;
    let kind = Kind::Scalar(Scalar { text, style, written: range.clone(), content, lines_above });
    Node { label: range.clone(), range, kind }
}

/// What the parser says, with what is usually behind it.
fn syntax_fault(error: &ScanError, faults: &Faults) -> Fault {
    let offset = error.marker().byte_offset().unwrap_or(0);
    let message = error.info();
    let line = faults.text.line_at(offset);
    let help = if line.contains(": {{") || line.trim_start().starts_with("- {{") {
        Some("a value that begins with `{{` must be quoted")
    } else if message.contains("mapping values are not allowed") {
        Some("quote a text that holds `: `, or check the indentation")
    } else if message.contains("trailing content after") {
        Some(
            "a text that begins with a quote ends with it: put the whole value into the other kind of quotes",
        )
    } else if message.contains("unexpected character") {
        Some("quote a text that begins with a sign")
    } else {
        None
    };
    let fault = Fault::new(faults.text.word_at(offset), "", format!("this is no valid YAML: {message}"));
    match help {
        Some(help) => fault.help(help),
        None => fault,
    }
}
