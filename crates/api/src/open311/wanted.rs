//! Which requests a client wants: the filters of `GET requests.{fmt}`, read and checked.
//!
//! `start_date` is included and `end_date` is not. The 90-day rule protects a list without pages, and only that one:
//! a client that pages, or that asks by update, may go back as far as it likes, but not page by page without end.

use std::ops::RangeInclusive;

use chrono::TimeDelta;
use domain::{rules::Rules, time::Instant, words::Code};

use super::{dates, params::Params};
use crate::problem::{Fact, FieldError, Problem};

const WINDOW: TimeDelta = TimeDelta::days(90);
/// What the standard allows in one answer.
pub(super) const MOST: i64 = 1_000;
const PAGE_SIZE: i64 = 50;
/// Most requests that a page may lie behind: the database walks over each of them, and nobody needs a key to ask.
const DEEPEST: i64 = 100_000;

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Wanted {
    /// Overrides everything else.
    pub(super) numbers: Option<Vec<String>>,
    pub(super) products: Vec<Code>,
    /// `None`: open and closed.
    pub(super) open: Option<bool>,
    pub(super) from: Option<Instant>,
    pub(super) until: Option<Instant>,
    pub(super) updated_after: Option<Instant>,
    pub(super) updated_before: Option<Instant>,
    pub(super) skip: i64,
    pub(super) limit: i64,
}

/// Reads the filters. Every one that will not do is named.
pub(super) fn read(params: &Params, rules: &Rules, now: Instant) -> Result<Wanted, Problem> {
    if let Some(numbers) = params.list("service_request_id") {
        let numbers = numbers.into_iter().take(MOST as usize).map(str::to_owned).collect();
        return Ok(Wanted { numbers: Some(numbers), limit: MOST, ..Wanted::default() });
    }
    let products = products(params, rules)?;
    let mut reader = Reader { params, rules, wrong: Vec::new() };
    let (start, end) = (reader.date("start_date"), reader.date("end_date"));
    let (updated_after, updated_before) = (reader.date("updated_after"), reader.date("updated_before"));
    let (page, size) = (reader.number("page", 1..=1_000_000), reader.number("page_size", 1..=MOST));
    let open = reader.open();
    let free = page.is_some() || size.is_some() || updated_after.is_some() || updated_before.is_some();
    let (from, until) = if free { (start, end) } else { reader.window(start, end, now) };
    let size = size.unwrap_or(if page.is_some() { PAGE_SIZE } else { MOST });
    let skip = (page.unwrap_or(1) - 1) * size;
    reader.check_depth(skip);
    reader.finish(Wanted {
        numbers: None,
        products,
        open,
        from,
        until,
        updated_after,
        updated_before,
        skip,
        limit: size,
    })
}

/// Codes of any version: what was asked under an old declaration can still be found.
fn products(params: &Params, rules: &Rules) -> Result<Vec<Code>, Problem> {
    let known = |text: &str| {
        let code = text.parse::<Code>().ok()?;
        rules.versions().iter().any(|version| version.product(&code).is_some()).then_some(code)
    };
    let codes = params.list("service_code").unwrap_or_default();
    codes.into_iter().map(|text| known(text).ok_or_else(|| Fact::ServiceUnknown.into())).collect()
}

struct Reader<'a> {
    params: &'a Params,
    rules: &'a Rules,
    wrong: Vec<FieldError>,
}

impl Reader<'_> {
    fn date(&mut self, name: &str) -> Option<Instant> {
        let text = self.params.one(name)?;
        let read = dates::read(text, self.rules.calendar());
        if read.is_none() {
            self.wrong.push(FieldError::new(name, "bad_date"));
        }
        read
    }

    fn number(&mut self, name: &str, bounds: RangeInclusive<i64>) -> Option<i64> {
        let text = self.params.one(name)?;
        let read = text.parse().ok().filter(|number| bounds.contains(number));
        if read.is_none() {
            self.wrong.push(FieldError::new(name, "bad_number"));
        }
        read
    }

    fn open(&mut self) -> Option<bool> {
        let mut asked = [false; 2];
        for word in self.params.list("status")? {
            match word {
                "open" => asked[0] = true,
                "closed" => asked[1] = true,
                _ => {
                    self.wrong.push(FieldError::new("status", "bad_word"));
                    return None;
                }
            }
        }
        match asked {
            [true, false] => Some(true),
            [false, true] => Some(false),
            _ => None,
        }
    }

    /// Neither date: the last 90 days. One: 90 days from it. Both: no more than 90 days.
    fn window(
        &mut self,
        start: Option<Instant>,
        end: Option<Instant>,
        now: Instant,
    ) -> (Option<Instant>, Option<Instant>) {
        match (start, end) {
            (None, None) => (Some(now - WINDOW), None),
            (Some(start), None) => (Some(start), start.checked_add_signed(WINDOW)),
            (None, Some(end)) => (end.checked_sub_signed(WINDOW), Some(end)),
            (Some(start), Some(end)) => {
                if end - start > WINDOW {
                    self.wrong.push(FieldError::new("end_date", "too_wide"));
                }
                (Some(start), Some(end))
            }
        }
    }

    fn check_depth(&mut self, skip: i64) {
        if skip > DEEPEST {
            self.wrong.push(FieldError::new("page", "too_deep"));
        }
    }

    fn finish(self, wanted: Wanted) -> Result<Wanted, Problem> {
        if self.wrong.is_empty() { Ok(wanted) } else { Err(Problem::fields(self.wrong)) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fuzz::{Document, Nearly};

    use super::*;
    use crate::open311::sample;

    fn wanted(pairs: &[(&str, &str)]) -> Result<Wanted, Problem> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let rules = Rules::new(vec![Arc::new(sample::declaration())]).expect("a version");
        read(&Params::new(pairs, Vec::new()), &rules, at("2026-11-22T12:00:00Z"))
    }

    fn at(text: &str) -> Instant {
        text.parse().expect("an instant")
    }

    #[track_caller]
    fn refuses(pairs: &[(&str, &str)], expected: &[(&str, &str)]) {
        let problem = wanted(pairs).expect_err("a problem");
        let found: Vec<_> = problem.fields.iter().map(|field| (field.at.as_str(), field.why)).collect();
        assert_eq!(found, expected);
    }

    #[track_caller]
    fn window(pairs: &[(&str, &str)], from: Option<&str>, until: Option<&str>) {
        let wanted = wanted(pairs).expect("a window");
        assert_eq!((wanted.from, wanted.until), (from.map(at), until.map(at)));
    }

    #[test]
    fn ninety_days_unless_pages_or_updates_are_asked() {
        window(&[], Some("2026-08-24T12:00:00Z"), None);
        window(&[("start_date", "2026-01-01T00:00:00Z")], Some("2026-01-01T00:00:00Z"), Some("2026-04-01T00:00:00Z"));
        window(&[("end_date", "2026-04-01T00:00:00Z")], Some("2026-01-01T00:00:00Z"), Some("2026-04-01T00:00:00Z"));
        refuses(&[("start_date", "2026-01-01"), ("end_date", "2026-06-01")], &[("end_date", "too_wide")]);
        window(&[("page", "1")], None, None);
        refuses(&[("start_date", "-99999-1-1")], &[("start_date", "bad_date")]);
        window(&[("updated_after", "2026-11-01")], None, None);
        let both = [("start_date", "2011-01-01T00:00:00Z"), ("end_date", "2026-01-01T00:00:00Z"), ("page_size", "10")];
        window(&both, Some("2011-01-01T00:00:00Z"), Some("2026-01-01T00:00:00Z"));
    }

    #[test]
    fn ids_override_everything() {
        let wanted = wanted(&[("service_request_id", "A,B"), ("status", "lost"), ("start_date", "hier")]).expect("ids");
        assert_eq!(wanted.numbers, Some(vec!["A".to_owned(), "B".to_owned()]));
    }

    #[test]
    fn status_is_a_comma_list_of_two_words() {
        let open = |status| wanted(&[("status", status)]).expect("a status").open;
        assert_eq!(
            (open("open"), open("closed"), open("open,closed"), open("")),
            (Some(true), Some(false), None, None)
        );
        refuses(&[("status", "open,pending")], &[("status", "bad_word")]);
    }

    #[test]
    fn pages_start_at_one() {
        let page = |pairs: &[(&str, &str)]| wanted(pairs).map(|wanted| (wanted.skip, wanted.limit)).expect("a page");
        assert_eq!(page(&[]), (0, 1_000));
        assert_eq!(page(&[("page", "3")]), (100, 50));
        assert_eq!(page(&[("page", "3"), ("page_size", "10")]), (20, 10));
        assert_eq!(page(&[("page_size", "10")]), (0, 10));
        refuses(&[("page", "0"), ("page_size", "1001")], &[("page", "bad_number"), ("page_size", "bad_number")]);
        refuses(&[("page", "4294967295")], &[("page", "bad_number")]);
        assert_eq!(page(&[("page", "101"), ("page_size", "1000")]), (100_000, 1_000));
        refuses(&[("page", "102"), ("page_size", "1000")], &[("page", "too_deep")]);
        refuses(&[("page", "1000000"), ("page_size", "1000")], &[("page", "too_deep")]);
    }

    #[test]
    fn an_unknown_service_is_not_found() {
        assert_eq!(wanted(&[("service_code", "graffiti,volcano")]).expect_err("unknown").code, "service.unknown");
    }

    #[test]
    fn any_question_is_bounded_or_its_faults_are_named() {
        let samples = [
            "start_date=2026-01-01T00:00:00Z&end_date=2026-03-01T00:00:00-05:00&status=open,closed",
            "page=3&page_size=10&service_code=drinking_water&updated_after=2026-11-01",
            "service_request_id=Q0M3VX7K1ZP,7ZZZZ0123AB",
        ];
        fuzz::check!().with_generator(Nearly::of(samples)).for_each(|document: &Document| {
            let text = document.text();
            let pairs: Vec<_> = text.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
            match wanted(&pairs) {
                Ok(wanted) => {
                    assert!((0..=DEEPEST).contains(&wanted.skip) && (1..=MOST).contains(&wanted.limit));
                    assert!(wanted.numbers.is_none_or(|numbers| numbers.len() <= MOST as usize));
                }
                Err(problem) => problem.assert_said(),
            }
        });
    }
}
