//! Profiles from a configuration.

use snakepit_core::{Args, Config, Value};

use crate::support::{Pit, adapters};

fn parse(kind: &str, keys: &str) -> Result<Config, String> {
    let keys = keys.replace("; ", "\n    ");
    let text = format!("pools:\n  - name: p\n    worker_profile: {kind}\n    {keys}\n");
    let registry = snakepit_profiles::registry();
    Config::parse(&text, "test.yaml", adapters(), &registry).map_err(|report| report.to_string())
}

#[tokio::test]
async fn a_configured_profile_launches() {
    let pit = Pit::new();
    let python = Pit::python();
    let (mark, value) = pit.mark();
    for adapter in [
        "arguments.py:Adapter",
        "./arguments.py:Adapter",
        "arguments:Adapter",
    ] {
        let config = parse("process", &format!(
            "adapter: {adapter}; adapter_args: {{greeting: hi, numbers: [1, 2.5, null]}}; \
             adapter_env: {{{mark}: '{value}', OMP_NUM_THREADS: '3'}}; python: {python}; preload: [json]; \
             spawn: zygote; max_payload: 1MiB; log_level: WARNING; unserialisable: placeholder"
        ))
        .unwrap();
        let profile = &config.pools[0].profile;
        assert_eq!(profile.kind(), "process");
        let launched = profile.launch(pit.context()).await.unwrap();
        let answer = pit
            .call(&*launched.worker, "seen", Args::none())
            .await
            .unwrap();
        let expected = r#"{"greeting":"hi","numbers":[1,2.5,null],"omp":"3","blas":"1"}"#;
        assert_eq!(snakepit_core::value::to_json(&answer), expected);
    }
    pit.assert_empty().await;
}

#[tokio::test]
async fn listed_modules_are_an_adapter() {
    let pit = Pit::new();
    let python = Pit::python();
    let (mark, value) = pit.mark();
    let keys = format!(
        "adapter: {{modules: [math, plain]}}; adapter_env: {{{mark}: '{value}'}}; python: {python}"
    );
    let config = parse("process", &keys).unwrap();
    let setting = config.pools[0].provenance.iter();
    let adapter = setting.clone().find(|setting| setting.key == "adapter");
    let shown = adapter.and_then(|setting| setting.value.as_deref());
    assert_eq!(shown, Some("{modules: [math, plain]}"));
    let launched = config.pools[0].profile.launch(pit.context()).await.unwrap();
    let worker = &*launched.worker;
    let root = pit
        .call(worker, "math.sqrt", Args::positional([16]))
        .await
        .unwrap();
    assert_eq!(root, Value::from(4.0));
    // From the folder of the configuration.
    let sum = pit
        .call(worker, "plain.add", Args::positional([1, 2]))
        .await
        .unwrap();
    assert_eq!(sum, Value::from(3));
    drop((launched, config));
    pit.assert_empty().await;
}

#[test]
fn a_list_of_modules_that_is_wrong_is_refused_where_it_is() {
    for (adapter, place, label) in [
        ("{modules: []}", "4:24", "expected at least one module"),
        (
            "{modules: math}",
            "4:24",
            "a list of modules, such as `[math, statistics]`",
        ),
        (
            "{modules: [math, 5]}",
            "4:31",
            "expected the name of a public module",
        ),
        (
            "{modules: [math, math]}",
            "4:31",
            "`math` is there twice; remove one",
        ),
        (
            "{modules: [math, b.py]}",
            "4:31",
            "a file is named without a mapping: `adapter: b.py`",
        ),
        (
            "{modules: [os._exit]}",
            "4:25",
            "expected the name of a public module",
        ),
        (
            "{modules: [math], path: b.py}",
            "4:32",
            "expected only `modules`, found `path`",
        ),
        ("{}", "4:14", "expected `modules: [...]` in it"),
        ("[math]", "4:14", "a file, a module, or `{modules: [...]}`"),
        (
            "{modules: [math]}; adapter_args: {a: 1}",
            "5:19",
            "modules take no arguments",
        ),
    ] {
        let report = parse("process", &format!("adapter: {adapter}")).unwrap_err();
        let expected = format!("test.yaml:{place}\n");
        assert!(
            report.contains(&expected) && report.contains(label),
            "{adapter}: {report}"
        );
    }
}

#[test]
fn nonsense_is_refused_with_its_place() {
    let bad = |keys: &str| parse("process", keys).unwrap_err();
    assert!(bad("pool_size: 1").contains("adapter"));
    for keys in [
        "spawn: sometimes",
        "log_level: loud",
        "unserialisable: pickle",
        "max_payload: 10",
        "max_payload: 4GiB",
        "adapter_args: [1]",
        "adapter_env: {A: [1]}",
        "preload: numpy",
        "adaptor: x.py",
    ] {
        let key = keys.split(':').next().unwrap();
        let report = bad(&format!("adapter: x.py; {keys}"));
        assert!(
            report.contains(key) && report.contains("test.yaml"),
            "{keys}: {report}"
        );
    }
}

#[test]
fn the_guide_to_threads_shows_a_configuration_and_every_value() {
    let guide = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/guides/thread-safe-adapters.md"
    );
    let guide = std::fs::read_to_string(guide).unwrap();
    let (_, rest) = guide.split_once("```yaml\n").unwrap();
    let (shown, _) = rest.split_once("```").unwrap();
    let registry = snakepit_profiles::registry();
    let config = Config::parse(shown, "guide.yaml", adapters(), &registry).unwrap();
    assert_eq!(config.pools[0].profile.kind(), "thread");
    for value in ["off", "declared", "warn", "strict"] {
        parse("thread", &format!("adapter: x.py; thread_safety: {value}")).unwrap();
        assert!(guide.contains(&format!("| `{value}`")), "{value}");
    }
}

#[test]
fn the_guide_to_writing_adapters_lists_modules_as_they_are_read() {
    let guide = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/guides/writing-adapters.md"
    );
    let guide = std::fs::read_to_string(guide).unwrap();
    let (_, rest) = guide.split_once("```yaml\n").unwrap();
    let (shown, _) = rest.split_once("```").unwrap();
    let registry = snakepit_profiles::registry();
    Config::parse(shown, "guide.yaml", adapters(), &registry).unwrap();
}

#[test]
fn each_profile_has_keys_of_its_own() {
    let thread = "adapter: x.py; threads_per_worker: 16; thread_safety: off; gil: require_off";
    let config = parse("thread", thread).unwrap();
    assert_eq!(config.pools[0].profile.kind(), "thread");
    let config = parse("interpreter", "adapter: x.py; threads_per_worker: 2").unwrap();
    assert_eq!(config.pools[0].profile.kind(), "interpreter");
    for (kind, keys, label) in [
        (
            "process",
            "threads_per_worker: 4",
            "worker profile `thread`",
        ),
        ("thread", "threads_per_worker: 0", "from 1 to 128"),
        ("thread", "threads_per_worker: 129", "from 1 to 128"),
        ("thread", "thread_safety: maybe", "strict"),
        ("process", "gil: off", "require_off"),
        ("interpreter", "thread_safety: warn", "thread_safety"),
    ] {
        let report = parse(kind, &format!("adapter: x.py; {keys}")).unwrap_err();
        assert!(report.contains(label), "{kind}, {keys}: {report}");
    }
}
