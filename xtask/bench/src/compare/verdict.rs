//! Which contestant to take, from the figures alone; pure.

use super::contestants::Kind;
use super::section::{Better, Row, Section};

/// Medians closer than this are no difference.
const MARGIN: f64 = 0.10;
/// Who is so many times worse is warned of.
const FAR_BEHIND: f64 = 1.5;

/// One line: which profile on which interpreter, and why.
///
/// Better is who is more than 10 % better in the median *and* better in at least four of five rounds. Among those that are as
/// good as the best, the one that isolates best is taken (process, then interpreter, then thread), and of these the fastest.
pub(crate) fn judge(section: &Section) -> String {
    let point = section.judged;
    let at = section.points.get(point).map_or("", String::as_str);
    let value = |row: &Row| row.range(point).1;
    let mut ranked: Vec<&Row> = section
        .rows
        .iter()
        .filter(|row| value(row).is_finite())
        .collect();
    ranked.sort_by(|a, b| match section.better {
        Better::More => value(b).total_cmp(&value(a)),
        Better::Less => value(a).total_cmp(&value(b)),
    });
    let Some(best) = ranked.first().copied() else {
        return "Nothing was measured".to_owned();
    };
    if ranked.len() == 1 {
        return format!("Only {} was measured", best.who.name);
    }
    let mut equal: Vec<&Row> = ranked
        .iter()
        .copied()
        .filter(|row| !is_worse(row, best, section.better, point))
        .collect();
    // Stable: among equals in isolation the faster stays first.
    equal.sort_by_key(|row| row.who.kind);
    let choice = equal[0];
    let worse = |row: &Row| is_worse(row, choice, section.better, point);
    // The best of each other kind, if it is really worse.
    let beaten: Vec<&Row> = [Kind::Process, Kind::Interpreter, Kind::Thread]
        .into_iter()
        .filter(|kind| *kind != choice.who.kind)
        .filter_map(|kind| ranked.iter().copied().find(|row| row.who.kind == kind))
        .filter(|row| worse(row))
        .collect();
    let mut reasons: Vec<String> = beaten
        .iter()
        .map(|row| times(ratio(choice, row, section), section.better) + " " + &row.who.name)
        .collect();
    let equals: Vec<&str> = equal
        .iter()
        .filter(|row| row.who.kind != choice.who.kind)
        .map(|row| row.who.name.as_str())
        .collect();
    if !equals.is_empty() {
        let verb = if equals.len() == 1 { "is" } else { "are" };
        reasons.push(format!(
            "{} {verb} no better, and {} isolates more",
            equals.join(", "),
            choice.who.kind.name()
        ));
    }
    // Others who look like somebody named, but are far behind: threads under a GIL beside threads without.
    let named = |row: &Row| beaten.iter().any(|other| other.who.name == row.who.name);
    let behind: Vec<_> = ranked
        .iter()
        .filter(|row| worse(row) && !named(row) && ratio(choice, row, section) >= FAR_BEHIND)
        .map(|row| {
            format!(
                "{} ({:.1}x worse)",
                row.who.name,
                ratio(choice, row, section)
            )
        })
        .collect();
    if !behind.is_empty() && !reasons.is_empty() {
        reasons.push(format!("not {}", behind.join(", ")));
    }
    if reasons.is_empty() {
        let worst = ranked[ranked.len() - 1];
        if worse(worst) {
            let times = times(ratio(choice, worst, section), section.better);
            reasons.push(format!("{times} {}", worst.who.name));
        } else {
            reasons.push("nobody is better".to_owned());
        }
    }
    format!("Use {} ({at}): {}", choice.who.name, reasons.join("; "))
}

/// Whether a row is worse than another by more than the margin, and in nearly all rounds: a single slow round of either
/// neither makes a difference nor hides one.
fn is_worse(row: &Row, than: &Row, better: Better, point: usize) -> bool {
    let beats = |value: f64, other: f64| match better {
        Better::More => value > other,
        Better::Less => value < other,
    };
    let (middle, than_middle) = (row.range(point).1, than.range(point).1);
    let clear = match better {
        Better::More => middle * (1.0 + MARGIN) < than_middle,
        Better::Less => middle > than_middle * (1.0 + MARGIN),
    };
    let rounds = || row.samples[point].iter().zip(&than.samples[point]);
    let lost = rounds()
        .filter(|(own, other)| beats(**other, **own))
        .count();
    clear && lost * 5 >= rounds().count() * 4
}

/// How many times better a row is than another.
fn ratio(row: &Row, than: &Row, section: &Section) -> f64 {
    let (value, other) = (row.range(section.judged).1, than.range(section.judged).1);
    match section.better {
        Better::More => value / other,
        Better::Less => other / value,
    }
}

/// `1.9x the figure of`, `25 % more than`, `2.2x less than`: how a row compares with a worse one.
fn times(ratio: f64, better: Better) -> String {
    match (ratio >= 1.5, better) {
        (true, Better::More) => format!("{ratio:.1}x the figure of"),
        (true, Better::Less) => format!("{ratio:.1}x less than"),
        (false, Better::More) => format!("{:.0} % more than", (ratio - 1.0) * 100.0),
        (false, Better::Less) => format!("{:.0} % less than", (1.0 - 1.0 / ratio) * 100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::section::tests::{row, section};

    fn verdict(better: Better, rows: &[(&str, Kind, &[f64])]) -> String {
        let rows = rows
            .iter()
            .map(|(name, kind, samples)| row(name, *kind, &[samples]))
            .collect();
        judge(&section(better, rows))
    }

    #[test]
    fn who_is_clearly_better_is_taken() {
        let said = verdict(
            Better::More,
            &[
                ("process", Kind::Process, &[100.0, 101.0]),
                ("thread", Kind::Thread, &[200.0, 202.0]),
            ],
        );
        assert_eq!(said, "Use thread (a): 2.0x the figure of process");
        let said = verdict(
            Better::Less,
            &[
                ("process", Kind::Process, &[80.0]),
                ("thread", Kind::Thread, &[100.0]),
            ],
        );
        assert_eq!(said, "Use process (a): 20 % less than thread");
    }

    #[test]
    fn within_the_margin_the_one_that_isolates_more_is_taken() {
        let said = verdict(
            Better::More,
            &[
                ("thread", Kind::Thread, &[108.0]),
                ("interpreter", Kind::Interpreter, &[104.0]),
                ("process", Kind::Process, &[100.0]),
            ],
        );
        assert_eq!(
            said,
            "Use process (a): interpreter, thread are no better, and process isolates more"
        );
    }

    #[test]
    fn what_is_not_so_in_nearly_every_round_is_no_difference() {
        let said = verdict(
            Better::Less,
            &[
                ("thread", Kind::Thread, &[50.0, 60.0, 120.0]),
                ("process", Kind::Process, &[90.0, 95.0, 99.0]),
            ],
        );
        assert_eq!(
            said,
            "Use process (a): thread is no better, and process isolates more"
        );
    }

    #[test]
    fn a_single_slow_round_hides_nothing() {
        let said = verdict(
            Better::More,
            &[
                (
                    "process",
                    Kind::Process,
                    &[100.0, 100.0, 40.0, 100.0, 100.0],
                ),
                ("thread", Kind::Thread, &[50.0, 50.0, 50.0, 50.0, 50.0]),
            ],
        );
        assert_eq!(said, "Use process (a): 2.0x the figure of thread");
    }

    #[test]
    fn who_is_far_behind_is_warned_of() {
        let said = verdict(
            Better::More,
            &[
                ("process", Kind::Process, &[100.0]),
                ("thread on 3.14t", Kind::Thread, &[101.0]),
                ("thread on 3.14", Kind::Thread, &[50.0]),
            ],
        );
        assert_eq!(
            said,
            "Use process (a): thread on 3.14t is no better, and process isolates more; not thread on 3.14 (2.0x worse)"
        );
    }

    #[test]
    fn of_the_same_kind_the_faster_is_taken() {
        let said = verdict(
            Better::More,
            &[
                ("process on 3.11", Kind::Process, &[100.0]),
                ("process on 3.14", Kind::Process, &[130.0]),
            ],
        );
        assert_eq!(
            said,
            "Use process on 3.14 (a): 30 % more than process on 3.11"
        );
    }

    #[test]
    fn little_is_said_about_little() {
        assert_eq!(verdict(Better::More, &[]), "Nothing was measured");
        assert_eq!(
            verdict(Better::More, &[("thread", Kind::Thread, &[1.0])]),
            "Only thread was measured"
        );
    }
}
