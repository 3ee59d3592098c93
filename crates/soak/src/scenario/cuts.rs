//! Connections that are cut: between clients and server, between server and PostgreSQL, after every n-th byte in both
//! directions, and above all between an append and its answer.

use std::time::Duration;

use crate::{
    load::Load,
    proxy::{End, Plan, Proxy, Toward},
    reader::Readers,
    stage::Stage,
};

const CLIENTS: usize = 16;
const READERS: usize = 2;
/// A request and its answer are shorter.
const BYTES_OF_AN_EXCHANGE: u64 = 1_600;
/// What a session sends until it has prepared what it needs, and some appends.
const BYTES_OF_A_SESSION: u64 = 24_000;
/// A prime: the places move through all residues, and near ones are tried early.
const STRIDE: u64 = 211;
const ASKED_AGAIN: Duration = Duration::from_millis(5);

pub(super) async fn play(stage: &mut Stage) -> anyhow::Result<u64> {
    let server = stage.serve("server", &[]).await?;
    let address = server.address()?;
    let outside = Proxy::start(address, stage.seed).await?;
    let url = format!("http://{}", outside.address());
    outside.plan(of_clients);
    stage.up([url.as_str()]);
    if let Some(inside) = &stage.machine()?.proxy {
        inside.plan(of_server);
        // Sessions from before live without a plan.
        inside.reset_all();
    }
    stage.fault("cut-connections", "from here on")?;
    let load = Load::start(stage, CLIENTS)?;
    let readers = Readers::start(stage, READERS)?;
    let cut = |stage: &mut Stage| {
        let inside = stage.machine()?.proxy.as_ref().map_or(0, Proxy::cut);
        anyhow::Ok(outside.cut() + inside)
    };
    while cut(stage)? < stage.count && stage.goes_on() {
        tokio::time::sleep(ASKED_AGAIN).await;
    }
    let trials = cut(stage)?;
    outside.plan(|_| Plan::CALM);
    if let Some(inside) = &stage.machine()?.proxy {
        inside.plan(|_| Plan::CALM);
        inside.reset_all();
    }
    stage.settle_on(server, Some(load), readers).await?;
    Ok(trials)
}

/// The request or the answer, one place further each time.
fn of_clients(number: u64) -> Plan {
    let after = 1 + (number / 2 * STRIDE) % BYTES_OF_AN_EXCHANGE;
    // Whoever meets silence waits for a time-out of its own: few of them, or nothing else would happen.
    if number % 512 == 300 {
        return Plan::ending(End::Silent { toward: Toward::Client, after });
    }
    match number % 16 {
        // Crumbs and delays alone, so that some come through.
        7 => Plan { delay: 5..100, ..Plan::CALM },
        15 => Plan { crumbs: true, ..Plan::CALM },
        even if even % 2 == 0 => Plan::ending(End::Cut { toward: Toward::Server, after }),
        _ => Plan::ending(End::Cut { toward: Toward::Client, after }),
    }
}

/// Half of the sessions end with an append whose outcome nobody hears: done, or cut on its way.
fn of_server(number: u64) -> Plan {
    let after = 1 + (number / 4 * STRIDE) % BYTES_OF_A_SESSION;
    let text = APPEND;
    Plan::ending(match number % 4 {
        0 => End::Unanswered { text, grace: Duration::MAX },
        1 => End::Unanswered { text, grace: Duration::from_millis(number / 4 % 4) },
        2 => End::Cut { toward: Toward::Server, after },
        _ => End::Cut { toward: Toward::Client, after },
    })
}

/// Only the statement that appends carries a kind towards PostgreSQL.
pub(super) const APPEND: &[u8] = b"request.submitted";
