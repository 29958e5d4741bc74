//! What a frame costs the host, without system calls.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use snakepit_profiles::frame::{DEFAULT_MAX_FRAME, Decoder, Header, Kind, Link};

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame");
    group.bench_function("header there and back", |bencher| {
        let header = Header::json(Kind::Result, 7, 4);
        bencher.iter(|| Header::decode(&black_box(&header).encode(), DEFAULT_MAX_FRAME));
    });
    for length in [4_u32, 1_000, 1_000_000] {
        let header = Header::json(Kind::Result, 7, length).encode();
        let bytes = [&header[..], &vec![b' '; length as usize]].concat();
        let mut decoder = Decoder::new(Link::Lane, DEFAULT_MAX_FRAME);
        group.bench_function(format!("decode {length} bytes"), |bencher| {
            bencher.iter(|| {
                let mut rest = black_box(&bytes[..]);
                while !rest.is_empty() {
                    let room = decoder.room();
                    let count = rest.len().min(room.capacity() - room.len());
                    room.extend_from_slice(&rest[..count]);
                    rest = &rest[count..];
                    black_box(decoder.next().expect("our own frame"));
                }
            });
        });
    }
}

criterion_group!(benches, frames);
criterion_main!(benches);
