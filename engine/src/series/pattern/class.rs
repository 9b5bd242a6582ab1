//! Sets of characters: Perl's, POSIX' and Unicode's, with and without case.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// Scripts whose names have four letters; any other name of four letters is a code of ISO 15924, which RE2 does not know.
const SCRIPTS_OF_FOUR: [&str; 7] = ["ahom", "cham", "kawi", "lisu", "modi", "thai", "toto"];

/// Ranges of ASCII.
type Ranges = &'static [(char, char)];

const DIGIT: Ranges = &[('0', '9')];
const SPACE: Ranges = &[('\t', '\n'), ('\x0c', '\r'), (' ', ' ')];
const WORD: Ranges = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

/// POSIX' classes by name.
const POSIX: &[(&str, Ranges)] = &[
    ("alnum", &[('0', '9'), ('A', 'Z'), ('a', 'z')]),
    ("alpha", &[('A', 'Z'), ('a', 'z')]),
    ("ascii", &[('\0', '\x7f')]),
    ("blank", &[('\t', '\t'), (' ', ' ')]),
    ("cntrl", &[('\0', '\x1f'), ('\x7f', '\x7f')]),
    ("digit", DIGIT),
    ("graph", &[('!', '~')]),
    ("lower", &[('a', 'z')]),
    ("print", &[(' ', '~')]),
    ("punct", &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
    ("space", &[('\t', '\r'), (' ', ' ')]),
    ("upper", &[('A', 'Z')]),
    ("word", WORD),
    ("xdigit", &[('0', '9'), ('A', 'F'), ('a', 'f')]),
];

/// One set from ranges of characters, with those that differ by case alone when `fold` is set.
fn of(ranges: &[(char, char)], fold: bool, negated: bool) -> ClassUnicode {
    let mut class = ClassUnicode::new(ranges.iter().map(|(start, end)| ClassUnicodeRange::new(*start, *end)));
    finish(&mut class, fold, negated);
    class
}

fn finish(class: &mut ClassUnicode, fold: bool, negated: bool) {
    if fold {
        class.case_fold_simple();
    }
    if negated {
        class.negate();
    }
}

/// Every character; without newlines on request.
pub(super) fn any(newline: bool) -> ClassUnicode {
    of(&[('\n', '\n')][usize::from(newline)..], false, true)
}

/// The class of `\d \D \s \S \w \W` by its letter.
pub(super) fn perl(letter: char, fold: bool) -> Option<ClassUnicode> {
    let ranges = match letter.to_ascii_lowercase() {
        'd' => DIGIT,
        's' => SPACE,
        'w' => WORD,
        _ => return None,
    };
    Some(of(ranges, fold, letter.is_ascii_uppercase()))
}

/// The class of `[:name:]` or `[:^name:]`.
pub(super) fn posix(name: &str, fold: bool) -> Option<ClassUnicode> {
    let (name, negated) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
    POSIX.iter().find(|(known, _)| *known == name).map(|(_, ranges)| of(ranges, fold, negated))
}

/// The class of `\p{name}` or `\P{name}`: a general category or a script of Unicode.
pub(super) fn unicode(name: &str, fold: bool, negated: bool) -> Option<ClassUnicode> {
    let (name, negated) = name.strip_prefix('^').map_or((name, negated), |name| (name, !negated));
    let loose: String =
        name.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).map(|c| c.to_ascii_lowercase()).collect();
    let mut class = match loose.as_str() {
        "any" => any(true),
        "ascii" => of(&[('\0', '\x7f')], false, false),
        // Surrogates are no characters of a text.
        "cs" | "surrogate" => ClassUnicode::empty(),
        _ if loose.starts_with("is") => return None,
        _ => property("gc", &loose).or_else(|| {
            let is_code = loose.len() == 4 && !SCRIPTS_OF_FOUR.contains(&loose.as_str());
            if is_code { None } else { property("sc", &loose) }
        })?,
    };
    finish(&mut class, fold, negated);
    Some(class)
}

/// The characters with a value of a property, by the tables of `regex-syntax`.
fn property(property: &str, value: &str) -> Option<ClassUnicode> {
    let is_name = !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric());
    let hir = regex_syntax::Parser::new().parse(&format!(r"\p{{{property}={value}}}")).ok().filter(|_| is_name)?;
    match hir.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        _ => None,
    }
}

/// Code points from `low` to `high` as characters: surrogates fall out.
pub(super) fn between(low: u32, high: u32, fold: bool) -> ClassUnicode {
    let mut class = ClassUnicode::empty();
    // The two blocks around the surrogates.
    for (first, last) in [(0, 0xd7ff), (0xe000, 0x10_ffff)] {
        if let (Some(start), Some(end)) = (char::from_u32(low.max(first)), char::from_u32(high.min(last)))
            && start <= end
        {
            class.push(ClassUnicodeRange::new(start, end));
        }
    }
    finish(&mut class, fold, false);
    class
}

/// The set of everything outside.
pub(super) fn negated(mut class: ClassUnicode) -> ClassUnicode {
    class.negate();
    class
}
