//! What a fuzzer feeds: everything this host reads from a process it does not trust. Not for users.

use bytes::Bytes;

use crate::bodies;
use crate::codec::{self, Failure};
use crate::frame::{DEFAULT_MAX_FRAME, Decoder, Frame, HEADER_LEN, Kind, Link};
use crate::questions;
use crate::supervise::{self, Hello};

/// Bytes as they may arrive on any connection, in pieces. The first two bytes choose which and how.
pub fn frames(data: &[u8]) {
    let [link, piece, bytes @ ..] = data else {
        return;
    };
    let link = [Link::Lane, Link::Control, Link::Boot][usize::from(link % 3)];
    let mut decoder = Decoder::new(link, DEFAULT_MAX_FRAME);
    for piece in bytes.chunks(usize::from(*piece) + 1) {
        decoder.room().extend_from_slice(piece);
        loop {
            match decoder.next() {
                Ok(Some(frame)) => body(&frame),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.next(), Err(error), "an error is for ever");
                    return;
                }
            }
        }
    }
}

/// The body of a value, with and without buffers.
pub fn value(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    for has_buffers in [false, true] {
        let Ok(value) = codec::decode(&body, has_buffers) else {
            continue;
        };
        let (mut text, mut buffers) = (Vec::new(), Vec::new());
        // A placeholder is the only value that can arrive and cannot be sent.
        if codec::encode(&value, &mut text, &mut buffers).is_ok() {
            let has_buffers = !buffers.is_empty();
            let whole: Vec<u8> = text
                .into_iter()
                .chain(buffers.into_iter().flatten())
                .collect();
            assert_eq!(
                codec::decode(&whole.into(), has_buffers).as_ref(),
                Ok(&value)
            );
        }
    }
}

/// The body of a `HELLO`.
pub fn hello(data: &[u8]) {
    if let Ok(mut hello) = serde_json::from_slice::<Hello>(data) {
        hello.commands();
        hello.facts.python.describe();
    }
}

fn body(frame: &Frame) {
    assert_eq!(frame.header.length as usize, frame.body.len());
    assert_eq!(frame.header.encode().len(), HEADER_LEN);
    match frame.header.kind {
        Kind::Result | Kind::Chunk => drop(bodies::value(frame)),
        Kind::Ask => drop(questions::question(frame)),
        Kind::Error => drop(bodies::error(frame)),
        Kind::Failed => drop(Failure::decode(&frame.body)),
        Kind::Hello => hello(&frame.body),
        Kind::Stack => drop(supervise::stack(&frame.body)),
        Kind::Event => drop(supervise::event(&frame.body, frame.header.id)),
        Kind::Trimmed => drop(supervise::trimmed(&frame.body)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;

    type Target = fn(&[u8]);

    proptest! {
        #[test]
        fn nothing_panics(data: Vec<u8>) {
            super::frames(&data);
            super::value(&data);
            super::hello(&data);
        }
    }

    #[test]
    fn the_seeds_pass() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
        let targets: [(&str, Target); 3] = [
            ("frames", super::frames),
            ("values", super::value),
            ("hello", super::hello),
        ];
        for (name, target) in targets {
            for seed in fs::read_dir(seeds.join(name)).unwrap() {
                target(&fs::read(seed.unwrap().path()).unwrap());
            }
        }
    }
}
