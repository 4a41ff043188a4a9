//! Benchmarks the encoding without Python, compared to BLAKE3 alone over the same number of bytes.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use funes_core::tags;
use funes_core::value::Value;

fn text(text: &str) -> Value {
    Value::Blob(tags::STR, text.as_bytes().to_vec())
}

fn values() -> Vec<(&'static str, Value)> {
    let numbers = 0..10_000;
    let record = |index: i32| {
        Value::Dict(vec![
            (text("name"), text(&format!("record {index}"))),
            (text("weight"), Value::Float(f64::from(index) / 7.0)),
            (text("count"), Value::Int(index.into())),
        ])
    };
    vec![
        (
            "10,000 floats",
            Value::Ordered(tags::LIST, numbers.clone().map(|i| Value::Float(f64::from(i) * 1.1)).collect()),
        ),
        ("10,000 ints", Value::Ordered(tags::LIST, numbers.clone().map(|i| Value::Int(i.into())).collect())),
        ("10,000 short strings", Value::Ordered(tags::LIST, numbers.map(|i| text(&format!("s{i}"))).collect())),
        ("1,000 records", Value::Ordered(tags::LIST, (0..1000).map(record).collect())),
        ("a dict of 20 keys", Value::Dict((0..20).map(|i| (text(&format!("key {i}")), Value::Int(i))).collect())),
    ]
}

fn encode(criterion: &mut Criterion) {
    for (name, value) in values() {
        criterion.bench_function(&format!("encode {name}"), |bencher| {
            bencher.iter(|| black_box(&value).digest());
        });
    }
}

fn buffers(criterion: &mut Criterion) {
    for size in [64 << 10, 8 << 20] {
        let bytes = vec![7; size];
        let value = Value::Blob(tags::BYTES, bytes.clone());
        let mut group = criterion.benchmark_group(format!("{} KiB", size >> 10));
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function("encode", |bencher| bencher.iter(|| black_box(&value).digest()));
        group.bench_function("floor: BLAKE3, one thread", |bencher| {
            bencher.iter(|| blake3::hash(black_box(&bytes)));
        });
        group.finish();
    }
}

criterion_group!(benches, encode, buffers);
criterion_main!(benches);
