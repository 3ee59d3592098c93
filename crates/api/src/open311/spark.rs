//! One value, two texts: GeoReport XML, and the "Spark" JSON that is defined by it.
//!
//! Spark drops the root; a container of repeating elements is an array even with one of them; an empty element is
//! `null`. XML is only ever written here, never read, and an answer holds nothing but legal XML 1.0 characters.

use std::fmt::Write as _;

use serde::{Serialize, Serializer, ser::SerializeMap};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Spark {
    /// JSON `null`, an empty XML element: "may not be returned" is always returned, and empty.
    Empty,
    Text(String),
    Bool(bool),
    Int(i64),
    /// In units of 1e-7 degree, shown with six decimals.
    Degrees(i64),
    Object(Vec<(&'static str, Spark)>),
    /// Elements of one name within a container.
    List(&'static str, Vec<Spark>),
}

impl Spark {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn maybe(text: Option<impl Into<String>>) -> Self {
        text.map_or(Self::Empty, Self::text)
    }

    /// The document with its declaration.
    pub(crate) fn xml(&self, root: &str) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        self.element(root, &mut out);
        out.push('\n');
        out
    }

    fn element(&self, name: &str, out: &mut String) {
        if *self == Self::Empty {
            let _ = write!(out, "<{name}/>");
            return;
        }
        let _ = write!(out, "<{name}>");
        match self {
            Self::Empty => {}
            Self::Text(text) => escape(text, out),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(value) => {
                let _ = write!(out, "{value}");
            }
            Self::Degrees(value) => {
                let _ = write!(out, "{:.6}", degrees(*value));
            }
            Self::Object(fields) => fields.iter().for_each(|(name, value)| value.element(name, out)),
            Self::List(item, values) => values.iter().for_each(|value| value.element(item, out)),
        }
        let _ = write!(out, "</{name}>");
    }
}

/// Six decimals, a decimetre: what the largest client of this standard keeps.
pub(crate) fn degrees(e7: i64) -> f64 {
    (e7 as f64 / 10.0).round() / 1e6
}

/// Escapes what XML reads as markup and drops what XML 1.0 cannot hold, escaped or not.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // A reader would turn a bare one into a line feed.
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}' => out.push(c),
            _ => {}
        }
    }
}

impl Serialize for Spark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Empty => serializer.serialize_unit(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Degrees(value) => serializer.serialize_f64(degrees(*value)),
            Self::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
            Self::List(_, values) => serializer.collect_seq(values),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_xml::{Reader, events::Event};

    use super::*;

    fn sample() -> Spark {
        Spark::List(
            "request",
            vec![Spark::Object(vec![
                ("service_request_id", Spark::text("0012")),
                ("status_notes", Spark::Empty),
                ("metadata", Spark::Bool(true)),
                ("code", Spark::Int(400)),
                ("lat", Spark::Degrees(468_138_784)),
                ("description", Spark::text("<b>\"l'eau\" & l’odeur</b>\u{0}\u{1b}\r\n")),
                ("values", Spark::List("value", vec![Spark::Object(vec![("key", Spark::text("a"))])])),
            ])],
        )
    }

    #[test]
    fn xml_escapes_strips_and_declares() {
        insta::assert_snapshot!(sample().xml("service_requests"));
    }

    #[test]
    fn json_drops_the_root_and_keeps_arrays_of_one() {
        insta::assert_json_snapshot!(sample());
    }

    proptest! {
        #[test]
        fn a_strict_parser_reads_back_what_is_legal(text in any::<String>()) {
            let xml = Spark::text(text.clone()).xml("t");
            let element = xml.split_once("?>\n").expect("a declaration").1.trim_end_matches('\n');
            let mut reader = Reader::from_str(element);
            let mut read = String::new();
            loop {
                match reader.read_event().expect("well-formed") {
                    Event::Text(part) => read.push_str(&part.xml10_content()),
                    Event::GeneralRef(entity) => match entity.resolve_char_ref().expect("a reference") {
                        Some(c) => read.push(c),
                        None => read.push_str(match entity.xml10_content().as_ref() {
                            "amp" => "&", "lt" => "<", "gt" => ">", "quot" => "\"", "apos" => "'",
                            other => panic!("unexpected entity {other}"),
                        }),
                    },
                    Event::Eof => break,
                    _ => {}
                }
            }
            let legal: String = text
                .chars()
                .filter(|c| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..))
                .collect();
            prop_assert_eq!(read, legal);
        }
    }
}
