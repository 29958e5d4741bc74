//! What a pool's section comes to, and what is wrong with one that makes no sense.

use std::sync::Arc;
use std::time::Duration;

use snakepit_core::config::Section;
use snakepit_core::testing::FakeProfile;
use snakepit_core::{
    Config, Meter, PolicyFactory, PoolSettings, ProfileFactory, RecyclePolicy, Registry,
    WorkerProfile,
};
use snakepit_lifecycle::Recycling;

struct Fake;

impl ProfileFactory for Fake {
    fn kind(&self) -> &'static str {
        "process"
    }

    fn build(&self, _: &mut Section<'_>, _: &PoolSettings) -> Option<Arc<dyn WorkerProfile>> {
        Some(Arc::new(FakeProfile::new()))
    }
}

/// The policies of a pool with these settings, whatever the section says of them.
struct With(Recycling, PoolSettings);

impl PolicyFactory for With {
    fn build(&self, section: &mut Section<'_>, _: &PoolSettings) -> Vec<Arc<dyn RecyclePolicy>> {
        self.0.build(section, &self.1)
    }

    fn meter(&self) -> Option<Arc<dyn Meter>> {
        self.0.meter()
    }
}

fn read(settings: &PoolSettings, keys: &str) -> Result<Config, String> {
    let policies = With(Recycling::new(), settings.clone());
    let registry = Registry::new().with(Fake).with_policies(policies);
    let text = format!("pools:\n  - name: a\n{keys}");
    Config::parse(&text, "pit.yaml", ".", &registry).map_err(|report| report.to_string())
}

fn names(config: &Config) -> Vec<&str> {
    let policies = config.pools[0].policies.iter();
    policies.map(|policy| policy.name()).collect()
}

/// A pool of 2 to 4 workers that may use a gibibyte each.
fn elastic() -> PoolSettings {
    let mut settings = PoolSettings {
        size: 2,
        max_size: Some(4),
        ..PoolSettings::default()
    };
    settings.limits.hard_memory = Some(1 << 30);
    settings
}

#[test]
fn a_pool_that_says_nothing_is_watched_for_hanging_workers_only() {
    let config = read(&PoolSettings::default(), "").unwrap();
    assert_eq!(names(&config), ["hang_timeout"]);
    assert!(config.pools[0].meter.is_some());
}

#[test]
fn a_pool_that_may_shrink_lets_go_of_spare_workers() {
    assert_eq!(
        names(&read(&elastic(), "").unwrap()),
        ["hang_timeout", "worker_hard_memory", "worker_idle_ttl"]
    );
}

#[test]
fn each_key_is_a_policy_and_off_is_none() {
    let all = "    worker_ttl: 1h30m
    worker_max_requests: 5000
    worker_idle_ttl: 10m
    worker_max_memory: 512MiB
    worker_max_growth: 100MB
    worker_memory_samples: 5
    hang_timeout: 90s
    recycle_jitter: 0%
";
    assert_eq!(
        names(&read(&elastic(), all).unwrap()),
        [
            "hang_timeout",
            "worker_hard_memory",
            "worker_max_memory",
            "worker_max_growth",
            "worker_ttl",
            "worker_max_requests",
            "worker_idle_ttl"
        ]
    );
    let none = "    worker_ttl: off
    worker_max_requests: off
    worker_idle_ttl: off
    worker_max_memory: off
    worker_max_growth: off
    hang_timeout: off
";
    assert_eq!(
        names(&read(&elastic(), none).unwrap()),
        ["worker_hard_memory"]
    );
}

#[test]
fn what_was_read_can_be_shown_and_read_again() {
    let config = read(
        &elastic(),
        "    worker_ttl: 90m\n    worker_max_memory: 512MiB\n",
    )
    .unwrap();
    let shown: Vec<String> = config.pools[0]
        .provenance
        .iter()
        .filter_map(|setting| Some(format!("{}: {}", setting.key, setting.value.as_ref()?)))
        .collect();
    for line in [
        "worker_ttl: 90m",
        "worker_max_requests: off",
        "worker_idle_ttl: 1m",
        "worker_max_memory: 512MiB",
        "worker_memory_samples: 3",
        "hang_timeout: 1m",
        "recycle_jitter: \"10%\"",
    ] {
        assert!(
            shown.iter().any(|shown| shown == line),
            "no `{line}` in {shown:#?}"
        );
    }
}

#[test]
fn nonsense_is_refused_at_its_place_with_a_remedy() {
    let one_size = PoolSettings::default();
    for (settings, line, label, help) in [
        (
            &one_size,
            "worker_ttl: 0s",
            "expected more than nothing",
            "write `off`",
        ),
        (
            &one_size,
            "worker_ttl: 5",
            "expected a duration such as `250ms`",
            "",
        ),
        (
            &one_size,
            "worker_ttl: [1h]",
            "expected a limit, or `off`",
            "",
        ),
        (
            &one_size,
            "worker_max_requests: 0",
            "expected a whole number from 1",
            "",
        ),
        (
            &one_size,
            "worker_max_memory: 0",
            "expected more than nothing",
            "write `off`",
        ),
        (
            &one_size,
            "worker_max_memory: much",
            "expected a size such as `512MiB`",
            "",
        ),
        (
            &one_size,
            "worker_max_growth: 0B",
            "expected more than nothing",
            "write `off`",
        ),
        (
            &one_size,
            "worker_memory_samples: 0",
            "expected a whole number from 1 to 15",
            "",
        ),
        (
            &one_size,
            "hang_timeout: 100ms",
            "expected `500ms` or more",
            "write `off`",
        ),
        (
            &one_size,
            "recycle_jitter: 60%",
            "expected a percentage from `0%` to `50%`",
            "",
        ),
        (
            &one_size,
            "recycle_jitter: 0.1",
            "expected a percentage from `0%` to `50%`",
            "",
        ),
        (
            &one_size,
            "worker_idle_ttl: 5m",
            "the pool has one size",
            "pool_size: {min: 1, max: 4}",
        ),
        (
            &elastic(),
            "worker_idle_ttl: 0s",
            "expected more than nothing",
            "write `off`",
        ),
        (
            &elastic(),
            "worker_max_memory: 1GiB",
            "expected less than `worker_hard_memory`, which is 1GiB",
            "killed at the other",
        ),
    ] {
        let report = read(settings, &format!("    {line}\n")).unwrap_err();
        assert!(report.contains("pit.yaml:3:"), "{line}: {report}");
        assert!(report.contains(label), "{line}: {report}");
        assert!(report.contains(help), "{line}: {report}");
        assert_eq!(report.matches("error:").count(), 1, "{line}: {report}");
    }
}

#[test]
fn pools_of_one_file_do_not_expire_together() {
    let settings = PoolSettings::default();
    let policies = With(Recycling::new(), settings);
    let registry = Registry::new().with(Fake).with_policies(policies);
    let text = "pools:\n  - {name: a, worker_ttl: 1h}\n  - {name: b, worker_ttl: 1h}\n";
    let config = Config::parse(text, "pit.yaml", ".", &registry).unwrap();
    let now = std::time::Instant::now();
    let worker = snakepit_core::WorkerView::new(snakepit_core::WorkerId::new(1), now);
    let due: Vec<_> = config
        .pools
        .iter()
        .map(|pool| {
            let ttl = pool
                .policies
                .iter()
                .find(|policy| policy.name() == "worker_ttl");
            ttl.unwrap().recheck(&worker, now).at.unwrap() - now
        })
        .collect();
    assert_ne!(due[0], due[1]);
    assert!(
        due.iter()
            .all(|due| due.abs_diff(Duration::from_secs(3600)) <= Duration::from_secs(361))
    );
}
