//! The small words that citizens read out and clients put into addresses.

use std::{fmt::Display, str::FromStr};

use domain::{
    ids::{PersonId, RequestId},
    number::Number,
    words::{Code, optional_text, required_text},
};
use fuzz::{Document, Nearly};

/// Whatever spelling was read, it is written in the only one, which reads as the same.
#[track_caller]
fn has_one_spelling<T: FromStr + Display + PartialEq + std::fmt::Debug>(text: &str) -> Option<String> {
    let word: T = text.parse().ok()?;
    let spelled = word.to_string();
    assert_eq!(spelled.parse::<T>().ok(), Some(word));
    Some(spelled)
}

#[test]
fn a_number_has_one_spelling_and_keeps_its_check_character() {
    let samples = ["00000000012", "0000-0000 012", "oooo oooo ol2", "7ZZZZ0123AB"];
    fuzz::check!().with_generator(Nearly::of(samples)).for_each(|document: &Document| {
        let Some(spelled) = has_one_spelling::<Number>(&document.text()) else { return };
        assert_eq!(spelled.len(), 11);
        let (body, check) = spelled.split_at(10);
        for other in "0123456789ABCDEFGHJKMNPQRSTVWXYZ".chars().filter(|other| !check.contains(*other)) {
            assert!(format!("{body}{other}").parse::<Number>().is_err(), "two check characters fit {body}");
        }
    });
}

#[test]
fn codes_and_ids_have_no_other_spelling() {
    let samples =
        ["drinking_water", "2024-1", "req_00000000000000000123456789abcdef", "per_00000000000000000123456789abcdef"];
    fuzz::check!().with_generator(Nearly::of(samples)).for_each(|document: &Document| {
        let text = document.text();
        for spelled in
            [has_one_spelling::<Code>(&text), has_one_spelling::<RequestId>(&text), has_one_spelling::<PersonId>(&text)]
        {
            assert!(spelled.is_none_or(|spelled| spelled == text));
        }
        for id in [RequestId::of_stream(&text).map(RequestId::stream), PersonId::of_stream(&text).map(PersonId::stream)]
        {
            assert!(id.is_none_or(|stream| stream == text), "two names of one stream");
        }
    });
}

#[test]
fn text_is_kept_as_typed_or_not_at_all() {
    fuzz::check!().with_generator(Nearly::of(["Goût de chlore, depuis hier."])).for_each(|document: &Document| {
        let text = document.text();
        match required_text(text.clone(), 40) {
            Ok(kept) => {
                assert_eq!(kept, text);
                assert!(kept.chars().count() <= 40 && !kept.contains('\0') && !kept.trim().is_empty());
            }
            Err(why) => assert!(why.code().starts_with("text.")),
        }
        let optional = optional_text(Some(text.clone()), 40);
        assert_eq!(optional.is_ok_and(|kept| kept.is_none()), text.trim().is_empty());
    });
}
