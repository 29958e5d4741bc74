//! The keys all profiles of this crate have in a configuration; must not know the keys of one of them.

use std::collections::BTreeMap;

use snakepit_core::PoolSettings;
use snakepit_core::config::Section;
use snakepit_core::config::scalar::ByteSize;
use snakepit_python::{AdapterSpec, Request, names_a_file};

use super::builder::{Builder, Profile, SharedInterpreter};
use super::lanes;
use crate::frame::DEFAULT_MAX_FRAME;
use crate::settings::{LogLevel, SpawnMode, ThreadSafety, Unserialisable};

/// The smallest `max_payload`: an error with a short traceback has to pass.
const SMALLEST_PAYLOAD: u64 = 4096;

/// Reads `adapter`, `adapter_args`, `adapter_env`, `python`, `preload`, `spawn`, `gil`, `max_payload`, `log_level` and
/// `unserialisable`.
pub(super) fn read<P: Profile>(section: &mut Section<'_>, settings: &PoolSettings) -> Builder<P> {
    let adapter = match section.required::<AdapterSpec>("adapter") {
        Some(AdapterSpec::Named(name)) => from_base(section, &name, names_a_file(&name)).into(),
        Some(modules) => modules,
        None => "".into(),
    };
    let has_setup = matches!(adapter, AdapterSpec::Named(_));
    let mut builder = Builder::<P>::new(adapter)
        .paths([from_base(section, ".", true)])
        .preload(section.or("preload", Vec::<String>::new()))
        .spawn(section.or("spawn", SpawnMode::default()))
        .log_level(section.or("log_level", LogLevel::default()))
        .unserialisable(section.or("unserialisable", Unserialisable::default()));
    if let Some(request) = interpreter(section) {
        builder = builder.python(request);
    }
    let options = &mut builder.options;
    options.workers = settings.size;
    options.gil = section.optional("gil");
    options.recipe.env = section.or("adapter_env", BTreeMap::new());
    options.recipe.boot.arguments = section.or("adapter_args", BTreeMap::new());
    if !has_setup && !options.recipe.boot.arguments.is_empty() {
        let help = "remove it, or write an adapter with a `setup` that takes them";
        section.invalid_with_help("adapter_args", "modules take no arguments", help);
    }
    let payload = section
        .or("max_payload", ByteSize::new(DEFAULT_MAX_FRAME.into()))
        .get();
    match u32::try_from(payload) {
        Ok(bytes) if payload >= SMALLEST_PAYLOAD => builder = builder.max_payload(bytes),
        _ => section.invalid("max_payload", "must be from 4KiB to less than 4GiB"),
    }
    builder
}

/// Reads the same, `threads_per_worker` and `thread_safety`.
pub(super) fn read_threads<P: SharedInterpreter>(
    section: &mut Section<'_>,
    settings: &PoolSettings,
) -> Builder<P> {
    read(section, settings)
        .threads_per_worker(lanes::read(section))
        .thread_safety(section.or("thread_safety", ThreadSafety::default()))
}

/// Reads `python`, which may be a request or a path.
fn interpreter(section: &mut Section<'_>) -> Option<String> {
    let text: String = section.optional("python")?;
    match text.parse::<Request>() {
        Ok(request) => {
            let is_path = matches!(request, Request::Path(_));
            Some(from_base(section, &text, is_path))
        }
        Err(error) => {
            section.invalid_with_help("python", error.to_string(), error.hint());
            None
        }
    }
}

/// A name as it is; a path made absolute, from the folder of the configuration: a host may change its own folder.
fn from_base(section: &Section<'_>, name: &str, is_path: bool) -> String {
    if !is_path {
        return name.to_owned();
    }
    let path = section.resolve(name);
    std::path::absolute(&path)
        .unwrap_or(path)
        .display()
        .to_string()
}
