//! Rows as cities publish them, dirt included, and what is told of each.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use application::History;
use domain::{
    codec::Event,
    declaration::Declaration,
    request::{Act, SourceDue, Submission},
    rules::Rules,
    words::Code,
};

use fuzz::{Document, Nearly};
use indicatif::ProgressBar;

use super::{Days, Told, history::Historian, mapping::Mapping, reader, told};

const CSV: &str = r#"
organisation = "essai"
source = "essai-311"
format = "csv"
zone = "America/New_York"
key = "id"
opened = { column = "opened", formats = ["%Y-%b-%d %H:%M:%S", "%m/%d/%Y %H:%M"] }
closed = { column = "closed", formats = ["%Y-%m-%d %H:%M:%S"] }
due = { column = "due", formats = ["%Y-%m-%d %H:%M:%S"], inclusive = true }
outcome = { columns = ["closure"] }
product = { columns = ["type"] }
area = { columns = ["ward"], shape = "ward_#", nothing = ["Undetermined"] }
place = { latitude = "lat", longitude = "long" }
channel = { columns = ["source"], values = { "CC PHONE" = "phone" } }
"#;

const HEAD: &str = "id,opened,closed,due,closure,type,ward,lat,long,source\n";

fn rules() -> Rules {
    let declaration: Declaration = serde_json::from_value(serde_json::json!({
        "organisation": {"slug": "essai", "jurisdiction": "essai.example",
            "name": {"fr": "Essai", "en": "Trial"}, "contact": {"fr": "-", "en": "-"}},
        "version": "2011-1", "effective_from": "2000-01-01", "source": "test",
        "calendar": {"version": "essai-1", "zone": "America/New_York", "hours": [{"from": "2000-01-01"}]},
        "channels": [{"code": "phone", "label": {"fr": "Téléphone", "en": "Phone"}}],
        "products": [{"code": "lamp", "label": {"fr": "Panne d'éclairage", "en": "Street Light Outages"}},
            {"code": "mould", "label": {"fr": "Moisissure", "en": "Mould"}, "place": "private"}],
    }))
    .expect("a declaration");
    Rules::new(vec![Arc::new(declaration)]).expect("one declaration")
}

/// What is told of each row of a file, with the line it stands on.
fn tell(mapping: &str, file: &str) -> Vec<(u64, Result<History, String>)> {
    let mapping = Arc::new(Mapping::parse(mapping).expect("a mapping"));
    let mut historian = Historian::new(Arc::clone(&mapping), &rules());
    let mut all = Vec::new();
    reader::rows(file.as_bytes(), &mapping, &mut |read| {
        all.push(match read {
            Err((line, reason)) => (line, Err(reason)),
            Ok(row) => match told(&mut historian, &row, |_| true) {
                Told::History(history) => (row.line, Ok(*history)),
                Told::Rejected(reason) => (row.line, Err(reason)),
                Told::LeftOut => unreachable!("every row is wanted"),
            },
        });
        true
    })
    .expect("the file reads");
    all
}

fn only(row: &str) -> Result<History, String> {
    let mut all = tell(CSV, &format!("{HEAD}{row}\n"));
    assert_eq!(all.len(), 1, "{row}");
    all.remove(0).1
}

fn submission(history: &History) -> &Submission {
    match &history.acts[0].1 {
        Act::Submit(submission) => submission,
        other => panic!("{other:?} stands first"),
    }
}

#[test]
fn a_row_is_a_submission_and_its_end_dated_as_they_were() {
    let history =
        only("7,2011-Jul-01 01:32:33,2011-07-01 05:06:58,2011-07-15 01:32:32,Case Resolved,Street Light Outages,Ward 17,42.272,-71.077,CC PHONE")
            .expect("a good row");
    assert_eq!(history.row, "essai-311/key/7");
    let instants: Vec<String> = history.acts.iter().map(|(at, _)| at.to_rfc3339()).collect();
    assert_eq!(instants, ["2011-07-01T05:32:33+00:00", "2011-07-01T09:06:58+00:00"], "Boston's summer is UTC-4");
    let outcome = "case_resolved".parse().expect("a code");
    assert_eq!(history.acts[1].1, Act::Resolve { outcome: Some(outcome), text: None });

    let submission = submission(&history);
    assert_eq!(submission.product.as_str(), "lamp", "found by its label");
    assert_eq!(submission.channel.as_str(), "phone");
    assert_eq!(submission.area.as_ref().map(Code::as_str), Some("ward_17"));
    let point = submission.place.as_ref().and_then(|place| place.point).expect("a point");
    assert_eq!((point.lat, point.long), (422_720_000, -710_770_000));
    let due = "2011-07-15T05:32:32.000001Z".parse().expect("an instant");
    assert_eq!(submission.source_due, SourceDue::By(due), "an inclusive date is stored a microsecond later");
}

#[test]
fn what_the_source_does_not_say_is_not_said() {
    let history = only("8,3/26/2014 9:18,,,,Panne d'Eclairage,Undetermined,,,CC PHONE").expect("an open row");
    assert_eq!(history.acts.len(), 1, "it is open");
    let submission = submission(&history);
    assert_eq!(submission.source_due, SourceDue::Nothing);
    assert_eq!((&submission.area, &submission.place), (&None, &None));
}

#[test]
fn the_place_of_a_private_product_stays_out() {
    let history = only("8,3/26/2014 9:18,,,,mould,Ward 7,42.272,-71.077,CC PHONE").expect("a row");
    let submission = submission(&history);
    assert_eq!((&submission.place, submission.area.is_some()), (&None, true));
}

#[test]
fn a_name_typed_over_a_ward_goes_nowhere() {
    let history = only("9,3/26/2014 9:18,,,,lamp,<22-Feb-2014 12:52:35 someone>Ward 7,,,CC PHONE").expect("a row");
    assert_eq!(submission(&history).area, None);
}

#[test]
fn a_row_that_cannot_be_taken_says_why_and_never_what() {
    for (row, reason) in [
        ("1,secret,,,,lamp,,,,CC PHONE", "opened is in none of the formats of the mapping"),
        ("1,-262143-Jan-01 00:00:00,,,,lamp,,,,CC PHONE", "opened is in none of the formats of the mapping"),
        ("1,3/26/2014 9:18,,+262142-12-31 23:59:59,,lamp,,,,CC PHONE", "due is in none of the formats of the mapping"),
        ("1,,,,,lamp,,,,CC PHONE", "opened is empty"),
        ("1,3/26/2014 9:18,,,,,,,,CC PHONE", "type is empty"),
        ("1,3/26/2014 9:18,,,,***,,,,CC PHONE", "type holds words that give no code"),
        ("1,3/26/2014 9:18,,,,lamp,,secret,2,CC PHONE", "lat is not a number"),
        ("1,3/26/2014 9:18,2014-03-25 00:00:00,,,lamp,,,,CC PHONE", "closed or started before it was opened"),
        ("1,3/26/2014 9:18", "not a row of this file"),
    ] {
        assert_eq!(only(row).map(|_| ()), Err(reason.to_owned()), "{row}");
    }
}

#[test]
fn a_bad_row_is_told_with_its_line_and_the_next_one_follows() {
    let file = format!("{HEAD}1,2\n2,3/26/2014 9:18,,,,lamp,,,,CC PHONE\n");
    let lines: Vec<(u64, bool)> = tell(CSV, &file).iter().map(|(line, told)| (*line, told.is_ok())).collect();
    assert_eq!(lines, [(2, false), (3, true)]);
}

#[test]
fn equal_rows_without_a_key_are_told_apart_by_their_order() {
    let keyless = CSV.replace("key = \"id\"\n", "");
    let row = ",3/26/2014 9:18,,,,lamp,,,,CC PHONE\n";
    let file = format!("{HEAD}{row}{row},3/26/2014 9:19,,,,lamp,,,,CC PHONE\n{row}");
    let names = |file: &str| -> Vec<String> {
        tell(&keyless, file).into_iter().map(|(_, told)| told.expect("a good row").row).collect()
    };
    let first = names(&file);
    let ordinals: Vec<&str> = first.iter().map(|row| &row[row.len() - 2..]).collect();
    assert_eq!(ordinals, ["/0", "/1", "/0", "/2"]);
    assert_eq!(first, names(&file), "a second import finds the first");
}

#[test]
fn a_json_array_reads_like_a_table_with_gaps() {
    let json = CSV.replace("format = \"csv\"", "format = \"json\"");
    let file = r#"[{"id": 7, "opened": "3/26/2014 9:18", "type": "lamp", "source": "CC PHONE", "lat": 45.5, "long": -73.5},
                   "not an object",
                   {"id": null, "opened": "3/26/2014 9:18", "type": "lamp", "source": " CC PHONE ", "lat": ""}]"#;
    let told = tell(&json, file);
    assert_eq!(
        told.iter().map(|(line, told)| (*line, told.is_ok())).collect::<Vec<_>>(),
        [(1, true), (2, false), (3, true)]
    );
    assert_eq!(told[0].1.as_ref().expect("a row").row, "essai-311/key/7");
}

#[test]
fn a_file_that_is_not_what_the_mapping_says_is_refused_whole() {
    let mapping = Mapping::parse(CSV).expect("a mapping");
    let read =
        |file: &str| reader::rows(file.as_bytes(), &mapping, &mut |_| true).map_err(|error| format!("{error:#}"));
    assert_eq!(read("id,opened\n"), Err("the file has no column closed".to_owned()));
}

/// Told or rejected, and what is told can be lived: no row of any city stops an import.
#[test]
fn any_file_is_told_row_by_row() {
    let rows = format!(
        "{HEAD}1,2014-Mar-26 09:18:00,2014-03-27 00:00:00,2014-03-28 00:00:00,done,lamp,Ward 7,45.5,-73.5,CC PHONE\n\
         2,3/26/2014 9:18,,,,\"Street Light Outages\",Undetermined,,,CC PHONE\n"
    );
    let array =
        r#"[{"id": 7, "opened": "3/26/2014 9:18", "type": "lamp", "source": "CC PHONE", "lat": 45.5, "long": -73.5}]"#;
    let json = CSV.replace("format = \"csv\"", "format = \"json\"");
    let days = Days { from: Some("2000-01-01".parse().expect("a day")), until: None };
    let rules = Arc::new(rules());
    for (mapping, sample) in [(CSV, rows.as_str()), (json.as_str(), array)] {
        let mapping = Arc::new(Mapping::parse(mapping).expect("a mapping"));
        fuzz::check!().with_generator(Nearly::of([sample])).for_each(|document: &Document| {
            let mut historian = Historian::new(Arc::clone(&mapping), &rules);
            // A file that breaks off is an error of the file, after the rows before.
            let _ = reader::rows(document.bytes(), &mapping, &mut |read| {
                let Ok(row) = read else { return true };
                if let Told::History(history) = told(&mut historian, &row, |opened| days.hold(opened, &mapping.zone)) {
                    match history.live("essai", &rules, 0) {
                        Ok(lived) => assert!(!lived.events.is_empty()),
                        Err(refusal) => assert!(!refusal.code().is_empty()),
                    }
                }
                true
            });
        });
    }
}

#[test]
fn any_text_is_a_mapping_or_is_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mappings");
    let shipped = ["boston", "montreal", "ottawa"]
        .map(|city| std::fs::read_to_string(folder.join(format!("{city}.toml"))).expect("a mapping"));
    let row = format!("{HEAD}1,3/26/2014 9:18,,,,lamp,Ward 7,45.5,-73.5,CC PHONE\n");
    let rules = rules();
    fuzz::check!().with_generator(Nearly::of(shipped.into_iter().chain([CSV.to_owned()]))).for_each(
        |document: &Document| {
            let Ok(mapping) = Mapping::parse(&document.text()) else { return };
            let mapping = Arc::new(mapping);
            let mut historian = Historian::new(Arc::clone(&mapping), &rules);
            let _ = reader::rows(row.as_bytes(), &mapping, &mut |read| {
                let _ = read.map(|row| told(&mut historian, &row, |_| true));
                true
            });
        },
    );
}

#[test]
fn a_key_of_a_mapping_that_nobody_knows_is_refused() {
    for (known, mistyped) in [("key = ", "kay = "), ("formats = ", "format = "), ("inclusive = ", "exclusive = ")] {
        let error = Mapping::parse(&CSV.replacen(known, mistyped, 1)).expect_err("nobody knows it");
        assert!(error.message().contains("unknown field"), "{error}");
    }
}

#[test]
fn every_shipped_mapping_reads() {
    for city in ["boston", "montreal", "ottawa"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../mappings/{city}.toml"));
        let mapping = Mapping::read(&path).expect("a mapping");
        assert_eq!(mapping.organisation.as_str(), city);
    }
}

type Kinds = BTreeMap<&'static str, u32>;
type Verdicts = BTreeMap<(&'static str, String), u32>;

/// What the shipped mapping and declarations make of a committed file: events by kind, and rows by the promise of the
/// intervention beside the source's verdict.
fn lived(city: &str, file: &str) -> (Kinds, Verdicts) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let declarations = crate::declarations::read(&root.join("declarations")).expect("the declarations read");
    let of_city = declarations.into_iter().map(|file| Arc::new(file.declaration));
    let of_city = of_city.filter(|declaration| declaration.organisation.slug.as_str() == city).collect();
    let rules = Arc::new(Rules::new(of_city).expect("the city has a declaration"));
    let mapping = Arc::new(Mapping::read(&root.join(format!("mappings/{city}.toml"))).expect("a mapping"));
    let mut historian = Historian::new(Arc::clone(&mapping), &rules);
    let (mut kinds, mut verdicts) = (Kinds::new(), Verdicts::new());
    let source = reader::open(&root.join(file), &ProgressBar::hidden()).expect("the file opens");
    reader::rows(source, &mapping, &mut |read| {
        let row = read.expect("every committed row reads");
        let history = historian.tell(&row).unwrap_or_else(|error| panic!("line {}: {error}", row.line));
        let lived = history.live(city, &rules, 0).unwrap_or_else(|error| panic!("line {}: {error}", row.line));
        let mut end = "nothing";
        for (_, event) in lived.events {
            let kind = Event::Request(event).kind();
            *kinds.entry(kind).or_default() += 1;
            end = kind.strip_prefix("promise.").unwrap_or(end);
        }
        let source = submission(&history).source.as_ref().expect("an imported row says where it comes from");
        let verdict = source.verdict.as_ref().map_or_else(String::new, ToString::to_string);
        *verdicts.entry((end, verdict)).or_default() += 1;
        true
    })
    .expect("the file reads");
    (kinds, verdicts)
}

#[test]
fn every_committed_row_of_boston_is_told_and_judged_as_the_city_did() {
    let (kinds, verdicts) = lived("boston", "data/boston/requests_2011-07_to_10.csv.gz");
    assert_eq!((kinds["request.submitted"], kinds["request.resolved"]), (41_827, 39_368));
    // What the city judged, it judged as its dates say; 114 rows have a date and no verdict, 6,073 have no date.
    let expected = [
        (("kept", "ontime"), 27_324),
        (("missed", "overdue"), 6_032),
        (("missed", ""), 113),
        (("made", "overdue"), 2_284),
        (("made", ""), 1),
        (("nothing", "ontime"), 6_073),
    ];
    assert_eq!(verdicts, expected.map(|((promise, verdict), rows)| ((promise, verdict.to_owned()), rows)).into());
}

#[test]
fn every_committed_row_of_montreal_is_told() {
    let (kinds, verdicts) = lived("montreal", "data/montreal/rats_2016-2017.json.gz");
    assert_eq!(kinds, BTreeMap::from([("request.submitted", 1_635)]));
    assert_eq!(verdicts, BTreeMap::from([(("nothing", String::new()), 1_635)]));
}
