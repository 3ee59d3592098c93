//! Log lines on standard error and the metrics recorder.
//!
//! Neither ever holds a URI, a body or a value of a field: the routes log their pattern, the stores their positions.

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::Settings;

/// Seconds: from a tenth of a millisecond to ten seconds.
const LATENCIES: &[f64] =
    &[0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Requests, or events, in one batch.
const SIZES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 500.0];

/// Samples wait in memory until somebody scrapes or this has passed.
const UPKEEP: Duration = Duration::from_secs(5);

/// `otherwise`: the filter where none is set.
pub(crate) fn logs(settings: &Settings, otherwise: &str) -> anyhow::Result<()> {
    let filter = settings.log.as_deref().unwrap_or(otherwise);
    // The driver logs statements, and what the server remarks: never ours to print.
    let filter = EnvFilter::try_new(format!("{filter},tokio_postgres=off"))?;
    let registry = tracing_subscriber::registry().with(filter);
    if settings.log_json {
        registry.with(fmt::layer().json().with_writer(std::io::stderr)).try_init()?;
    } else {
        registry.with(fmt::layer().with_writer(std::io::stderr)).try_init()?;
    }
    Ok(())
}

/// Once in a process, inside its runtime, before what measures is made.
pub(crate) fn metrics() -> anyhow::Result<PrometheusHandle> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), LATENCIES)?
        .set_buckets_for_metric(Matcher::Prefix("guichet_append_batch_".into()), SIZES)?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)?;
    tokio::spawn(keep_up(handle.clone()));
    Ok(handle)
}

/// Sorts samples into their buckets: without it a process that nobody scrapes would remember every one.
async fn keep_up(handle: PrometheusHandle) {
    let mut tick = tokio::time::interval(UPKEEP);
    loop {
        tick.tick().await;
        handle.run_upkeep();
    }
}
