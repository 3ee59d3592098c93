//! The folds: many lives of requests and persons, woven into one another, into the rows of their scopes.

#[allow(dead_code, reason = "shared with the integration tests, which use the rest")]
#[path = "../tests/it/story.rs"]
mod story;

use std::{collections::HashMap, hint::black_box};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use domain::codec::Recorded;
use projections::{
    Projection, deadline_queue::DeadlineQueue, person_history::PersonHistory, planning_base::PlanningBase,
    public_requests::PublicRequests, request_timeline::RequestTimeline, statistics::Statistics,
};

fn folded<P: Projection>(events: &[Recorded]) -> usize {
    let mut scopes: HashMap<&str, P::Tables> = HashMap::new();
    for event in events.iter().filter(|event| reads::<P>(&event.stream)) {
        P::fold(scopes.entry(&event.stream).or_default(), event);
    }
    scopes.values().map(|rows| P::cells(rows).len()).sum()
}

fn reads<P: Projection>(stream: &str) -> bool {
    P::READS.iter().any(|category| stream.strip_prefix(category).is_some_and(|rest| rest.starts_with('-')))
}

fn fold(c: &mut Criterion) {
    let events = story::recorded(story::woven(1_000, 1));
    let mut group = c.benchmark_group("fold");
    group.throughput(Throughput::Elements(events.len() as u64));
    macro_rules! each {
        ($($projection:ident),+) => {
            $(group.bench_function($projection::NAME, |b| b.iter(|| folded::<$projection>(black_box(&events))));)+
        };
    }
    each!(DeadlineQueue, PersonHistory, PlanningBase, PublicRequests, RequestTimeline, Statistics);
    group.finish();
}

criterion_group!(benches, fold);
criterion_main!(benches);
