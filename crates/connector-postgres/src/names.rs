//! Names in SQL: quoted everywhere, so that any text is one.

/// A name as SQL writes one, whatever is in it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names as SQL lists them.
pub(crate) fn quoted_list<'n>(names: impl IntoIterator<Item = &'n String>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| quoted(name)).collect();
    names.join(", ")
}

/// A table in its schema.
#[derive(Clone, Debug)]
pub(crate) struct TableName {
    pub(crate) schema: String,
    pub(crate) table: String,
}

impl TableName {
    /// As SQL writes it.
    pub(crate) fn sql(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.table))
    }

    /// As messages write it.
    pub(crate) fn shown(&self) -> String {
        format!("`{}`.`{}`", self.schema, self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_inside_a_name_are_doubled() {
        let name = TableName { schema: "a.b".to_owned(), table: "Drop \"me\"; --".to_owned() };
        assert_eq!(name.sql(), r#""a.b"."Drop ""me""; --""#);
    }
}
