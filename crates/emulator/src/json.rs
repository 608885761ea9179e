//! A writer of JSON objects that keeps the keys in the order in which they are written.
//!
//! Events are rendered once and served millions of times, and their bytes are the ground truth of a test: so they are
//! written straight into the buffer of the feed, with neither a map in between nor an order that depends on one.

/// Writes the members of one object; [`Object::end`] closes it.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
    /// Write every character beyond ASCII as `\uXXXX`, as some serialisers do.
    ascii: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn begin(out: &'a mut Vec<u8>, ascii: bool) -> Self {
        out.push(b'{');
        Self { out, empty: true, ascii }
    }

    fn key(&mut self, key: &str) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        write_text(self.out, value, self.ascii);
    }

    pub(crate) fn optional(&mut self, key: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(key, value),
            None => self.raw(key, "null"),
        }
    }

    pub(crate) fn integer(&mut self, key: &str, value: u64) {
        self.raw(key, &value.to_string());
    }

    pub(crate) fn flag(&mut self, key: &str, value: bool) {
        self.raw(key, if value { "true" } else { "false" });
    }

    /// Writes a value that is JSON already.
    pub(crate) fn raw(&mut self, key: &str, json: &str) {
        self.key(key);
        self.out.extend_from_slice(json.as_bytes());
    }

    pub(crate) fn texts<'b>(&mut self, key: &str, values: impl IntoIterator<Item = &'b str>) {
        self.key(key);
        self.out.push(b'[');
        for (place, value) in values.into_iter().enumerate() {
            if place > 0 {
                self.out.push(b',');
            }
            write_text(self.out, value, self.ascii);
        }
        self.out.push(b']');
    }

    /// Writes an object inside this one.
    pub(crate) fn object(&mut self, key: &str, write: impl FnOnce(&mut Object<'_>)) {
        self.key(key);
        let mut inner = Object::begin(self.out, self.ascii);
        write(&mut inner);
        inner.end();
    }

    /// Writes an array with exactly one object in it.
    pub(crate) fn single(&mut self, key: &str, write: impl FnOnce(&mut Object<'_>)) {
        self.key(key);
        self.out.push(b'[');
        let mut inner = Object::begin(self.out, self.ascii);
        write(&mut inner);
        inner.end();
        self.out.push(b']');
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }
}

fn write_text(out: &mut Vec<u8>, value: &str, ascii: bool) {
    if !ascii || value.is_ascii() {
        serde_json::to_writer(&mut *out, value).expect("writing text to memory cannot fail");
        return;
    }
    let plain = serde_json::to_string(value).expect("writing text to memory cannot fail");
    let mut units = [0; 2];
    for character in plain.chars() {
        if character.is_ascii() {
            out.push(character as u8);
            continue;
        }
        for unit in character.encode_utf16(&mut units) {
            out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_read_back_as_the_same_text() {
        let text = "a \"quote\", a \\ and a \n, é, 日本, 🎉 and \u{2028}";
        for ascii in [false, true] {
            let mut out = Vec::new();
            let mut object = Object::begin(&mut out, ascii);
            object.text("text", text);
            object.texts("list", ["x", "é"]);
            object.object("inner", |inner| inner.integer("n", 3));
            object.optional("none", None);
            object.end();
            assert_eq!(out.is_ascii(), ascii);
            let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(value["text"], text);
            assert_eq!(value["list"][1], "é");
            assert_eq!(value["inner"]["n"], 3);
            assert!(value["none"].is_null());
        }
    }
}
