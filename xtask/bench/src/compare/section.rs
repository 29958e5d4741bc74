//! The figures of one workload as plain data, and the table a terminal shows; must not know how they were measured.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::contestants::{Contestant, Kind};
use crate::statistics::{max, median, min};

/// Which figures are the good ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    More,
    Less,
}

/// How a picture shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Picture {
    /// The points are numbers of callers: a line for each row.
    Lines,
    /// The points are different figures: bars for each row.
    Bars,
}

/// Whose figures a row shows.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The interpreter's index, and so its colour.
    pub(crate) interpreter: usize,
}

impl From<&Contestant> for Who {
    fn from(contestant: &Contestant) -> Self {
        Self {
            name: contestant.to_string(),
            kind: contestant.kind,
            interpreter: contestant.index,
        }
    }
}

/// The figures of one contestant: for each point, one sample per round.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) who: Who,
    pub(crate) samples: Vec<Vec<f64>>,
}

impl Row {
    /// Smallest, median and largest sample at a point.
    pub(crate) fn range(&self, point: usize) -> (f64, f64, f64) {
        let samples = self.samples.get(point).map_or(&[][..], Vec::as_slice);
        (min(samples), median(samples), max(samples))
    }
}

/// One kind of figure of one workload.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    /// Unique, fit for a link.
    pub(crate) id: &'static str,
    pub(crate) title: String,
    /// What ran, in a sentence or two.
    pub(crate) about: String,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    pub(crate) picture: Picture,
    pub(crate) points: Vec<String>,
    /// The point the verdict is about.
    pub(crate) judged: usize,
    pub(crate) rows: Vec<Row>,
    pub(crate) verdict: String,
    /// Who could not take part, and why.
    pub(crate) left_out: Vec<String>,
}

impl Section {
    /// The table, with the spread of the samples in percent of their median.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        let head = format!("{} [{}]", self.title, self.unit);
        let _ = writeln!(text, "\n{head}\n{}", "-".repeat(head.chars().count()));
        let width = self.points.iter().map(String::len).max().unwrap_or(0);
        let width = width.max(14) + 2;
        let _ = write!(text, "  {:<32}", "");
        for point in &self.points {
            let _ = write!(text, "{point:>width$}");
        }
        text.push('\n');
        for row in &self.rows {
            let _ = write!(text, "  {:<32}", row.who.name);
            for point in 0..self.points.len() {
                let (low, middle, high) = row.range(point);
                let spread = (high - low) / middle / 2.0 * 100.0;
                let cell = format!("{} ±{spread:>2.0}%", short(middle));
                let _ = write!(text, "{cell:>width$}");
            }
            text.push('\n');
        }
        for reason in &self.left_out {
            let _ = writeln!(text, "  left out: {reason}");
        }
        let _ = writeln!(text, "  => {}", self.verdict);
        text
    }

    /// Everything, for machines.
    pub(crate) fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            json!({ "contestant": row.who.name, "profile": row.who.kind.name(), "samples": row.samples })
        });
        json!({
            "id": self.id, "title": self.title, "about": self.about, "unit": self.unit, "points": self.points,
            "more_is_better": self.better == Better::More, "rows": rows.collect::<Vec<_>>(), "verdict": self.verdict,
            "left_out": self.left_out,
        })
    }

    /// One line per sample, without a heading.
    pub(crate) fn csv(&self, text: &mut String) {
        for row in &self.rows {
            for (point, samples) in self.points.iter().zip(&row.samples) {
                for (round, sample) in samples.iter().enumerate() {
                    let (id, name, unit) = (self.id, &row.who.name, self.unit);
                    let _ = writeln!(text, "{id},{name},{point},{unit},{},{sample}", round + 1);
                }
            }
        }
    }
}

/// Three digits that matter, thousands set apart from what follows them by none: `0.05`, `7.31`, `42.8`, `31204`.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        large if large >= 10.0 => format!("{value:.1}"),
        small if small >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn row(name: &str, kind: Kind, samples: &[&[f64]]) -> Row {
        Row {
            who: Who {
                name: name.to_owned(),
                kind,
                interpreter: 0,
            },
            samples: samples.iter().map(|samples| samples.to_vec()).collect(),
        }
    }

    pub(crate) fn section(better: Better, rows: Vec<Row>) -> Section {
        Section {
            id: "x",
            title: "X".into(),
            about: String::new(),
            unit: "ms",
            better,
            picture: Picture::Bars,
            points: vec!["a".into()],
            judged: 0,
            rows,
            verdict: "none".into(),
            left_out: Vec::new(),
        }
    }

    #[test]
    fn a_table_shows_median_and_spread() {
        let section = section(
            Better::Less,
            vec![row("p", Kind::Process, &[&[9.0, 10.0, 11.0]])],
        );
        let table = section.table();
        assert!(table.contains("X [ms]\n------\n"), "{table}");
        assert!(table.contains("10.0 ±10%"), "{table}");
        let mut csv = String::new();
        section.csv(&mut csv);
        assert_eq!(csv.lines().next(), Some("x,p,a,ms,1,9"));
    }

    #[test]
    fn figures_are_short() {
        assert_eq!(
            [0.0512, 7.314, 42.84, 31204.4].map(short),
            ["0.051", "7.31", "42.8", "31204"]
        );
    }
}
