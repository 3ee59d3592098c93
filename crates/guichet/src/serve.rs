//! `guichet serve`: the doors, and the projections unless another process runs them.

use std::{net::SocketAddr, process::ExitCode, sync::Arc};

use api::ApiState;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    cli::ServeArgs,
    config::Settings,
    listen, observe, ready,
    wire::{self, Site},
};

pub(crate) const DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8311);

pub(crate) async fn run(args: ServeArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let metrics = observe::metrics()?;
    let stop = wire::stop_signal()?;
    let listener = listen::bind(args.listen.or(settings.listen).unwrap_or(DEFAULT)).await?;
    let site = wire::site(settings).await?;
    let workers = if args.no_work { vec![] } else { site.work(&stop) };
    let address = listener.local_addr()?;
    println!("Guichet écoute sur http://{address} · listening");
    serve(&site, listener, metrics, args.public_url.or_else(|| settings.public_url.clone()), stop).await;
    for worker in workers {
        let _ = worker.await; // its panic, if any, has been logged
    }
    site.databases.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Until `stop` is cancelled.
pub(crate) async fn serve(
    site: &Site,
    listener: TcpListener,
    metrics: PrometheusHandle,
    public_url: Option<String>,
    stop: CancellationToken,
) {
    let models = site.models.values().cloned().collect();
    let state = ApiState {
        application: site.application.clone(),
        read: Arc::new(site.models.clone()),
        told: ready::told(site.databases.clone(), models, metrics, stop.clone()),
        public_url,
    };
    listen::serve(listener, api::router(state), stop).await;
}
