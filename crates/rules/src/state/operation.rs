//! What a script can do with its state: the functions of `state`, and how many arguments each takes.

use super::StateKind;

/// What `state` stands for in a script. It holds nothing: the state itself belongs to the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StateHandle;

/// A function of `state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    Set,
    Add,
    Contains,
    Len,
    Remove,
}

impl Operation {
    pub(crate) const ALL: [Self; 6] =
        [Self::Get, Self::Set, Self::Add, Self::Contains, Self::Len, Self::Remove];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
            Self::Add => "add",
            Self::Contains => "contains",
            Self::Len => "len",
            Self::Remove => "remove",
        }
    }

    /// How many arguments it takes of its own, beside name and key: at least and at most. `None`: that kind has no such
    /// function.
    fn takes(self, kind: StateKind) -> Option<(usize, usize)> {
        match (kind, self) {
            (_, Self::Get)
            | (StateKind::Set, Self::Len)
            | (StateKind::Counter | StateKind::Value, Self::Remove) => Some((0, 0)),
            (StateKind::Counter, Self::Add) => Some((0, 1)),
            (StateKind::Counter | StateKind::Value, Self::Set)
            | (StateKind::Set, Self::Add | Self::Contains | Self::Remove) => Some((1, 1)),
            (StateKind::Value, Self::Add) | (_, Self::Contains | Self::Len | Self::Set) => None,
        }
    }

    /// Whether a call with so many arguments behind the name gives a key.
    ///
    /// # Errors
    /// The call does not fit the kind of the name.
    pub(super) fn gives_key(self, (name, kind): (&str, StateKind), arguments: usize) -> Result<bool, String> {
        let Some((least, most)) = self.takes(kind) else {
            let has = Self::ALL.iter().filter(|operation| operation.takes(kind).is_some());
            let has: Vec<String> = has.map(|operation| format!("`{}`", operation.name())).collect();
            let (kind, function) = (kind.in_words(), self.name());
            return Err(format!("`{name}` is {kind}, which has no `{function}`; it has {}", has.join(", ")));
        };
        if (least..=most + 1).contains(&arguments) {
            return Ok(arguments == most + 1);
        }
        let ways: Vec<String> =
            usage(self, kind).iter().map(|way| format!("`{}`", way.replace("NAME", name))).collect();
        Err(format!("`{name}` is {}: write {}", kind.in_words(), ways.join(" or ")))
    }
}

/// How a function is called, without a key and with one.
fn usage(operation: Operation, kind: StateKind) -> [&'static str; 2] {
    match (operation, kind) {
        (Operation::Get, _) => [r#"state.get("NAME")"#, r#"state.get("NAME", key)"#],
        (Operation::Set, _) => [r#"state.set("NAME", value)"#, r#"state.set("NAME", key, value)"#],
        (Operation::Add, StateKind::Set) => [r#"state.add("NAME", item)"#, r#"state.add("NAME", key, item)"#],
        (Operation::Add, _) => [r#"state.add("NAME", 1)"#, r#"state.add("NAME", key, 1)"#],
        (Operation::Contains, _) => {
            [r#"state.contains("NAME", item)"#, r#"state.contains("NAME", key, item)"#]
        }
        (Operation::Len, _) => [r#"state.len("NAME")"#, r#"state.len("NAME", key)"#],
        (Operation::Remove, StateKind::Set) => {
            [r#"state.remove("NAME", item)"#, r#"state.remove("NAME", key, item)"#]
        }
        (Operation::Remove, _) => [r#"state.remove("NAME")"#, r#"state.remove("NAME", key)"#],
    }
}
