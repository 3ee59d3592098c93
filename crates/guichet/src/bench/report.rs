//! A figure with its spread, beside the raw work of the same run.

use std::{fmt, time::Duration};

use serde::Serialize;

/// One line of the report.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Figure {
    pub name: String,
    pub unit: &'static str,
    /// Median of the runs.
    pub median: f64,
    pub least: f64,
    pub most: f64,
    pub runs: usize,
    /// The same work done raw, in the same run: its median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<f64>,
    /// Milliseconds, over all runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub goals: Vec<Judged>,
    /// What the number alone does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Latency {
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// A goal, and whether the figure reached it: unknown where there is no raw figure to hold against it.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Judged {
    pub goal: Goal,
    pub reached: Option<bool>,
}

/// What a figure is meant to reach.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// Times the raw figure.
    RatioAtLeast(f64),
    RatioAtMost(f64),
    /// Milliseconds.
    P99AtMost(f64),
}

impl Figure {
    pub(super) fn new(name: impl Into<String>, unit: &'static str, samples: &[f64]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self {
            name: name.into(),
            unit,
            median: median(&sorted),
            least: sorted.first().copied().unwrap_or_default(),
            most: sorted.last().copied().unwrap_or_default(),
            runs: sorted.len(),
            raw: None,
            latency: None,
            goals: Vec::new(),
            note: None,
        }
    }

    pub(super) fn beside(mut self, raw: &[f64]) -> Self {
        let mut sorted = raw.to_vec();
        sorted.sort_by(f64::total_cmp);
        self.raw = (!sorted.is_empty()).then(|| median(&sorted));
        self
    }

    pub(super) fn latency(mut self, histogram: &Histogram) -> Self {
        self.latency = Some(histogram.latency());
        self
    }

    /// To be set after what it is held against.
    pub(super) fn goal(mut self, goal: impl Into<Option<Goal>>) -> Self {
        let judged = goal.into().map(|goal| Judged { goal, reached: self.reaches(goal) });
        self.goals.extend(judged);
        self
    }

    fn reaches(&self, goal: Goal) -> Option<bool> {
        match goal {
            Goal::AtLeast(least) => Some(self.median >= least),
            Goal::AtMost(most) => Some(self.median <= most),
            Goal::RatioAtLeast(least) => self.ratio().map(|ratio| ratio >= least),
            Goal::RatioAtMost(most) => self.ratio().map(|ratio| ratio <= most),
            Goal::P99AtMost(most) => self.latency.map(|latency| latency.p99_ms <= most),
        }
    }

    pub(super) fn missed(&self) -> bool {
        self.goals.iter().any(|judged| judged.reached == Some(false))
    }

    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    fn ratio(&self) -> Option<f64> {
        self.raw.filter(|raw| *raw > 0.0).map(|raw| self.median / raw)
    }

    pub(super) fn row(&self) -> String {
        let latency = self.latency.map_or(String::from("–"), |l| format!("{:.2} / {:.2}", l.p50_ms, l.p99_ms));
        let raw = self.raw.map_or(String::from("–"), number);
        let ratio = self.ratio().map_or(String::from("–"), |ratio| format!("{ratio:.2}"));
        let goals: Vec<String> = self.goals.iter().map(ToString::to_string).collect();
        format!(
            "| {} | {} {} | {}–{} ({}) | {latency} | {raw} | {ratio} | {} | {} |",
            self.name,
            number(self.median),
            self.unit,
            number(self.least),
            number(self.most),
            self.runs,
            if goals.is_empty() { String::from("–") } else { goals.join("; ") },
            self.note.as_deref().unwrap_or_default(),
        )
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.goal {
            Goal::AtLeast(x) => write!(f, "≥ {}", number(x)),
            Goal::AtMost(x) => write!(f, "≤ {}", number(x)),
            Goal::RatioAtLeast(x) => write!(f, "≥ {x} × raw"),
            Goal::RatioAtMost(x) => write!(f, "≤ {x} × raw"),
            Goal::P99AtMost(x) => write!(f, "p99 ≤ {x} ms"),
        }?;
        match self.reached {
            None => Ok(()),
            Some(true) => write!(f, " reached"),
            Some(false) => write!(f, " **missed**"),
        }
    }
}

fn number(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

pub(super) const HEADER: &str = "\
| figure | median | least–most (runs) | p50 / p99 ms | raw | × raw | goal | |
|---|---|---|---|---|---|---|---|";

fn median(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// What the runs of one kind of work saw.
#[derive(Debug, Default)]
pub(super) struct Runs {
    pub per_second: Vec<f64>,
    pub p50_ms: Vec<f64>,
    pub p99_ms: Vec<f64>,
    /// Over all runs.
    pub latency: Histogram,
}

impl Runs {
    pub(super) fn add(&mut self, seen: &Seen) {
        let Latency { p50_ms, p99_ms } = seen.latency.latency();
        self.per_second.push(seen.per_second);
        self.p50_ms.push(p50_ms);
        self.p99_ms.push(p99_ms);
        self.latency.add(&seen.latency);
    }
}

/// What one run saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub per_second: f64,
    pub latency: Histogram,
}

/// Latencies in microseconds, up to a minute.
#[derive(Debug, Clone)]
pub(super) struct Histogram(hdrhistogram::Histogram<u64>);

impl Default for Histogram {
    fn default() -> Self {
        Self(
            hdrhistogram::Histogram::new_with_max(60_000_000, 3).expect("three digits up to a minute are valid bounds"),
        )
    }
}

impl Histogram {
    pub(super) fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    pub(super) fn latency(&self) -> Latency {
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1_000.0;
        Latency { p50_ms: at(0.5), p99_ms: at(0.99) }
    }
}
