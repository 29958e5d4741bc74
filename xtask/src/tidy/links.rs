//! Relative links in Markdown: the file is there, and so is the heading.

use std::path::Path;

use super::{Finding, is};
use crate::project::root;

pub(super) fn check(file: &Path, text: &str) -> Vec<Finding> {
    if !is(file, "md") {
        return Vec::new();
    }
    let broken = |(line, target): (usize, &str)| {
        let what = format!("the link `{target}` leads nowhere");
        (!resolves(file, text, target))
            .then(|| Finding::new(file, line, what, "mend the path or the heading's name"))
    };
    links(text).into_iter().filter_map(broken).collect()
}

/// Line and target of every `[text](target)` outside code.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        for (at, _) in line.match_indices("](") {
            let in_code = line[..at].matches('`').count() % 2 == 1;
            if let Some((target, _)) = line[at + 2..].split_once(')').filter(|_| !in_code) {
                links.push((number, target.split_whitespace().next().unwrap_or_default()));
            }
        }
    }
    links
}

/// The numbered lines that are not in a fenced block.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .filter(move |(_, line)| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            !fenced && !fence
        })
}

fn resolves(file: &Path, text: &str, target: &str) -> bool {
    if target.contains("://") || target.starts_with("mailto:") {
        return true;
    }
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let linked = root().join(file).with_file_name(path);
    let other = if path.is_empty() {
        None
    } else {
        Some(std::fs::read_to_string(&linked).unwrap_or_default())
    };
    let exists = path.is_empty() || linked.exists();
    // A line number in a source file is no heading.
    let is_markdown = path.is_empty() || is(&linked, "md");
    let found = heading.is_empty()
        || !is_markdown
        || has_heading(other.as_deref().unwrap_or(text), heading);
    exists && found
}

fn has_heading(text: &str, wanted: &str) -> bool {
    prose(text)
        .filter(|(_, line)| line.starts_with('#'))
        .any(|(_, line)| slug(line) == wanted)
}

/// What a heading is called in links: lower case, dashes for blanks, no punctuation.
fn slug(heading: &str) -> String {
    let title = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = title
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_code() {
        let text = "a [b](c.md) `[x](y)`\n```\n[no](no.md)\n```\n[d](e.md#f \"title\")\n";
        assert_eq!(links(text), [(1, "c.md"), (5, "e.md#f")]);
    }

    #[test]
    fn a_link_leads_to_a_file_and_a_heading() {
        let text = "# 3.2 Errors, `typed`\n";
        let file = Path::new("docs/x.md");
        assert!(resolves(file, text, "#32-errors-typed"));
        assert!(!resolves(file, text, "#errors"));
        assert!(resolves(file, text, "../Cargo.toml"));
        assert!(!resolves(file, text, "../no-such-file.md"));
        assert!(resolves(file, text, "https://example.org/x"));
    }
}
