//! A Markdown page as text and fenced blocks, so that a test can run the blocks and put the page together again.

/// A piece of a page.
pub(crate) enum Piece {
    /// Whole lines outside of fences.
    Text(String),
    /// A fenced block: what stands behind its opening backticks, and its lines.
    Fence { info: String, body: String },
}

/// The pieces of a page, in order.
pub(crate) fn pieces(page: &str) -> Vec<Piece> {
    let (mut found, mut text) = (Vec::new(), String::new());
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            text.extend([line, "\n"]);
            continue;
        };
        found.push(Piece::Text(std::mem::take(&mut text)));
        let body = lines.by_ref().take_while(|line| *line != "```");
        let body = body.flat_map(|line| [line, "\n"]).collect();
        found.push(Piece::Fence { info: info.to_owned(), body });
    }
    found.push(Piece::Text(text));
    found
}

/// The page that has these pieces.
pub(crate) fn whole(pieces: &[Piece]) -> String {
    let text = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Fence { info, body } => format!("```{info}\n{body}```\n"),
    };
    pieces.iter().map(text).collect()
}

/// The rows of the tables of a page whose last column is called so, without their heads: cells as they are written,
/// but with `\|` as `|`.
pub(crate) fn rows(page: &str, last_column: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Option<Vec<String>> {
        let inner = line.strip_prefix("| ")?.strip_suffix(" |")?.replace("\\|", "\0");
        Some(inner.split('|').map(|cell| cell.trim().replace('\0', "|")).collect())
    };
    let (mut found, mut is_inside) = (Vec::new(), false);
    for line in page.lines() {
        match cells(line) {
            Some(row) if row.last().is_some_and(|last| last == last_column) => is_inside = true,
            Some(row) if is_inside => found.push(row),
            None if !line.starts_with('|') => is_inside = false,
            _ => {}
        }
    }
    found
}

/// The code spans of a cell.
pub(crate) fn spans(cell: &str) -> Vec<&str> {
    // A span that holds backticks is written with two of them.
    match cell.split_once("`` ").and_then(|(_, rest)| rest.split_once(" ``")) {
        Some((span, _)) => vec![span],
        None => cell.split('`').skip(1).step_by(2).collect(),
    }
}
