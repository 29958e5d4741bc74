//! Properties of headers and the decoder.

use proptest::prelude::*;

use super::*;

const LINKS: [Link; 3] = [Link::Lane, Link::Control, Link::Boot];

/// A frame a worker may send on `link`, and its bytes.
fn frame(link: Link) -> impl Strategy<Value = (Header, Vec<u8>)> {
    let kinds: Vec<Kind> = Kind::ALL
        .iter()
        .copied()
        .filter(|kind| kind.arrives_on(link))
        .collect();
    let body = prop_oneof![
        8 => proptest::collection::vec(any::<u8>(), 1..200),
        1 => proptest::collection::vec(any::<u8>(), 30_000..70_000),
    ];
    (proptest::sample::select(kinds), any::<u64>(), body).prop_map(|(kind, id, mut body)| {
        let mut header = Header::json(kind, id, 0);
        match kind {
            Kind::End => body.clear(),
            Kind::Pull => {
                body.resize(4, 0);
                header.codec = Codec::Raw;
            }
            Kind::State => {
                body.resize(body.len().max(8), 0);
                header.codec = Codec::Raw;
            }
            _ => {}
        }
        header.length = u32::try_from(body.len()).unwrap();
        (header, [&header.encode()[..], &body].concat())
    })
}

fn frames() -> impl Strategy<Value = (Link, Vec<(Header, Vec<u8>)>)> {
    proptest::sample::select(&LINKS[..])
        .prop_flat_map(|link| (Just(link), proptest::collection::vec(frame(link), 0..8)))
}

proptest! {
    #[test]
    fn a_header_that_decodes_encodes_to_the_same_bytes(bytes: [u8; HEADER_LEN], limit: u32) {
        if let Ok(header) = Header::decode(&bytes, limit) {
            prop_assert_eq!(header.encode(), bytes);
            prop_assert!(header.length <= limit);
        }
    }

    #[test]
    fn frames_do_not_depend_on_how_bytes_arrive(
        (link, frames) in frames(),
        pieces in proptest::collection::vec(1..20_000_usize, 1..20),
    ) {
        let bytes: Vec<u8> = frames.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        let mut decoder = Decoder::new(link, DEFAULT_MAX_FRAME);
        let (mut rest, mut seen) = (&bytes[..], Vec::new());
        for size in pieces.iter().cycle() {
            while let Some(frame) = decoder.next().unwrap() {
                seen.push((frame.header, [&frame.header.encode()[..], &frame.body].concat()));
            }
            if rest.is_empty() {
                break;
            }
            let room = decoder.room();
            let size = (room.capacity() - room.len()).min(*size).min(rest.len());
            prop_assert!(size > 0);
            room.extend_from_slice(&rest[..size]);
            rest = &rest[size..];
        }
        prop_assert!(decoder.is_empty());
        prop_assert_eq!(seen, frames);
    }
}

#[test]
fn the_example_of_the_protocol() {
    let call = [8, 0, 0, 0, 1, 0, 1, 0x53, 1, 0, 0, 0, 0, 0, 0, 0];
    let header = Header::decode(&call, 8).unwrap();
    assert_eq!(header, Header::json(Kind::Call, 1, 8));
    assert_eq!(header.encode(), call);
}

#[test]
fn what_does_not_belong_is_refused() {
    let valid = Header::json(Kind::Result, 1, 2).encode();
    let with = |index: usize, byte: u8| {
        let mut bytes = valid;
        bytes[index] = byte;
        Header::decode(&bytes, 100).unwrap_err()
    };
    assert!(matches!(with(7, b'h'), FrameError::Magic(_)));
    assert_eq!(with(4, 0), FrameError::Kind(0));
    assert_eq!(with(4, 15), FrameError::Kind(15));
    assert_eq!(
        with(5, 2),
        FrameError::Flags {
            kind: "RESULT",
            flags: 2
        }
    );
    assert_eq!(
        with(5, 0x80),
        FrameError::Flags {
            kind: "RESULT",
            flags: 0x80
        }
    );
    assert_eq!(with(6, 2), FrameError::Codec(2));
    assert_eq!(
        with(0, 101),
        FrameError::TooLong {
            kind: "RESULT",
            length: 101,
            limit: 100
        }
    );
    assert_eq!(
        with(0, 0),
        FrameError::Shape {
            kind: "RESULT",
            length: 0,
            codec: 1
        }
    );
    assert_eq!(
        with(6, 0),
        FrameError::Shape {
            kind: "RESULT",
            length: 2,
            codec: 0
        }
    );
    assert_eq!(
        with(4, 5),
        FrameError::Shape {
            kind: "END",
            length: 2,
            codec: 1
        }
    );
}

#[test]
fn a_kind_is_taken_only_where_it_belongs() {
    for &kind in Kind::ALL {
        let places = LINKS.iter().filter(|&&link| kind.arrives_on(link)).count();
        let expected = match kind {
            Kind::Failed => 2,
            Kind::Call
            | Kind::Credit
            | Kind::Reply
            | Kind::Refusal
            | Kind::Item
            | Kind::ItemsEnd
            | Kind::Cancel
            | Kind::Ping
            | Kind::Stop
            | Kind::Tell
            | Kind::Where
            | Kind::Trim
            | Kind::Boot
            | Kind::Fork
            | Kind::Become => 0,
            _ => 1,
        };
        assert_eq!(places, expected, "{}", kind.name());
        assert_eq!(Kind::from_number(kind.number()), Some(kind));
    }
    let mut decoder = Decoder::new(Link::Control, 100);
    decoder
        .room()
        .extend_from_slice(&Header::json(Kind::Result, 1, 2).encode());
    let error = FrameError::Misplaced {
        kind: "RESULT",
        link: "control",
    };
    assert_eq!(decoder.next().unwrap_err(), error);
    assert_eq!(decoder.next().unwrap_err(), error, "for ever");
}

#[test]
fn a_long_body_changes_hands_without_a_copy() {
    let mut decoder = Decoder::new(Link::Lane, DEFAULT_MAX_FRAME);
    let length = 1_000_000;
    decoder
        .room()
        .extend_from_slice(&Header::json(Kind::Result, 1, length).encode());
    let room = decoder.room();
    let (at, spare) = (room.as_ptr(), room.capacity() - room.len());
    assert_eq!(
        spare, length as usize,
        "no more, or the next frame's bytes would come along"
    );
    room.resize(room.capacity(), b' ');
    let frame = decoder.next().unwrap().unwrap();
    assert_eq!(frame.body.as_ptr(), at.wrapping_add(HEADER_LEN));
    assert!(decoder.is_empty());
}
