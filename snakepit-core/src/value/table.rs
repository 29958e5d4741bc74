//! Tables as a worker's libraries have them; knows no Arrow, nor any of those libraries.

use bytes::Bytes;

use super::{Value, ValueError};

/// A table: named columns of the same length.
///
/// Cloning one copies nothing but the columns of a [`Columns`], whose buffers are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Table {
    /// The bytes of an Arrow IPC stream: a schema and record batches, types and metadata included. Any Arrow library
    /// reads them where they are (in the crate `arrow`: `StreamReader::try_new(bytes.reader(), None)`).
    ///
    /// Not checked: what they hold is between those who write and who read them.
    Arrow(Bytes),
    /// Column by column, where a worker has a table, but nothing that writes Arrow.
    Columns(Columns),
}

/// A table column by column: each an [`Array`](super::Array) of one dimension where it holds numbers or times, else a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    entries: Vec<(Value, Value)>,
    index: usize,
}

impl Columns {
    /// A table of named columns, the first `index` of which are labels of its rows.
    ///
    /// Fails when a column is neither a list nor an array of one dimension, when they are not of the same length, or when
    /// there are fewer than `index`.
    pub fn new(entries: Vec<(Value, Value)>, index: usize) -> Result<Self, ValueError> {
        if index > entries.len() {
            let found = entries.len();
            return Err(ValueError::new(format!(
                "{index} columns of labels among {found} columns"
            )));
        }
        let mut rows = None;
        for (_, column) in &entries {
            let length = length(column).ok_or_else(|| {
                let kind = column.kind();
                ValueError::new(format!(
                    "a column is {kind}, not a list or an array of one dimension"
                ))
            })?;
            if *rows.get_or_insert(length) != length {
                return Err(ValueError::new("columns of different lengths"));
            }
        }
        Ok(Self { entries, index })
    }

    /// Names and columns, in order. A name is null where there is none.
    pub fn entries(&self) -> &[(Value, Value)] {
        &self.entries
    }

    /// How many of the first columns are labels of the rows.
    pub fn index(&self) -> usize {
        self.index
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        let first = self.entries.first();
        first.and_then(|(_, column)| length(column)).unwrap_or(0)
    }

    /// The column of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let is_it = |(key, _): &&(Value, Value)| key.as_str() == Some(name);
        self.entries.iter().find(is_it).map(|(_, column)| column)
    }
}

fn length(column: &Value) -> Option<usize> {
    match column {
        Value::List(items) => Some(items.len()),
        Value::Array(array) => match array.shape() {
            [length] => Some(*length),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Array;

    fn column(length: usize) -> Value {
        Array::new("|u1", vec![length], vec![0; length].into())
            .unwrap()
            .into()
    }

    #[test]
    fn columns_are_of_one_length_and_found_by_name() {
        let list = Value::from(["a", "b"]);
        let entries = vec![("n".into(), column(2)), (Value::Null, list.clone())];
        let table = Columns::new(entries, 1).unwrap();
        assert_eq!((table.rows(), table.index()), (2, 1));
        assert_eq!(table.get("n"), Some(&column(2)));
        assert_eq!(table.get("m"), None);
        assert_eq!(table.entries()[1].1, list);
    }

    #[test]
    fn what_makes_no_table_is_refused() {
        let square = Array::new("|u1", vec![1, 1], vec![0].into()).unwrap();
        for (columns, index) in [
            (vec![column(2), column(3)], 0),
            (vec![column(2)], 2),
            (vec![Value::Int(1)], 0),
            (vec![square.into()], 0),
        ] {
            let entries = columns.into_iter().map(|column| (Value::Null, column));
            assert!(Columns::new(entries.collect(), index).is_err());
        }
    }
}
