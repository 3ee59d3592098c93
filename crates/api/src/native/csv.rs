//! CSV for analysts (RFC 4180): the same figures as the JSON, one header line, codes and whole numbers.

use std::fmt::Write as _;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};

/// A table whose cells are written as they come.
pub(super) struct Csv {
    text: String,
}

impl Csv {
    pub(super) fn new(header: &[&str]) -> Self {
        let mut csv = Self { text: String::new() };
        csv.line(header.iter().map(|name| (*name).to_owned()));
        csv
    }

    pub(super) fn line(&mut self, cells: impl IntoIterator<Item = String>) {
        for (index, cell) in cells.into_iter().enumerate() {
            let _ = write!(self.text, "{}{}", if index > 0 { "," } else { "" }, quoted(&cell));
        }
        self.text.push_str("\r\n");
    }
}

/// Quotes where it must, and defuses what a spreadsheet would run; a negative number stays one.
fn quoted(cell: &str) -> String {
    let first = cell.trim_start_matches(['\u{feff}', ' ', '"']).chars().next();
    let formula = matches!(first, Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠'));
    let cell = if formula && cell.parse::<f64>().is_err() { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\r', '\n', ';']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

impl IntoResponse for Csv {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present")], self.text).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_and_never_a_formula() {
        for (cell, expected) in [
            ("taste", "taste"),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("=1+1", "'=1+1"),
            ("-code", "'-code"),
            ("-12", "-12"),
            (" @x", "' @x"),
            ("\u{feff}=x", "'\u{feff}=x"),
            ("＝x", "'＝x"),
            ("a\nb", "\"a\nb\""),
        ] {
            assert_eq!(quoted(cell), expected);
        }
    }

    #[test]
    fn a_line_ends_as_the_rfc_says() {
        let mut csv = Csv::new(&["period", "opened"]);
        csv.line(["2026-11".to_owned(), "3".to_owned()]);
        assert_eq!(csv.text, "period,opened\r\n2026-11,3\r\n");
    }
}
