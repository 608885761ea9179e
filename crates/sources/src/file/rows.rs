//! Rows of comma-separated values as JSON objects.
//!
//! Source: RFC 4180. Invariant: every cell is text, as it stands there; a row has as many cells as the header.

use csv_core::ReadRecordResult;

use crate::framing::row_parser;

/// Excel writes it before UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Takes rows apart, one after the other.
pub(super) struct RowReader {
    parser: csv_core::Reader,
    cells: Vec<u8>,
    ends: Vec<usize>,
}

/// The names of the columns, each as the beginning of a member of an object (`"name":`).
#[derive(Debug)]
pub(super) struct Header(Vec<String>);

impl RowReader {
    pub(super) fn new(delimiter: u8) -> Self {
        Self { parser: row_parser(delimiter), cells: vec![0; 1024], ends: vec![0; 64] }
    }

    /// The cells of one row; none for a blank line.
    ///
    /// # Errors
    /// A cell is not UTF-8 text.
    pub(super) fn cells(&mut self, row: &[u8]) -> Result<Vec<&str>, String> {
        let (mut rest, mut written, mut count) = (row.strip_suffix(b"\r\n").unwrap_or(row), 0, 0);
        self.parser.reset();
        if rest.trim_ascii().is_empty() {
            return Ok(Vec::new());
        }
        loop {
            let (result, read, wrote, ended) =
                self.parser.read_record(rest, &mut self.cells[written..], &mut self.ends[count..]);
            rest = &rest[read..];
            written += wrote;
            count += ended;
            match result {
                // The parser is asked again with nothing, which ends the row.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.cells.resize(2 * self.cells.len(), 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                ReadRecordResult::Record | ReadRecordResult::End => break,
            }
        }
        let mut start = 0;
        let mut cells = Vec::with_capacity(count);
        for (index, end) in self.ends[..count].iter().enumerate() {
            let cell = std::str::from_utf8(&self.cells[start..*end]);
            cells.push(cell.map_err(|_| format!("cell {} is not UTF-8 text", index + 1))?);
            start = *end;
        }
        Ok(cells)
    }
}

impl Header {
    /// Reads the first row of a file.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn parse(row: &[u8], delimiter: u8) -> Result<Self, String> {
        let mut reader = RowReader::new(delimiter);
        let mut names = reader.cells(row)?;
        if let Some(first) = names.first_mut() {
            *first = first.trim_start_matches(BYTE_ORDER_MARK);
        }
        if names.is_empty() {
            return Err("the first line is empty; it names the columns".to_owned());
        }
        let twice = names.iter().enumerate().find(|(index, name)| names[..*index].contains(name));
        if let Some((_, name)) = twice {
            return Err(format!("there are two columns `{name}`"));
        }
        Ok(Self(names.iter().map(|name| format!("{}:", serde_json::Value::from(*name))).collect()))
    }

    /// A row as a JSON object.
    ///
    /// # Errors
    /// It has another number of cells.
    pub(super) fn object(&self, cells: &[&str]) -> Result<String, String> {
        if cells.len() != self.0.len() {
            return Err(format!("expected {} cells, found {}", self.0.len(), cells.len()));
        }
        let mut object = String::from("{");
        for (index, (member, cell)) in self.0.iter().zip(cells).enumerate() {
            if index > 0 {
                object.push(',');
            }
            object.push_str(member);
            object.push_str(&serde_json::Value::from(*cell).to_string());
        }
        object.push('}');
        Ok(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_objects_of_text() {
        let header = Header::parse("\u{feff}id,\"the \"\"name\"\"\",n\r\n".as_bytes(), b',').unwrap();
        let mut reader = RowReader::new(b',');
        let cells = reader.cells(b"007,\"a,\nb\",\r\n").unwrap();
        let expected = "{\"id\":\"007\",\"the \\\"name\\\"\":\"a,\\nb\",\"n\":\"\"}";
        assert_eq!(header.object(&cells).unwrap(), expected);
        let wide = format!("{}\n", vec!["wide"; 3000].join(","));
        assert_eq!(reader.cells(wide.as_bytes()).unwrap().len(), 3000);
        assert_eq!(reader.cells(b"x,y,z").unwrap(), ["x", "y", "z"], "a last row without a line end");
        assert_eq!(reader.cells(b" \r\n").unwrap(), [""; 0]);
        assert_eq!(header.object(&["x"]).unwrap_err(), "expected 3 cells, found 1");
        assert_eq!(reader.cells(b"a,\xff\n").unwrap_err(), "cell 2 is not UTF-8 text");
    }

    #[test]
    fn a_header_that_names_nothing_or_twice_is_refused() {
        assert!(Header::parse(b"\n", b',').unwrap_err().contains("empty"));
        assert_eq!(Header::parse(b"a;b;a\n", b';').unwrap_err(), "there are two columns `a`");
    }
}
