//! What a line means. Knows nothing of the adapter.

use snakepit_core::Args;

use crate::failure::Failure;
use crate::input;

/// A line, understood.
#[derive(Debug, PartialEq)]
pub(super) enum Entry {
    /// Nothing, or a comment.
    Nothing,
    /// Call a command.
    Call { command: String, args: Args },
    /// List the commands.
    Commands,
    /// Say what can be written.
    Help,
    /// Load the code anew, changed or not.
    Reload,
    /// Make calls of this session from now on, or of none.
    Session(Option<String>),
    /// Leave.
    Quit,
}

/// Shown by `:help`.
pub(super) const HELP: &str = "\
  greet name=Ada to:=3      call a command: by name, as text or as JSON; quote text with spaces, name=\"Ada L\"
  greet [\"Ada\", 3]          call it: one JSON value, a list is by position, an object by name
  :commands                 what there is to call
  :session ada              the calls that follow are of this session; of none again with `:session`
  :reload                   load the code anew, changed or not
  :help                     this
  :quit                     leave; so does Ctrl-D

What is saved in the adapter's folder is what the next line calls. Ctrl-C interrupts the running call.";

/// Reads a line.
pub(super) fn read(line: &str) -> Result<Entry, Failure> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(Entry::Nothing);
    }
    if let Some(order) = line.strip_prefix(':') {
        let order = order.trim();
        if let Some(name) = order.strip_prefix("session")
            && (name.is_empty() || name.starts_with(char::is_whitespace))
        {
            let name = Some(name.trim()).filter(|name| !name.is_empty());
            return Ok(Entry::Session(name.map(str::to_owned)));
        }
        return match order {
            "commands" | "c" => Ok(Entry::Commands),
            "help" | "h" | "?" => Ok(Entry::Help),
            "reload" | "r" => Ok(Entry::Reload),
            "quit" | "q" | "exit" => Ok(Entry::Quit),
            other => Err(Failure::usage(
                format!("there is no `:{other}`"),
                Some("`:help` lists what there is".to_owned()),
            )),
        };
    }
    let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let args = if is_json(rest) {
        input::parse(&[rest.to_owned()])?
    } else {
        input::parse(&words(rest)?)?
    };
    let command = command.to_owned();
    Ok(Entry::Call { command, args })
}

/// Whether this would be an order, had it been written with a colon.
pub(super) fn is_order(name: &str) -> bool {
    read(&format!(":{name}")).is_ok()
}

/// Whether all of it is one JSON value, which may have spaces in it. No pair begins like one.
fn is_json(text: &str) -> bool {
    text.starts_with(['[', '{', '"', '-']) || text.starts_with(|first: char| first.is_ascii_digit())
}

/// Splits at spaces, but for those in quotes. A quote within a word is one too, so that `note="a b"` is a word; after `:=`
/// double quotes are JSON's own and stay.
fn words(text: &str) -> Result<Vec<String>, Failure> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut is_word = false;
    for letter in text.chars() {
        match quote {
            Some(open) if letter == open => {
                quote = None;
                if open == '"' && word.contains(":=") {
                    word.push(letter);
                }
            }
            None if letter == '"' || letter == '\'' => {
                quote = Some(letter);
                is_word = true;
                if letter == '"' && word.contains(":=") {
                    word.push(letter);
                }
            }
            None if letter.is_whitespace() => {
                if std::mem::take(&mut is_word) {
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => {
                word.push(letter);
                is_word = true;
            }
        }
    }
    if let Some(open) = quote {
        let message = format!("a quote (`{open}`) is not closed");
        return Err(Failure::usage(message, None));
    }
    if is_word {
        words.push(word);
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Args {
        match read(line) {
            Ok(Entry::Call { command, args }) if command == "greet" => args,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn arguments_are_those_of_call_and_quotes_hold_them_together() {
        let ada = Args::none().with("name", "Ada");
        assert_eq!(args("greet name=Ada"), ada);
        assert_eq!(args("  greet\tname='Ada'  "), ada);
        assert_eq!(args("greet"), Args::none());
        let both = Args::none().with("name", "Ada L").with("to", 3);
        assert_eq!(args("greet name=\"Ada L\" to:=3"), both);
        assert_eq!(args("greet name='Ada L' 'to:=3'"), both);
        assert_eq!(args("greet name:=\"Ada L\" to:=3"), both);
        assert_eq!(args("greet name=''"), Args::none().with("name", ""));
        assert_eq!(args("greet [\"Ada L\", 3]"), {
            use snakepit_core::Value;
            Args::positional([Value::from("Ada L"), Value::from(3)])
        });
        assert_eq!(args("greet { \"name\": \"Ada\" }"), ada);
        assert_eq!(args("greet -1"), Args::positional([-1]));
        assert_eq!(args("greet true"), Args::positional([true]));
    }

    #[test]
    fn orders_begin_with_a_colon_and_comments_are_nothing() {
        for (line, entry) in [
            ("", Entry::Nothing),
            ("# greet", Entry::Nothing),
            (":commands", Entry::Commands),
            (" :help ", Entry::Help),
            (":r", Entry::Reload),
            (":session ada", Entry::Session(Some("ada".to_owned()))),
            (":session", Entry::Session(None)),
            (":quit", Entry::Quit),
        ] {
            assert_eq!(read(line).unwrap(), entry, "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (line, message) in [
            (":leave", "there is no `:leave`"),
            (":sessions", "there is no `:sessions`"),
            ("greet name=\"Ada", "is not closed"),
            ("greet Ada", "the argument is not JSON"),
            ("greet [1,", "the argument is not JSON"),
            ("greet a=1 2", "`2` is not a"),
        ] {
            let Err(Failure::Usage { message: found, .. }) = read(line) else {
                panic!("{line}");
            };
            assert!(found.contains(message), "{line}: {found}");
        }
    }
}
