//! Questions about any value: what it is, and whether it is there.

use rhai::{Dynamic, Engine};

use super::catalogue::{Family, functions};

pub(super) const FAMILY: Family = Family {
    name: "value",
    summary: "What a value is, and whether it is there at all.",
    functions: functions! {
        "is_missing" "(value) → true or false":
            "Whether a field is missing or null. (Nothing equals a missing value, so `==` cannot ask.)"
            "is_missing(#{ a: 1 }.b)" => "true";
        "is_text" "(value) → true or false": "Whether it is text." r#"is_text("a")"# => "true";
        "is_number" "(value) → true or false":
            "Whether it is a number: whole, with a fraction, or a decimal."
            r#"[is_number(1), is_number(1.5), is_number("1")]"# => "[true,true,false]";
        "is_bool" "(value) → true or false": "Whether it is true or false." "is_bool(false)" => "true";
        "is_list" "(value) → true or false": "Whether it is a list." "is_list([1])" => "true";
        "is_map" "(value) → true or false": "Whether it is a map." "is_map(#{})" => "true";
        "type_of" "(value) → text":
            "Its type in the words of Rhai: `i64`, `f64`, `decimal`, `string`, `bool`, `array`, `map`, `()`."
            "[type_of(1), type_of(1.5), type_of([])]" => r#"["i64","f64","array"]"#;
        "to_string" "(value) → text": "Any value as text." "to_string(1.50)" => r#""1.5""#;
    },
};

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("is_missing", |value: Dynamic| value.is_unit());
    engine.register_fn("is_text", |value: Dynamic| value.is_string() || value.is_char());
    engine
        .register_fn("is_number", |value: Dynamic| value.is_int() || value.is_float() || value.is_decimal());
    engine.register_fn("is_bool", |value: Dynamic| value.is_bool());
    engine.register_fn("is_list", |value: Dynamic| value.is_array());
    engine.register_fn("is_map", |value: Dynamic| value.is_map());
}
