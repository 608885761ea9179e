//! Groups of parameters of which exactly one is given, whole: `api_key` and `api_secret`, or `client_id` and
//! `client_secret`.
//!
//! Invariant: what is wrong is told of parameters by their names, at one that was given if there is any.

use sluicebox_core::ParseProblem;

/// What is wrong with a choice; `None`: exactly one group is given, and nothing beside it.
pub(super) fn misgiven(groups: &[Vec<String>], is_given: impl Fn(&str) -> bool) -> Option<ParseProblem> {
    let mut given: Vec<&str> = Vec::new();
    for name in groups.iter().flatten().filter(|name| is_given(name)) {
        if !given.contains(&name.as_str()) {
            given.push(name);
        }
    }
    let is_whole = |group: &&Vec<String>| {
        group.len() == given.len() && group.iter().all(|name| given.contains(&name.as_str()))
    };
    if groups.is_empty() || groups.iter().any(|group| is_whole(&group)) {
        return None;
    }
    let told = |path: &str, message: String| Some(ParseProblem { path: path.to_owned(), message });
    let Some(&first) = given.first() else {
        return told("", format!("expected {}, found none of them", shown(groups)));
    };
    let holds = |group: &&Vec<String>, name: &str| group.iter().any(|it| it == name);
    if let Some(group) = groups.iter().find(|group| given.iter().all(|name| holds(group, name))) {
        let missing = group.iter().find(|name| !is_given(name))?;
        return told(first, format!("`{missing}` is missing: it belongs with `{first}`"));
    }
    let is_odd = |name: &&&str| !groups.iter().any(|group| holds(&group, first) && holds(&group, name));
    let odd = given.iter().find(is_odd).or(given.last())?;
    told(odd, format!("`{odd}` cannot be given beside `{first}`: expected {}", shown(groups)))
}

/// `` `a` and `b`, or `c` ``.
fn shown(groups: &[Vec<String>]) -> String {
    let groups = groups.iter().map(|group| match &group[..] {
        [] => "nothing".to_owned(),
        names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and "),
    });
    groups.collect::<Vec<_>>().join(", or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `PATH: MESSAGE` of what is wrong when `given` is given.
    fn told(groups: &[&[&str]], given: &[&str]) -> Option<String> {
        let owned = |group: &&[&str]| group.iter().map(|name| (*name).to_owned()).collect();
        let groups: Vec<Vec<String>> = groups.iter().map(owned).collect();
        let problem = misgiven(&groups, |name| given.contains(&name))?;
        Some(format!("{}: {}", problem.path, problem.message))
    }

    #[test]
    fn exactly_one_group_is_given_whole() {
        let keys: [&[&str]; 2] = [&["key", "secret"], &["id", "password"]];
        assert_eq!(told(&keys, &["secret", "key"]), None);
        assert_eq!(told(&keys, &["id", "password", "other"]), None);
        let all = "`key` and `secret`, or `id` and `password`";
        assert_eq!(told(&keys, &[]), Some(format!(": expected {all}, found none of them")));
        assert_eq!(
            told(&keys, &["secret"]).as_deref(),
            Some("secret: `key` is missing: it belongs with `secret`")
        );
        let beside = format!("id: `id` cannot be given beside `key`: expected {all}");
        assert_eq!(told(&keys, &["key", "secret", "id", "password"]), Some(beside.clone()));
        assert_eq!(told(&keys, &["key", "id"]), Some(beside));
    }

    #[test]
    fn a_group_of_none_makes_the_others_optional_and_groups_may_share() {
        let optional: [&[&str]; 2] = [&[], &["user", "password"]];
        assert_eq!(told(&optional, &[]), None);
        assert_eq!(
            told(&optional, &["user"]).as_deref(),
            Some("user: `password` is missing: it belongs with `user`")
        );
        let shared: [&[&str]; 2] = [&["user", "password"], &["user", "token"]];
        assert_eq!(told(&shared, &["user", "token"]), None);
        assert_eq!(
            told(&shared, &["user", "token", "password"]).as_deref(),
            Some(
                "token: `token` cannot be given beside `user`: expected `user` and `password`, or `user` and `token`"
            )
        );
        assert_eq!(told(&[], &["user"]), None);
    }
}
