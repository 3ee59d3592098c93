//! `guichet import`: what a city has published becomes the events that a live system would have recorded.
//!
//! Rows travel in file order: a thread reads and tells them ([`reader`], [`mapping`], [`history`]), and as many appends
//! as fit wait for the log at once, so that group commit has something to group. Each row is one append under an
//! operation of its own: killed at any moment and run again, it goes on where it stopped. The log decides whether a row
//! is already there; nothing is remembered beside it.

#[cfg(test)]
mod examples;
mod history;
mod mapping;
mod reader;
mod report;

use std::{
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant as Stopwatch},
};

use anyhow::Context;
use application::{History, HistoryError, Kept, Organisation};
use chrono::NaiveDate;
use clap::Args;
use domain::{calendar::Zone, rules::Rules, time::Instant};
use futures_util::{StreamExt, stream};
use indicatif::ProgressBar;
use tokio::{sync::mpsc, task};

use self::{history::Historian, reader::Row, report::Rejects};
pub(crate) use self::{mapping::Mapping, reader::open, report::Report};
use crate::progress;

/// Appends that wait for the log at once: a few batches of group commit, a fraction of the log's queue.
const IN_FLIGHT: usize = 1_024;

/// An outcome that is not known after ten seconds is asked for again, for ten minutes in all.
const MOST_ASKED: u32 = 60;
const BEFORE_ASKING_AGAIN: Duration = Duration::from_millis(250);

/// Whoever runs the command; the log holds no names.
const ACTOR: &str = "usr_import";

#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ImportArgs {
    /// What to import: CSV or JSON as the mapping says, unpacked if its name ends in `.gz`; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Where each fact stands in the file, and into which organisation it goes: see mappings/*.toml.
    #[arg(long, value_name = "FILE")]
    pub mapping: PathBuf,

    /// Only rows opened on this local day or later.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub from: Option<NaiveDate>,

    /// Only rows opened before this local day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub until: Option<NaiveDate>,

    /// Where to write the line and the reason of each rejected row [default: the file's name with `.rej`, here].
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,

    /// Print the report as JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "\
Each row becomes one request with its whole history: submitted, started and closed when the source says so, and the \
promises that its product's standards make on the way. A due date of the source is the promise; the computed one is \
kept beside it. A row that cannot be taken is rejected, with its line and the reason; every other row is imported.

Run it again at will: rows that are in stay as they are, also after a kill -9.

  guichet import --mapping mappings/boston.toml data/boston/requests_2011-07_to_10.csv.gz
  guichet import --mapping mappings/montreal.toml --json - < rats.json

Exit codes: 0 all rows are in · 1 could not be done · 4 some rows were rejected";

impl ImportArgs {
    pub(crate) fn rejects(&self) -> PathBuf {
        self.rejects.clone().unwrap_or_else(|| {
            let name = self.file.file_name().filter(|name| *name != "-").unwrap_or("import".as_ref());
            Path::new(name).with_added_extension("rej")
        })
    }

    pub(crate) fn days(&self) -> Days {
        Days { from: self.from, until: self.until }
    }
}

/// The local days on which a wanted row was opened, half-open.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Days {
    pub from: Option<NaiveDate>,
    pub until: Option<NaiveDate>,
}

impl Days {
    fn hold(self, opened: Instant, zone: &Zone) -> bool {
        let day = zone.local(opened).date_naive();
        self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day < until)
    }
}

/// What became of a row before it met the log.
enum Told {
    History(Box<History>),
    LeftOut,
    Rejected(String),
}

/// Imports a file into the organisation that its mapping names, and says what it did.
pub(crate) async fn import(
    organisation: &Organisation,
    mapping: Mapping,
    file: &Path,
    days: Days,
    rejects: PathBuf,
) -> anyhow::Result<Report> {
    let watch = Stopwatch::now();
    let mut report = Report::new(mapping.organisation.clone(), mapping.source.clone());
    let mut rejects = Rejects::new(rejects)?;
    let bar = progress::bar_of_file();
    let source = reader::open(file, &bar)?;
    let mapping = Arc::new(mapping);
    let historian = Historian::new(Arc::clone(&mapping), &organisation.rules());
    let (sender, told) = mpsc::channel(IN_FLIGHT);
    let reading = task::spawn_blocking(move || tell(source, &mapping, historian, days, &sender));

    let rows = stream::unfold(told, async |mut told| told.recv().await.map(|row| (row, told)));
    // `buffered` starts appends in the order of the rows, so the log takes them in the order of the file.
    let mut kept = Box::pin(rows.map(|(line, told)| keep(organisation, line, told)).buffered(IN_FLIGHT));
    while let Some((line, kept)) = kept.next().await {
        fail::fail_point!("import.after_row");
        report.rows += 1;
        bar.set_message(format!("{} rows", report.rows));
        match kept {
            Ok(Outcome::Kept(kept)) => report.count(kept.events, kept.replayed),
            Ok(Outcome::LeftOut) => report.left_out += 1,
            Ok(Outcome::Rejected(reason)) => {
                report.rejected += 1;
                rejects.add(line, &reason)?;
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("import line {line}; {} rows before it are in: run it again to go on", report.rows - 1)
                });
            }
        }
    }
    drop(kept);
    reading.await.context("read the file")??;
    bar.finish_and_clear();
    report.rejects = rejects.finish()?;
    report.seconds = watch.elapsed().as_secs_f64();
    Ok(report)
}

/// Every row of a file as the history it tells; none is kept.
pub(crate) fn histories(mapping: Mapping, file: &Path, rules: &Rules) -> anyhow::Result<Vec<History>> {
    let mapping = Arc::new(mapping);
    let mut historian = Historian::new(Arc::clone(&mapping), rules);
    let mut histories = Vec::new();
    let source = reader::open(file, &ProgressBar::hidden())?;
    reader::rows(source, &mapping, &mut |read| {
        histories
            .push(read.map_err(|(_, reason)| reason).and_then(|row| historian.tell(&row).map_err(|e| e.to_string())));
        true
    })?;
    histories.into_iter().collect::<Result<_, _>>().map_err(anyhow::Error::msg)
}

/// Reads and tells every row; runs on a thread of its own, as far ahead as the channel allows.
fn tell(
    source: impl Read,
    mapping: &Mapping,
    mut historian: Historian,
    days: Days,
    sender: &mpsc::Sender<(u64, Told)>,
) -> anyhow::Result<()> {
    reader::rows(source, mapping, &mut |read| {
        let (line, told) = match read {
            Err((line, reason)) => (line, Told::Rejected(reason)),
            Ok(row) => (row.line, told(&mut historian, &row, |opened| days.hold(opened, &mapping.zone))),
        };
        // Nobody listens any more once an append has failed for good.
        sender.blocking_send((line, told)).is_ok()
    })
}

fn told(historian: &mut Historian, row: &Row, wanted: impl FnOnce(Instant) -> bool) -> Told {
    match historian.opened(row) {
        Ok(opened) if !wanted(opened) => Told::LeftOut,
        _ => match historian.tell(row) {
            Ok(history) => Told::History(Box::new(history)),
            Err(error) => Told::Rejected(error.to_string()),
        },
    }
}

/// What became of a row.
enum Outcome {
    Kept(Kept),
    LeftOut,
    Rejected(String),
}

/// Nobody stands at the counter: a log that is busy, or slow to say what became of an append, is asked again. The row's
/// operation makes that harmless.
async fn persist(organisation: &Organisation, history: &History) -> Result<Kept, HistoryError> {
    let mut asked = 0;
    loop {
        match organisation.append_history(ACTOR, history).await {
            Err(HistoryError::Overloaded | HistoryError::Unknown) if asked < MOST_ASKED => asked += 1,
            outcome => return outcome,
        }
        tokio::time::sleep(BEFORE_ASKING_AGAIN).await;
    }
}

async fn keep(organisation: &Organisation, line: u64, told: Told) -> (u64, Result<Outcome, HistoryError>) {
    let outcome = match told {
        Told::LeftOut => Ok(Outcome::LeftOut),
        Told::Rejected(reason) => Ok(Outcome::Rejected(reason)),
        Told::History(history) => match persist(organisation, &history).await {
            Ok(kept) => Ok(Outcome::Kept(kept)),
            Err(error) if error.is_of_the_row() => Ok(Outcome::Rejected(error.to_string())),
            Err(error) => Err(error),
        },
    };
    (line, outcome)
}
