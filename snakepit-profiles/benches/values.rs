//! What values cost on their way to text and back.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use snakepit_core::value::Map;
use snakepit_core::{Args, Value};
use snakepit_profiles::codec::{CallContext, decode, encode, encode_call};

fn row(number: i64) -> Value {
    Map::from([
        ("id", Value::from(number)),
        ("name", format!("row {number}").into()),
        ("price", 12.5.into()),
        ("tags", Value::List(vec!["a".into(), "b".into()])),
    ])
    .into()
}

fn values(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("value");
    group.bench_function("call without arguments", |bencher| {
        let (args, context) = (Args::none(), CallContext::default());
        let (mut text, mut buffers) = (Vec::new(), Vec::new());
        bencher.iter(|| {
            text.clear();
            encode_call(black_box("ping"), &args, &context, &mut text, &mut buffers)
        });
    });
    let samples = [
        ("null", Value::Null),
        ("row", row(1)),
        ("1000 rows", Value::List((0..1000).map(row).collect())),
        (
            "1000 floats",
            Value::List(
                (0..1000)
                    .map(|number| f64::from(number).sqrt().into())
                    .collect(),
            ),
        ),
        ("1 MiB of bytes", Bytes::from(vec![7; 1 << 20]).into()),
    ];
    for (name, value) in samples {
        group.bench_function(format!("encode {name}"), |bencher| {
            let (mut text, mut buffers) = (Vec::new(), Vec::new());
            bencher.iter(|| {
                text.clear();
                buffers.clear();
                encode(black_box(&value), &mut text, &mut buffers)
            });
        });
        let (mut text, mut buffers) = (Vec::new(), Vec::new());
        encode(&value, &mut text, &mut buffers).expect("it can be sent");
        let has_buffers = !buffers.is_empty();
        let body: Bytes = text
            .into_iter()
            .chain(buffers.into_iter().flatten())
            .collect::<Vec<u8>>()
            .into();
        group.bench_function(format!("decode {name}"), |bencher| {
            bencher.iter(|| decode(black_box(&body), has_buffers));
        });
    }
}

criterion_group!(benches, values);
criterion_main!(benches);
