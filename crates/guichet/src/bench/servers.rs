//! Two servers beside one: how much the head row costs when processes race for it, and what is saturated.

use anyhow::Context;

use crate::{
    bench::{
        Plan,
        process::{Machine, Process},
        report::{Figure, Goal},
        scratch::Scratch,
    },
    config::Settings,
};

const APPENDERS: &str = "64";

pub(super) async fn measure(scratch: &Scratch, plan: Plan, settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    for log in ["one", "two"] {
        scratch.store(log).await?;
    }
    let (mut one, mut shared, mut apart) = (Vec::new(), Vec::new(), Vec::new());
    let mut notes = [String::new(), String::new(), String::new()];
    for _ in 0..plan.runs {
        let layouts: [(&[&str], &mut Vec<f64>); 3] =
            [(&["one"], &mut one), (&["one", "one"], &mut shared), (&["one", "two"], &mut apart)];
        for ((logs, per_second), note) in layouts.into_iter().zip(&mut notes) {
            let seen = run(scratch, plan, settings, logs).await?;
            per_second.push(seen.0);
            *note = seen.1;
        }
    }
    let [alone, together, side_by_side] = notes;
    let name = |layout: &str| format!("{layout}, {APPENDERS} appenders each");
    Ok(vec![
        Figure::new(name("one server, one log"), "events/s", &one).note(alone),
        Figure::new(name("two servers, one log, beside one"), "events/s", &shared)
            .beside(&one)
            .goal(Goal::RatioAtLeast(0.6))
            .note(together),
        Figure::new(name("two servers, two logs, beside one"), "events/s", &apart)
            .beside(&one)
            .goal(Goal::RatioAtLeast(1.0))
            .note(side_by_side),
    ])
}

/// One server for each log that is named: events a second in all, and what was saturated meanwhile.
async fn run(scratch: &Scratch, plan: Plan, settings: &Settings, logs: &[&str]) -> anyhow::Result<(f64, String)> {
    let seconds = plan.time.as_secs().to_string();
    let mut servers = Vec::new();
    for log in logs {
        let mut server = Process::start(scratch, settings, &["bench-child", log, "append", APPENDERS, &seconds])?;
        server.line().await?;
        servers.push(server);
    }
    let ticks = |servers: &[Process]| servers.iter().map(Process::ticks).sum::<anyhow::Result<u64>>();
    let (machine, before) = (Machine::now()?, ticks(&servers)?);
    for server in &mut servers {
        server.say("go").await?;
    }
    let mut per_second = 0.0;
    for server in &mut servers {
        per_second += server.line().await?.parse::<f64>().context("a server says how many events a second")?;
    }
    let note = Machine::since(machine, ticks(&servers)? - before)?;
    for server in servers {
        server.end().await?;
    }
    Ok((per_second, note))
}
