//! Host tools: typed functions under a name, for code in workers to call. Knows no call and no worker.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::foreign::{caught, caught_later};
use crate::error::ToolError;
use crate::exchange::ToolSpec;
use crate::value::{Args, Map, Value, ValueError, from_value, to_value};

type Answer = Pin<Box<dyn Future<Output = Result<Value, ToolError>> + Send>>;

/// A tool.
pub(super) struct Tool {
    spec: ToolSpec,
    run: Box<dyn Fn(Args) -> Answer + Send + Sync>,
}

impl Tool {
    pub(super) fn new<T, U, E, F, R>(spec: ToolSpec, function: F) -> Self
    where
        T: DeserializeOwned + Send,
        U: Serialize,
        E: Display + 'static,
        F: Fn(T) -> R + Send + Sync + 'static,
        R: Future<Output = Result<U, E>> + Send + 'static,
    {
        let name = spec.name.clone();
        let run = move |args: Args| -> Answer {
            let name = name.clone();
            // Reading the arguments runs code of the tool's author already, as does making its future.
            let begun = caught(|| typed::<T>(args).map(&function));
            Box::pin(async move {
                let work = begun.map_err(|words| panicked(&name, &words))?;
                let work = work
                    .map_err(|problem| unfit(&name, "tool.bad_arguments", "arguments", &problem))?;
                let answer = caught_later(async {
                    let done = work.await.map_err(ToolError::from_error)?;
                    to_value(&done)
                        .map_err(|problem| unfit(&name, "tool.unserialisable", "result", &problem))
                });
                let answer = answer.await;
                answer.map_err(|words| panicked(&name, &words))?
            })
        };
        Self {
            spec,
            run: Box::new(run),
        }
    }

    /// Runs it. Never panics, whatever its types do while they are read, written and described.
    pub(super) fn run(&self, args: Args) -> Answer {
        (self.run)(args)
    }
}

/// Arguments as a tool's own type. As many readings as there are of what Python wrote: `lookup(7)` is for a tool that takes a
/// number, a tuple of one, or a struct with one field.
fn typed<T: DeserializeOwned>(args: Args) -> Result<T, ValueError> {
    match (args.positional.is_empty(), args.keyword.is_empty()) {
        (false, false) => Err(ValueError::new(
            "pass arguments by position or by name, not both",
        )),
        (true, false) => from_value(args.keyword.into_iter().collect::<Map>().into()),
        (true, true) => from_value(Value::Null)
            .or_else(|first| from_value(Map::new().into()).map_err(|second| deeper(first, second)))
            .or_else(|first| from_value(Value::List(Vec::new())).map_err(|_| first)),
        (false, true) => {
            let [only] = args.positional.as_slice() else {
                return from_value(Value::List(args.positional));
            };
            from_value(only.clone()).or_else(|first| {
                from_value(Value::List(args.positional.clone()))
                    .map_err(|second| deeper(first, second))
            })
        }
    }
}

/// The error of the reading that came further.
fn deeper(first: ValueError, second: ValueError) -> ValueError {
    if second.path().len() > first.path().len() {
        second
    } else {
        first
    }
}

fn unfit(name: &str, code: &str, what: &str, problem: &ValueError) -> ToolError {
    ToolError::new(format!("{what} of tool `{name}`: {problem}")).with_code(code)
}

fn panicked(name: &str, words: &str) -> ToolError {
    ToolError::new(format!("tool `{name}` panicked: {words}")).with_code("tool.panicked")
}

/// Tools by name.
#[derive(Clone, Default)]
pub(super) struct Toolbox(BTreeMap<String, Arc<Tool>>);

impl Toolbox {
    /// Adds one, in place of one of the same name, which is returned: dropping it runs its owner's code.
    pub(super) fn add(&mut self, tool: Tool) -> Option<Arc<Tool>> {
        self.0.insert(tool.spec.name.clone(), Arc::new(tool))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<Tool>> {
        self.0.get(name).cloned()
    }

    pub(super) fn specs(&self) -> impl Iterator<Item = &ToolSpec> {
        self.0.values().map(|tool| &tool.spec)
    }
}

/// The tools a call may ask for, by name: its own, those of its session, those of the pool. Of one name the nearest counts.
#[derive(Default)]
pub(super) struct Reach {
    pub(super) own: Arc<Toolbox>,
    pub(super) session: Option<Arc<Toolbox>>,
    pub(super) pool: Option<Arc<Toolbox>>,
}

impl Reach {
    fn nearest_first(&self) -> impl DoubleEndedIterator<Item = &Toolbox> {
        let rest = [self.session.as_deref(), self.pool.as_deref()];
        std::iter::once(&*self.own).chain(rest.into_iter().flatten())
    }

    /// Whether there was nobody to offer anything.
    pub(super) fn is_empty(&self) -> bool {
        self.own.is_empty() && self.session.is_none() && self.pool.is_none()
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<Tool>> {
        self.nearest_first().find_map(|tools| tools.get(name))
    }

    pub(super) fn specs(&self) -> Vec<ToolSpec> {
        let farthest_first = self.nearest_first().rev().flat_map(Toolbox::specs);
        let by_name: BTreeMap<_, _> = farthest_first.map(|spec| (&spec.name, spec)).collect();
        by_name.into_values().cloned().collect()
    }
}

/// The tools of a pool, which may change at any time.
pub(super) struct Tools {
    /// Whether there ever was one: calls of pools without tools look no further.
    any: AtomicBool,
    /// `None` once the pool is closed.
    toolbox: RwLock<Option<Arc<Toolbox>>>,
}

impl Tools {
    pub(super) fn new(toolbox: Toolbox) -> Self {
        Self {
            any: AtomicBool::new(!toolbox.is_empty()),
            toolbox: RwLock::new(Some(Arc::new(toolbox))),
        }
    }

    /// Adds one, unless the pool is closed: nobody will ask for it.
    pub(super) fn add(&self, tool: Tool) {
        let replaced = match &mut *self.toolbox.write() {
            Some(toolbox) => Arc::make_mut(toolbox).add(tool),
            None => return,
        };
        self.any.store(true, Ordering::Release);
        drop(replaced);
    }

    /// Those there are now, if there ever were any.
    pub(super) fn get(&self) -> Option<Arc<Toolbox>> {
        let any = self.any.load(Ordering::Acquire);
        any.then(|| self.toolbox.read().clone()).flatten()
    }

    /// Lets go of all, for ever: one may hold the pool.
    pub(super) fn close(&self) {
        let toolbox = self.toolbox.write().take();
        // Without the lock, for that runs code of whoever made them.
        drop(toolbox);
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Lookup {
        id: u32,
    }

    #[test]
    fn arguments_are_read_as_the_tool_wants_them() {
        let by_name = Args::none().with("id", 7);
        assert_eq!(typed::<Lookup>(by_name).unwrap(), Lookup { id: 7 });
        let one = || Args::positional([7]);
        assert_eq!(typed::<Lookup>(one()).unwrap(), Lookup { id: 7 });
        assert_eq!(typed::<u32>(one()).unwrap(), 7);
        assert_eq!(typed::<(u32,)>(one()).unwrap(), (7,));
        assert_eq!(
            typed::<(u32, u32)>(Args::positional([1, 2])).unwrap(),
            (1, 2)
        );
        typed::<()>(Args::none()).unwrap();
        assert_eq!(typed::<Option<u32>>(Args::none()).unwrap(), None);
        let list = Args::positional([Value::from([1, 2])]);
        assert_eq!(typed::<Vec<u32>>(list).unwrap(), [1, 2]);
    }

    #[test]
    fn arguments_that_do_not_fit_are_named() {
        let error = typed::<Lookup>(Args::none().with("id", "x")).unwrap_err();
        assert_eq!(error.path(), "id");
        assert!(
            typed::<u32>(Args::positional(["x"]))
                .unwrap_err()
                .path()
                .is_empty()
        );
        assert!(typed::<Lookup>(Args::positional([1]).with("id", 7)).is_err());
    }
}
