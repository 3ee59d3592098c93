//! The forms in which contact details are compared. Pure; what it returns is personal and only ever hashed.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Compatibility form without accents, in lower case: `Élodie` and `elodie` compare equal.
fn folded(text: &str) -> impl Iterator<Item = char> + '_ {
    text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase)
}

/// Trimmed and in lower case. Accents stay: they make another mailbox. `None` where there is no `@` with something around it.
pub(crate) fn email(text: &str) -> Option<String> {
    let text: String = text.trim().nfkc().flat_map(char::to_lowercase).collect();
    let (local, host) = text.rsplit_once('@')?;
    (!local.is_empty() && host.contains('.') && !text.contains(char::is_whitespace)).then_some(text)
}

/// Country code and national number, digits only; a number of ten digits is North American.
/// An extension (`poste 12`, `ext. 12`, `x12`) is dropped: it reaches another desk at the same place.
pub(crate) fn phone(text: &str) -> Option<String> {
    let text: String = text.trim().nfkc().collect();
    let number = text.split(|c: char| c.is_alphabetic() || c == '#' || c == ';' || c == ',').next()?;
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let international = number.trim_start().starts_with('+');
    match digits.len() {
        10 if !international => Some(format!("1{digits}")),
        11 if !international && digits.starts_with('1') => Some(digits),
        7..=15 if international => Some(digits),
        8..=17 if digits.starts_with("011") => Some(digits[3..].to_owned()),
        8..=17 if digits.starts_with("00") => Some(digits[2..].to_owned()),
        _ => None,
    }
}

/// The words of a name, each comparable alone: `Jean-François L'Écuyer` gives `jean francois l ecuyer`.
pub(crate) fn name_tokens(text: &str) -> Vec<String> {
    let folded: String = folded(text).collect();
    let mut tokens: Vec<String> =
        folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    tokens.sort();
    tokens.dedup();
    tokens
}

#[cfg(test)]
mod tests {
    use fuzz::{Document, Nearly};

    use super::*;

    #[test]
    fn emails() {
        for (text, expected) in [
            (" Marie.Tremblay@Example.ORG ", Some("marie.tremblay@example.org")),
            ("élodie@example.org", Some("élodie@example.org")),
            ("marie", None),
            ("@example.org", None),
            ("marie@localhost", None),
            ("marie tremblay@example.org", None),
            ("", None),
        ] {
            assert_eq!(email(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn phones() {
        for (text, expected) in [
            ("418 641-6000", Some("14186416000")),
            ("(418) 641-6000 poste 12", Some("14186416000")),
            ("1-418-641-6000", Some("14186416000")),
            ("+1 418 641 6000", Some("14186416000")),
            ("+33 1 42 76 40 40", Some("33142764040")),
            ("011 33 1 42 76 40 40", Some("33142764040")),
            ("0033 1 42 76 40 40", Some("33142764040")),
            ("４１８６４１６０００", Some("14186416000")),
            ("641-6000", None),
            ("3-1-1", None),
            ("appelez-moi", None),
            ("", None),
        ] {
            assert_eq!(phone(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn names() {
        assert_eq!(name_tokens("Jean-François L'Écuyer"), ["ecuyer", "francois", "jean", "l"]);
        assert_eq!(name_tokens("TREMBLAY  tremblay"), ["tremblay"]);
        assert_eq!(name_tokens(" - "), [] as [&str; 0]);
    }

    #[test]
    fn what_was_normalised_stays_as_it_is() {
        let samples =
            ["Marie.Tremblay@Example.ORG", "(418) 641-6000 poste 12", "+33 1 42 76 40 40", "Jean-François L'Écuyer"];
        fuzz::check!().with_generator(Nearly::of(samples)).for_each(|document: &Document| {
            let text = document.text();
            if let Some(address) = email(&text) {
                assert_eq!(email(&address).as_ref(), Some(&address));
            }
            if let Some(number) = phone(&text) {
                assert!(
                    (5..=15).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit()),
                    "{number}"
                );
            }
            let words = name_tokens(&text);
            assert!(words.is_sorted() && words.iter().all(|word| !word.is_empty()));
            assert_eq!(name_tokens(&words.join(" ")), words);
        });
    }
}
