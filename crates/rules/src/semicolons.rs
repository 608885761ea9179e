//! Makes a final `;` mean "no value", as the contract says and as in Rust.
//!
//! Rhai forgets the semicolon after the last statement of a block, so `event.remove("x");` at the end would count as
//! a last value. Here `()` is put behind each such semicolon of a script's own blocks (functions and closures keep
//! Rhai's rule), and the places of errors are mapped back.

use std::iter::Peekable;
use std::str::Chars;

use rhai::Position;

/// What is put behind a final semicolon.
const NOTHING: &str = "()";

/// The text to compile, and how to find the user's places in it again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Closed {
    pub(crate) text: String,
    places: Places,
}

/// Where something was put in: line and column in the compiled text, both from 1.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Vec<(usize, usize)>);

impl Places {
    /// The user's place for a place in the compiled text.
    pub(crate) fn original(&self, position: Position) -> Position {
        let (Some(line), Some(column)) = (position.line(), position.position()) else { return position };
        let before = self.0.iter().filter(|(at, from)| *at == line && *from < column).count();
        let column = column.saturating_sub(before * NOTHING.len()).max(1);
        Position::new(clamp(line), clamp(column))
    }
}

fn clamp(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// What encloses the text at hand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    /// A block of the script itself.
    Script,
    /// The body of a function or closure, or a block inside one.
    Function,
}

/// Puts nothing behind every final semicolon.
pub(crate) fn close(text: &str) -> Closed {
    let mut scanner = Scanner { rest: text.chars().peekable(), ..Scanner::default() };
    while scanner.step() {}
    if scanner.last == Some(';') {
        scanner.put_nothing();
    }
    scanner.closed
}

struct Scanner<'a> {
    rest: Peekable<Chars<'a>>,
    closed: Closed,
    line: usize,
    column: usize,
    blocks: Vec<Block>,
    /// The last character that is neither space nor comment.
    last: Option<char>,
    /// Where it ends: byte, line, column of the compiled text.
    end: (usize, usize, usize),
    word: String,
    /// Since the last brace or semicolon, `fn` was seen.
    declares: bool,
}

impl Default for Scanner<'_> {
    fn default() -> Self {
        Self {
            rest: "".chars().peekable(),
            closed: Closed::default(),
            line: 1,
            column: 1,
            blocks: Vec::new(),
            last: None,
            end: (0, 1, 1),
            word: String::new(),
            declares: false,
        }
    }
}

impl Scanner<'_> {
    fn take(&mut self) -> Option<char> {
        let character = self.rest.next()?;
        self.closed.text.push(character);
        if character == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(character)
    }

    /// One character, comment or literal; false at the end.
    fn step(&mut self) -> bool {
        match self.rest.peek() {
            None => return false,
            Some('}') if self.last == Some(';') && self.blocks.last() == Some(&Block::Script) => {
                self.put_nothing();
            }
            Some(_) => {}
        }
        let Some(character) = self.take() else { return false };
        match character {
            '/' if self.rest.peek() == Some(&'/') => return self.line_comment(),
            '/' if self.rest.peek() == Some(&'*') => return self.block_comment(),
            '"' | '\'' => self.literal(character),
            '`' => self.interpolated(),
            '{' => self.open(),
            '}' => {
                self.blocks.pop();
                self.declares = false;
            }
            ';' => self.declares = false,
            _ => {}
        }
        if character.is_alphanumeric() || character == '_' {
            self.word.push(character);
        } else {
            self.declares |= self.word == "fn";
            self.word.clear();
        }
        if !character.is_whitespace() {
            self.last = Some(character);
            self.end = (self.closed.text.len(), self.line, self.column);
        }
        true
    }

    fn open(&mut self) {
        let inherited = self.blocks.last() == Some(&Block::Function);
        let is_body = self.declares || self.last == Some('|');
        self.blocks.push(if inherited || is_body { Block::Function } else { Block::Script });
        self.declares = false;
    }

    fn line_comment(&mut self) -> bool {
        while self.rest.peek().is_some_and(|character| *character != '\n') {
            self.take();
        }
        true
    }

    fn block_comment(&mut self) -> bool {
        self.take();
        let mut depth = 1;
        let mut previous = ' ';
        while depth > 0 {
            let Some(character) = self.take() else { return false };
            match (previous, character) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    previous = character;
                    continue;
                }
            }
            previous = ' ';
        }
        true
    }

    fn literal(&mut self, quote: char) {
        while let Some(character) = self.take() {
            if character == '\\' {
                self.take();
            } else if character == quote {
                break;
            }
        }
    }

    /// Text in back-ticks; what `${…}` holds is skipped whole, with literals of its own.
    fn interpolated(&mut self) {
        while let Some(character) = self.take() {
            match character {
                '`' => break,
                '$' if self.rest.peek() == Some(&'{') => {
                    self.take();
                    self.interpolation();
                }
                _ => {}
            }
        }
    }

    fn interpolation(&mut self) {
        let mut depth = 1;
        while depth > 0 {
            match self.take() {
                Some('{') => depth += 1,
                Some('}') => depth -= 1,
                Some(quote @ ('"' | '\'')) => self.literal(quote),
                Some('`') => self.interpolated(),
                Some(_) => {}
                None => return,
            }
        }
    }

    /// Puts `()` right behind the semicolon that came last.
    fn put_nothing(&mut self) {
        let (at, line, column) = self.end;
        self.closed.text.insert_str(at, NOTHING);
        self.closed.places.0.push((line, column));
        if self.line == line {
            self.column += NOTHING.len();
        }
        self.last = Some(')');
    }
}

impl Closed {
    /// The compiled text and the places apart.
    pub(crate) fn into_parts(self) -> (String, Places) {
        (self.text, self.places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_final_semicolons_of_the_script_are_closed() {
        for (text, expected) in [
            ("a;", "a;()"),
            ("a", "a"),
            ("a; // b;\n/* ; /* ; */ */ ", "a;() // b;\n/* ; /* ; */ */ "),
            ("if x { a; } else { b; c; }", "if x { a;() } else { b; c;() }"),
            ("if x { a;\n // }\n}\nb", "if x { a;()\n // }\n}\nb"),
            ("fn f() { a; if x { b; } } f()", "fn f() { a; if x { b; } } f()"),
            ("x.map(|y| { a; });", "x.map(|y| { a; });()"),
            ("#{ a: 1 }", "#{ a: 1 }"),
            (
                "a(\"; }\", ';', `; } ${ if b { \"}\"; } } ;`)",
                "a(\"; }\", ';', `; } ${ if b { \"}\"; } } ;`)",
            ),
            ("\"\\\";\"", "\"\\\";\""),
            ("", ""),
        ] {
            assert_eq!(close(text).text, expected);
        }
    }

    #[test]
    fn places_are_mapped_back() {
        let (text, places) = close("if x { a; } else { b; } c\nd;").into_parts();
        assert_eq!(text, "if x { a;() } else { b;() } c\nd;()");
        assert_eq!(places.original(Position::new(1, 4)), Position::new(1, 4));
        assert_eq!(places.original(Position::new(1, 22)), Position::new(1, 20));
        assert_eq!(places.original(Position::new(1, 29)), Position::new(1, 25));
        assert_eq!(places.original(Position::new(2, 1)), Position::new(2, 1));
    }
}
