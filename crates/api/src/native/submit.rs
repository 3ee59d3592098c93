//! `POST /requests`: a request taken at the counter, on the phone, from a letter.

use application::{Outcome, Requester, Submission};
use axum::{
    extract::OriginalUri,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use domain::request::{Location, Point};
use serde_json::json;

use super::{
    asked::{Condition, answered},
    view::location,
};
use crate::{emergency::emergency, fields::Fields, policy::Actor, problem::Problem};

/// `POST /requests` `{channel, product, precision?, answers?, place?, area?, description?, media_url?, requester?}`.
pub(super) async fn submit(
    Actor(caller): Actor,
    condition: Condition,
    uri: OriginalUri,
    mut body: Fields,
) -> Result<Response, Problem> {
    let operation = condition.operation(uri.path(), body.content());
    let submission = read(&mut body);
    let submission = body.finish(submission)?;
    match caller.organisation.submit(&caller.key, submission, operation).await? {
        Outcome::Created { request, number, after, etag, replayed, .. } => {
            let body = json!({ "id": request.to_string(), "number": number, "after": after, "replayed": replayed });
            let mut response = answered(StatusCode::CREATED, &etag, &body);
            if let Ok(location) = HeaderValue::try_from(location(request)) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            Ok(response)
        }
        Outcome::Emergency { code, .. } => Err(emergency(&caller.organisation, &code)),
    }
}

fn read(body: &mut Fields) -> Option<Submission> {
    let (channel, product) = (body.code("channel"), body.text("product"));
    let submission = Submission {
        channel: None,
        product: String::new(),
        precision: body.maybe_text("precision"),
        answers: body.answers("answers"),
        place: body.maybe_object("place", |fields| Some(place(fields))),
        area: body.maybe_code("area"),
        description: body.maybe_text("description"),
        media_url: body.maybe_text("media_url"),
        requester: body.maybe_object("requester", |fields| Some(requester(fields))),
    };
    Some(Submission { channel: Some(channel?), product: product?, ..submission })
}

fn place(place: &mut Fields) -> Location {
    let (lat, long) = (place.maybe_number("lat"), place.maybe_number("long"));
    if lat.is_some() != long.is_some() {
        place.fault(if lat.is_some() { "long" } else { "lat" }, "bad_place");
    }
    let within = |name, degrees: Option<f64>, bound: f64, place: &mut Fields| {
        if degrees.is_some_and(|degrees| degrees.abs() > bound) {
            place.fault(name, "bad_place");
        }
    };
    within("lat", lat, 90.0, place);
    within("long", long, 180.0, place);
    let e7 = |degrees: f64| (degrees * 1e7).round() as i64;
    let point = lat.zip(long).map(|(lat, long)| Point { lat: e7(lat), long: e7(long) });
    Location { point, address: place.maybe_text("address"), address_id: place.maybe_text("address_id") }
}

fn requester(requester: &mut Fields) -> Requester {
    Requester {
        first_name: requester.maybe_text("first_name"),
        last_name: requester.maybe_text("last_name"),
        email: requester.maybe_text("email"),
        phone: requester.maybe_text("phone"),
    }
}

#[cfg(test)]
mod tests {
    use fuzz::{Document, Nearly};
    use serde_json::{Value, json};

    use super::*;

    fn submission(body: Value) -> Result<Submission, Problem> {
        let mut fields = Fields::of_body(body)?;
        let read = read(&mut fields);
        fields.finish(read)
    }

    #[test]
    fn a_body_is_read_whole() {
        let read = submission(json!({
            "channel": "phone", "product": "drinking_water", "answers": { "problem": "taste_odour" },
            "place": { "lat": 46.813_878_4, "long": -71.207_980_9 }, "description": "Chlore", "requester": { "email": "a@example.org" },
        }))
        .expect("a submission");
        assert_eq!(read.place.and_then(|place| place.point), Some(Point { lat: 468_138_784, long: -712_079_809 }));
        assert_eq!(read.answers, [("problem".to_owned(), vec!["taste_odour".to_owned()])]);
    }

    #[test]
    fn what_the_server_sets_is_refused() {
        let problem = submission(json!({ "channel": "phone", "product": "x", "status": "resolved", "number": "1", "place": { "lat": 91, "long": 0 } }))
            .err()
            .expect("a problem");
        let at: Vec<_> = problem.fields.iter().map(|field| field.at.as_str()).collect();
        assert_eq!(at, ["/place/lat", "/number", "/status"]);
    }

    #[test]
    fn any_body_is_read_or_its_faults_are_pointed_at() {
        let samples = [
            r#"{"channel":"phone","product":"drinking_water","answers":{"problem":"taste_odour","depth":12.5,"many":["a","b"]}}"#,
            r#"{"channel":"phone","product":"x","place":{"lat":46.8138784,"long":-71.2,"address":"7, rue X"},"area":"limoilou"}"#,
            r#"{"channel":"phone","product":"x","description":"Chlore","requester":{"first_name":"Ada","phone":"418 555-0101"}}"#,
        ];
        fuzz::check!().with_generator(Nearly::of(samples)).for_each(|document: &Document| {
            let Ok(body) = serde_json::from_slice(document.bytes()) else { return };
            match submission(body) {
                Ok(submission) => {
                    let point = submission.place.and_then(|place| place.point);
                    assert!(point.is_none_or(Point::is_on_earth));
                }
                Err(problem) => problem.assert_said(),
            }
        });
    }
}
