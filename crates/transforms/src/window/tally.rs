//! What one aggregate of one window has come to so far.
//!
//! Invariant: apart from floats and from events of the same time, it does not depend on the order of the events.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluicebox_core::Reason;

use super::Refused;
use super::aggregate::{Compiled, Function};
use super::sum::Sum;
use crate::grouping::canonical;

/// A running aggregate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Tally {
    Count(u64),
    /// The sum of so many numbers.
    Sum(Sum, u64),
    Avg(Sum, u64),
    Min(Option<Value>),
    Max(Option<Value>),
    /// The members lie beside the window.
    Distinct(u64),
    /// With the time of the event.
    First(Option<(i64, Value)>),
    Last(Option<(i64, Value)>),
}

impl Tally {
    /// Of no events.
    pub(super) fn new(function: Function) -> Self {
        match function {
            Function::Count => Self::Count(0),
            Function::Sum => Self::Sum(Sum::default(), 0),
            Function::Avg => Self::Avg(Sum::default(), 0),
            Function::Min => Self::Min(None),
            Function::Max => Self::Max(None),
            Function::Distinct => Self::Distinct(0),
            Function::First => Self::First(None),
            Function::Last => Self::Last(None),
        }
    }

    /// Whether it is one of this function: a pipeline may have been changed while the window was open.
    pub(super) fn is_of(&self, function: Function) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(&Self::new(function))
    }

    /// Counts the value of an event, which its aggregate has read; the members of `distinct` are counted elsewhere.
    ///
    /// # Errors
    /// Why the event is a dead letter.
    pub(super) fn add(&mut self, aggregate: &Compiled, time: i64, value: &Value) -> Result<(), Refused> {
        match self {
            Self::Count(count) => *count += 1,
            Self::Sum(sum, count) | Self::Avg(sum, count) => {
                if let Value::Number(number) = value {
                    sum.add(number).map_err(|_| too_large(&aggregate.name))?;
                    *count += 1;
                }
            }
            Self::Min(least) => replace(least, value, Ordering::Less, &aggregate.name)?,
            Self::Max(most) => replace(most, value, Ordering::Greater, &aggregate.name)?,
            Self::Distinct(_) => {}
            Self::First(first) => {
                if first.as_ref().is_none_or(|(earliest, _)| time < *earliest) {
                    *first = Some((time, value.clone()));
                }
            }
            Self::Last(last) => {
                if last.as_ref().is_none_or(|(latest, _)| time >= *latest) {
                    *last = Some((time, value.clone()));
                }
            }
        }
        Ok(())
    }

    /// Takes in that of another window, of the same function.
    ///
    /// # Errors
    /// As [`Tally::add`].
    pub(super) fn merge(&mut self, aggregate: &Compiled, other: &Self) -> Result<(), Refused> {
        match (&mut *self, other) {
            (Self::Count(own), Self::Count(more)) => *own += more,
            (Self::Sum(own, count), Self::Sum(more, others))
            | (Self::Avg(own, count), Self::Avg(more, others)) => {
                own.merge(more).map_err(|_| too_large(&aggregate.name))?;
                *count += others;
            }
            (Self::Min(_), Self::Min(Some(value))) | (Self::Max(_), Self::Max(Some(value))) => {
                self.add(aggregate, 0, value)?;
            }
            (Self::First(_), Self::First(Some((time, value))))
            | (Self::Last(_), Self::Last(Some((time, value)))) => self.add(aggregate, *time, value)?,
            _ => {}
        }
        Ok(())
    }

    /// As JSON; a function of no values is `null`, a count of none 0.
    pub(super) fn json(&self) -> String {
        let value = |value: Option<&Value>| value.map_or_else(|| "null".to_owned(), Value::to_string);
        match self {
            Self::Count(count) | Self::Distinct(count) => count.to_string(),
            Self::Sum(_, 0) | Self::Avg(_, 0) => "null".to_owned(),
            Self::Sum(sum, _) => sum.json(),
            Self::Avg(sum, count) => sum.over(*count),
            Self::Min(found) | Self::Max(found) => found.as_ref().map_or_else(|| value(None), canonical),
            Self::First(found) | Self::Last(found) => value(found.as_ref().map(|(_, value)| value)),
        }
    }
}

fn too_large(name: &str) -> Refused {
    let message = format!("with this event, `{name}` would be larger than any number");
    Refused::new(Reason::Validation, message, None)
}

/// Takes a value if it is on that side of the one there is.
fn replace(held: &mut Option<Value>, value: &Value, side: Ordering, name: &str) -> Result<(), Refused> {
    let order = match held {
        None => Some(side),
        Some(held) => compared(value, held),
    };
    let Some(order) = order else {
        let message =
            format!("for `{name}`, this event has text and others of its window a number, or the reverse");
        return Err(Refused::new(Reason::Validation, message, None));
    };
    if order == side {
        *held = Some(value.clone());
    }
    Ok(())
}

/// Two numbers or two texts; `None` if they are not of one kind.
fn compared(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64(), a.as_u64(), b.as_u64()) {
            (Some(a), Some(b), ..) => Some(a.cmp(&b)),
            (.., Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        _ => None,
    }
}
