//! `guichet oracle`: does a declaration say what the city did?
//!
//! Boston published, with every request, the date by which it meant to close it and whether it did. This computes
//! each due date again from the declaration and the opening alone, and counts. It reads a file and nothing else:
//! no log, no database. Start at [`count_all`].

use std::{
    fmt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, anyhow};
use chrono::{NaiveDateTime, TimeDelta};
use clap::Args;
use domain::{declaration::Declaration, promise::due, words::Code};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use crate::{config::Settings, declarations, exit, import};

/// A due date of the city counts as reproduced when it is no further off than this.
const TOLERANCE: TimeDelta = TimeDelta::minutes(1);

/// Compute the published due dates again, and say how many come out the same.
#[derive(Debug, Args)]
pub(crate) struct OracleArgs {
    /// The published requests: CSV, gzipped or not, with open_dt, target_dt, closed_dt, ontime and type.
    #[arg(default_value = "data/boston/requests_2011-07_to_10.csv.gz")]
    pub(crate) file: PathBuf,
    /// Which organisation's declaration to try.
    #[arg(long, default_value = "boston")]
    pub(crate) organisation: String,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Hundredths of a percent of the due dates below which a declaration does not say what the city did.
const FAITHFUL: u64 = 9_850;

/// What came out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    pub(crate) rows: u64,
    /// Rows with a due date of the city.
    pub(crate) with_due_date: u64,
    /// Those whose type has a published duration, so that a due date can be computed.
    pub(crate) computable: u64,
    /// Those that come out the same, to within a minute.
    pub(crate) reproduced: u64,
    /// Rows whose verdict follows from the dates: due, closed, and judged.
    pub(crate) judged: u64,
    /// Those on which `closed <= due` agrees with the city.
    pub(crate) agreed: u64,
}

impl Report {
    /// Due dates reproduced, in hundredths of a percent of the city's due dates.
    pub(crate) fn reproduced_basis_points(&self) -> Option<u64> {
        (self.reproduced * 10_000).checked_div(self.with_due_date)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>8} rows, {} with a due date of the city", self.rows, self.with_due_date)?;
        write!(f, "{:>8} due dates reproduced to within a minute", self.reproduced)?;
        if let Some(points) = self.reproduced_basis_points() {
            write!(f, " ({}.{:02} %)", points / 100, points % 100)?;
        }
        writeln!(f, ", {} computable", self.computable)?;
        write!(f, "{:>8} of {} on-time verdicts agree with the dates", self.agreed, self.judged)
    }
}

#[derive(Debug, Deserialize)]
struct Row {
    open_dt: String,
    target_dt: String,
    closed_dt: String,
    ontime: String,
    #[serde(rename = "type")]
    kind: String,
}

/// From the command line.
pub(crate) fn run(args: &OracleArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let report = count_all(args, &settings.declarations)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    let faithful = report.reproduced_basis_points() >= Some(FAITHFUL) && report.agreed == report.judged;
    Ok(if faithful { ExitCode::SUCCESS } else { ExitCode::from(exit::DIFFERENT) })
}

/// Reads the declarations and the file, and counts.
pub(crate) fn count_all(args: &OracleArgs, folder: &Path) -> anyhow::Result<Report> {
    let files = declarations::read(folder)?;
    let declaration = files
        .into_iter()
        .map(|file| file.declaration)
        .rfind(|declaration| declaration.organisation.slug.as_str() == args.organisation)
        .ok_or_else(|| anyhow!("no declaration of {} in {}", args.organisation, folder.display()))?;
    let mut report = Report::default();
    let published = import::open(&args.file, &ProgressBar::hidden())?;
    for (index, row) in csv::Reader::from_reader(published).into_deserialize::<Row>().enumerate() {
        let line = || format!("read row {} of {}", index + 1, args.file.display());
        let row = row.with_context(line)?;
        count(&declaration, &row, &mut report).with_context(line)?;
    }
    Ok(report)
}

fn count(declaration: &Declaration, row: &Row, report: &mut Report) -> anyhow::Result<()> {
    report.rows += 1;
    let Some(target) = wall_clock(&row.target_dt)? else { return Ok(()) };
    report.with_due_date += 1;
    let opened = wall_clock(&row.open_dt)?.ok_or_else(|| anyhow!("no opening"))?;
    if let Some(computed) = computed(declaration, &row.kind, opened) {
        report.computable += 1;
        report.reproduced += u64::from((computed - target).abs() <= TOLERANCE);
    }
    let city_says = match row.ontime.as_str() {
        "ONTIME" => true,
        "OVERDUE" => false,
        _ => return Ok(()),
    };
    if let Some(closed) = wall_clock(&row.closed_dt)? {
        // The city's target is inclusive: as an exclusive instant it stands one microsecond later.
        let due_at = target + TimeDelta::microseconds(1);
        report.judged += 1;
        report.agreed += u64::from((closed < due_at) == city_says);
    }
    Ok(())
}

/// The due date by the declaration, as the wall clock shows it: the file's times carry no zone.
fn computed(declaration: &Declaration, kind: &str, opened: NaiveDateTime) -> Option<NaiveDateTime> {
    let calendar = &declaration.calendar;
    let product = declaration.product(&code(kind)?)?;
    let standard = product.standards.iter().find_map(|code| declaration.standard(code))?;
    let due = due(declaration, standard, calendar.instant(opened.date(), opened.time()))?;
    Some(calendar.local(due.due_at).naive_local())
}

/// The product of a type: its words in lower case, joined by underscores.
fn code(kind: &str) -> Option<Code> {
    let words: Vec<String> = kind
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.join("_").parse().ok()
}

fn wall_clock(text: &str) -> anyhow::Result<Option<NaiveDateTime>> {
    if text.is_empty() {
        return Ok(None);
    }
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").map(Some).with_context(|| format!("read the time {text}"))
}

#[cfg(test)]
mod examples {
    use super::*;

    #[test]
    fn the_boston_declaration_says_what_the_city_did() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let file = root.join("data/boston/requests_2011-07_to_10.csv.gz");
        let args = OracleArgs { file, organisation: "boston".to_owned(), json: false };
        let report = count_all(&args, &root.join("declarations")).expect("a report");
        assert_eq!((report.rows, report.with_due_date), (41_827, 35_754));
        assert!(report.reproduced_basis_points() >= Some(9_850), "{report}");
        assert_eq!((report.agreed, report.judged), (33_356, 33_356), "{report}");
    }

    #[test]
    fn the_figure_is_printed_without_rounding_up() {
        let report = Report { rows: 10, with_due_date: 7, computable: 7, reproduced: 6, judged: 5, agreed: 5 };
        assert_eq!(
            report.to_string(),
            "      10 rows, 7 with a due date of the city\n       6 due dates reproduced to within a minute (85.71 %), \
             7 computable\n       5 of 5 on-time verdicts agree with the dates"
        );
        assert_eq!(Report::default().reproduced_basis_points(), None);
    }
}
