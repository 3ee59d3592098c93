//! `GET /`: what this is, the figures of each organisation as of now, the doors, two commands to try.
//!
//! One page in both languages, French first; no script, nothing from elsewhere. The figures are in [`figures`], the
//! commands in [`commands`].

mod commands;
mod figures;

use std::fmt::Write as _;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use domain::{declaration::Declaration, words::Language};

use self::figures::Figures;
pub(crate) use self::figures::Latest;
use crate::{labels::say, problem::tag, state::ApiState};

const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// One organisation on the page. Without figures where they cannot be read for the moment.
struct Line<'a> {
    declaration: &'a Declaration,
    figures: Option<Figures>,
}

pub(crate) async fn show(latest: Latest, State(state): State<ApiState>, headers: HeaderMap) -> Response {
    let figures = latest.read(&state).await;
    let rules: Vec<_> = state.application.organisations().iter().map(application::Organisation::rules).collect();
    let lines = rules.iter().zip(figures.iter());
    let lines: Vec<_> = lines.map(|(rules, figures)| Line { declaration: rules.latest(), figures: *figures }).collect();
    let mut response = Html(page(&state.base_url(&headers), &lines)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static("fr, en"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

fn page(base: &str, lines: &[Line<'_>]) -> String {
    format!(
        "<!doctype html>\n<html lang=\"fr\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Guichet</title>\n\
         <style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}\
         table{{border-collapse:collapse}}th,td{{padding:.3rem .8rem;border-bottom:1px solid;text-align:right}}\
         tr>:first-child{{text-align:left}}caption{{text-align:left;padding:.3rem 0}}\
         pre,.wide{{overflow:auto}}pre{{padding:1rem;border:1px solid}}</style>\n</head>\n<body>\n\
         <header>\n<h1>Guichet</h1>\n<p><a href=\"#en\" lang=\"en\" hreflang=\"en\">In English</a></p>\n</header>\n\
         <main>\n{}{}</main>\n</body>\n</html>\n",
        section(Language::Fr, base, lines),
        section(Language::En, base, lines),
    )
}

fn section(language: Language, base: &str, lines: &[Line<'_>]) -> String {
    let say = |key| say(language, key);
    let mut commands = String::new();
    if let Some(Line { declaration, .. }) = lines.first() {
        let submit = commands::submit(base, declaration, say("first.sample"));
        let both = [("first.read", Some(commands::read(base, declaration))), ("first.submit", submit)];
        for (why, command) in both {
            let Some(command) = command.as_deref().map(escaped) else { continue };
            let _ = write!(commands, "<p>{}</p>\n<pre tabindex=\"0\"><code>{command}</code></pre>\n", say(why));
        }
    }
    format!(
        "<section id=\"{lang}\" lang=\"{lang}\">\n<p>{lead}</p>\n\
         <h2>{served}</h2>\n{table}\
         <h2>{doors}</h2>\n<ul>\n\
         <li><a href=\"/open311/v2/discovery.json\"><code>/open311/v2/</code></a> {open311}</li>\n\
         <li><a href=\"/api/v1/me\"><code>/api/v1/</code></a> {native}</li>\n\
         <li><a href=\"/healthz\"><code>/healthz</code></a>, <a href=\"/readyz\"><code>/readyz</code></a>, \
         <a href=\"/metrics\"><code>/metrics</code></a> {health}</li>\n</ul>\n\
         <h2>{attempt}</h2>\n{commands}</section>\n",
        lang = tag(language),
        lead = say("first.lead"),
        served = say("first.organisations"),
        table = table(language, lines),
        doors = say("first.doors"),
        open311 = say("first.open311"),
        native = say("first.native"),
        health = say("first.health"),
        attempt = say("first.try"),
    )
}

fn table(language: Language, lines: &[Line<'_>]) -> String {
    let columns = ["first.organisation", "first.requests", "first.open", "first.kept", "first.missed", "first.owed"];
    let caption = say(language, "first.figures");
    let mut html = format!(
        "<div class=\"wide\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\">\n\
         <table>\n<caption>{caption}</caption>\n<thead><tr>"
    );
    for column in columns {
        let _ = write!(html, "<th scope=\"col\">{}</th>", say(language, column));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for Line { declaration, figures } in lines {
        let organisation = &declaration.organisation;
        let jurisdiction = escaped(&organisation.jurisdiction);
        let _ = write!(
            html,
            "<tr><th scope=\"row\"><a href=\"/open311/v2/services.json?jurisdiction_id={jurisdiction}\">{}</a></th>",
            escaped(organisation.name.in_language(language))
        );
        let cells = figures.map(|Figures { requests, open, kept, missed, owed }| [requests, open, kept, missed, owed]);
        for place in 0..columns.len() - 1 {
            let number = cells.map_or_else(|| "–".to_owned(), |cells| grouped(language, cells[place]));
            let _ = match place {
                0 => write!(
                    html,
                    "<td><a href=\"/open311/v2/requests.json?jurisdiction_id={jurisdiction}&amp;page=1\">{number}</a></td>"
                ),
                _ => write!(html, "<td>{number}</td>"),
            };
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody>\n</table>\n</div>\n");
    html
}

/// By thousands, as each language writes them.
fn grouped(language: Language, number: i64) -> String {
    let between = match language {
        Language::Fr => '\u{202f}',
        Language::En => ',',
    };
    let digits = number.unsigned_abs().to_string();
    let mut text = if number < 0 { "−".to_owned() } else { String::new() };
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(between);
        }
        text.push(digit);
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open311::sample;

    #[test]
    fn the_first_page_is_in_french_then_english_and_escapes() {
        let mut declaration = sample::declaration();
        declaration.organisation.name.fr = "Ville de <Québec>".to_owned();
        let figures = Figures { requests: 41_827, open: 1_000, kept: 999, missed: 0, owed: 12 };
        let known = Line { declaration: &declaration, figures: Some(figures) };
        let unknown = Line { declaration: &declaration, figures: None };
        insta::assert_snapshot!(page("http://127.0.0.1:8311", &[known, unknown]));
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, expected) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567"), (-1_000, "−1,000")]
        {
            assert_eq!(grouped(Language::En, number), expected);
        }
        assert_eq!(grouped(Language::Fr, 41_827), "41\u{202f}827");
    }
}
