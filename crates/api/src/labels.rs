//! The program's own words, French and English, and which of the two a caller reads.
//!
//! The catalogues are embedded, so a missing file is a failed build. An organisation's own words are not
//! here: they live in its declaration.

use std::{collections::BTreeMap, sync::LazyLock};

use axum::http::{HeaderMap, header::ACCEPT_LANGUAGE};
use domain::words::Language;

type Catalogue = BTreeMap<String, String>;

static FRENCH: LazyLock<Catalogue> = LazyLock::new(|| read(include_str!("../../../catalogues/fr.json")));
static ENGLISH: LazyLock<Catalogue> = LazyLock::new(|| read(include_str!("../../../catalogues/en.json")));

fn read(text: &str) -> Catalogue {
    serde_json::from_str(text).expect("the embedded catalogues are objects of texts: a test reads them")
}

/// The words for a key, or nothing if the catalogue does not know it.
pub(crate) fn find(language: Language, key: &str) -> Option<&'static str> {
    let catalogue: &'static Catalogue = match language {
        Language::Fr => &FRENCH,
        Language::En => &ENGLISH,
    };
    catalogue.get(key).map(String::as_str)
}

/// The words for a key of this program. An unknown key shows itself, which is ugly and honest.
pub(crate) fn say(language: Language, key: &'static str) -> &'static str {
    find(language, key).unwrap_or(key)
}

/// The language of `Accept-Language` with the greatest weight that we speak; French when none is.
pub(crate) fn language_of(headers: &HeaderMap) -> Language {
    let mut best = (Language::Fr, 0);
    let Some(accepted) = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()) else {
        return best.0;
    };
    for range in accepted.split(',') {
        let (tag, weight) = weighted(range);
        let language = match tag.split('-').next() {
            Some("fr" | "*") => Language::Fr,
            Some("en") => Language::En,
            _ => continue,
        };
        if weight > best.1 {
            best = (language, weight);
        }
    }
    best.0
}

/// `en-CA;q=0.8` as its tag in lower case and its weight in thousandths.
fn weighted(range: &str) -> (String, u16) {
    let mut parts = range.split(';');
    let tag = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let weight = parts
        .find_map(|part| part.trim().strip_prefix("q="))
        .map_or(Some(1.0), |weight| weight.parse::<f32>().ok())
        .filter(|weight| (0.0..=1.0).contains(weight))
        .map_or(0, |weight| (weight * 1000.0) as u16);
    (tag, weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn accepts(header: &str, expected: Language) {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, header.parse().expect("a header value"));
        assert_eq!(language_of(&headers), expected, "{header}");
    }

    #[test]
    fn french_is_the_default_and_the_heaviest_language_wins() {
        assert_eq!(language_of(&HeaderMap::new()), Language::Fr);
        accepts("en", Language::En);
        accepts("en-CA,en;q=0.9,fr;q=0.8", Language::En);
        accepts("fr-CA,en;q=0.9", Language::Fr);
        accepts("en;q=0.5, fr;q=0.7", Language::Fr);
        accepts("de, en;q=0.3", Language::En);
        accepts("de", Language::Fr);
        accepts("en;q=0", Language::Fr);
        accepts("en;q=loud", Language::Fr);
        accepts(";;;,,,", Language::Fr);
    }

    /// Every Rust source of the workspace in one text.
    fn sources() -> String {
        let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))];
        let mut all = String::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    all.push_str(&std::fs::read_to_string(path).expect("a source"));
                }
            }
        }
        all
    }

    #[test]
    fn no_words_are_left_that_nobody_says() {
        let sources = sources();
        for key in FRENCH.keys() {
            let (_, code) = key.split_once('.').expect("a key names its area");
            let code = code.strip_suffix(".detail").unwrap_or(code);
            let last = code.rsplit('.').next().unwrap_or(code);
            let said = [key.as_str(), code, last].iter().any(|word| sources.contains(&format!("\"{word}\"")));
            assert!(said, "{key} is in the catalogues and in no source");
        }
    }

    #[test]
    fn both_catalogues_hold_the_same_keys_and_no_empty_text() {
        assert!(FRENCH.keys().eq(ENGLISH.keys()));
        assert!(FRENCH.values().chain(ENGLISH.values()).all(|text| !text.trim().is_empty()));
    }
}
