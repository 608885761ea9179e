//! How long a file may be.
//!
//! Only production counts: everything before the test module at the foot of the file.

use super::{Finding, RustFile};

/// More than this is a question to its author.
const QUESTION: usize = 400;

/// More than this fails.
const LIMIT: usize = 600;

/// Findings of one source.
pub(crate) fn check(file: &RustFile) -> Option<Finding> {
    let lines = file.production_lines;
    let message = || format!("{lines} lines before its tests; more than {LIMIT} is two files");
    (lines > LIMIT).then(|| Finding::whole(&file.path, message()))
}

/// Files that are long but may stay.
pub(crate) fn warnings(files: &[RustFile]) -> Vec<Finding> {
    let long = files.iter().filter(|file| (QUESTION + 1..=LIMIT).contains(&file.production_lines));
    long.map(|file| {
        let message = format!("{} lines before its tests; does it do one thing?", file.production_lines);
        Finding::whole(&file.path, message)
    })
    .collect()
}

/// The median of production lines; at most 150 is the aim.
pub(crate) fn median(files: &[RustFile]) -> usize {
    let mut lines: Vec<usize> =
        files.iter().filter(|file| !file.is_test()).map(|file| file.production_lines).collect();
    lines.sort_unstable();
    lines.get(lines.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(lines: usize, tests: usize) -> RustFile {
        let production = "fn a() {}\n".repeat(lines);
        let tests = "    fn t() {}\n".repeat(tests);
        RustFile::new("crates/core/src/a.rs", &format!("{production}#[cfg(test)]\nmod tests {{\n{tests}}}\n"))
    }

    #[test]
    fn six_hundred_lines_pass_and_one_more_fails() {
        assert_eq!(check(&file(600, 0)), None);
        assert!(check(&file(601, 0)).is_some());
    }

    #[test]
    fn tests_do_not_count() {
        assert_eq!(check(&file(10, 1000)), None);
        assert_eq!(warnings(&[file(10, 1000)]), []);
    }

    #[test]
    fn more_than_four_hundred_is_a_warning_only() {
        assert_eq!(warnings(&[file(400, 0), file(401, 0), file(601, 0)]).len(), 1);
        assert_eq!(check(&file(401, 0)), None);
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(&[file(300, 0), file(10, 0), file(20, 0)]), 20);
        assert_eq!(median(&[]), 0);
    }
}
