//! Tables for a terminal: columns as wide as their widest cell, numbers to the right.

/// A table with a head and rows of as many cells.
pub(crate) fn render(head: &[String], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.chain(head.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let is_number = |column: usize| {
        let mut cells =
            rows.iter().filter_map(|row| row.get(column)).filter(|cell| !cell.is_empty()).peekable();
        cells.peek().is_some() && cells.all(|cell| cell.chars().all(|sign| "0123456789,.-".contains(sign)))
    };
    let line = |cells: &[String]| {
        let cells = cells.iter().enumerate().map(|(column, cell)| {
            let width = width(column);
            if is_number(column) { format!("{cell:>width$}") } else { format!("{cell:width$}") }
        });
        format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned() + "\n"
    };
    let rules: Vec<String> = (0..head.len()).map(|column| "-".repeat(width(column))).collect();
    let rule = format!("  {}\n", rules.join("  "));
    let rows: String = rows.iter().map(|row| line(row)).collect();
    format!("{}{rule}{rows}", line(head))
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_are_aligned() {
        let cells = |row: &[&str]| row.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let text = super::render(&cells(&["name", "n"]), &[cells(&["é", "1,000"]), cells(&["longer", "5"])]);
        assert_eq!(text, "  name        n\n  ------  -----\n  é       1,000\n  longer      5\n");
    }
}
