//! How a fault is written: `[TARGET:][account:K:]KIND[=ARG][@N|@every:N]`, read and written back.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{Fault, FaultKind, RetryAfter, Target, When};
use crate::EmulatorError;

impl Fault {
    /// Reads one fault, or the word `all`, which stands for [`Fault::transient_set`].
    ///
    /// # Errors
    /// [`EmulatorError::Fault`] says what was expected.
    pub fn parse_set(text: &str) -> Result<Vec<Self>, EmulatorError> {
        if text.trim() == "all" { Ok(Self::transient_set()) } else { Ok(vec![text.parse()?]) }
    }
}

impl FromStr for Fault {
    type Err = EmulatorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text.trim()).map_err(|reason| EmulatorError::Fault { text: text.to_owned(), reason })
    }
}

fn parse(text: &str) -> Result<Fault, String> {
    let (target, rest) = parse_target(text);
    let (account, rest) = parse_account(rest)?;
    let (rest, when) = parse_when(rest)?;
    let (name, argument) = match rest.split_once('=') {
        Some((name, argument)) => (name, Some(argument)),
        None => (rest, None),
    };
    Ok(Fault { kind: parse_kind(name, argument)?, when, target, account })
}

fn parse_target(text: &str) -> (Target, &str) {
    let prefixes = [
        ("poll:", Target::Poll),
        ("lookup:", Target::LookUp),
        ("oauth:", Target::OAuth),
        ("file:", Target::File),
    ];
    for (prefix, target) in prefixes {
        if let Some(rest) = text.strip_prefix(prefix) {
            return (target, rest);
        }
    }
    (Target::Poll, text)
}

fn parse_account(text: &str) -> Result<(Option<u32>, &str), String> {
    let Some(rest) = text.strip_prefix("account:") else {
        return Ok((None, text));
    };
    let (number, rest) = rest.split_once(':').ok_or("expected `account:K:KIND`")?;
    let number = number.parse().map_err(|_| format!("`{number}` is not the number of an account"))?;
    Ok((Some(number), rest))
}

/// Splits the time off the end. An `@` inside an argument (an address with a user in it) stays where it is.
fn parse_when(text: &str) -> Result<(&str, When), String> {
    let Some((rest, when)) = text.rsplit_once('@') else {
        return Ok((text, When::Next));
    };
    let (number, every) = match when.strip_prefix("every:") {
        Some(number) => (number, true),
        None => (when, false),
    };
    match number.parse::<u64>() {
        Ok(0) => Err("requests are counted from 1".to_owned()),
        Ok(number) if every => Ok((rest, When::Every(number))),
        Ok(number) => Ok((rest, When::Nth(number))),
        Err(_) if rest.starts_with("redirect=") => Ok((text, When::Next)),
        Err(_) => Err(format!("expected `@N` or `@every:N`, found `@{when}`")),
    }
}

const NAMES: &str = "status, rate_limited, rate_limited_date, cut, reset, hang, trickle, malformed, wrong_types, \
    missing_keys, oversized, bomb, gzip, duplicate_page, cursor_backwards, cursor_cycle, stuck_cursor, null_cursor, \
    empty_page, has_more_lie, has_more_hidden, redirect, html, skew, expired, webhook_mode, utf8, poison, nameless, slack_error, \
    stored_status, stored_reset, stored_hang, stored_slack_error";

fn parse_kind(name: &str, argument: Option<&str>) -> Result<FaultKind, String> {
    Ok(match name {
        "status" => FaultKind::Status(status(argument)?),
        "rate_limited" => FaultKind::RateLimited(match argument {
            None => RetryAfter::Absent,
            Some(text) => RetryAfter::Seconds(number(text)?),
        }),
        "rate_limited_date" => FaultKind::RateLimited(RetryAfter::Date(argument.map_or(Ok(2), number)?)),
        "cut" => FaultKind::Cut(argument.map_or(Ok(100), size)?),
        "hang" => FaultKind::Hang(argument.map_or(Ok(Duration::from_secs(60)), seconds)?),
        "trickle" => match argument.map_or(Ok(1024), size)? {
            0 => return Err("a trickle needs at least one byte per second (see `hang`)".to_owned()),
            rate => FaultKind::Trickle(rate),
        },
        "oversized" => FaultKind::Oversized(argument.map_or(Ok(64 << 20), size)?),
        "bomb" => FaultKind::Bomb(argument.map_or(Ok(256 << 20), size)?),
        "redirect" => FaultKind::Redirect(argument.ok_or("expected `redirect=URL`")?.to_owned()),
        "slack_error" => FaultKind::SlackError(word(argument)?),
        "stored_status" | "stored_reset" | "stored_hang" | "stored_slack_error" => {
            let inner = name.trim_start_matches("stored_");
            FaultKind::Stored(Box::new(parse_kind(inner, argument)?))
        }
        "skew" => {
            let text = argument.ok_or("expected `skew=SECONDS`")?;
            FaultKind::Skew(text.parse().map_err(|_| format!("`{text}` is not a number of seconds"))?)
        }
        _ => return plain(name, argument),
    })
}

fn plain(name: &str, argument: Option<&str>) -> Result<FaultKind, String> {
    let kind = match name {
        "reset" => FaultKind::Reset,
        "malformed" => FaultKind::Malformed,
        "wrong_types" => FaultKind::WrongTypes,
        "missing_keys" => FaultKind::MissingKeys,
        "gzip" => FaultKind::Gzip,
        "duplicate_page" => FaultKind::DuplicatePage,
        "cursor_backwards" => FaultKind::CursorBackwards,
        "cursor_cycle" => FaultKind::CursorCycle,
        "stuck_cursor" => FaultKind::StuckCursor,
        "null_cursor" => FaultKind::NullCursor,
        "empty_page" => FaultKind::EmptyPage,
        "has_more_lie" => FaultKind::HasMoreLie,
        "has_more_hidden" => FaultKind::HasMoreHidden,
        "html" => FaultKind::Html,
        "expired" => FaultKind::Expired,
        "webhook_mode" => FaultKind::WebhookMode,
        "utf8" => FaultKind::Utf8,
        "poison" => FaultKind::Poison,
        "nameless" => FaultKind::Nameless,
        _ => return Err(format!("expected one of {NAMES}, or `all`")),
    };
    match argument {
        None => Ok(kind),
        Some(_) => Err(format!("`{name}` takes no argument")),
    }
}

fn status(argument: Option<&str>) -> Result<u16, String> {
    let text = argument.ok_or("expected `status=CODE`")?;
    match text.parse() {
        Ok(code @ 200..=599) => Ok(code),
        _ => Err(format!("`{text}` is not a status from 200 to 599")),
    }
}

/// A word as Slack writes them, documented or not: a client has to live with words that are new.
fn word(argument: Option<&str>) -> Result<String, String> {
    let text = argument.ok_or("expected `slack_error=WORD`")?;
    let written = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if text.is_empty() || !text.bytes().all(written) {
        return Err(format!("`{text}` is not a word of small letters, digits and `_`"));
    }
    Ok(text.to_owned())
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is not a whole number"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a number of seconds");
    let value: f64 = text.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(value).map_err(|_| wrong())
}

fn size(text: &str) -> Result<u64, String> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    for (unit, shift) in units {
        if let Some(digits) = text.strip_suffix(unit) {
            return number(digits)?.checked_mul(1 << shift).ok_or_else(|| format!("`{text}` is too much"));
        }
    }
    number(text)
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.target {
            Target::Poll => "",
            Target::LookUp => "lookup:",
            Target::OAuth => "oauth:",
            Target::File => "file:",
        })?;
        if let Some(account) = self.account {
            write!(formatter, "account:{account}:")?;
        }
        write!(formatter, "{}", self.kind)?;
        match self.when {
            When::Next => Ok(()),
            When::Nth(number) => write!(formatter, "@{number}"),
            When::Every(number) => write!(formatter, "@every:{number}"),
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Status(code) => return write!(formatter, "status={code}"),
            Self::RateLimited(RetryAfter::Seconds(after)) => {
                return write!(formatter, "rate_limited={after}");
            }
            Self::RateLimited(RetryAfter::Date(after)) => {
                return write!(formatter, "rate_limited_date={after}");
            }
            Self::Cut(bytes) => return write!(formatter, "cut={bytes}"),
            Self::Hang(time) => return write!(formatter, "hang={}", time.as_secs_f64()),
            Self::Trickle(bytes) => return write!(formatter, "trickle={bytes}"),
            Self::Oversized(bytes) => return write!(formatter, "oversized={bytes}"),
            Self::Bomb(bytes) => return write!(formatter, "bomb={bytes}"),
            Self::Redirect(url) => return write!(formatter, "redirect={url}"),
            Self::Skew(seconds) => return write!(formatter, "skew={seconds}"),
            Self::SlackError(word) => return write!(formatter, "slack_error={word}"),
            Self::Stored(kind) => return write!(formatter, "stored_{kind}"),
            Self::RateLimited(RetryAfter::Absent) => "rate_limited",
            Self::Reset => "reset",
            Self::Malformed => "malformed",
            Self::WrongTypes => "wrong_types",
            Self::MissingKeys => "missing_keys",
            Self::Gzip => "gzip",
            Self::DuplicatePage => "duplicate_page",
            Self::CursorBackwards => "cursor_backwards",
            Self::CursorCycle => "cursor_cycle",
            Self::StuckCursor => "stuck_cursor",
            Self::NullCursor => "null_cursor",
            Self::EmptyPage => "empty_page",
            Self::HasMoreLie => "has_more_lie",
            Self::HasMoreHidden => "has_more_hidden",
            Self::Html => "html",
            Self::Expired => "expired",
            Self::WebhookMode => "webhook_mode",
            Self::Utf8 => "utf8",
            Self::Poison => "poison",
            Self::Nameless => "nameless",
        };
        formatter.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kinds that need an argument.
    const NEEDY: [&str; 6] =
        ["status", "redirect", "skew", "slack_error", "stored_status", "stored_slack_error"];

    #[test]
    fn what_is_read_is_written_back() {
        let texts = [
            "status=503@every:5",
            "rate_limited=3@2",
            "rate_limited_date=7",
            "rate_limited",
            "lookup:hang=0.5@every:2",
            "oauth:account:3:reset@1",
            "account:0:cut=17",
            "redirect=http://user@127.0.0.1:9/x",
            "redirect=http://user@127.0.0.1:9/x@every:3",
            "skew=-400",
            "has_more_lie",
            "slack_error=channel_not_found@every:2",
            "stored_reset",
            "stored_hang=3",
            "stored_status=502@4",
            "stored_slack_error=internal_error",
        ];
        for text in texts {
            let fault: Fault = text.parse().unwrap();
            assert_eq!(fault.to_string(), text);
        }
        for fault in Fault::transient_set() {
            assert_eq!(fault.to_string().parse::<Fault>().unwrap(), fault);
        }
        for name in NAMES.split(", ").filter(|name| !NEEDY.contains(name)) {
            assert!(name.parse::<Fault>().is_ok(), "{name}");
        }
        assert_eq!("oversized=2KiB".parse::<Fault>().unwrap().kind, FaultKind::Oversized(2048));
        assert_eq!(Fault::parse_set("all").unwrap(), Fault::transient_set());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("flood", "expected one of"),
            ("status", "status=CODE"),
            ("slack_error", "slack_error=WORD"),
            ("slack_error=Not Found", "small letters"),
            ("stored_html", "expected one of"),
            ("status=99", "200 to 599"),
            ("reset=1", "takes no argument"),
            ("reset@0", "counted from 1"),
            ("reset@often", "@every:N"),
            ("hang=-1", "seconds"),
            ("trickle=0", "at least one byte"),
            ("account:x:reset", "number of an account"),
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
