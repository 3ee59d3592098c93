//! Errors as GeoReport says them: a list of code and description, in the asked format, for the user to read.

use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};
use domain::words::Language;

use super::{format::Format, spark::Spark};
use crate::{
    labels,
    problem::{self, Fact, Problem},
};

/// Writes every error of this door in the asked format and language.
pub(crate) async fn layer(request: Request, next: Next) -> Response {
    let format = Format::of_path(request.uri().path()).unwrap_or_default();
    let language = labels::language_of(request.headers());
    let reads = request.method().is_safe();
    let mut response = next.run(request).await;
    if let Some(problem) = problem::of(&mut response) {
        response = answer(&problem, format, language);
    }
    problem::in_language(response.headers_mut(), language);
    if reads {
        // A map on any page may read what is public; nothing is written from one.
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    response
}

fn answer(problem: &Problem, format: Format, language: Language) -> Response {
    let status = status(problem.status);
    let errors = errors(problem, status, language);
    let mut response = format.answer(status, "errors", &Spark::List("error", errors));
    problem.headers(&mut response);
    response
}

/// 403 for a key, 404 for what is not there, 400 for everything else a client did; transport and server as HTTP says.
fn status(status: StatusCode) -> StatusCode {
    match status {
        StatusCode::UNAUTHORIZED => StatusCode::FORBIDDEN,
        StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::PRECONDITION_FAILED => {
            StatusCode::BAD_REQUEST
        }
        other => other,
    }
}

fn errors(problem: &Problem, status: StatusCode, language: Language) -> Vec<Spark> {
    let code = Spark::Int(status.as_u16().into());
    if problem.code == Fact::RequestEmergency.code() {
        return emergency(problem, language);
    }
    if problem.fields.is_empty() {
        return vec![error(code, problem.title(language))];
    }
    let said = problem.fields.iter().map(|field| format!("{}: {}", field.at, problem::why(field, language)));
    said.map(|description| error(code.clone(), &description)).collect()
}

/// Nobody should have to read the other language to learn that a life is at stake: both are said.
fn emergency(problem: &Problem, language: Language) -> Vec<Spark> {
    let languages = match language {
        Language::Fr => [Language::Fr, Language::En],
        Language::En => [Language::En, Language::Fr],
    };
    let words =
        |language| problem.words.as_ref().map_or_else(|| problem.title(language), |words| words.in_language(language));
    languages.into_iter().map(|language| error(Spark::text("emergency"), words(language))).collect()
}

fn error(code: Spark, description: &str) -> Spark {
    Spark::Object(vec![("code", code), ("description", Spark::text(description))])
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use domain::words::Label;

    use super::*;
    use crate::problem::FieldError;

    async fn said(problem: Problem, format: Format, language: Language) -> (u16, String) {
        let response = answer(&problem, format, language);
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), 10_000).await.expect("a short body");
        (status, String::from_utf8(bytes.to_vec()).expect("UTF-8"))
    }

    #[tokio::test]
    async fn a_bad_key_is_403_in_xml() {
        let (status, body) = said(Fact::KeyUnknown.into(), Format::Xml, Language::Fr).await;
        assert_eq!(status, 403);
        insta::assert_snapshot!(body);
    }

    #[tokio::test]
    async fn each_field_has_its_own_error_in_json() {
        let problem = Problem::fields(vec![
            FieldError::new("service_code", "required"),
            FieldError::new("attribute[odour]", "unknown_choice"),
        ]);
        let (status, body) = said(problem, Format::Json, Language::En).await;
        assert_eq!(status, 400);
        insta::assert_snapshot!(body);
    }

    #[tokio::test]
    async fn an_emergency_is_said_in_both_languages() {
        let words = Label { fr: "Composez le 9-1-1.".into(), en: "Dial 9-1-1.".into() };
        let problem = Problem::from(Fact::RequestEmergency).in_words(words);
        let (status, body) = said(problem, Format::Json, Language::En).await;
        assert_eq!(status, 400);
        insta::assert_snapshot!(body);
    }
}
