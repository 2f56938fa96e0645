//! What a program that somebody signs in with is, for people: browser and system, by what it calls
//! itself. It says so itself, so this recognises, and proves nothing.

/// The name of the program, such as `Firefox on Linux`.
#[must_use]
pub fn device(user_agent: Option<&str>) -> String {
    let Some(text) = user_agent else {
        return "an unknown program".to_owned();
    };
    // Most call themselves by the names of others too, which stand further down.
    let first = |marks: &[(&str, &'static str)]| {
        let found = marks.iter().find(|(mark, _)| text.contains(mark));
        found.map(|(_, name)| *name)
    };
    let browser = first(&[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iOS"),
        ("iPad", "iOS"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, Some(system)) => format!("a program on {system}"),
        (None, None) => "an unknown program".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_recognised() {
        let windows =
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)";
        for (text, name) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(),
                "Firefox on Linux",
            ),
            (
                format!("{windows} Chrome/140.0 Safari/537.36"),
                "Chrome on Windows",
            ),
            (
                format!("{windows} Chrome/140.0 Safari/537.36 Edg/140.0"),
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1"
                    .to_owned(),
                "Safari on iOS",
            ),
            ("curl/8.5.0".to_owned(), "curl"),
            ("mystery".to_owned(), "an unknown program"),
        ] {
            assert_eq!(device(Some(&text)), name, "{text}");
        }
        assert_eq!(device(None), "an unknown program");
    }
}
