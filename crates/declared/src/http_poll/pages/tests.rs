//! Sweeps, page by page.

use super::*;

const FIRST: Rule = Rule { which: Which::First, order: Order::Unknown };
const FIRST_NUMBER: Rule = Rule { which: Which::First, order: Order::Number };
const GREATEST: Rule = Rule { which: Which::Greatest, order: Order::Number };
const LATEST: Rule = Rule { which: Which::Greatest, order: Order::Time };
const LAST: Rule = Rule { which: Which::Last, order: Order::Unknown };

fn step(newest: &str, page: &str) -> Step {
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Step {
        newest: given(newest),
        page: given(page),
        more: !page.is_empty(),
        is_said: false,
        items: 2,
        only_newest: false,
    }
}

/// The cursor after a sweep of these pages, each with what it says.
fn swept(rule: Rule, since: Option<&str>, newest: &[&str]) -> Option<String> {
    let (mut round, mut cursor) = (Round::new(rule), since.map(str::to_owned));
    for (number, said) in newest.iter().enumerate() {
        assert_eq!(cursor.as_deref(), since, "the cursor moves only when the sweep is over");
        let last = number + 1 == newest.len();
        let page = if last { String::new() } else { format!("p{number}") };
        let progress = round.advance(&mut cursor, step(said, &page));
        assert_eq!(progress, if last { Progress::Still } else { Progress::Forward });
    }
    cursor
}

#[test]
fn the_cursor_goes_to_what_the_rule_says_and_only_at_the_end() {
    let cursor = |rule, since, newest: &[&str]| swept(rule, since, newest).unwrap();
    assert_eq!(cursor(FIRST, None, &["c", "b", "d"]), "c");
    assert_eq!(cursor(FIRST, Some("a"), &["", "b", "a"]), "b");
    assert_eq!(cursor(LAST, Some("a"), &["b", "c", ""]), "c");
    assert_eq!(cursor(GREATEST, Some("9.5"), &["10.25", "999.9", "1000.1", "11"]), "1000.1");
    let (early, late) = ("2026-06-12T10:00:00Z", "2026-06-12T12:00:00+01:00");
    assert_eq!(cursor(LATEST, None, &[early, late, early]), late);
    // Nothing new, and numbers that are not after the cursor, leave it.
    assert_eq!(cursor(FIRST, Some("a"), &["", ""]), "a");
    assert_eq!(cursor(FIRST_NUMBER, Some("10.5"), &["9.5"]), "10.5");
    assert_eq!(cursor(GREATEST, Some("1.5"), &["1.50"]), "1.5");
    assert_eq!(swept(FIRST, None, &[""]), None);
}

#[test]
fn a_sweep_whose_items_do_not_say_where_the_cursor_goes_is_noticed() {
    for (newest, items, mute) in [("", 2, true), ("", 0, false), ("9", 2, false)] {
        let (mut round, mut cursor) = (Round::new(FIRST), None);
        round.advance(&mut cursor, step(newest, "a"));
        round.begin_again();
        round.advance(&mut cursor, Step { items, ..step(newest, "a") });
        assert!(!round.was_mute, "it is not over");
        round.advance(&mut cursor, Step { items: 0, ..step("", "") });
        assert_eq!(round.was_mute, mute, "{newest} {items}");
    }
}

#[test]
fn a_restart_within_a_sweep_goes_on_where_it_was() {
    for since in [None, Some("5")] {
        let (mut round, mut cursor) = (Round::new(FIRST), since.map(str::to_owned));
        round.advance(&mut cursor, step("9", "p\"1"));
        let saved = round.position(cursor.as_deref()).unwrap();
        let mut restarted = Round::new(FIRST);
        let mut again = restarted.stand(Some(saved.clone()));
        assert_eq!((again.as_deref(), restarted.page()), (since, Some("p\"1")));
        assert_eq!(restarted.position(again.as_deref()).as_deref(), Some(saved.as_str()));
        assert_eq!(restarted.advance(&mut again, step("7", "")), Progress::Still);
        assert_eq!(restarted.position(again.as_deref()).as_deref(), Some("9"));
        assert_eq!(without_pages(Some(saved)).as_deref(), since);
    }
    let mut round = Round::new(FIRST);
    for plain in ["7", "sweep", "sweep {}", "sweep x", "{\"page\":\"1\"}"] {
        assert_eq!(round.stand(Some(plain.to_owned())).as_deref(), Some(plain));
        assert_eq!((round.page(), without_pages(Some(plain.to_owned())).as_deref()), (None, Some(plain)));
    }
}

#[test]
fn pages_that_would_run_in_a_circle_or_are_not_named_are_faults_and_end_nothing() {
    let (mut round, mut cursor) = (Round::new(FIRST), Some("1".to_owned()));
    for page in ["a", "b", "c"] {
        assert_eq!(round.advance(&mut cursor, step("9", page)), Progress::Forward);
    }
    let unnamed = Step { more: true, is_said: true, ..step("9", "") };
    assert!(matches!(round.advance(&mut cursor, unnamed), Progress::Fault(_)));
    assert_eq!((cursor.as_deref(), round.page(), round.faults), (Some("1"), Some("c"), 1));
    // What leads in a circle is read again from its beginning, and counted until a sweep comes to its end.
    assert!(matches!(round.advance(&mut cursor, step("9", "c")), Progress::Fault(_)));
    assert_eq!((round.page(), round.faults), (Some("c"), 2));
    for (page, faults) in [("a", 3), ("b", 4)] {
        for page in ["a", "b", "c"].into_iter().filter(|_| faults == 4) {
            assert_eq!(round.advance(&mut cursor, step("9", page)), Progress::Forward);
        }
        assert!(matches!(round.advance(&mut cursor, step("9", page)), Progress::Fault(_)), "{page}");
        assert_eq!((cursor.as_deref(), round.page(), round.faults), (Some("1"), None, faults));
    }
    // A page that is full, and the last one, may name none.
    let full = Step { more: true, ..step("9", "") };
    assert_eq!(round.advance(&mut cursor, full), Progress::Still);
    assert_eq!((cursor.as_deref(), round.page(), round.faults), (Some("9"), None, 0));
}

#[test]
fn a_boundary_that_comes_alone_ends_a_sweep() {
    let (mut round, mut cursor) = (Round::new(FIRST), None);
    round.advance(&mut cursor, step("9", "5"));
    let alone = |is_said| Step { items: 1, is_said, ..step("5", "5") };
    assert!(matches!(round.advance(&mut cursor, alone(true)), Progress::Fault(_)));
    assert_eq!(round.advance(&mut cursor, alone(false)), Progress::Still);
    assert_eq!(cursor.as_deref(), Some("9"));
}

#[test]
fn a_sweep_that_begins_again_forgets_what_it_saw() {
    let (mut round, mut cursor) = (Round::new(FIRST), Some("1".to_owned()));
    round.advance(&mut cursor, step("9", "a"));
    round.begin_again();
    assert_eq!((round.page(), round.repeated), (None, 1));
    round.advance(&mut cursor, step("10", "a"));
    assert_eq!(round.repeated, 1);
    round.advance(&mut cursor, step("8", ""));
    assert_eq!((cursor.as_deref(), round.repeated), (Some("10"), 0));
}

#[test]
fn where_only_the_newest_is_asked_for_the_first_page_with_items_is_enough() {
    let (mut round, mut cursor) = (Round::new(FIRST), None);
    let first = |newest: &str| Step { only_newest: true, ..step(newest, "a") };
    assert_eq!(round.advance(&mut cursor, first("")), Progress::Forward);
    assert_eq!(
        round.advance(&mut cursor, Step { page: Some("b".to_owned()), ..first("9") }),
        Progress::Still
    );
    assert_eq!((cursor.as_deref(), round.page()), (Some("9"), None));
}
