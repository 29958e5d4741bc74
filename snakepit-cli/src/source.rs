//! Where the pools to run come from: a file, or flags. Knows no command.

use std::path::{Path, PathBuf};

use serde_yaml::{Mapping, Value};
use snakepit_core::{Config, Registry};

use crate::args::{DevArgs, SourceArgs};
use crate::failure::Failure;

/// Read when no other source is named.
const DEFAULT_FILE: &str = "snakepit.yaml";

/// Reads the configuration the flags stand for, cut down to what one command needs: only the pool
/// asked for, if one was, and one worker in each.
pub(crate) fn load(args: &SourceArgs, registry: &Registry) -> Result<Config, Failure> {
    let mut config = match (named(args), &args.config) {
        (Some(adapter), _) => from_flags(adapter, args, &[], registry)?,
        (None, Some(file)) => Config::from_file(file, registry).map_err(Failure::Config)?,
        (None, None) if Path::new(DEFAULT_FILE).exists() => {
            Config::from_file(DEFAULT_FILE, registry).map_err(Failure::Config)?
        }
        (None, None) => {
            let hint =
                "give `--adapter path/to/adapter.py`, `--modules math` or `--config snakepit.yaml`";
            return Err(Failure::usage(
                "there is no Python to call",
                Some(hint.to_owned()),
            ));
        }
    };
    if let Some(name) = &args.pool {
        select(&mut config, name)?;
    }
    for pool in &mut config.pools {
        pool.settings.size = 1;
        pool.settings.max_size = None;
    }
    Ok(config)
}

/// The one pool that `snakepit dev` calls. Its interpreter leaves no compiled code behind: that is taken for current by the
/// second and the size, and a file may be saved twice in a second.
pub(crate) fn load_for_development(args: &DevArgs, registry: &Registry) -> Result<Config, Failure> {
    let source = SourceArgs {
        config: None,
        adapter: None,
        modules: Vec::new(),
        pool: None,
        python: args.python.clone(),
        profile: args.profile.clone(),
    };
    let env = [("PYTHONDONTWRITEBYTECODE", "1")];
    from_flags(args.adapter.as_str().into(), &source, &env, registry)
}

/// The adapter the flags name, as a configuration does.
fn named(args: &SourceArgs) -> Option<Value> {
    if args.modules.is_empty() {
        return args.adapter.as_deref().map(Value::from);
    }
    let modules = Value::from(args.modules.clone());
    Some(Value::Mapping(Mapping::from_iter([(
        "modules".into(),
        modules,
    )])))
}

/// Writes the flags down as a configuration, so that profiles read them as they read a file.
fn from_flags(
    adapter: Value,
    args: &SourceArgs,
    env: &[(&str, &str)],
    registry: &Registry,
) -> Result<Config, Failure> {
    let keys = [
        ("worker_profile", args.profile.as_deref()),
        ("python", args.python.as_deref()),
    ];
    let given = keys
        .iter()
        .filter_map(|(key, value)| Some((Value::from(*key), (*value)?.into())));
    let mut pool: Mapping = given.collect();
    pool.insert("adapter".into(), adapter);
    pool.insert("pool_size".into(), 1.into());
    if !env.is_empty() {
        let variables = env.iter().map(|&(name, value)| (name.into(), value.into()));
        pool.insert("adapter_env".into(), Value::Mapping(variables.collect()));
    }
    let text = serde_yaml::to_string(&pool)
        .map_err(|error| Failure::usage(format!("the adapter cannot be named: {error}"), None))?;
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    Config::parse(&text, "command line", here, registry).map_err(Failure::Flags)
}

fn select(config: &mut Config, name: &str) -> Result<(), Failure> {
    if config.pools.iter().any(|pool| pool.name.as_str() == name) {
        config.pools.retain(|pool| pool.name.as_str() == name);
        return Ok(());
    }
    let hint = format!("the pools are {}", names(config));
    Err(Failure::usage(
        format!("no pool is named `{name}`"),
        Some(hint),
    ))
}

/// The only pool there is.
pub(crate) fn only_pool(config: &Config) -> Result<(), Failure> {
    if config.pools.len() == 1 {
        return Ok(());
    }
    let hint = format!("choose one with `--pool NAME`: {}", names(config));
    Err(Failure::usage(
        "the configuration has several pools",
        Some(hint),
    ))
}

fn names(config: &Config) -> String {
    let names: Vec<String> = config
        .pools
        .iter()
        .map(|pool| format!("`{}`", pool.name))
        .collect();
    names.join(", ")
}
