//! Collects figures, prints them as a table with their bars, keeps them as JSON beside the raw samples.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::host;
use crate::setup::Setup;
use crate::statistics::{max, median, min};

/// Others may use this share of the machine before figures get worthless.
const QUIET: f64 = 0.1;

/// What a figure must reach.
#[derive(Clone, Copy)]
pub(crate) enum Bar {
    None,
    AtMost(f64),
    AtLeast(f64),
    /// As `AtLeast`, and where we want to go.
    AtLeastGoal(f64, f64),
}

impl Bar {
    pub(crate) fn is_met(self, value: f64) -> bool {
        match self {
            Self::None => true,
            Self::AtMost(bar) => value <= bar,
            Self::AtLeast(bar) | Self::AtLeastGoal(bar, _) => value >= bar,
        }
    }

    fn text(self, value: f64) -> String {
        let verdict = if self.is_met(value) { "ok" } else { "MISSED" };
        self.limit()
            .map_or_else(String::new, |limit| format!("{limit}  {verdict}"))
    }

    /// What must be reached, if anything.
    pub(crate) fn limit(self) -> Option<String> {
        Some(match self {
            Self::None => return None,
            Self::AtMost(bar) => format!("<= {bar}"),
            Self::AtLeast(bar) => format!(">= {bar}"),
            Self::AtLeastGoal(bar, goal) => format!(">= {bar} (goal {goal})"),
        })
    }
}

/// A figure and its bar.
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    /// The median of the repetitions.
    pub(crate) value: f64,
    pub(crate) repetitions: Vec<f64>,
    pub(crate) bar: Bar,
}

/// The figures of one run.
pub(crate) struct Report {
    folder: PathBuf,
    about: Value,
    quick: bool,
    figures: Vec<Figure>,
}

impl Report {
    /// A folder for this run, named after date and host.
    pub(crate) fn create(out: &Path, setup: &Setup) -> Result<Self> {
        let folder = out.join(host::run_name());
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let mut about = host::describe(&setup.python);
        about["config"] = json!({
            "arguments": std::env::args().skip(1).collect::<Vec<_>>(),
            "quick": setup.quick,
            "repetitions": setup.repetitions,
            "seconds": setup.duration.as_secs_f64(),
        });
        let text = |key: &str| about[key].as_str().unwrap_or_default();
        println!(
            "{}, {} cores, Linux {}",
            text("cpu"),
            about["cores"],
            text("kernel")
        );
        println!("Python {}", text("python"));
        let busy = about["busy"].as_f64().unwrap_or_default();
        if busy > QUIET {
            println!(
                "The machine is {:.0} % busy with other things: these figures mean little.",
                busy * 100.0
            );
        }
        Ok(Self {
            folder,
            about,
            quick: setup.quick,
            figures: Vec::new(),
        })
    }

    /// Adds a figure taken once per repetition, and prints it.
    pub(crate) fn figure(
        &mut self,
        name: impl Into<String>,
        unit: &'static str,
        repetitions: &[f64],
        bar: Bar,
    ) {
        let (name, value) = (name.into(), median(repetitions));
        let range = format!("{} .. {}", short(min(repetitions)), short(max(repetitions)));
        println!(
            "  {name:<64} {:>9} {unit:<8} {range:<22} {}",
            short(value),
            bar.text(value)
        );
        self.figures.push(Figure {
            name,
            unit,
            value,
            repetitions: repetitions.to_vec(),
            bar,
        });
    }

    /// Adds how many times `of` goes into `part`, repetition by repetition: what was measured side by side.
    pub(crate) fn ratio(&mut self, name: impl Into<String>, of: &[f64], part: &[f64], bar: Bar) {
        let ratios: Vec<_> = of.iter().zip(part).map(|(of, part)| of / part).collect();
        self.figure(name, "x", &ratios, bar);
    }

    /// Keeps single samples, one on a line.
    pub(crate) fn raw(&self, name: &str, samples: &[f64]) -> Result<()> {
        let mut text = String::new();
        for sample in samples {
            writeln!(text, "{sample}")?;
        }
        Ok(std::fs::write(
            self.folder.join(format!("{name}.txt")),
            text,
        )?)
    }

    /// The figures so far.
    pub(crate) fn figures(&self) -> &[Figure] {
        &self.figures
    }

    /// Where and what was measured.
    pub(crate) fn about(&self) -> &Value {
        &self.about
    }

    /// The folder of this run.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps one more fact in `report.json`.
    pub(crate) fn add(&mut self, name: &str, fact: Value) {
        self.about[name] = fact;
    }

    /// Everything, for machines.
    pub(crate) fn json(&self) -> Value {
        let figures = self.figures.iter().map(|figure| {
            json!({
                "name": figure.name, "unit": figure.unit, "median": figure.value,
                "repetitions": figure.repetitions, "bar": figure.bar.text(figure.value),
            })
        });
        json!({ "about": self.about, "figures": figures.collect::<Vec<_>>() })
    }

    /// Writes `report.json` and says which bars were missed; returns how many.
    pub(crate) fn finish(self) -> Result<usize> {
        let path = self.folder.join("report.json");
        std::fs::write(&path, serde_json::to_string_pretty(&self.json())?)?;
        println!("\nKept in {}", path.display());
        if self.quick {
            println!("A quick run shows that everything works; its figures mean little.");
        }
        let missed: Vec<_> = self
            .figures
            .iter()
            .filter(|figure| !figure.bar.is_met(figure.value))
            .collect();
        for figure in &missed {
            println!(
                "MISSED: {}: {} {}, bar {}",
                figure.name,
                short(figure.value),
                figure.unit,
                figure.bar.text(figure.value)
            );
        }
        Ok(missed.len())
    }
}

/// Starts a section of the table.
pub(crate) fn section(title: &str) {
    println!("\n{title}\n{}", "-".repeat(title.chars().count()));
}

/// Four digits that matter.
fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 1_000.0 => format!("{value:.0}"),
        large if large >= 100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
