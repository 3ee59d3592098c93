//! The suffix that picks the form of the answer, and the answer in that form.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::spark::Spark;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Format {
    /// The one that the standard requires, so also the one for an error at an address with no known suffix.
    #[default]
    Xml,
    Json,
}

impl Format {
    /// A name and its format, split at the last dot: `tree.removal.xml` is `tree.removal`.
    pub(crate) fn split(name: &str) -> Option<(&str, Self)> {
        let (stem, suffix) = name.rsplit_once('.')?;
        let format = match suffix {
            "xml" => Self::Xml,
            "json" => Self::Json,
            _ => return None,
        };
        (!stem.is_empty()).then_some((stem, format))
    }

    pub(crate) fn of_path(path: &str) -> Option<Self> {
        Self::split(path).map(|(_, format)| format)
    }

    pub(crate) fn answer(self, status: StatusCode, root: &str, body: &Spark) -> Response {
        match self {
            Self::Xml => (status, [(header::CONTENT_TYPE, "text/xml; charset=utf-8")], body.xml(root)).into_response(),
            Self::Json => {
                let text = serde_json::to_string(body).expect("texts, numbers and lists always serialize");
                (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], text).into_response()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_dot_splits() {
        assert_eq!(Format::split("tree.removal.xml"), Some(("tree.removal", Format::Xml)));
        assert_eq!(Format::split("services.json"), Some(("services", Format::Json)));
        for name in ["services", "services.html", ".xml", "services.XML"] {
            assert_eq!(Format::split(name), None, "{name}");
        }
    }
}
