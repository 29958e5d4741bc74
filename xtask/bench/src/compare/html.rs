//! The report as one page that needs nothing else: no scripts, no fonts, no network; readable in light and dark.

use std::fmt::Write as _;

use serde_json::Value;

use super::chart;
use super::section::{Section, short};
use crate::report::Report;
use crate::statistics::{max, min};

const STYLE: &str = include_str!("style.css");

/// The whole page.
pub(super) fn page(sections: &[Section], report: &Report) -> String {
    let about = report.about();
    let interpreters = about["interpreters"].as_array().map_or(0, Vec::len);
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Snakepit: worker profiles compared</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{}<main>\n",
        chart::patterns(interpreters)
    );
    text.push_str("<h1>Worker profiles compared</h1>\n");
    text.push_str(&origin(about));
    text.push_str(&verdicts(sections));
    text.push_str(&bars(report));
    text.push_str(&how_to_read(about));
    for section in sections {
        text.push_str(&one(section));
    }
    text.push_str(&again(about));
    // What ends a script element early must not occur in it.
    let data = report.json().to_string().replace("</", "<\\/");
    let _ = write!(
        text,
        "<script type=\"application/json\" id=\"data\">{data}</script>\n</main>\n</body>\n</html>\n"
    );
    text
}

/// Text for HTML, also inside of attributes.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn string<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn percent(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default() * 100.0
}

/// Machine, revision, interpreters, and what spoils the figures.
fn origin(about: &Value) -> String {
    let revision = string(about, "revision").get(..12).unwrap_or_default();
    let dirty = if about["dirty"] == true {
        " with local changes"
    } else {
        ""
    };
    let mut text = format!(
        "<p class=\"origin\">{} &middot; {}, {} cores, Linux {} &middot; revision {revision}{dirty}</p>\n",
        escape(string(about, "date")),
        escape(string(about, "cpu")),
        about["cores"],
        escape(string(about, "kernel"))
    );
    let mut warnings = Vec::new();
    if percent(&about["busy"]) > 10.0 {
        warnings.push(format!(
            "The machine was up to {:.0} % busy with other things between workloads: some figures mean little.",
            percent(&about["busy"])
        ));
    }
    if percent(&about["busy"]) > 10.0 && about["autogroup"] == true {
        warnings.push(
            "This kernel shares the processors among sessions first. All processes of one lane are a session, and each process \
             with many threads is one: on a busy machine they get unequal shares."
                .to_owned(),
        );
    }
    if percent(&about["stolen"]) > 5.0 {
        warnings.push(format!(
            "The host of this virtual machine gave {:.0} % of the processors to others: read ratios, not absolutes.",
            percent(&about["stolen"])
        ));
    }
    if about["config"]["quick"] == true {
        warnings
            .push("A quick run: it shows that everything works; its figures mean less.".to_owned());
    }
    let missing = about["missing"].as_array().into_iter().flatten();
    warnings
        .extend(missing.map(|what| format!("Left out: {}.", what.as_str().unwrap_or_default())));
    for warning in warnings {
        let _ = writeln!(text, "<p class=\"warning\">{}</p>", code(&warning));
    }
    text
}

/// Escaped, with what stands between backquotes as code.
fn code(text: &str) -> String {
    let mut parts = text.split('`');
    let mut html = escape(parts.next().unwrap_or_default());
    for (index, part) in parts.enumerate() {
        let tag = if index % 2 == 0 { "<code>" } else { "</code>" };
        html.push_str(tag);
        html.push_str(&escape(part));
    }
    html
}

fn verdicts(sections: &[Section]) -> String {
    let mut text = "<h2>What to use</h2>\n<table class=\"verdicts\"><tbody>\n".to_owned();
    for section in sections {
        let _ = writeln!(
            text,
            "<tr><th scope=\"row\"><a href=\"#{}\">{}</a></th><td>{}</td></tr>",
            section.id,
            escape(&section.title),
            escape(&section.verdict)
        );
    }
    text.push_str("</tbody></table>\n");
    text
}

fn bars(report: &Report) -> String {
    let mut text = "<h2>Bars</h2>\n<p>What was promised, each measured side by side with its peer in this run. The value is \
                    the median, beside it the smallest and largest turn.</p>\n<div \
                    class=\"wide\"><table><thead><tr><th>What</th><th \
                    class=\"number\">Value</th><th class=\"number\">Range</th><th>Bar</th><th></th></tr></thead><tbody>\n"
        .to_owned();
    // What has a bar comes first.
    let mut figures: Vec<_> = report.figures().iter().collect();
    figures.sort_by_key(|figure| figure.bar.limit().is_none());
    for figure in figures {
        let (limit, class, verdict) = match figure.bar.limit() {
            None => (String::new(), "beside", "for comparison"),
            Some(limit) if figure.bar.is_met(figure.value) => (limit, "met", "✓ met"),
            Some(limit) if figure.value.is_nan() => (limit, "missed", "✗ not measured"),
            Some(limit) => (limit, "missed", "✗ missed"),
        };
        let _ = writeln!(
            text,
            "<tr><td>{}</td><td class=\"number\"><b>{}</b> {}</td><td class=\"number\">{} &ndash; {}</td><td class=\"limit\">{}</td><td \
             class=\"{class}\">{verdict}</td></tr>",
            escape(&figure.name),
            short(figure.value),
            figure.unit,
            short(min(&figure.repetitions)),
            short(max(&figure.repetitions)),
            limit.replace("<=", "&le;").replace(">=", "&ge;")
        );
    }
    text.push_str("</tbody></table></div>\n");
    text
}

fn how_to_read(about: &Value) -> String {
    let mut text =
        "<h2>How to read the pictures</h2>\n<p>The colour is the interpreter, the mark and the dashes are the profile \
         (circle and solid: process; square and dashed: thread; triangle and dotted: interpreter). A point or bar is the \
         median of the rounds, its whisker reaches from the smallest to the largest; an arrow means that it goes on beyond the \
         picture. All contestants have the same number of \
         lanes and take turns, so that a machine that gets slower gets slower for all. One is called better if its median is more than 10 % better and it is better in at least \
         four of five rounds; among equals the profile that isolates more is recommended.</p>\n<ul class=\"interpreters\">\n"
            .to_owned();
    let interpreters = about["interpreters"].as_array().into_iter().flatten();
    for (index, interpreter) in interpreters.enumerate() {
        let build = if interpreter["optimised"] == true {
            "built with all optimisations"
        } else {
            "built without profile-guided optimisation"
        };
        let library = |name: &str| match interpreter[name].as_str() {
            Some(version) => format!("{name} {version}"),
            None => format!("no {name}"),
        };
        let _ = writeln!(
            text,
            "<li><svg width=\"14\" height=\"14\" aria-hidden=\"true\"><rect width=\"14\" height=\"14\" class=\"fill \
             i{index}\"/></svg> <b>Python {}</b>: {}; {build}; {}, {}</li>",
            escape(string(interpreter, "name")),
            escape(string(interpreter, "version")),
            escape(&library("numpy")),
            escape(&library("pandas"))
        );
    }
    text.push_str("</ul>\n");
    text
}

fn one(section: &Section) -> String {
    let mut text = format!(
        "<section id=\"{}\">\n<h2>{}</h2>\n<p>{}</p>\n<p class=\"verdict\">{}</p>\n{}\n",
        section.id,
        escape(&section.title),
        escape(&section.about),
        escape(&section.verdict),
        chart::picture(section)
    );
    for reason in &section.left_out {
        let _ = writeln!(
            text,
            "<p class=\"left-out\">Left out: {}</p>",
            escape(reason)
        );
    }
    let _ = write!(
        text,
        "<details><summary>Figures</summary>\n<div class=\"wide\"><table><thead><tr><th>{}</th>",
        section.unit
    );
    for point in &section.points {
        let _ = write!(text, "<th class=\"number\">{}</th>", escape(point));
    }
    text.push_str("</tr></thead><tbody>\n");
    for row in &section.rows {
        let _ = write!(text, "<tr><th scope=\"row\">{}</th>", escape(&row.who.name));
        for point in 0..section.points.len() {
            let (low, middle, high) = row.range(point);
            let _ = write!(
                text,
                "<td class=\"number\"><b>{}</b> <small>{} &ndash; {}</small></td>",
                short(middle),
                short(low),
                short(high)
            );
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody></table></div></details>\n</section>\n");
    text
}

fn again(about: &Value) -> String {
    let quick = if about["config"]["quick"] == true {
        " --quick"
    } else {
        ""
    };
    format!(
        "<h2>Again</h2>\n<p><code>cargo xtask bench{quick}</code> in a clone of the revision above. The single samples are in \
         <code>samples.csv</code> beside this page, everything is in <code>report.json</code>, and in this page as the \
         JSON element <code>data</code>. What is measured and how: <code>docs/benchmarks.md</code>.</p>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::contestants::Kind;
    use crate::compare::section::Better;
    use crate::compare::section::tests::{row, section};

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(
            escape("<a href=\"x\">&"),
            "&lt;a href=&quot;x&quot;&gt;&amp;"
        );
        assert_eq!(code("run `a <b>` now"), "run <code>a &lt;b&gt;</code> now");
    }

    #[test]
    fn a_section_shows_picture_figures_and_verdict() {
        let mut section = section(
            Better::Less,
            vec![row("p", Kind::Process, &[&[1.0, 2.0, 3.0]])],
        );
        section.left_out.push("thread: <none>".into());
        let text = one(&section);
        for part in [
            "<svg",
            "<b>2.00</b> <small>1.00 &ndash; 3.00",
            "&lt;none&gt;",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn the_page_asks_for_nothing_from_elsewhere() {
        for forbidden in ["http:", "https:", "@import", "url(/", "src="] {
            assert!(!STYLE.contains(forbidden), "{forbidden}");
        }
    }
}
