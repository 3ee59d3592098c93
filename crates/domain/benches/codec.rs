//! Events to bytes and back: the stored shapes in `golden/`.

use std::{fs, hint::black_box, path::Path};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use domain::codec::Event;

/// The kinds that a log is full of.
const KINDS: [&str; 4] = ["request.submitted", "promise.made", "promise.kept", "request.resolved"];

fn codec(c: &mut Criterion) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    for kind in KINDS {
        let stored = fs::read(golden.join(format!("{kind}.1.json"))).expect("a golden file of every kind");
        let event = Event::decode(kind, 1, &stored).expect("what was once written reads");
        let mut group = c.benchmark_group(kind);
        group.throughput(Throughput::Elements(1));
        group.bench_function("encode", |b| b.iter(|| black_box(&event).payload().to_string().into_bytes()));
        let bytes = event.payload().to_string().into_bytes();
        group.bench_function("decode", |b| b.iter(|| Event::decode(kind, 1, black_box(&bytes))));
        group.finish();
    }
}

criterion_group!(benches, codec);
criterion_main!(benches);
