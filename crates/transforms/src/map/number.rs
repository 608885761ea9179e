//! Decimal numbers as digits: read from text or JSON, written without losing one.
//!
//! Invariant: what is written has the very digits that were read; nothing passes through floating point.

/// Most digits that an exponent may unfold to.
const MOST_DIGITS: usize = 1000;

/// A number as it was written, in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    is_negative: bool,
    /// Digits before the point, without leading zeros but one.
    whole: String,
    /// Digits behind it.
    fraction: String,
    exponent: i32,
}

impl Decimal {
    /// Reads `-12.50`, `+7`, `.5`, `1e3`; nothing if it is something else, or too great for any program to hold.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let are_digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
        let has_digits = !(whole.is_empty() && fraction.is_empty());
        let is_finite = text.parse::<f64>().is_ok_and(f64::is_finite);
        (has_digits && are_digits(whole) && are_digits(fraction) && is_finite).then(|| Self {
            is_negative: text.starts_with('-'),
            whole: without_leading_zeros(whole),
            fraction: fraction.to_owned(),
            exponent,
        })
    }

    /// As a JSON number.
    pub(super) fn json(&self) -> String {
        let exponent = if self.exponent == 0 { String::new() } else { format!("e{}", self.exponent) };
        format!("{}{exponent}", self.signed(&self.whole, &self.fraction))
    }

    /// Without an exponent; nothing if that takes too many digits.
    pub(super) fn plain(&self) -> Option<String> {
        let (whole, fraction) = self.unfolded()?;
        Some(self.signed(&whole, &fraction))
    }

    /// Without fraction and exponent; nothing if it has a fraction.
    pub(super) fn integer(&self) -> Option<String> {
        let (whole, fraction) = self.unfolded()?;
        let is_whole = fraction.bytes().all(|digit| digit == b'0');
        is_whole.then(|| if whole == "0" { whole } else { self.signed(&whole, "") })
    }

    /// The value times ten to the `places`, cut off behind the point; nothing if it is too great.
    pub(super) fn scaled(&self, places: usize) -> Option<i128> {
        let (whole, mut fraction) = self.unfolded()?;
        fraction.push_str(&"0".repeat(places));
        let value: i128 = format!("{whole}{}", &fraction[..places]).parse().ok()?;
        Some(if self.is_negative { -value } else { value })
    }

    /// The digits before and behind the point once the exponent is done with.
    fn unfolded(&self) -> Option<(String, String)> {
        let digits = format!("{}{}", self.whole, self.fraction);
        let point = i64::try_from(self.whole.len()).ok()? + i64::from(self.exponent);
        let most = i64::try_from(MOST_DIGITS).ok()?;
        if !(-most..=most).contains(&point) {
            return None;
        }
        let (whole, fraction) = match usize::try_from(point) {
            Ok(point) if point >= digits.len() => {
                (format!("{digits}{}", "0".repeat(point - digits.len())), String::new())
            }
            Ok(point) => (digits[..point].to_owned(), digits[point..].to_owned()),
            Err(_) => {
                let zeros = usize::try_from(-point).ok()?;
                (String::new(), format!("{}{digits}", "0".repeat(zeros)))
            }
        };
        Some((without_leading_zeros(&whole), fraction))
    }

    fn signed(&self, whole: &str, fraction: &str) -> String {
        let sign = if self.is_negative { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{whole}{point}{fraction}")
    }
}

fn without_leading_zeros(digits: &str) -> String {
    let rest = digits.trim_start_matches('0');
    if rest.is_empty() { "0".to_owned() } else { rest.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        for (text, json, plain, integer) in [
            ("1.10", "1.10", Some("1.10"), None),
            ("+007.50", "7.50", Some("7.50"), None),
            ("-12", "-12", Some("-12"), Some("-12")),
            (
                "12345678901234567890",
                "12345678901234567890",
                Some("12345678901234567890"),
                Some("12345678901234567890"),
            ),
            (".5", "0.5", Some("0.5"), None),
            ("5.", "5", Some("5"), Some("5")),
            ("1e3", "1e3", Some("1000"), Some("1000")),
            ("1.5E+1", "1.5e1", Some("15"), Some("15")),
            ("12.5e-3", "12.5e-3", Some("0.0125"), None),
            ("-0.00", "-0.00", Some("-0.00"), Some("0")),
            ("1.2300e2", "1.2300e2", Some("123.00"), Some("123")),
            ("0e-2000", "0e-2000", None, None),
        ] {
            let number = Decimal::parse(text).unwrap();
            assert_eq!(number.json(), json, "{text}");
            assert_eq!(number.plain().as_deref(), plain, "{text}");
            assert_eq!(number.integer().as_deref(), integer, "{text}");
        }
        for text in
            ["", "-", ".", "x", "1x", "1e", "e5", "1e400", "inf", "NaN", "1_0", "1,5", "0x10", "--1", "1 2"]
        {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_scaled_without_rounding() {
        let scaled = |text: &str, places| Decimal::parse(text).unwrap().scaled(places);
        assert_eq!(scaled("1781258404.1205", 9), Some(1_781_258_404_120_500_000));
        assert_eq!(scaled("-1.9", 0), Some(-1));
        assert_eq!(scaled("1e40", 9), None);
    }
}
