//! Which name was probably meant.

/// The nearest of the names, if one is near enough; letters in the wrong case count for nothing.
pub fn nearest<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let lower = wrong.to_lowercase();
    let allowed = (wrong.chars().count() / 3).max(1);
    let distance = |name: &str| strsim::damerau_levenshtein(&lower, &name.to_lowercase());
    let near = names.into_iter().map(|name| (distance(name), name)).filter(|(far, _)| *far <= allowed);
    near.min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_is_meant() {
        let names = ["contractId", "milestoneId", "invoiceId"];
        assert_eq!(nearest("contractid", names), Some("contractId"));
        assert_eq!(nearest("mielstoneId", names), Some("milestoneId"));
        assert_eq!(nearest("amountUsd", names), None);
        assert_eq!(nearest("x", []), None);
    }
}
