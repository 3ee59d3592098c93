//! What the writer does between two commits: a batch admitted, an event chained.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use event_store::{Append, Expected, NewEvent, Write, genesis, measured};
use uuid::Uuid;

/// As many requests as a batch of sixty-four appenders holds.
const REQUESTS: u128 = 64;

fn append(number: u128) -> Append {
    let write = Write {
        stream: format!("bench-{}", Uuid::from_u128(number)),
        expected: Expected::Revision(6),
        events: vec![event(number)],
    };
    Append { writes: vec![write], checks: vec![], operation: None }
}

fn event(number: u128) -> NewEvent {
    NewEvent {
        id: Uuid::from_u128(number),
        kind: "bench.happened".to_owned(),
        schema: 1,
        payload: vec![b'x'; 300],
        meta: vec![b'm'; 100],
    }
}

fn admit(c: &mut Criterion) {
    let mut group = c.benchmark_group("admit");
    group.throughput(Throughput::Elements(REQUESTS as u64));
    let batch = measured::Batch::new((0..REQUESTS).map(append).collect()).expect("they are well formed");
    assert_eq!(batch.admit() as u128, REQUESTS);
    group.bench_function("batch of 64", |b| b.iter(|| black_box(&batch).admit()));
    // The digests of payload and meta are made here, by the caller's task.
    group.bench_function("requests of 64", |b| {
        let appends = || (0..REQUESTS).map(append).collect();
        b.iter_batched(appends, |appends: Vec<Append>| measured::Batch::new(appends), BatchSize::SmallInput);
    });
    group.finish();
}

fn hash(c: &mut Criterion) {
    let (event, stream, previous) = (event(1), format!("bench-{}", Uuid::from_u128(1)), genesis("bench"));
    let digests = [[1; 32], [2; 32]];
    c.bench_function("hash of an event", |b| {
        b.iter(|| measured::link(black_box(&previous), &stream, &event, &digests));
    });
}

criterion_group!(benches, admit, hash);
criterion_main!(benches);
