//! `snakepit python compat`: may these libraries be used here, under this worker profile?

use std::fmt::Write as _;

use clap::builder::styling::Style;
use serde_json::{Value, json};
use snakepit_python::{
    Build, Facts, Finder, Found, IMPORT_TIME, ImportOutcome, ImportReport, Installed, Judgement,
    Matrix, Probe, Profile, SubCheck, Verdict, import_probe, recommend,
};

use super::table::{self, BOLD, DIM, NAME, style_of};
use super::{print, version};
use crate::args::{CompatArgs, request};
use crate::failure::Failure;

/// One library: the verdict, and what happened if it was tried.
struct Row {
    judgement: Judgement,
    report: Option<ImportReport>,
}

/// Judges by the matrix, and by trying if asked to.
pub(super) fn run(args: &CompatArgs, finder: &Finder) -> Result<(), Failure> {
    let request = request(&args.python)?;
    let (found, probe) = finder
        .find_and_probe(&request)
        .map_err(Failure::Interpreter)?;
    let profile = args
        .profile
        .unwrap_or_else(|| recommend(&Facts::new(&probe)).profile);
    let matrix = Matrix::builtin();
    let libraries = if args.libraries.is_empty() {
        installed(matrix, &probe)
    } else {
        args.libraries.clone()
    };
    let build = Build::from(&probe);
    let rows: Vec<Row> = libraries
        .iter()
        .map(|library| {
            let judgement =
                matrix.judge(library, matrix.installed(library, &probe), profile, &build);
            let report = args.probe.then(|| {
                let module = matrix.module(library);
                import_probe(finder.prober(), &found.path, &module, IMPORT_TIME)
            });
            let judgement = match &report {
                Some(report) => judgement.with_report(report, profile),
                None => judgement,
            };
            Row { judgement, report }
        })
        .collect();
    print(
        args.format.format,
        || text(&found, &probe, profile, &rows),
        || {
            json!({
                "profile": profile,
                "python": found.path,
                "version": version(&probe),
                "libraries": rows.iter().map(Row::to_json).collect::<Vec<_>>(),
            })
        },
    )?;
    check(args.check, profile, &rows)
}

fn installed(matrix: &Matrix, probe: &Probe) -> Vec<String> {
    let libraries = matrix.libraries();
    let installed =
        libraries.filter(|library| matrix.installed(&library.name, probe) != Installed::No);
    installed.map(|library| library.name.clone()).collect()
}

fn check(wanted: bool, profile: Profile, rows: &[Row]) -> Result<(), Failure> {
    let bad = rows
        .iter()
        .filter(|row| row.judgement.verdict == Verdict::Unsafe);
    let bad: Vec<&str> = bad.map(|row| row.judgement.library.as_str()).collect();
    if !wanted || bad.is_empty() {
        return Ok(());
    }
    Err(Failure::Unsafe(format!(
        "not for the `{profile}` profile: {}",
        bad.join(", ")
    )))
}

fn text(found: &Found, probe: &Probe, profile: Profile, rows: &[Row]) -> String {
    let mut text = format!(
        "{BOLD}{profile}{BOLD:#} profile on Python {} {DIM}{}{DIM:#}",
        version(probe),
        found.path.display(),
    );
    if rows.is_empty() {
        text += "\n  no library of the compatibility matrix is installed there";
    }
    let heads: Vec<_> = rows.iter().map(Row::head).collect();
    for (head, row) in table::aligned(&heads).iter().zip(rows) {
        let _ = write!(text, "\n{head}");
        for reason in &row.judgement.reasons {
            let _ = write!(text, "\n    {reason}");
        }
        if let Some(report) = &row.report {
            let _ = write!(text, "\n    {NAME}tried{NAME:#}: {}", tried(report));
        }
        if let Some(advice) = row
            .judgement
            .advice
            .as_ref()
            .filter(|_| row.judgement.verdict != Verdict::Ok)
        {
            let _ = write!(text, "\n    {NAME}hint{NAME:#}: {advice}");
        }
    }
    text
}

impl Row {
    fn head(&self) -> Vec<(Style, String)> {
        let Judgement {
            library,
            version,
            verdict,
            ..
        } = &self.judgement;
        let version = version.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            (NAME, library.clone()),
            (Style::new(), version),
            (style_of(*verdict), verdict.to_string()),
        ]
    }

    fn to_json(&self) -> Value {
        let mut value = json!(self.judgement);
        if let (Some(fields), Some(report)) = (value.as_object_mut(), &self.report) {
            fields.insert("probe".into(), json!(report));
        }
        value
    }
}

/// What happened, on one line.
fn tried(report: &ImportReport) -> String {
    match &report.outcome {
        ImportOutcome::Imported => {}
        ImportOutcome::Failed(error) => return format!("the import fails: {error}"),
        ImportOutcome::Crashed(how) => return format!("the import crashes: {how}"),
        ImportOutcome::Hung(seconds) => {
            return format!("the import hangs, killed after {seconds} s");
        }
        ImportOutcome::NotTried(why) => return format!("not tried: {why}"),
        _ => return "something new".to_owned(),
    }
    let seconds = report.seconds.unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let memory = report.memory_kib.unwrap_or_default() as f64 / 1024.0;
    let gil = match (report.gil_before, report.gil_after) {
        (Some(false), Some(false)) => "the GIL stays off",
        (Some(false), Some(true)) => "it turns the GIL on",
        _ => "the GIL is on",
    };
    let threads = match report.threads.as_slice() {
        [] => "no threads".to_owned(),
        names => format!(
            "starts {} ({})",
            plural(names.len(), "thread"),
            names.join(", ")
        ),
    };
    let mut text = format!(
        "imported in {seconds:.2} s, {memory:.1} MiB; {gil}; {threads}; fork {}",
        word(&report.fork)
    );
    if report.subinterpreter != SubCheck::NotTried {
        let _ = write!(text, "; sub-interpreter {}", word(&report.subinterpreter));
    }
    text
}

fn plural(count: usize, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

fn word(check: &SubCheck) -> String {
    match check {
        SubCheck::Works => "works".to_owned(),
        SubCheck::Fails(how) => format!("fails ({how})"),
        SubCheck::Hangs => "hangs".to_owned(),
        _ => "not tried".to_owned(),
    }
}
