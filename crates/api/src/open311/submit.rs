//! `POST requests.{fmt}`: a form, and a real number at once.

use application::{OperationKey, Outcome, Requester, Submission};
use axum::{http::HeaderMap, response::Response};
use domain::{
    request::{DESCRIPTION_MOST, Location, Point},
    words::Language,
};

use super::{asked::Asked, list, params::Params, spark::Spark};
use crate::{
    emergency::emergency,
    labels::say,
    native::asked::idempotency_key,
    problem::{Fact, FieldError, Problem},
};

/// The attribute by which FixMyStreet tells a repeated POST from a new one.
pub(super) const FIXMYSTREET_ID: &str = "fixmystreet_id";

/// `POST requests.{fmt}`: the request's number, at once.
pub(crate) async fn submit(headers: HeaderMap, asked: Asked) -> Result<Response, Problem> {
    let organisation = asked.organisation()?;
    let caller = asked.caller.as_ref().ok_or(Fact::KeyMissing)?;
    let submission = read(&asked.params)?;
    let operation = operation(&headers, &asked.params)?;
    match organisation.submit(&caller.key, submission, operation).await.map_err(|error| as_asked(error.into()))? {
        Outcome::Created { request, .. } => {
            Ok(asked.answer("service_requests", &created(list::id(request), asked.language)))
        }
        Outcome::Emergency { code, .. } => Err(emergency(organisation, &code)),
    }
}

fn created(id: Spark, language: Language) -> Spark {
    let notice = say(language, "open311.service_notice");
    let request = Spark::Object(vec![
        ("service_request_id", id),
        ("service_notice", Spark::text(notice)),
        ("account_id", Spark::Empty),
    ]);
    Spark::List("request", vec![request])
}

/// The header, which is good for this form alone; else FixMyStreet's own id of the report, whatever comes with it.
fn operation(headers: &HeaderMap, params: &Params) -> Result<Option<OperationKey>, Problem> {
    if let Some(key) = idempotency_key(headers)? {
        return Ok(Some(OperationKey::idempotency("open311", &key, params.content())));
    }
    let attributes = params.attributes();
    let report = attributes.iter().find(|(code, _)| code == FIXMYSTREET_ID).and_then(|(_, values)| values.first());
    Ok(report.map(|id| OperationKey::report("open311", id)))
}

/// Fields as this door names them: `/answers/odour` came as `attribute[odour]`; and a product that is not there is no
/// field that will not do, but a service that is not found. Only the submission itself can tell: what was submitted
/// while the product was there is answered as it was then.
fn as_asked(problem: Problem) -> Problem {
    if problem.fields.iter().any(|field| field.why == "request.unknown_product") {
        return Fact::ServiceUnknown.into();
    }
    let renamed = |field: FieldError| {
        let name = field.at.trim_start_matches('/');
        let at = match name.split_once('/') {
            Some(("answers", code)) => format!("attribute[{code}]"),
            Some(("requester", rest)) => rest.to_owned(),
            _ if name == "product" => "service_code".to_owned(),
            _ => name.to_owned(),
        };
        FieldError { at, ..field }
    };
    Problem { fields: problem.fields.into_iter().map(renamed).collect(), ..problem }
}

/// What the form asks for, or every field that will not do.
fn read(params: &Params) -> Result<Submission, Problem> {
    let mut wrong = Vec::new();
    if params.one("service_code").is_none() {
        wrong.push(FieldError::new("service_code", "required"));
    }
    if params.one("description").is_some_and(|text| text.chars().count() > DESCRIPTION_MOST) {
        wrong.push(FieldError::new("description", "too_long"));
    }
    if params.one("media_url").is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
        wrong.push(FieldError::new("media_url", "bad_url"));
    }
    let place = place(params).map_err(|error| wrong.push(error)).ok();
    if !wrong.is_empty() {
        return Err(Problem::fields(wrong));
    }
    Ok(Submission {
        product: params.owned("service_code").unwrap_or_default(),
        answers: params.attributes(),
        place,
        description: params.owned("description"),
        media_url: params.owned("media_url"),
        requester: requester(params),
        ..Submission::default()
    })
}

/// Whoever gave a name or an address; else nobody, which is a right.
fn requester(params: &Params) -> Option<Requester> {
    let requester = Requester {
        first_name: params.owned("first_name"),
        last_name: params.owned("last_name"),
        email: params.owned("email"),
        phone: params.owned("phone"),
    };
    (requester != Requester::default()).then_some(requester)
}

fn place(params: &Params) -> Result<Location, FieldError> {
    let point = match (params.one("lat"), params.one("long")) {
        (None, None) => None,
        (Some(lat), Some(long)) => Some(Point { lat: degrees("lat", lat, 90.0)?, long: degrees("long", long, 180.0)? }),
        (Some(_), None) => return Err(FieldError::new("long", "bad_place")),
        (None, Some(_)) => return Err(FieldError::new("lat", "bad_place")),
    };
    let location = Location { point, address: params.owned("address_string"), address_id: params.owned("address_id") };
    if location == Location::default() {
        return Err(FieldError::new("lat", "place_required"));
    }
    Ok(location)
}

/// Degrees in units of 1e-7, within bounds.
fn degrees(name: &'static str, text: &str, bound: f64) -> Result<i64, FieldError> {
    let degrees: f64 = text.parse().map_err(|_| FieldError::new(name, "bad_number"))?;
    if (-bound..=bound).contains(&degrees) {
        Ok((degrees * 1e7).round() as i64)
    } else {
        Err(FieldError::new(name, "bad_place"))
    }
}

#[cfg(test)]
mod tests {
    use fuzz::{Document, Nearly};

    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(), Vec::new())
    }

    #[track_caller]
    fn refuses(pairs: &[(&str, &str)], expected: &[(&str, &str)]) {
        let problem = read(&params(pairs)).err().expect("a problem");
        let found: Vec<_> = problem.fields.iter().map(|field| (field.at.as_str(), field.why)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_form_is_read_whole() {
        let read = read(&params(&[
            ("service_code", "drinking_water"),
            ("lat", "46.8138784"),
            ("long", "-71.2079809"),
            ("attribute[problem]", "taste_odour"),
            ("description", "Ça sent le chlore"),
            ("email", "a@example.org"),
        ]))
        .expect("a submission");
        assert_eq!(read.product, "drinking_water");
        let point = read.place.and_then(|place| place.point).expect("a point");
        assert_eq!((point.lat, point.long), (468_138_784, -712_079_809));
        assert_eq!(read.answers, [("problem".to_owned(), vec!["taste_odour".to_owned()])]);
        assert!(read.requester.is_some_and(|requester| requester.email.as_deref() == Some("a@example.org")));
    }

    #[test]
    fn who_gives_no_name_is_nobody() {
        let read = read(&params(&[("service_code", "graffiti"), ("address_string", "1, rue X"), ("email", " ")]));
        assert!(read.expect("a submission").requester.is_none());
    }

    #[test]
    fn every_bad_field_is_named_at_once() {
        refuses(&[], &[("service_code", "required"), ("lat", "place_required")]);
        refuses(&[("service_code", "x"), ("lat", "46.8")], &[("long", "bad_place")]);
        refuses(&[("service_code", "x"), ("lat", "ici"), ("long", "là")], &[("lat", "bad_number")]);
        for lat in ["91", "-90.1", "NaN", "inf", "1e400"] {
            refuses(&[("service_code", "x"), ("lat", lat), ("long", "0")], &[("lat", "bad_place")]);
        }
        let long = "é".repeat(4_001);
        refuses(&[("service_code", "x"), ("address_id", "7"), ("description", &long)], &[("description", "too_long")]);
        refuses(
            &[("service_code", "x"), ("address_id", "7"), ("media_url", "javascript:x")],
            &[("media_url", "bad_url")],
        );
    }

    #[test]
    fn faults_of_the_question_tree_are_named_as_they_came() {
        let problem = Problem::fields(vec![
            FieldError::new("/answers/odour", "required"),
            FieldError::new("/product", "unknown"),
        ]);
        let at: Vec<_> = as_asked(problem).fields.into_iter().map(|field| field.at).collect();
        assert_eq!(at, ["attribute[odour]", "service_code"]);
        let unknown = Problem::field("/product", "request.unknown_product");
        assert_eq!(as_asked(unknown).code, "service.unknown");
    }

    #[test]
    fn an_operation_is_the_header_or_the_report() {
        let mut headers = HeaderMap::new();
        let form = params(&[("attribute[fixmystreet_id]", "7"), ("api_key", "gk_secret")]);
        let report = operation(&headers, &form).expect("a key").expect("an operation");
        assert_eq!((report.key, report.content), (b"7".to_vec(), None));
        headers.insert("idempotency-key", "k1".parse().expect("a value"));
        let named = operation(&headers, &form).expect("a key").expect("an operation");
        assert_eq!(named.key, b"k1");
        let content = String::from_utf8(named.content.expect("a content")).expect("UTF-8");
        assert!(!content.contains("gk_secret"));
    }

    #[test]
    fn what_was_created_in_xml_and_json() {
        let created = created(Spark::text("Q0M3VX7K1ZP"), Language::Fr);
        insta::assert_snapshot!(created.xml("service_requests"));
        insta::assert_json_snapshot!(created);
    }

    #[test]
    fn four_thousand_characters_are_not_four_thousand_bytes() {
        let text = "é".repeat(4_000);
        assert!(read(&params(&[("service_code", "x"), ("address_id", "7"), ("description", &text)])).is_ok());
    }

    #[test]
    fn any_form_is_read_or_its_faults_are_named() {
        let samples = [
            "service_code=drinking_water&lat=46.8138784&long=-71.2079809&attribute[problem]=taste_odour&api_key=gk_1",
            "service_code=x&address_string=1, rue des Jardins&attribute[fixmystreet_id]=7&attribute[a][]=1&attribute[a][]=2",
            "service_code=x&address_id=7&description=Chlore&media_url=https://example.org/a.jpg&email=a@example.org",
        ];
        fuzz::check!().with_generator(Nearly::of(samples)).for_each(|document: &Document| {
            let text = document.text();
            let pairs = text.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            let params = params(&pairs.collect::<Vec<_>>());
            match read(&params) {
                Ok(submission) => {
                    let place = submission.place.expect("a place is asked for");
                    assert!(place.point.is_none_or(Point::is_on_earth));
                    assert!(submission.description.is_none_or(|text| text.chars().count() <= DESCRIPTION_MOST));
                }
                Err(problem) => problem.assert_said(),
            }
            if let Ok(Some(operation)) = operation(&HeaderMap::new(), &params) {
                assert!(!operation.key.is_empty());
            }
        });
    }
}
