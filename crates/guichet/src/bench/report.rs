//! A figure with its spread, beside the raw work of the same run.

use std::time::Duration;

use serde::Serialize;

/// One line of the report.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<Goal>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Latency {
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// What the figure is meant to reach.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// Times the raw figure.
    RatioAtLeast(f64),
    RatioAtMost(f64),
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, unit: &'static str, samples: &[f64]) -> Self {
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
            goal: None,
        }
    }

    pub(crate) fn beside(mut self, raw: &[f64]) -> Self {
        let mut sorted = raw.to_vec();
        sorted.sort_by(f64::total_cmp);
        self.raw = (!sorted.is_empty()).then(|| median(&sorted));
        self
    }

    pub(crate) fn latency(mut self, histogram: &Histogram) -> Self {
        self.latency = Some(histogram.latency());
        self
    }

    pub(crate) fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }

    pub(crate) fn ratio(&self) -> Option<f64> {
        self.raw.filter(|raw| *raw > 0.0).map(|raw| self.median / raw)
    }

    /// `None` where there is no goal, or no raw figure to hold against it.
    pub(crate) fn reached(&self) -> Option<bool> {
        match self.goal? {
            Goal::AtLeast(least) => Some(self.median >= least),
            Goal::AtMost(most) => Some(self.median <= most),
            Goal::RatioAtLeast(least) => self.ratio().map(|ratio| ratio >= least),
            Goal::RatioAtMost(most) => self.ratio().map(|ratio| ratio <= most),
        }
    }

    pub(crate) fn row(&self) -> String {
        let number = |value: f64| if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") };
        let latency = self.latency.map_or(String::from("–"), |l| format!("{:.2} / {:.2}", l.p50_ms, l.p99_ms));
        let raw = self.raw.map_or(String::from("–"), number);
        let ratio = self.ratio().map_or(String::from("–"), |ratio| format!("{ratio:.2}"));
        let goal = match self.goal {
            None => String::from("–"),
            Some(Goal::AtLeast(x)) => format!("≥ {}", number(x)),
            Some(Goal::AtMost(x)) => format!("≤ {}", number(x)),
            Some(Goal::RatioAtLeast(x)) => format!("≥ {x} × raw"),
            Some(Goal::RatioAtMost(x)) => format!("≤ {x} × raw"),
        };
        let verdict = match self.reached() {
            None => "",
            Some(true) => "reached",
            Some(false) => "missed",
        };
        format!(
            "| {} | {} {} | {}–{} ({}) | {latency} | {raw} | {ratio} | {goal} | {verdict} |",
            self.name,
            number(self.median),
            self.unit,
            number(self.least),
            number(self.most),
            self.runs,
        )
    }
}

pub(crate) const HEADER: &str = "\
| figure | median | least–most (runs) | p50 / p99 ms | raw | × raw | goal | |
|---|---|---|---|---|---|---|---|";

fn median(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// Latencies in microseconds, up to a minute.
#[derive(Debug, Clone)]
pub(crate) struct Histogram(hdrhistogram::Histogram<u64>);

impl Histogram {
    pub(crate) fn new() -> Self {
        Self(
            hdrhistogram::Histogram::new_with_max(60_000_000, 3).expect("three digits up to a minute are valid bounds"),
        )
    }

    pub(crate) fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    pub(crate) fn mean_ms(&self) -> f64 {
        self.0.mean() / 1_000.0
    }

    pub(crate) fn latency(&self) -> Latency {
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1_000.0;
        Latency { p50_ms: at(0.5), p99_ms: at(0.99) }
    }
}
