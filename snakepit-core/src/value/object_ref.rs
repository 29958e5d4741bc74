//! A handle on an object that stayed in its worker. Knows what it is called, not whose it is: that its owner knows.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::de;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::exchange::unexpected;
use super::{Args, Map, Table, Value};

/// How many there are in this process. As long as there is none, nobody needs to look for one in arguments and results.
static ALIVE: AtomicUsize = AtomicUsize::new(0);

/// A handle on an object that stays in the worker that made it, for as long as the handle is there.
///
/// [`Request::keep`](crate::Request::keep) makes one of a call's result; `context.keep(obj)` in Python makes them anywhere in
/// a result, from which they are read like any other type. Given as an argument, anywhere in the arguments of a call of the
/// same session, Python gets the object itself.
///
/// Cloning it makes another handle on the same object. When the last clone is dropped the worker is told, in the
/// background, and lets go of the object; dropping never blocks. It keeps its pool open, as a
/// [`Session`](crate::Session) does.
#[derive(Clone)]
pub struct ObjectRef(Arc<Inner>);

struct Inner {
    number: u64,
    type_name: Box<str>,
    repr: Box<str>,
    owner: Option<Box<dyn Any + Send + Sync>>,
}

impl ObjectRef {
    /// What a worker answered: its number for the object, the type of that, and how it shows itself. Nobody owns this
    /// handle yet; the pool that reads it from an answer does then.
    pub fn new(number: u64, type_name: impl Into<Box<str>>, repr: impl Into<Box<str>>) -> Self {
        Self::with_owner(number, type_name.into(), repr.into(), None)
    }

    fn with_owner(
        number: u64,
        type_name: Box<str>,
        repr: Box<str>,
        owner: Option<Box<dyn Any + Send + Sync>>,
    ) -> Self {
        ALIVE.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(Inner {
            number,
            type_name,
            repr,
            owner,
        }))
    }

    /// The same with an owner, which is dropped with the last clone.
    pub(crate) fn owned(&self, owner: impl Any + Send + Sync) -> Self {
        let (type_name, repr) = (self.0.type_name.clone(), self.0.repr.clone());
        Self::with_owner(self.0.number, type_name, repr, Some(Box::new(owner)))
    }

    /// Its owner, if that is of this type.
    pub(crate) fn owner<T: Any>(&self) -> Option<&T> {
        self.0.owner.as_ref()?.downcast_ref()
    }

    /// Its worker's number for the object.
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// The type of the object, as in `acme.Model`.
    pub fn type_name(&self) -> &str {
        &self.0.type_name
    }

    /// How the object showed itself when the handle was made, shortened.
    pub fn repr(&self) -> &str {
        &self.0.repr
    }

    /// Has `visit` look at each handle in the arguments. Costs nothing while the process has no handles.
    pub(crate) fn each_in(args: &Args, visit: &mut dyn FnMut(&Self)) {
        if ALIVE.load(Ordering::Relaxed) > 0 {
            let named = args.keyword.iter().map(|(_, value)| value);
            for value in args.positional.iter().chain(named) {
                each(value, visit);
            }
        }
    }

    /// Replaces each handle in a value. Costs nothing while the process has no handles.
    pub(crate) fn replace_in(value: &mut Value, replace: &mut dyn FnMut(&Self) -> Self) {
        if ALIVE.load(Ordering::Relaxed) > 0 {
            replace_each(value, replace);
        }
    }
}

fn each(value: &Value, visit: &mut dyn FnMut(&ObjectRef)) {
    match value {
        Value::Ref(found) => visit(found),
        Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
            for item in items {
                each(item, visit);
            }
        }
        Value::Map(map) => {
            for (key, value) in map {
                each(key, visit);
                each(value, visit);
            }
        }
        Value::Table(table) => {
            if let Table::Columns(columns) = &**table {
                for (name, column) in columns.entries() {
                    each(name, visit);
                    each(column, visit);
                }
            }
        }
        _ => {}
    }
}

fn replace_each(value: &mut Value, replace: &mut dyn FnMut(&ObjectRef) -> ObjectRef) {
    match value {
        Value::Ref(found) => *found = replace(found),
        Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
            for item in items {
                replace_each(item, replace);
            }
        }
        Value::Map(map) => {
            let entries = std::mem::take(map).into_iter().map(|(mut key, mut value)| {
                replace_each(&mut key, replace);
                replace_each(&mut value, replace);
                (key, value)
            });
            *map = entries.collect::<Map>();
        }
        // Cells of tables are plain: whoever builds one of objects gets handles that nobody owns.
        _ => {}
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

impl PartialEq for ObjectRef {
    /// Whether one is a clone of the other.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ObjectRef {}

impl fmt::Debug for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectRef({}: {})", self.type_name(), self.repr())
    }
}

impl Serialize for ObjectRef {
    /// As an argument it is the object; other formats see type and repr.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Value::from(self.clone()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ObjectRef {
    /// Only from a value: other formats have nothing to read it from.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Ref(found) => Ok(found),
            other => Err(de::Error::invalid_type(
                unexpected(&other),
                &"a handle on an object (`context.keep`, `Request::keep`)",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{from_value, to_value};

    #[test]
    fn a_handle_crosses_serde_unchanged_and_shows_itself_elsewhere() {
        #[derive(Serialize)]
        struct Both {
            model: ObjectRef,
            others: Vec<ObjectRef>,
        }
        let model = ObjectRef::new(7, "acme.Model", "<Model>");
        let both = Both {
            model: model.clone(),
            others: vec![model.clone()],
        };
        let value = to_value(&both).unwrap();
        assert_eq!(value.get("model"), Some(&Value::from(model.clone())));
        assert_eq!(
            from_value::<Vec<ObjectRef>>(value.get("others").unwrap().clone()).unwrap(),
            vec![model.clone()]
        );
        assert_eq!(
            serde_json::to_string(&model).unwrap(),
            r#"{"type":"acme.Model","repr":"<Model>"}"#
        );
        assert_eq!(format!("{model:?}"), "ObjectRef(acme.Model: <Model>)");
        let error = from_value::<ObjectRef>(7.into()).unwrap_err().to_string();
        assert!(error.contains("a handle on an object"), "{error}");
    }

    #[test]
    fn handles_are_found_wherever_they_are() {
        let one = ObjectRef::new(1, "t", "r");
        let deep = Value::from([Value::Map(Map::from([(
            "k",
            Value::Tuple(vec![one.clone().into()]),
        )]))]);
        let args = Args::positional([deep.clone()]).with("named", one.clone());
        let mut seen = 0;
        ObjectRef::each_in(&args, &mut |found| seen += usize::from(*found == one));
        assert_eq!(seen, 2);
        let mut value = deep;
        ObjectRef::replace_in(&mut value, &mut |found| found.owned("me"));
        let mut owners = Vec::new();
        each(&value, &mut |found| {
            owners.push(found.owner::<&str>().copied());
        });
        assert_eq!(owners, [Some("me")]);
    }
}
