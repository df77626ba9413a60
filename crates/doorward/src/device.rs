//! What a person may know a device by, from what its client calls itself.

/// The longest label, in bytes.
const LABEL_BYTES: usize = 64;

/// Browsers by the product that only they name, those first that name others, too.
const BROWSERS: [(&str, &str); 17] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("Edge/", "Edge"),
    ("OPR/", "Opera"),
    ("OPiOS/", "Opera"),
    ("OPT/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex Browser"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// Systems by what clients write of them, those first whose clients name others, too.
const SYSTEMS: [(&str, &str); 9] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("Darwin", "Mac"),
    ("FreeBSD", "FreeBSD"),
    ("Linux", "Linux"),
];

/// A label as *Firefox on Linux*, *Safari on iPhone* or *curl*; `None` when nothing can be told. At most 64 bytes, of
/// letters, digits and `._+-` apart from the spaces: whatever a client calls itself, the label is harmless on a page.
///
/// Nothing of it is proven: anybody may call themselves anything.
pub(crate) fn label(user_agent: Option<&str>) -> Option<String> {
    let text = user_agent?;
    let system = SYSTEMS.iter().find(|(sign, _)| text.contains(sign)).map(|(_, name)| *name);
    let client = if text.starts_with("Mozilla/") {
        BROWSERS.iter().find(|(sign, _)| text.contains(sign)).map_or("Browser", |(_, name)| *name)
    } else {
        product(text)?
    };
    let label = system.map_or_else(|| client.to_owned(), |system| format!("{client} on {system}"));
    Some(label).filter(|label| label.len() <= LABEL_BYTES)
}

/// The first product (RFC 9110, section 10.1.5), without its version.
fn product(text: &str) -> Option<&str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
    let end = text.bytes().position(|byte| !is_plain(byte)).unwrap_or(text.len());
    Some(&text[..end.min(LABEL_BYTES / 2)]).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_known_by_its_client_and_its_system() {
        for (user_agent, expected) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/17.5 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 \
                 Safari/537.36 Edg/126.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile \
                 Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/17.5 Safari/605.1.15",
                "Safari on Mac",
            ),
            ("Mozilla/5.0 (compatible; somebody)", "Browser"),
            ("curl/8.5.0", "curl"),
            ("python-requests/2.32.3", "python-requests"),
            ("MyApp/1.4 (iPhone; iOS 17.5)", "MyApp on iPhone"),
            ("MyApp/7 CFNetwork/1496 Darwin/23.5.0", "MyApp on Mac"),
        ] {
            assert_eq!(label(Some(user_agent)).as_deref(), Some(expected), "{user_agent}");
        }
    }

    #[test]
    fn whatever_a_client_calls_itself_the_label_is_short_and_harmless() {
        for nothing in [None, Some(""), Some("/1.0"), Some("<script>alert(1)</script>"), Some("\u{202e}evil")] {
            assert_eq!(label(nothing), None);
        }
        assert_eq!(label(Some("Evil<b>\r\nSet-Cookie: x")).as_deref(), Some("Evil"));
        let long = label(Some(&format!("{} Windows", "x".repeat(5_000)))).unwrap();
        assert!(long.ends_with(" on Windows") && long.len() <= LABEL_BYTES);
    }
}
