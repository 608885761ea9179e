//! Lists: taken apart, put together, counted up; with Rhai's own.
//!
//! Our own functions give a new list and leave the old one as it was; those of Rhai that change a list say so.

use std::cmp::Ordering;

use rhai::{Array, Dynamic, Engine};

use super::catalogue::{Family, functions};
use super::list_keys;
use super::order::{as_decimal, as_float, extreme};
use super::outcome::{Outcome, fault, list, shown};

pub(super) const FAMILY: Family = Family {
    name: "list",
    summary: "Lists, which JSON calls arrays: `[1, 2]`. An item is `list[0]`, or `list[-1]` from the end; one that is \
              not there is an error. `|item| …` is a function. Functions that change a list in place say so; the \
              others give a new one.",
    functions: functions! {
        "len" "(list) → integer": "How many items." "[1, 2].len()" => "2";
        "is_empty" "(list) → true or false": "Whether there is none." "[].is_empty()" => "true";
        "get" "(list, index) → value": "An item, missing if it is not there." "[[1, 2].get(1), [1, 2].get(5)]" => "[2,null]";
        "first" "(list) → value": "The first item, missing if there is none." "[3, 4].first()" => "3";
        "last" "(list) → value": "The last item, missing if there is none." "[3, 4].last()" => "4";
        "contains" "(list, value) → true or false": "Whether an item equals the value; as `value in list`." "[1, 2].contains(2)" => "true";
        "index_of" "(list, value) → integer": "Where the first item is that equals a value, or for which a function gives true; -1 if there is none."
            "[[5, 7].index_of(7), [5, 7].index_of(|item| item > 5)]" => "[1,1]";
        "map" "(list, |item| …) → list": "What the function gives for each item." "[1, 2].map(|item| item * 10)" => "[10,20]";
        "filter" "(list, |item| …) → list": "The items for which the function gives true." "[1, 2, 3].filter(|item| item > 1)" => "[2,3]";
        "reduce" "(list, |total, item| …, start) → value": "One value made from all items, from the first on."
            "[1, 2, 3].reduce(|total, item| total + item, 0)" => "6";
        "reduce_rev" "(list, |total, item| …, start) → value": "The same from the last item on."
            r#"["a", "b"].reduce_rev(|total, item| total + item, "")"# => r#""ba""#;
        "find" "(list, |item| …) → value": "The first item for which the function gives true; missing if there is none."
            "[1, 2, 3].find(|item| item > 1)" => "2";
        "find_map" "(list, |item| …) → value": "What the function gives for the first item for which it gives anything."
            "[#{ a: 1 }, #{ b: 2 }].find_map(|item| item.b)" => "2";
        "some" "(list, |item| …) → true or false": "Whether the function gives true for any item." "[1, 2].some(|item| item > 1)" => "true";
        "all" "(list, |item| …) → true or false": "Whether it gives true for every item." "[1, 2].all(|item| item > 1)" => "false";
        "unique" "(list) → list": "Without repetitions: of items with the same JSON, the first." r#"["b", "a", "b"].unique()"# => r#"["b","a"]"#;
        "unique_by" "(list, |item| key) → list": "Of items with the same key, the first."
            "[#{ id: 1, n: 1 }, #{ id: 1, n: 2 }].unique_by(|item| item.id)" => r#"[{"id":1,"n":1}]"#;
        "order" "(list) → list": "Sorted; all items of one kind. A function `|a, b|` that gives a negative number, 0 or a positive one may decide."
            "[3, 1, 2].order()" => "[1,2,3]";
        "order_desc" "(list) → list": "Sorted, the greatest first." "[3, 1, 2].order_desc()" => "[3,2,1]";
        "order_by" "(list, |a, b| …) → list": "Sorted by a function that gives a negative number, 0 or a positive one."
            "[1, 2, 3].order_by(|a, b| b - a)" => "[3,2,1]";
        "order_by_key" "(list, |item| key) → list": "Sorted by a key of each item: numbers or texts. Equal ones keep their order, those without a key come last."
            "[#{ n: 2 }, #{ n: 1 }].order_by_key(|item| item.n)" => r#"[{"n":1},{"n":2}]"#;
        "group_by" "(list, |item| key) → map": "Lists of the items by a key: a text, or a number as text."
            r#"["ann", "bob", "amy"].group_by(|item| item[0])"# => r#"{"a":["ann","amy"],"b":["bob"]}"#;
        "count_by" "(list, |item| key) → map": "How many items by a key."
            r#"["ann", "bob", "amy"].count_by(|item| item[0])"# => r#"{"a":2,"b":1}"#;
        "index_by" "(list, |item| key) → map": "The items by a key; of equal keys the last."
            r#"[#{ id: "x", n: 1 }].index_by(|item| item.id)"# => r#"{"x":{"id":"x","n":1}}"#;
        "sum" "(list) → number": "All numbers together; missing items do not count. Exact if one is a decimal."
            r#"[[1, 2, ()].sum(), [1, 0.5].sum(), [decimal("0.1"), 0.2].sum()]"# => "[3,1.5,0.3]";
        "average" "(list) → number": "The mean of its numbers; missing items do not count, and of none it is missing." "[1, 2].average()" => "1.5";
        "min" "(list) → value": "The least number or the first text; missing if there is none." "[3, 1.5, 2].min()" => "1.5";
        "max" "(list) → value": "The greatest number or the last text; missing if there is none." r#"["a", "c", "b"].max()"# => r#""c""#;
        "compact" "(list) → list": "Without missing items." "[1, (), 2].compact()" => "[1,2]";
        "flatten" "(list) → list": "Lists inside it opened up, one level." "[1, [2, [3]]].flatten()" => "[1,2,[3]]";
        "chunk" "(list, length) → list": "Cut into lists of that length; the last may be shorter." "[1, 2, 3].chunk(2)" => "[[1,2],[3]]";
        "zip" "(list, other) → list": "Pairs of the items at the same places, as many as the shorter has. A function `|a, b|` third makes something else of them."
            r#"[1, 2].zip(["a", "b"])"# => r#"[[1,"a"],[2,"b"]]"#;
        "extract" "(list, start, length) → list": "A part of it. A negative start counts from the end; without a length, all the rest."
            "[[1, 2, 3, 4].extract(1, 2), [1, 2, 3].extract(-2)]" => "[[2,3],[2,3]]";
        "range" "(from, to, step) → range": "Numbers for a `for` loop, without `to`; as `from..to`, and with a step if one is given."
            "let n = 0; for i in range(0, 10, 5) { n += i } n" => "5";
        "push" "(list, value)": "Adds an item at the end, in place; as `list += value`." "let l = [1]; l.push(2); l" => "[1,2]";
        "append" "(list, other)": "Adds all items of the other, in place." "let l = [1]; l.append([2, 3]); l" => "[1,2,3]";
        "insert" "(list, index, value)": "Puts an item in, in place." "let l = [1, 3]; l.insert(1, 2); l" => "[1,2,3]";
        "set" "(list, index, value)": "Sets an item, in place; as `list[index] = value`, but beyond the end it does nothing." "let l = [1, 2]; l.set(0, 5); l" => "[5,2]";
        "pad" "(list, length, value)": "Fills it up at the end to a length, in place." "let l = [1]; l.pad(3, 0); l" => "[1,0,0]";
        "pop" "(list) → value": "Takes the last item, in place." "let l = [1, 2]; [l.pop(), l]" => "[2,[1]]";
        "shift" "(list) → value": "Takes the first item, in place." "let l = [1, 2]; [l.shift(), l]" => "[1,[2]]";
        "remove" "(list, index) → value": "Takes an item out, in place; missing if it is not there." "let l = [1, 2, 3]; [l.remove(1), l]" => "[2,[1,3]]";
        "clear" "(list)": "Takes everything out, in place." "let l = [1]; l.clear(); l" => "[]";
        "truncate" "(list, length)": "Cuts it off at the end, in place." "let l = [1, 2, 3]; l.truncate(2); l" => "[1,2]";
        "chop" "(list, length)": "Cuts it off at the start so that that many are left, in place." "let l = [1, 2, 3]; l.chop(2); l" => "[2,3]";
        "reverse" "(list)": "Turns it around, in place." "let l = [1, 2]; l.reverse(); l" => "[2,1]";
        "sort" "(list)": "Sorts it in place, as `order` does; also with a function." "let l = [3, 1]; l.sort(); l" => "[1,3]";
        "sort_desc" "(list)": "Sorts it in place, the greatest first." "let l = [1, 3]; l.sort_desc(); l" => "[3,1]";
        "sort_by" "(list, |a, b| …)": "Sorts it in place by a function, as `order_by` does." "let l = [1, 3]; l.sort_by(|a, b| b - a); l" => "[3,1]";
        "dedup" "(list)": "Drops items that equal the one before, in place." "let l = [1, 1, 2, 1]; l.dedup(); l" => "[1,2,1]";
        "retain" "(list, |item| …) → list": "Keeps, in place, the items for which the function gives true; gives the others." "let l = [1, 2]; [l.retain(|item| item > 1), l]" => "[[1],[2]]";
        "drain" "(list, |item| …) → list": "Takes out, in place, the items for which the function gives true, and gives them." "let l = [1, 2]; [l.drain(|item| item > 1), l]" => "[[2],[1]]";
        "splice" "(list, start, length, other)": "Replaces a part by other items, in place." "let l = [1, 2, 3]; l.splice(1, 1, [8, 9]); l" => "[1,8,9,3]";
        "split" "(list, index) → list": "Cuts it in two, in place, and gives the second part." "let l = [1, 2, 3]; [l.split(1), l]" => "[[2,3],[1]]";
    },
};

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("first", |list: Array| list.into_iter().next().unwrap_or_default());
    engine.register_fn("last", |list: Array| list.into_iter().next_back().unwrap_or_default());
    engine.register_fn("unique", |list: Array| unique(list));
    engine.register_fn("sum", |list: Array| sum("sum", &list));
    engine.register_fn("average", |list: Array| average(&list));
    engine.register_fn("min", |list: Array| extreme("min", &list, Ordering::Less));
    engine.register_fn("max", |list: Array| extreme("max", &list, Ordering::Greater));
    engine.register_fn("compact", |list: Array| -> Array {
        list.into_iter().filter(|item| !item.is_unit()).collect()
    });
    engine.register_fn("flatten", |list: Array| flattened(list));
    engine.register_fn("chunk", |list: Array, length: i64| -> Outcome<Array> {
        let length = usize::try_from(length).ok().filter(|length| *length > 0);
        let length = length.ok_or_else(|| fault("chunk", "a length of 1 or more", "less"))?;
        Ok(list.chunks(length).map(|chunk| Dynamic::from_array(chunk.to_vec())).collect())
    });
    engine.register_fn("zip", |left: Array, right: Array| -> Array {
        left.into_iter().zip(right).map(|(left, right)| Dynamic::from_array(vec![left, right])).collect()
    });
    list_keys::register(engine);
}

fn unique(list: Array) -> Outcome<Array> {
    list_keys::unique("unique", list.into_iter().map(|item| (None, item)))
}

fn flattened(items: Array) -> Outcome<Array> {
    let opened = items.into_iter().flat_map(|item| match item.try_cast_result::<Array>() {
        Ok(inner) => inner,
        Err(item) => vec![item],
    });
    list(opened.map(Ok))
}

/// Whole numbers stay whole, a decimal among them makes the sum exact, a fraction makes it one.
fn sum(function: &str, items: &[Dynamic]) -> Outcome<Dynamic> {
    let numbers = items.iter().filter(|item| !item.is_unit());
    let overflow = || fault(function, "a sum within range", "one beyond it");
    let is_exact = items.iter().any(Dynamic::is_decimal);
    let mut whole = Some(0_i64);
    let mut exact = rust_decimal::Decimal::ZERO;
    let mut float = 0.0;
    for number in numbers {
        let found = || fault(function, "numbers only", &shown(number));
        if is_exact {
            exact = exact.checked_add(as_decimal(number).ok_or_else(found)?).ok_or_else(overflow)?;
        } else if let (Some(sum), Ok(number)) = (whole, number.as_int()) {
            whole = Some(sum.checked_add(number).ok_or_else(overflow)?);
        } else {
            whole.take();
        }
        float += as_float(number).ok_or_else(found)?;
    }
    Ok(match whole {
        _ if is_exact => exact.into(),
        Some(whole) => whole.into(),
        None => float.into(),
    })
}

fn average(items: &[Dynamic]) -> Outcome<Dynamic> {
    let count = items.iter().filter(|item| !item.is_unit()).count();
    if count == 0 {
        return Ok(Dynamic::UNIT);
    }
    let sum = sum("average", items)?;
    if let Ok(exact) = sum.as_decimal() {
        return Ok(exact.checked_div(count.into()).map(Dynamic::from_decimal).unwrap_or_default());
    }
    #[allow(clippy::cast_precision_loss, reason = "a list has far fewer items than 2^53")]
    Ok(as_float(&sum).map(|sum| (sum / count as f64).into()).unwrap_or_default())
}
