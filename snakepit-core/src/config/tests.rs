//! Whole texts in, pools or rendered reports out.

mod mistakes;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use async_trait::async_trait;
use proptest::prelude::*;

use super::*;
use crate::error::LaunchError;
use crate::worker::{LaunchContext, Launched};

/// Remembers what it was built from.
#[derive(Debug)]
struct Profile(#[expect(dead_code, reason = "read through Debug")] PathBuf);

#[async_trait]
impl WorkerProfile for Profile {
    fn kind(&self) -> &'static str {
        "process"
    }

    async fn launch(&self, _: LaunchContext) -> Result<Launched, LaunchError> {
        unreachable!("nothing is started here")
    }
}

struct Factory(&'static str);

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Quick,
    Thorough,
}

impl ProfileFactory for Factory {
    fn kind(&self) -> &str {
        self.0
    }

    fn build(
        &self,
        section: &mut Section<'_>,
        settings: &PoolSettings,
    ) -> Option<Arc<dyn WorkerProfile>> {
        let adapter: Option<String> = section.required("adapter");
        section.optional::<BTreeMap<String, String>>("adapter_env");
        section.optional::<Vec<String>>("preload");
        section.or("mode", Mode::Quick);
        let lanes = section.or("lanes", 1_usize);
        if lanes > settings.size {
            section.invalid("lanes", format!("must not be more than {}", settings.size));
        }
        Some(Arc::new(Profile(section.resolve(adapter?))))
    }
}

fn registry() -> Registry {
    Registry::new()
        .with(Factory("process"))
        .with(Factory("thread"))
}

fn parse(text: &str) -> Result<Config, ConfigReport> {
    Config::parse(text, "pit.yaml", "/etc/pit", &registry())
}

/// What the user reads.
fn report(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

#[test]
fn a_pool_gets_its_settings_and_defaults_for_the_rest() {
    let config = parse(
        "
version: 1
pools:
  - name: fast-1
    adapter: hello.py
    pool_size: 3
    queue_timeout: 250ms
    request_timeout: 1h30m
  - {name: slow_2, adapter: /opt/slow.py, worker_profile: thread, poison_threshold: 5}
",
    )
    .unwrap();

    let [fast, slow] = &config.pools[..] else {
        panic!("{config:?}")
    };
    assert_eq!(fast.name.as_str(), "fast-1");
    assert_eq!(
        fast.settings,
        PoolSettings {
            size: 3,
            queue_timeout: Duration::from_millis(250),
            request_timeout: Duration::from_secs(5400),
            ..PoolSettings::default()
        }
    );
    assert_eq!(
        format!("{:?}", fast.profile),
        r#"Profile("/etc/pit/hello.py")"#
    );
    assert_eq!(format!("{:?}", slow.profile), r#"Profile("/opt/slow.py")"#);
    assert_eq!(slow.settings.poison_threshold, 5);
}

#[test]
fn lifecycle_keys_become_settings() {
    let config = parse(
        "
adapter: hello.py
pool_size: {min: 2, max: 8}
scale_up_after: 20ms
scale_cooldown: 1m
cooperative_grace: 100ms
quarantine_grace: 2s
max_concurrent_recycles: 8
session_drain: 10s
session_affinity: strict_queue
session_ttl: 5m
max_sessions: 9
session_state_limit: 64KiB
restart_budget: 5
restart_window: 1m
slow_call_after: 3s
worker_hard_memory: 1GiB
rlimits: {nofile: 256, core: 0, as: 8GiB}
",
    )
    .unwrap();
    assert_eq!(
        config.pools[0].settings,
        PoolSettings {
            size: 2,
            max_size: Some(8),
            scale_up_after: Duration::from_millis(20),
            scale_cooldown: Duration::from_secs(60),
            cooperative_grace: Duration::from_millis(100),
            quarantine_grace: Duration::from_secs(2),
            max_concurrent_recycles: Some(8),
            session_drain: Duration::from_secs(10),
            session_affinity: crate::Affinity::StrictQueue,
            session_ttl: Duration::from_secs(300),
            max_sessions: 9,
            session_state_limit: 64 << 10,
            restart_budget: Some(5),
            restart_window: Duration::from_secs(60),
            slow_call_after: Some(Duration::from_secs(3)),
            limits: crate::limits::Limits {
                hard_memory: Some(1 << 30),
                open_files: Some(256),
                core_dump: Some(0),
                address_space: Some(8 << 30),
            },
            ..PoolSettings::default()
        }
    );
}

/// Reads the keys of policies and keeps what it read.
#[derive(Clone, Default)]
struct Policies(Arc<parking_lot::Mutex<Vec<Limits>>>);

type Limits = (Option<Duration>, Option<u64>);

impl PolicyFactory for Policies {
    fn build(&self, section: &mut Section<'_>, _: &PoolSettings) -> Vec<Arc<dyn RecyclePolicy>> {
        let ttl = section.optional::<scalar::HumanDuration>("worker_ttl");
        let memory = section.optional::<scalar::ByteSize>("worker_max_memory");
        let read = (
            ttl.map(scalar::HumanDuration::get),
            memory.map(scalar::ByteSize::get),
        );
        self.0.lock().push(read);
        Vec::new()
    }
}

#[test]
fn limits_in_the_originals_form_are_converted() {
    let hour = Some(Duration::from_secs(3600));
    for (text, expected) in [
        ("worker_ttl: 1h", (hour, None)),
        ("worker_ttl: {3600, seconds}", (hour, None)),
        ("worker_ttl: {1, ':hours'}", (hour, None)),
        ("worker_ttl: [60, minutes]", (hour, None)),
        ("worker_ttl: infinity", (None, None)),
        ("memory_threshold_mb: 512", (None, Some(512 << 20))),
        ("worker_max_memory: 1GB", (None, Some(1_000_000_000))),
    ] {
        let policies = Policies::default();
        let registry = registry().with_policies(policies.clone());
        let text = format!("adapter: x\n{text}\n");
        let config = Config::parse(&text, "pit.yaml", "/etc/pit", &registry);
        let config = config.unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(*policies.0.lock(), [expected], "{text}");
        if expected.1 == Some(512 << 20) {
            let shown = config.pools[0].provenance.iter();
            let shown: Vec<_> = shown
                .filter(|setting| setting.key == "worker_max_memory")
                .collect();
            assert_eq!(shown[0].value.as_deref(), Some("512MiB"));
            assert_eq!(shown[0].origin, Origin::Line(2));
        }
    }
}

#[test]
fn a_limit_given_in_both_forms_or_in_neither_is_a_mistake_at_its_place() {
    for (text, label) in [
        (
            "memory_threshold_mb: 5\nworker_max_memory: 5MiB",
            "`memory_threshold_mb` and `worker_max_memory` mean the same",
        ),
        (
            "memory_threshold_mb: lots",
            "invalid value of `worker_max_memory`",
        ),
        ("worker_ttl: 3600", "invalid value of `worker_ttl`"),
        (
            "worker_ttl: {3600, fortnights}",
            "invalid value of `worker_ttl`",
        ),
    ] {
        let registry = registry().with_policies(Policies::default());
        let text = format!("adapter: x\n{text}\n");
        let report = Config::parse(&text, "pit.yaml", "/etc/pit", &registry).unwrap_err();
        let problem = &report.problems()[0];
        assert_eq!(problem.message, label, "{text}");
        assert_eq!(problem.position.unwrap().line, 2, "{text}");
    }
}

#[test]
fn the_single_pool_form_becomes_one_pool_named_default() {
    for text in [
        "adapter: hello.py\npool_size: 3\n",
        "adapter_module: hello.py\npool_config:\n  pool_size: 3\n",
        "version: 1\nadapter: hello.py\npool_config: {pool_size: 3}\n",
    ] {
        let config = parse(text).unwrap();
        let [pool] = &config.pools[..] else {
            panic!("{config:?}")
        };
        assert_eq!(pool.name.as_str(), "default", "{text}");
        assert_eq!(pool.settings.size, 3, "{text}");
        assert_eq!(
            format!("{:?}", pool.profile),
            r#"Profile("/etc/pit/hello.py")"#,
            "{text}"
        );
    }
}

#[test]
fn anchors_aliases_and_merge_keys_work_and_what_is_written_out_wins() {
    let config = parse(
        "
pools:
  - &base
    name: a
    adapter: &file hello.py
    pool_size: 2
  - <<: *base
    name: b
    pool_size: 4
  - name: c
    adapter: *file
    lanes: 1
",
    )
    .unwrap();
    let sizes: Vec<_> = config.pools.iter().map(|pool| pool.settings.size).collect();
    assert_eq!(sizes[..2], [2, 4]);
    assert_eq!(
        format!("{:?}", config.pools[2].profile),
        r#"Profile("/etc/pit/hello.py")"#
    );
}

#[test]
fn values_know_where_they_came_from() {
    let config = parse("pools:\n- name: a\n  adapter: a b.py\n  adapter_env: {A: 1}\n").unwrap();
    let mut shown = String::new();
    for setting in &config.pools[0].provenance {
        if let Some(value) = &setting.value {
            writeln!(shown, "{}: {value} # {:?}", setting.key, setting.origin).unwrap();
        }
    }
    for line in [
        "name: a # Line(2)",
        "worker_profile: process # Default",
        "queue_timeout: 5s # Default",
        "adapter: \"a b.py\" # Line(3)",
        "adapter_env: {A: 1} # Line(4)",
        "lanes: 1 # Default",
    ] {
        assert!(
            shown.lines().any(|shown| shown == line),
            "{line} is not in\n{shown}"
        );
    }
}

#[test]
fn each_mistake_is_shown_with_its_place_and_its_remedy() {
    let shown = mistakes::MISTAKES
        .iter()
        .map(|(text, expected)| (text, report(text.trim_start()), expected.trim()));
    let wrong: Vec<_> = shown
        .filter(|(_, shown, expected)| shown != expected)
        .map(|(text, shown, expected)| format!("for\n{text}\nthis:\n{shown}\nnot:\n{expected}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_the_text() {
    let report = parse(
        "\
pools:
  - name: a
    pool_size: many
    nmae: b
  - name: A
    queue_timeout: soon
    worker_profile: quantum
color: red
",
    )
    .unwrap_err();
    let seen: Vec<_> = report
        .problems()
        .iter()
        .map(|problem| (problem.position.unwrap().line, problem.message.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            (2, "missing key `adapter`"),
            (3, "invalid value of `pool_size`"),
            (4, "unknown key `nmae`"),
            (5, "invalid value of `name`"),
            (6, "invalid value of `queue_timeout`"),
            (7, "invalid value of `worker_profile`"),
            (8, "unknown key `color`"),
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_says_so() {
    let report = Config::from_file("/nonexistent/pit.yaml", &registry()).unwrap_err();
    assert_eq!(
        report.to_string(),
        "error: cannot read the file: No such file or directory (os error 2)\n \
         --> /nonexistent/pit.yaml"
    );
}

#[test]
fn aliases_that_multiply_without_end_are_refused() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..10 {
        let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
        writeln!(text, "a{n}: &a{n} [{aliases}]").unwrap();
    }
    let report = report(&text);
    assert!(
        report.contains("more than 100000 values") || report.contains("repetition"),
        "{report}"
    );
}

/// Pieces that make a text likely to be nearly YAML, and nearly a configuration.
const PIECES: &[&str] = &[
    "pools:",
    "\n",
    "\n  ",
    "\n    ",
    "- ",
    "name: ",
    "a",
    "adapter: ",
    "pool_size: ",
    "1",
    "5s",
    "[",
    "]",
    "{",
    "}",
    ", ",
    ": ",
    "&x ",
    "*x",
    "<<: ",
    "!t ",
    "\"",
    "'",
    "|",
    ">",
    "#",
    "---\n",
    "?",
    "\t",
    "ä",
    "\r",
    "pool_config: ",
    "adapter_env: ",
    "queue_timeout: ",
    "worker_profile: ",
    "-1",
    "~",
    "%",
    "@",
    "\u{0}",
];

proptest! {
    #[test]
    fn no_text_makes_it_panic(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60),
        noise in any::<String>(),
    ) {
        for text in [pieces.concat(), format!("{}{noise}", pieces.concat()), noise] {
            match parse(&text) {
                Ok(config) => prop_assert!(!config.pools.is_empty()),
                Err(report) => prop_assert!(!report.to_string().is_empty()),
            }
        }
    }
}
