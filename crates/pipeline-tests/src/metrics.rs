//! Numbers out of what `/metrics` would show.

use sluicebox_config::MetricSelector;

/// The labels of a series with their values.
type Labels<'a> = Vec<(&'a str, String)>;

/// The sum of the series that a selector takes; `None`: it takes none.
pub(crate) fn sum(exposition: &str, selector: &MetricSelector) -> Option<f64> {
    let values = exposition.lines().filter_map(series).filter(|(name, labels, _)| {
        let has = |(label, value): &(String, String)| {
            labels.iter().any(|(known, its)| known == label && its == value)
        };
        *name == selector.name && selector.labels.iter().all(has)
    });
    values.map(|(.., value)| value).reduce(|sum, value| sum + value)
}

/// `name{label="value",…} 1` taken apart.
fn series(line: &str) -> Option<(&str, Labels<'_>, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, labels)) = series.split_once('{') else { return Some((series, Vec::new(), value)) };
    let mut rest = labels.strip_suffix('}')?;
    let mut labels = Vec::new();
    while let Some((label, after)) = rest.split_once("=\"") {
        let (text, length) = quoted(after)?;
        labels.push((label.trim_start_matches(','), text));
        rest = &after[length..];
    }
    Some((name, labels, value))
}

/// A text up to its closing quote, escapes resolved, and how many bytes it took.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut signs = text.char_indices();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '"' => return Some((out, at + 1)),
            '\\' => match signs.next()?.1 {
                'n' => out.push('\n'),
                other => out.push(other),
            },
            other => out.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# HELP sluicebox_a_total text\n# TYPE sluicebox_a_total counter\n\
        sluicebox_a_total{component=\"x\",reason=\"a,b\"} 2\nsluicebox_a_total{component=\"y \\\"q\\\"\"} 3\n\
        sluicebox_a_total_other 9\nsluicebox_b 1.5\n";

    fn selector(name: &str, labels: &[(&str, &str)]) -> MetricSelector {
        let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
        MetricSelector { text: String::new(), name: name.to_owned(), labels }
    }

    #[test]
    fn series_that_fit_are_added_up() {
        assert_eq!(sum(PAGE, &selector("sluicebox_a_total", &[])), Some(5.0));
        assert_eq!(sum(PAGE, &selector("sluicebox_a_total", &[("reason", "a,b")])), Some(2.0));
        assert_eq!(sum(PAGE, &selector("sluicebox_a_total", &[("component", "y \"q\"")])), Some(3.0));
        assert_eq!(sum(PAGE, &selector("sluicebox_a_total", &[("component", "z")])), None);
        assert_eq!(sum(PAGE, &selector("sluicebox_b", &[])), Some(1.5));
    }
}
