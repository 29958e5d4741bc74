//! The profile keeps the contract, as far as JSON goes, and the command line knows it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, id};
use std::sync::atomic::{AtomicU64, Ordering};

use snakepit_core::testing::Subject;
use snakepit_profile_lines::LinesProfile;

fn demo() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("workers/demo.py")
}

/// How many processes have this among their arguments.
fn processes(mark: &str) -> usize {
    let entries = fs::read_dir("/proc").expect("a system with /proc");
    let lines = entries
        .flatten()
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines
        .filter(|line| {
            line.split(|byte| *byte == 0)
                .any(|word| word == mark.as_bytes())
        })
        .count()
}

snakepit_core::conformance!(|| {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // The program ignores it; we find its processes by it.
    let mark = format!("test-{}-{}", id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let profile = LinesProfile(demo(), vec![mark.clone()]);
    Subject::new(profile)
        .json_only()
        .without_streams()
        .left_over(move || processes(&mark))
});

#[test]
fn the_command_line_takes_the_profile() {
    let output = Command::new(env!("CARGO_BIN_EXE_snakepit-lines"))
        .args(["call", "--profile", "lines", "--adapter"])
        .arg(demo())
        .args(["echo", r#"["hi"]"#])
        .output()
        .expect("it starts");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "\"hi\"\n",
        "{output:?}"
    );
}
