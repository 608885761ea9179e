//! Names of columns for the fields of events: any field gets one, no two fields share one, whatever order they come in.
//!
//! A field keeps its name where the database allows that. Otherwise the name gets a suffix made from the whole field
//! name, so that it is the same in every run: names too long, empty, with U+0000, reserved, of an envelope column, that
//! look like a variant column (`amount__text`), or that the database takes for another column's.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::column::ColumnType;
use crate::dialect::Dialect;
use crate::layout::{DEFAULT_COLUMNS, ENVELOPE_COLUMNS};

/// Bytes of `_` and the digits behind it.
const SUFFIX_BYTES: usize = 17;

/// The types of variant columns.
const VARIANTS: [ColumnType; 4] =
    [ColumnType::Text, ColumnType::Number, ColumnType::Boolean, ColumnType::Json];

/// The column of a field; `columns` are those of the table.
pub(crate) fn column_name<'t>(
    field: &str,
    columns: impl Iterator<Item = &'t str>,
    dialect: &Dialect,
) -> String {
    if !is_plain(field, dialect) {
        return suffixed(field, dialect.name_bytes);
    }
    let mut is_taken = false;
    for column in columns {
        if column == field {
            return field.to_owned();
        }
        is_taken |= dialect.is_same_name(column, field);
    }
    if is_taken { suffixed(field, dialect.name_bytes) } else { field.to_owned() }
}

/// The column for values that `column` does not take.
pub(crate) fn variant_name(column: &str, holds: ColumnType, dialect: &Dialect) -> String {
    let ending = format!("__{}", holds.as_str());
    if column.len() + ending.len() <= dialect.name_bytes {
        return format!("{column}{ending}");
    }
    format!("{}{ending}", suffixed(column, dialect.name_bytes - ending.len()))
}

/// Whether a field may be a column's name as it is.
fn is_plain(field: &str, dialect: &Dialect) -> bool {
    let is_envelope =
        DEFAULT_COLUMNS[..ENVELOPE_COLUMNS].iter().any(|(name, _)| dialect.is_same_name(name, field));
    let is_reserved = dialect.reserved.iter().any(|name| dialect.is_same_name(name, field));
    let ends_as = |holds: &ColumnType| {
        let (start, end) = field.rsplit_once("__").unwrap_or_default();
        !start.is_empty() && end.eq_ignore_ascii_case(holds.as_str())
    };
    !(field.is_empty()
        || field.contains('\0')
        || field.len() > dialect.name_bytes
        || is_envelope
        || is_reserved
        || VARIANTS.iter().any(ends_as))
}

/// A readable beginning of `name` and a suffix from the whole of it, in at most `bytes` bytes.
fn suffixed(name: &str, bytes: usize) -> String {
    let mut shown = name.replace('\0', "_");
    let mut end = shown.len().min(bytes.saturating_sub(SUFFIX_BYTES));
    while !shown.is_char_boundary(end) {
        end -= 1;
    }
    shown.truncate(end);
    if shown.is_empty() {
        shown.push_str("field");
    }
    shown.push('_');
    for byte in &Sha256::digest(name.as_bytes())[..8] {
        // Writing to a text cannot fail.
        let _ = write!(shown, "{byte:02x}");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(field: &str, columns: &[&str], dialect: &Dialect) -> String {
        column_name(field, columns.iter().copied(), dialect)
    }

    #[test]
    fn a_field_keeps_its_name_where_it_can() {
        for field in ["amount", "Amount", "it's \"quoted\"", "日本", "a__b", "__text", "_id"] {
            assert_eq!(name(field, &["_event_id", "amount"], &Dialect::POSTGRES), field);
        }
        assert_eq!(name("rowid", &[], &Dialect::POSTGRES), "rowid");
    }

    #[test]
    fn names_that_cannot_be_get_a_suffix_that_is_always_the_same() {
        let long = "é".repeat(40);
        for field in ["", "a\0b", "_event_id", "ctid", "amount__text", "x__json", &long] {
            let column = name(field, &[], &Dialect::POSTGRES);
            assert_ne!(column, field);
            assert!(column.len() <= 63 && !column.contains('\0') && column.len() > SUFFIX_BYTES, "{column}");
            assert_eq!(column, name(field, &[&column, "other"], &Dialect::POSTGRES));
        }
        assert_eq!(name("", &[], &Dialect::SQLITE), "field_e3b0c44298fc1c14");
        assert_ne!(name("_EVENT_ID", &[], &Dialect::SQLITE), "_EVENT_ID");
        assert_eq!(name("_EVENT_ID", &[], &Dialect::POSTGRES), "_EVENT_ID");
    }

    #[test]
    fn fields_that_a_database_cannot_tell_apart_get_columns_of_their_own() {
        assert_eq!(name("Amount", &["amount"], &Dialect::POSTGRES), "Amount");
        let second = name("Amount", &["amount"], &Dialect::SQLITE);
        assert!(second.starts_with("Amount_"), "{second}");
        assert_eq!(name("Amount", &["amount", &second], &Dialect::SQLITE), second);
        assert_eq!(name("amount", &["amount", &second], &Dialect::SQLITE), "amount");
    }

    #[test]
    fn variants_of_long_names_fit_too() {
        assert_eq!(variant_name("amount", ColumnType::Text, &Dialect::POSTGRES), "amount__text");
        let (one, two) = ("a".repeat(62), "a".repeat(63));
        let variants = [&one, &two].map(|name| variant_name(name, ColumnType::Boolean, &Dialect::POSTGRES));
        assert!(variants.iter().all(|name| name.len() <= 63 && name.ends_with("__boolean")), "{variants:?}");
        assert_ne!(variants[0], variants[1]);
    }
}
