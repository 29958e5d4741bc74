//! `snakepit python recommend`: which worker profile to use.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use snakepit_core::config::PoolConfig;
use snakepit_core::{Config, Registry};
use snakepit_python::{AdapterSpec, Choice, Environment, Request, Stop};

use super::table::{BOLD, DIM, NAME};
use super::{finder, print, version};
use crate::args::{RecommendArgs, request};
use crate::failure::Failure;

/// What is recommended for a pool, or for what the command line names.
struct Advice {
    pool: Option<PoolFacts>,
    choice: Choice,
}

/// What a configuration says about a pool.
struct PoolFacts {
    name: String,
    profile: String,
    python: Option<String>,
    adapter: Option<AdapterSpec>,
    variables: BTreeMap<String, String>,
}

/// Reads adapters by the interpreters that would run them; runs nothing of theirs.
pub(super) fn run(args: &RecommendArgs, registry: &Registry, stop: &Stop) -> Result<(), Failure> {
    let advice = match &args.config {
        Some(file) => for_pools(file, registry, stop)?,
        None => vec![for_request(args, stop)?],
    };
    print(
        args.format.format,
        || advice.iter().map(text).collect::<Vec<_>>().join("\n\n"),
        || match &args.config {
            Some(_) => json!({ "pools": advice.iter().map(to_json).collect::<Vec<_>>() }),
            None => advice.first().map_or(Value::Null, to_json),
        },
    )
}

fn for_request(args: &RecommendArgs, stop: &Stop) -> Result<Advice, Failure> {
    let finder = finder(Environment::of_this_process(), stop);
    let adapter = args.adapter.as_deref().map(AdapterSpec::from);
    let choice = finder
        .choose(
            &request(&args.request)?,
            adapter.as_ref(),
            &[PathBuf::new()],
        )
        .map_err(Failure::Interpreter)?;
    // Whoever names an adapter here wants it read.
    if let Some(Err(error)) = &choice.adapter {
        let hint = error.hint().to_owned();
        return Err(Failure::usage(error.to_string(), Some(hint)));
    }
    Ok(Advice { pool: None, choice })
}

fn for_pools(file: &Path, registry: &Registry, stop: &Stop) -> Result<Vec<Advice>, Failure> {
    let config = Config::from_file(file, registry).map_err(Failure::Config)?;
    let folder = file.parent().unwrap_or(Path::new(""));
    config
        .pools
        .iter()
        .map(|pool| for_pool(PoolFacts::of(pool), folder, stop))
        .collect()
}

/// As `worker_profile: auto` would choose for it.
fn for_pool(pool: PoolFacts, folder: &Path, stop: &Stop) -> Result<Advice, Failure> {
    let wanted = pool.python.as_deref().map_or(Ok(Request::Any), request)?;
    let variables = pool.variables.iter();
    let environment = variables.fold(
        Environment::of_this_process(),
        |environment, (name, value)| environment.with(name, value),
    );
    let folders = [folder.to_owned(), PathBuf::new()];
    let choice = finder(environment, stop)
        .choose(&wanted.within(folder), pool.adapter.as_ref(), &folders)
        .map_err(Failure::Interpreter)?;
    Ok(Advice {
        pool: Some(pool),
        choice,
    })
}

impl PoolFacts {
    fn of(pool: &PoolConfig) -> Self {
        // What is in effect, as YAML.
        let written = |key: &str| {
            let mut settings = pool.provenance.iter();
            settings
                .find(|setting| setting.key == key)?
                .value
                .as_deref()
        };
        let text = |key| serde_yaml::from_str::<String>(written(key)?).ok();
        let variables = written("adapter_env").and_then(|text| serde_yaml::from_str(text).ok());
        Self {
            name: pool.name.to_string(),
            profile: text("worker_profile").unwrap_or_else(|| pool.profile.kind().to_owned()),
            python: text("python"),
            adapter: written("adapter").and_then(|text| serde_yaml::from_str(text).ok()),
            variables: variables.unwrap_or_default(),
        }
    }
}

fn text(advice: &Advice) -> String {
    let Choice {
        found,
        probe,
        recommendation,
        ..
    } = &advice.choice;
    let mut text = String::new();
    if let Some(pool) = &advice.pool {
        let _ = writeln!(
            text,
            "pool {BOLD}{}{BOLD:#} {DIM}(worker_profile: {}){DIM:#}",
            pool.name, pool.profile
        );
    }
    let _ = write!(
        text,
        "{NAME}{}{NAME:#}  on Python {} {DIM}{}{DIM:#}",
        recommendation.profile,
        version(probe),
        found.path.display(),
    );
    for reason in &recommendation.reasons {
        let _ = write!(text, "\n  - {reason}");
    }
    if let Some(alternative) = &recommendation.alternative {
        let _ = write!(
            text,
            "\n{NAME}{}{NAME:#}  may be worth a try\n  - {}",
            alternative.profile, alternative.reason
        );
    }
    text
}

fn to_json(advice: &Advice) -> Value {
    let choice = &advice.choice;
    let mut value = json!(choice.recommendation);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("python".into(), json!(choice.found.path));
        fields.insert("version".into(), json!(version(&choice.probe)));
        if let Some(pool) = &advice.pool {
            fields.insert("pool".into(), json!(pool.name));
            fields.insert("configured".into(), json!(pool.profile));
        }
    }
    value
}
