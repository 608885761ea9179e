//! Values of events inside Slack's markup, and the links that a template makes of them.
//!
//! Source: section 5 of the Slack contract. Invariant: text of an event can name nobody, alert nobody and make no link:
//! `<` stands only where the user's template has one, and a link that an event had a part in leads to `https:`,
//! `http:` or `mailto:` or is no link.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

/// Where a link may lead.
const SCHEMES: [&str; 3] = ["https:", "http:", "mailto:"];

/// What breaks a link when it stands in its URL (contract section 5).
const UNSAFE_IN_URL: &AsciiSet = &CONTROLS.add(b' ').add(b'|').add(b'<').add(b'>').add(b'"');
/// As [`UNSAFE_IN_URL`], and what makes a mention of a link when it begins with it.
const MENTION: &AsciiSet = &UNSAFE_IN_URL.add(b'!').add(b'@').add(b'#');
/// Everything but the unreserved characters of RFC 3986 section 2.3: a value inside a URL stays one segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The three characters that have a meaning: `&`, `<` and `>`. Nothing else is touched.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

/// Puts a value at the end of a text in Slack's markup, as its place there demands: in the URL or the label of a link,
/// in a mention, or anywhere else.
pub(crate) fn put(text: &mut String, value: &str) {
    // Values are escaped, so an opening without its end is the template's own.
    let inside = text.rfind('<').filter(|open| !text[*open..].contains('>')).map(|open| open + 1);
    let Some(inside) = inside else { return text.push_str(&escape(value)) };
    let before = &text[inside..];
    if before.contains('|') {
        text.push_str(&escape(&value.replace('|', "¦")));
    } else if before.is_empty() {
        let is_mention = value.trim().starts_with(['!', '@', '#']);
        text.push_str(&escape_url(value, if is_mention { MENTION } else { UNSAFE_IN_URL }));
    } else if before == "!" {
        // Which alert it is, `<!channel>`, is for the template to say.
    } else {
        text.push_str(&escape_url(value, SEGMENT));
    }
}

/// Puts a value at the end of a plain URL (a button, an image): whole at the beginning, else as one segment.
pub(crate) fn put_url(url: &mut String, value: &str) {
    let unsafe_in_it = if url.is_empty() { UNSAFE_IN_URL } else { SEGMENT };
    url.extend(utf8_percent_encode(value.trim(), unsafe_in_it));
}

/// Whether a URL has one of the schemes that may be linked.
pub(crate) fn may_link(url: &str) -> bool {
    let start: String = url.chars().take(8).collect::<String>().to_ascii_lowercase();
    SCHEMES.iter().any(|scheme| start.starts_with(scheme))
}

/// Takes away the links that lead nowhere good: their label is left, or the text of the URL.
pub(crate) fn disarm(text: String) -> String {
    if !text.contains('<') {
        return text;
    }
    let mut safe = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(open) = rest.find('<') {
        safe.push_str(&rest[..open]);
        rest = &rest[open + 1..];
        let Some(inner) =
            rest.find(['<', '>']).filter(|at| rest[*at..].starts_with('>')).map(|at| &rest[..at])
        else {
            safe.push_str("&lt;");
            continue;
        };
        rest = &rest[inner.len() + 1..];
        let (target, label) = inner.split_once('|').unwrap_or((inner, inner));
        let is_mention = target.starts_with(['!', '@', '#']);
        if is_mention || may_link(target) {
            safe.extend(["<", inner, ">"]);
        } else {
            safe.push_str(label);
        }
    }
    safe.push_str(rest);
    safe
}

fn escape_url(value: &str, set: &'static AsciiSet) -> String {
    escape(&utf8_percent_encode(value.trim(), set).to_string()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(parts: &[&str]) -> String {
        // Literal parts and values by turns.
        let mut text = String::new();
        for (number, part) in parts.iter().enumerate() {
            if number % 2 == 0 { text.push_str(part) } else { put(&mut text, part) }
        }
        disarm(text)
    }

    #[test]
    fn exactly_three_characters_are_escaped_ampersand_first() {
        assert_eq!(
            escape("a & b < c > d \"e\" 'f' &amp; *g*"),
            "a &amp; b &lt; c &gt; d \"e\" 'f' &amp;amp; *g*"
        );
        assert!(matches!(escape("plain *text*"), Cow::Borrowed(_)));
    }

    #[test]
    fn no_event_mentions_or_alerts_anybody() {
        for injected in ["<!channel>", "<!here>", "<!everyone>", "<@U1>", "<!subteam^S1>", "<#C1>"] {
            let text = rendered(&["New: ", injected, "!"]);
            assert!(!text.contains('<'), "{text}");
        }
        assert_eq!(rendered(&["<", "!channel", ">"]), "%21channel");
        assert_eq!(rendered(&["<", "@U1", "|x>"]), "x");
        assert_eq!(rendered(&["<!", "channel", ">"]), "<!>");
        assert_eq!(rendered(&["<", "", "", "!channel", ">"]), "%21channel");
        assert_eq!(rendered(&["<@", "U1> <!channel", ">"]), "<@U1%3E%20%3C%21channel>");
    }

    #[test]
    fn the_templates_own_markup_stays() {
        let date = "<!date^1781258404^{date_short}|then>";
        assert_eq!(
            rendered(&["*a* & <@U1> ", "x", " <!channel> <#C1|c> > q"]),
            "*a* & <@U1> x <!channel> <#C1|c> > q"
        );
        assert_eq!(rendered(&["<!date^", "1781258404", "^{date_short}|", "then", ">"]), date);
        assert_eq!(rendered(&["<@", "U012AB", ">"]), "<@U012AB>");
    }

    #[test]
    fn links_keep_their_shape_whatever_the_event_holds() {
        let link = rendered(&["<", "https://x.example/a b|c?d=1&e=<f>", "|", "a|b > c", ">"]);
        assert_eq!(link, "<https://x.example/a%20b%7Cc?d=1&amp;e=%3Cf%3E|a¦b &gt; c>");
        assert_eq!(
            rendered(&["<https://x.example/", "a/../b|c", "|open>"]),
            "<https://x.example/a%2F..%2Fb%7Cc|open>"
        );
        assert_eq!(rendered(&["<", "mailto:a@b.example", ">"]), "<mailto:a@b.example>");
    }

    #[test]
    fn other_schemes_are_no_links() {
        for url in
            ["javascript:alert(1)", "slack://open", "data:text/html,x", "file:///etc", "", " vbscript:x"]
        {
            assert_eq!(rendered(&["<", url, "|open>"]), "open", "{url}");
        }
        assert_eq!(rendered(&["see <", "ftp://h", ">"]), "see ftp://h");
        assert_eq!(rendered(&["<", "java", "", "script:x", "|l>"]), "l");
        assert_eq!(rendered(&["a < b and <https://x.example|y>"]), "a &lt; b and <https://x.example|y>");
        assert!(may_link("HTTPS://x") && !may_link("httpsx://"));
    }

    #[test]
    fn plain_urls_are_whole_or_segments() {
        let mut url = String::new();
        put_url(&mut url, "https://x.example/a?b=1&c=d e");
        assert_eq!(url, "https://x.example/a?b=1&c=d%20e");
        let mut url = "https://x.example/".to_owned();
        put_url(&mut url, "a/b");
        assert_eq!(url, "https://x.example/a%2Fb");
    }
}
