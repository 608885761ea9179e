//! Sums that do not round money.
//!
//! Invariant: while every number fits into a decimal of 28 digits, the sum is exact and does not depend on the order of
//! the events. From the first number that does not fit, it is a float.

use std::str::FromStr;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

/// A running sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Sum {
    /// As text, so that it is read back as it was.
    Exact(String),
    Float(f64),
}

impl Default for Sum {
    fn default() -> Self {
        Self::Exact("0".to_owned())
    }
}

/// The sum is larger than any float.
#[derive(Debug)]
pub(super) struct TooLarge;

impl Sum {
    fn decimal(&self) -> Option<Decimal> {
        match self {
            Self::Exact(text) => Decimal::from_str(text).ok(),
            Self::Float(_) => None,
        }
    }

    fn float(&self) -> f64 {
        match self {
            Self::Exact(text) => text.parse().unwrap_or(f64::NAN),
            Self::Float(float) => *float,
        }
    }

    fn exact(sum: Decimal) -> Self {
        Self::Exact(text(sum))
    }

    /// Adds a number.
    ///
    /// # Errors
    /// The sum would be infinite; it stays as it was.
    pub(super) fn add(&mut self, number: &Number) -> Result<(), TooLarge> {
        let float = number.as_f64().unwrap_or(f64::NAN);
        let other = decimal(number).map_or(Self::Float(float), Self::exact);
        self.merge(&other)
    }

    /// Adds another sum.
    ///
    /// # Errors
    /// As [`Sum::add`].
    pub(super) fn merge(&mut self, other: &Self) -> Result<(), TooLarge> {
        let exact = self.decimal().zip(other.decimal()).and_then(|(one, two)| exactly(one, two));
        if let Some(sum) = exact {
            *self = Self::exact(sum);
            return Ok(());
        }
        let sum = self.float() + other.float();
        if !sum.is_finite() {
            return Err(TooLarge);
        }
        *self = Self::Float(sum);
        Ok(())
    }

    /// As JSON.
    pub(super) fn json(&self) -> String {
        match self {
            Self::Exact(text) => text.clone(),
            Self::Float(float) => Value::from(*float).to_string(),
        }
    }

    /// A share of it as JSON: a float, rounded once.
    pub(super) fn over(&self, count: u64) -> String {
        let exact = self.decimal().and_then(|sum| sum.checked_div(Decimal::from(count))?.to_f64());
        #[allow(clippy::cast_precision_loss, reason = "a float is all that is asked for")]
        let mean = exact.unwrap_or_else(|| self.float() / count as f64);
        canonical(mean)
    }
}

/// Whole numbers without a point.
fn canonical(float: f64) -> String {
    crate::grouping::canonical(&Value::from(float))
}

/// A sum of two decimals, unless digits would be lost.
fn exactly(one: Decimal, two: Decimal) -> Option<Decimal> {
    let sum = one.checked_add(two)?;
    let scale = one.normalize().scale().max(two.normalize().scale());
    (sum.scale() >= scale || sum.checked_sub(two)? == one && sum.checked_sub(one)? == two).then_some(sum)
}

/// A number as the decimal that its shortest text is: 12.1 is 12.1 and not 12.0999….
fn decimal(number: &Number) -> Option<Decimal> {
    if let Some(integer) = number.as_i64() {
        return Some(Decimal::from(integer));
    }
    if let Some(integer) = number.as_u64() {
        return Some(Decimal::from(integer));
    }
    let text = number.to_string();
    let read = if text.contains(['e', 'E']) {
        Decimal::from_scientific(&text)
    } else {
        Decimal::from_str_exact(&text)
    };
    // Beyond 28 digits it may have been rounded.
    read.ok().filter(|decimal| decimal.to_f64() == number.as_f64())
}

fn text(decimal: Decimal) -> String {
    if decimal.is_zero() { "0".to_owned() } else { decimal.normalize().to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sum(numbers: &[Value]) -> Sum {
        let mut sum = Sum::default();
        for number in numbers {
            sum.add(number.as_number().unwrap()).unwrap();
        }
        sum
    }

    #[test]
    fn money_is_summed_to_the_cent_in_any_order() {
        assert_eq!(sum(&vec![json!(0.1); 10]).json(), "1");
        assert_eq!(sum(&[json!(12.10), json!(0.05), json!(-2)]).json(), "10.15");
        assert_eq!(
            sum(&[json!(i64::MAX), json!(i64::MAX), json!(u64::MAX), json!(0.01)]).json(),
            "36893488147419103229.01"
        );
        assert_eq!(sum(&[json!(1.5), json!(-1.5)]).json(), "0");
        assert_eq!(sum(&[json!(1e20), json!(1e-8)]).json(), "100000000000000000000.00000001");
        let many: Vec<Value> = (1..=1000).map(|n| json!(f64::from(n) / 100.0)).collect();
        let turned: Vec<Value> = many.iter().rev().cloned().collect();
        assert_eq!((sum(&many), sum(&many).json()), (sum(&turned), "5005".to_owned()));
    }

    #[test]
    fn what_no_decimal_holds_is_summed_as_floats() {
        assert_eq!(sum(&[json!(1e300), json!(1e300)]), Sum::Float(2e300));
        assert_eq!(sum(&[json!(1e-40), json!(1)]), Sum::Float(1.0));
        assert_eq!(sum(&[json!(1e27), json!(1e-20)]), Sum::Float(1e27), "no digit is lost in silence");
        let mut large = sum(&[json!(1.7e308)]);
        assert!(large.add(json!(1.7e308).as_number().unwrap()).is_err());
        assert_eq!(large, Sum::Float(1.7e308), "it stays as it was");
    }

    #[test]
    fn a_mean_is_rounded_once() {
        assert_eq!(sum(&[json!(0.1), json!(0.2)]).over(2), "0.15");
        assert_eq!(sum(&[json!(10)]).over(3), "3.3333333333333335");
        assert_eq!(sum(&[json!(4), json!(2)]).over(2), "3");
        assert_eq!(
            sum(&[json!(1e300)]).over(2),
            "5e+299".parse::<f64>().map(|float| json!(float).to_string()).unwrap()
        );
    }

    #[test]
    fn a_saved_sum_is_read_back_as_it_was() {
        for sum in [sum(&[json!(0.1), json!(7)]), sum(&[json!(1e300), json!(0.1)])] {
            assert_eq!(serde_json::from_str::<Sum>(&serde_json::to_string(&sum).unwrap()).unwrap(), sum);
        }
    }
}
