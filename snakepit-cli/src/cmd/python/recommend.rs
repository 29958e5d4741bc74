//! `snakepit python recommend`: which worker profile to use.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use snakepit_core::config::PoolConfig;
use snakepit_core::{Config, Registry};
use snakepit_python::{
    AdapterFacts, Facts, Finder, Found, Probe, Recommendation, Request, recommend, scan,
};

use super::table::{BOLD, DIM, NAME};
use super::{print, version};
use crate::args::{RecommendArgs, request};
use crate::failure::Failure;

/// What is recommended for a pool, or for what the command line names.
struct Advice {
    pool: Option<PoolFacts>,
    found: Found,
    probe: Probe,
    recommendation: Recommendation,
    /// What could not be taken into account.
    missing: Option<String>,
}

/// What a configuration says about a pool.
struct PoolFacts {
    name: String,
    profile: String,
    python: Option<String>,
    adapter: Option<String>,
}

/// Reads adapters by the interpreters that would run them; runs nothing of theirs.
pub(super) fn run(
    args: &RecommendArgs,
    registry: &Registry,
    finder: &Finder,
) -> Result<(), Failure> {
    let advice = match &args.config {
        Some(file) => for_pools(file, registry, finder)?,
        None => vec![for_request(args, finder)?],
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

fn for_request(args: &RecommendArgs, finder: &Finder) -> Result<Advice, Failure> {
    let (found, probe) = finder
        .find_and_probe(&request(&args.request)?)
        .map_err(Failure::Interpreter)?;
    let adapter = match &args.adapter {
        Some(adapter) => Some(
            scan(finder.prober(), &found.path, adapter, Path::new("")).map_err(|error| {
                Failure::usage(error.to_string(), Some(error.hint().to_owned()))
            })?,
        ),
        None => None,
    };
    let recommendation = recommended(&probe, adapter.as_ref());
    Ok(Advice {
        pool: None,
        found,
        probe,
        recommendation,
        missing: None,
    })
}

fn for_pools(file: &Path, registry: &Registry, finder: &Finder) -> Result<Vec<Advice>, Failure> {
    let config = Config::from_file(file, registry).map_err(Failure::Config)?;
    let folder = file.parent().unwrap_or(Path::new(""));
    config
        .pools
        .iter()
        .map(|pool| for_pool(PoolFacts::of(pool), folder, finder))
        .collect()
}

fn for_pool(pool: PoolFacts, folder: &Path, finder: &Finder) -> Result<Advice, Failure> {
    let wanted = match pool.python.as_deref().map(request).transpose()? {
        // Paths in a configuration start from its folder.
        Some(Request::Path(path)) => Request::Path(folder.join(path)),
        Some(other) => other,
        None => Request::Any,
    };
    let (found, probe) = finder
        .find_and_probe(&wanted)
        .map_err(Failure::Interpreter)?;
    let mut missing = None;
    let adapter = pool.adapter.as_ref().map(|adapter| {
        scan(finder.prober(), &found.path, adapter, folder).unwrap_or_else(|error| {
            missing = Some(format!(
                "{error}, so its imports were not taken into account"
            ));
            AdapterFacts::default()
        })
    });
    let recommendation = recommended(&probe, adapter.as_ref());
    Ok(Advice {
        pool: Some(pool),
        found,
        probe,
        recommendation,
        missing,
    })
}

fn recommended(probe: &Probe, adapter: Option<&AdapterFacts>) -> Recommendation {
    let facts = Facts::new(probe);
    recommend(&adapter.map_or(facts, |adapter| facts.with_adapter(adapter)))
}

impl PoolFacts {
    fn of(pool: &PoolConfig) -> Self {
        let value = |key: &str| {
            let setting = pool.provenance.iter().find(|setting| setting.key == key)?;
            serde_yaml::from_str::<String>(setting.value.as_ref()?).ok()
        };
        Self {
            name: pool.name.to_string(),
            profile: value("worker_profile").unwrap_or_else(|| pool.profile.kind().to_owned()),
            python: value("python"),
            adapter: value("adapter"),
        }
    }
}

fn text(advice: &Advice) -> String {
    let recommendation = &advice.recommendation;
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
        version(&advice.probe),
        advice.found.path.display(),
    );
    for reason in recommendation.reasons.iter().chain(&advice.missing) {
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
    let mut value = json!(advice.recommendation);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("python".into(), json!(advice.found.path));
        fields.insert("version".into(), json!(version(&advice.probe)));
        if let Some(pool) = &advice.pool {
            fields.insert("pool".into(), json!(pool.name));
            fields.insert("configured".into(), json!(pool.profile));
        }
        if let Some(missing) = &advice.missing {
            fields.insert("missing".into(), json!(missing));
        }
    }
    value
}
