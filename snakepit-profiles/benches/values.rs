//! What carrying values costs: the calls and answers of a no-op, a row of a table, a column of floats.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use snakepit_core::value::{Args, Map, Value};
use snakepit_profiles::codec::{CallContext, decode, encode_call};

fn body(args: &Args) -> (Vec<u8>, Vec<Bytes>) {
    let (mut out, mut buffers) = (Vec::new(), Vec::new());
    encode_call("ping", args, &CallContext::default(), &mut out, &mut buffers).expect("encodes");
    (out, buffers)
}

fn carry(c: &mut Criterion, name: &str, args: &Args) {
    let (mut out, mut buffers) = (Vec::with_capacity(4096), Vec::new());
    c.bench_function(&format!("encode {name}"), |b| {
        b.iter(|| {
            out.clear();
            buffers.clear();
            let context = CallContext::default();
            encode_call("ping", black_box(args), &context, &mut out, &mut buffers).expect("encodes");
        });
    });
    let (text, buffers) = body(args);
    let has_buffers = !buffers.is_empty();
    let body = Bytes::from([text, buffers.concat()].concat());
    c.bench_function(&format!("decode {name}"), |b| {
        b.iter_batched(
            || body.clone(),
            |body| decode(black_box(&body), has_buffers).expect("decodes"),
            BatchSize::SmallInput,
        );
    });
}

fn values(c: &mut Criterion) {
    let pong = Bytes::from_static(b"\"pong\"");
    c.bench_function("decode pong", |b| b.iter(|| decode(black_box(&pong), false)));
    let null = Bytes::from_static(b"null");
    c.bench_function("decode null", |b| b.iter(|| decode(black_box(&null), false)));
    carry(c, "no arguments", &Args::none());
    carry(c, "one integer", &Args::positional([7]));
    let row = Map::from([
        ("name", Value::from("Ada Lovelace")),
        ("age", 36.into()),
        ("score", 0.75.into()),
        ("tags", Value::from(["a", "b"])),
        ("at", Value::Tuple(vec![1.into(), 2.into()])),
    ]);
    carry(c, "a row", &Args::from_value(row.into()));
    let column: Value = (0..1000).map(|index| f64::from(index) / 7.0).collect();
    carry(c, "1000 floats", &Args::positional([column]));
    let pairs: Value = (0..1000).map(|index| Value::Tuple(vec![index.into(), "x".into()])).collect();
    carry(c, "1000 pairs", &Args::positional([pairs]));
    carry(c, "1 MiB of bytes", &Args::positional([Bytes::from(vec![7; 1 << 20])]));
    carry(c, "64 KiB of text", &Args::positional(["a line of text\n".repeat(4400)]));
}

criterion_group!(benches, values);
criterion_main!(benches);
