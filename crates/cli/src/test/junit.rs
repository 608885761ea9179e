//! The report of `--junit`: what build servers read.
//!
//! Source: the format that the Ant task of `JUnit` began, as Jenkins and GitLab read it: `testsuites`, `testsuite`,
//! `testcase`, `failure`. It has no standard; only what all of them know is written.

use std::fmt::Write;
use std::time::Duration;

use super::gather::Suite;
use super::{End, Ran, picture};

/// The whole report.
pub(super) fn report(suites: &[Suite], ran: &[Ran<'_>]) -> String {
    let all: Vec<&Ran<'_>> = ran.iter().collect();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a text cannot fail.
    let _ = writeln!(text, "<testsuites name=\"sluicebox\" {}>", counts(&all));
    for suite in suites.iter().filter(|suite| !suite.cases.is_empty()) {
        let is_own = |ran: &&&Ran<'_>| suite.cases.iter().any(|case| std::ptr::eq(case, ran.case));
        let own: Vec<&Ran<'_>> = all.iter().filter(is_own).copied().collect();
        let name = escaped(&suite.file.display().to_string());
        let _ = writeln!(text, "  <testsuite name=\"{name}\" {}>", counts(&own));
        text.extend(own.iter().map(|ran| case(&name, ran)));
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn counts(ran: &[&Ran<'_>]) -> String {
    let stopped = ran.iter().filter(|ran| matches!(ran.end, End::Stopped(_))).count();
    let failed = ran.iter().filter(|ran| !ran.passed()).count() - stopped;
    let took: Duration = ran.iter().map(|ran| ran.took).sum();
    let (tests, took) = (ran.len(), took.as_secs_f64());
    format!("tests=\"{tests}\" failures=\"{failed}\" errors=\"{stopped}\" time=\"{took:.3}\"")
}

fn case(suite: &str, ran: &Ran<'_>) -> String {
    let (name, file) = (escaped(&ran.case.name), escaped(&ran.case.file));
    let (line, took) = (ran.case.place.line, ran.took.as_secs_f64());
    let head = format!(
        "    <testcase name=\"{name}\" classname=\"{suite}\" file=\"{file}\" line=\"{line}\" time=\"{took:.3}\""
    );
    if ran.passed() {
        return format!("{head}/>\n");
    }
    let (tag, message) = match &ran.end {
        End::Stopped(_) => ("error", "the test could not be run".to_owned()),
        End::Judged(verdict) => {
            let first = verdict.mismatches.first();
            let subject =
                first.map(|mismatch| mismatch.subject.as_str()).filter(|subject| !subject.is_empty());
            ("failure", format!("{} differs", subject.unwrap_or("the run")))
        }
    };
    let (message, text) = (escaped(&message), escaped(&picture::plain(ran)));
    format!("{head}>\n      <{tag} message=\"{message}\">{text}</{tag}>\n    </testcase>\n")
}

/// A text for an attribute or between tags; what XML cannot hold at all is replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' | '\r' => out.push(sign),
            sign if sign.is_control() || matches!(sign, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            sign => out.push(sign),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_name_becomes_markup() {
        assert_eq!(escaped("a <b> & \"c\"\u{1}\n"), "a &lt;b&gt; &amp; &quot;c&quot;\u{fffd}\n");
    }
}
