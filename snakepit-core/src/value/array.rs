//! Arrays of numbers and placeholders for what could not be carried; knows no `NumPy`.

use bytes::Bytes;

use super::{Value, ValueError};

const MOST_EMPTY_ROWS: usize = 4096;

/// An n-dimensional array: a type of items, a shape and the items themselves in C order.
///
/// The items' type is written as `NumPy`'s `dtype.str`: byte order, kind, size, as in `<f8`, `|u1`, `<M8[ns]`. The bytes
/// are shared: cloning copies nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    dtype: Box<str>,
    shape: Vec<usize>,
    data: Bytes,
}

impl Array {
    /// An array of these bytes. Fails when the type is not understood, or shape and bytes do not match.
    pub fn new(dtype: &str, shape: Vec<usize>, data: Bytes) -> Result<Self, ValueError> {
        let item = item_size(dtype)
            .ok_or_else(|| ValueError::new(format!("`{dtype}` is no type of array items")))?;
        let expected = shape
            .iter()
            .try_fold(item, |size, side| size.checked_mul(*side));
        if expected != Some(data.len()) {
            let held = data.len();
            return Err(ValueError::new(format!(
                "an array of `{dtype}` and shape {shape:?} does not have {held} bytes"
            )));
        }
        Ok(Self {
            dtype: dtype.into(),
            shape,
            data,
        })
    }

    /// The items' type, as in `<f8`.
    pub fn dtype(&self) -> &str {
        &self.dtype
    }

    /// The length of each side; empty for a single item.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The items, in C order.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The items as numbers in nested lists, as `NumPy`'s `tolist` has them; a single item is no list.
    ///
    /// `None` unless the items are booleans, integers, or floats of 32 or 64 bits. Nor are lists made of thousands of
    /// empty rows, which a shape can ask for without sending a byte.
    pub fn to_list(&self) -> Option<Value> {
        let rows: usize = self.shape.iter().take_while(|side| **side > 0).product();
        if self.data.is_empty() && rows > MOST_EMPTY_ROWS {
            return None;
        }
        let read = number_reader(&self.dtype)?;
        let mut items = self.data.chunks_exact(item_size(&self.dtype)?).map(read);
        nest(&self.shape, &mut items)
    }
}

/// Takes as many items as fit the shape.
fn nest(shape: &[usize], items: &mut dyn Iterator<Item = Value>) -> Option<Value> {
    match shape {
        [] => items.next(),
        [side, rest @ ..] => (0..*side)
            .map(|_| nest(rest, items))
            .collect::<Option<_>>()
            .map(Value::List),
    }
}

/// How to read one item from its bytes, for the types of numbers Rust has too.
fn number_reader(dtype: &str) -> Option<fn(&[u8]) -> Value> {
    macro_rules! of {
        ($number:ty, $from:ident) => {
            |bytes| {
                bytes
                    .try_into()
                    .map(<$number>::$from)
                    .unwrap_or_default()
                    .into()
            }
        };
    }
    Some(match dtype {
        "|b1" => |bytes| Value::Bool(bytes != [0]),
        "|i1" => of!(i8, from_ne_bytes),
        "|u1" => of!(u8, from_ne_bytes),
        "<i2" => of!(i16, from_le_bytes),
        "<i4" => of!(i32, from_le_bytes),
        "<i8" => of!(i64, from_le_bytes),
        "<u2" => of!(u16, from_le_bytes),
        "<u4" => of!(u32, from_le_bytes),
        "<u8" => of!(u64, from_le_bytes),
        "<f4" => of!(f32, from_le_bytes),
        "<f8" => of!(f64, from_le_bytes),
        ">i2" => of!(i16, from_be_bytes),
        ">i4" => of!(i32, from_be_bytes),
        ">i8" => of!(i64, from_be_bytes),
        ">u2" => of!(u16, from_be_bytes),
        ">u4" => of!(u32, from_be_bytes),
        ">u8" => of!(u64, from_be_bytes),
        ">f4" => of!(f32, from_be_bytes),
        ">f8" => of!(f64, from_be_bytes),
        _ => return None,
    })
}

/// Bytes per item: `<f8`, `|S5`, `<U5` (4 bytes per character), `<M8[ns]`.
fn item_size(dtype: &str) -> Option<usize> {
    let rest = dtype.strip_prefix(['<', '>', '|', '='])?;
    let kind = rest.chars().next()?;
    if !"biufcmMSUV".contains(kind) {
        return None;
    }
    let (size, unit) = match rest[1..].split_once('[') {
        Some((size, unit)) => (size, Some(unit)),
        None => (&rest[1..], None),
    };
    let unit_fits = unit.is_none_or(|unit| "mM".contains(kind) && unit.ends_with(']'));
    let all_digits = size.bytes().all(|byte| byte.is_ascii_digit());
    let size: usize = size.parse().ok()?;
    let characters = if kind == 'U' { 4 } else { 1 };
    (unit_fits && all_digits)
        .then(|| size.checked_mul(characters))
        .flatten()
}

/// A placeholder for something a worker could not send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opaque {
    /// Its type, qualified: `package.Type`.
    pub type_name: String,
    /// How it shows itself, shortened.
    pub repr: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(dtype: &str, shape: &[usize], bytes: usize) -> Result<Array, ValueError> {
        Array::new(dtype, shape.to_vec(), Bytes::from(vec![0; bytes]))
    }

    #[test]
    fn shape_and_bytes_must_match() {
        assert!(array("<f8", &[2, 3], 48).is_ok());
        assert!(array("<f8", &[], 8).is_ok());
        assert!(array("<f8", &[0, 3], 0).is_ok());
        assert!(array("<f8", &[2, 3], 47).is_err());
        assert!(array("<f8", &[usize::MAX, 2], 0).is_err());
    }

    #[test]
    fn numbers_become_nested_lists() {
        let data = Bytes::from_static(&[1, 0, 2, 0, 3, 0, 255, 255]);
        let array = Array::new("<i2", vec![2, 2], data.clone()).unwrap();
        assert_eq!(array.to_list(), Some(Value::from([[1, 2], [3, -1]])));
        let single = Array::new(">u8", vec![], data).unwrap();
        assert_eq!(
            single.to_list(),
            Some(Value::from(0x0100_0200_0300_ffff_u64))
        );
        assert_eq!(
            Array::new("<f8", vec![0, 7], Bytes::new())
                .unwrap()
                .to_list(),
            Some(Value::List(vec![]))
        );
        let endless = Array::new("<f8", vec![1 << 40, 0], Bytes::new()).unwrap();
        assert_eq!(endless.to_list(), None);
        assert_eq!(
            Array::new("<c8", vec![1], single.data().clone())
                .unwrap()
                .to_list(),
            None
        );
    }

    #[test]
    fn item_types_are_those_of_numpy() {
        for (dtype, size) in [
            ("|b1", 1),
            (">i2", 2),
            ("<c16", 16),
            ("<M8[ns]", 8),
            ("<m8[25s]", 8),
            ("<U5", 20),
            ("|S0", 0),
        ] {
            assert_eq!(item_size(dtype), Some(size), "{dtype}");
        }
        for dtype in [
            "",
            "f8",
            "<",
            "<f",
            "<f+8",
            "|O",
            "<f8[ns]",
            "<M8[ns",
            "<é8",
            "<U99999999999999999999",
        ] {
            assert_eq!(item_size(dtype), None, "{dtype}");
        }
    }
}
