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
    for (text, expected) in mistakes::MISTAKES {
        assert_eq!(report(text.trim_start()), expected.trim(), "for\n{text}");
    }
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
