//! Which names an adapter can have. Knows no files.

/// Words Python keeps for itself. `match`, `type` and the like can be names.
const KEYWORDS: &str = "and as assert async await break class continue def del elif else except finally for from global \
     if import in is lambda nonlocal not or pass raise return try while with yield";

/// Modules an adapter of the same name would hide: its folder comes first on the path. Those of the standard library that
/// programs import, from 3.8 to 3.14, and those of the tests of a new adapter.
const TAKEN: &str = "abc aifc annotationlib antigravity argparse array ast asynchat asyncio asyncore atexit audioop \
     base64 bdb binascii binhex bisect builtins bz2 calendar cgi cgitb chunk cmath cmd code codecs codeop collections \
     colorsys compileall compression concurrent configparser contextlib contextvars copy copyreg crypt csv ctypes curses \
     dataclasses datetime dbm decimal difflib dis distutils doctest email encodings ensurepip enum errno faulthandler \
     fcntl filecmp fileinput fnmatch formatter fractions ftplib functools gc genericpath getopt getpass gettext glob \
     graphlib grp gzip hashlib heapq hmac html http idlelib imaplib imghdr imp importlib inspect io ipaddress itertools \
     json keyword lib2to3 linecache locale logging lzma mailbox mailcap marshal math mimetypes mmap modulefinder \
     multiprocessing netrc nis nntplib ntpath numbers opcode operator optparse os ossaudiodev parser pathlib pdb pickle \
     pickletools pipes pkgutil platform plistlib poplib posix posixpath pprint profile pstats pty pwd py_compile pyclbr \
     pydoc pyexpat queue quopri random re readline reprlib resource rlcompleter runpy sched secrets select selectors \
     shelve shlex shutil signal site smtpd smtplib sndhdr socket socketserver spwd sqlite3 sre_compile sre_constants \
     sre_parse ssl stat statistics string stringprep struct subprocess sunau symbol symtable sys sysconfig syslog \
     tabnanny tarfile telnetlib tempfile termios test textwrap this threading time timeit tkinter token tokenize tomllib \
     trace traceback tracemalloc tty turtle types typing unicodedata unittest urllib uu uuid venv warnings wave weakref \
     webbrowser wsgiref xdrlib xml xmlrpc zipapp zipfile zipimport zlib zoneinfo \
     pytest snakepit_boot snakepit_bridge tests";

const LONGEST: usize = 64;

/// Why an adapter cannot have this name, and what to do about it.
pub(super) fn problem(name: &str) -> Option<(String, String)> {
    let why = reason(name)?;
    let hint = match suggestion(name) {
        Some(better) => format!("`{better}` would do"),
        None => "choose a name such as `price_model`".to_owned(),
    };
    Some((format!("`{name}` {why}"), hint))
}

fn reason(name: &str) -> Option<&'static str> {
    let is_word = |words: &str| words.split_whitespace().any(|word| word == name);
    let mut letters = name.chars();
    let is_module = letters
        .next()
        .is_some_and(|first| first.is_ascii_lowercase())
        && letters
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
    if !is_module {
        Some(
            "is not the name of a Python module: lower-case letters, digits and `_`, a letter first",
        )
    } else if name.len() > LONGEST {
        Some("is too long")
    } else if is_word(KEYWORDS) {
        Some("is a keyword of Python")
    } else if is_word(TAKEN) {
        Some("is the name of a module that Python programs import, which it would hide")
    } else {
        None
    }
}

/// A name much like it that can be used.
fn suggestion(name: &str) -> Option<String> {
    let mut better = String::new();
    for letter in name.chars().take(LONGEST) {
        match letter {
            'a'..='z' | '0'..='9' => better.push(letter),
            'A'..='Z' => {
                if better.ends_with(|last: char| last.is_ascii_lowercase()) {
                    better.push('_');
                }
                better.push(letter.to_ascii_lowercase());
            }
            _ if better.is_empty() || better.ends_with('_') => {}
            _ => better.push('_'),
        }
    }
    let better = better.trim_end_matches('_');
    let candidates = [better.to_owned(), format!("{better}_adapter")];
    let mut fit = candidates.into_iter().filter(|other| other != name);
    fit.find(|other| reason(other).is_none())
}

/// `price_model` as a class is called: `PriceModel`.
pub(super) fn class_name(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty());
    words
        .flat_map(|word| {
            let (first, rest) = word.split_at(1);
            [first.to_ascii_uppercase(), rest.to_owned()]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_cannot_be_is_refused_with_one_that_can() {
        for (name, why, better) in [
            ("price-model", "not the name", "`price_model`"),
            ("PriceModel", "not the name", "`price_model`"),
            ("3d", "not the name", "`price_model`"),
            ("", "not the name", "such as"),
            ("../up", "not the name", "`up`"),
            ("größe", "not the name", "`gr_e`"),
            ("random", "would hide", "`random_adapter`"),
            ("snakepit_bridge", "would hide", "`snakepit_bridge_adapter`"),
            ("class", "keyword", "`class_adapter`"),
            (&"a".repeat(65), "too long", "would do"),
        ] {
            let (message, hint) = problem(name).expect(name);
            assert!(message.contains(why), "{message}");
            assert!(hint.contains(better), "{name}: {hint}");
        }
    }

    #[test]
    fn other_names_can_be() {
        for (name, class) in [
            ("greeter", "Greeter"),
            ("price_model", "PriceModel"),
            ("m2_", "M2"),
        ] {
            assert_eq!(problem(name), None);
            assert_eq!(class_name(name), class);
        }
    }
}
