//! Character classes of Perl, POSIX and Unicode, optionally case-insensitive.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// Scripts with a name of four letters. Any other name of four letters is a code of ISO 15924, which RE2 rejects.
const SCRIPTS_OF_FOUR: [&str; 7] = ["ahom", "cham", "kawi", "lisu", "modi", "thai", "toto"];

/// Ranges of ASCII characters.
type Ranges = &'static [(char, char)];

const DIGIT: Ranges = &[('0', '9')];
const SPACE: Ranges = &[('\t', '\n'), ('\x0c', '\r'), (' ', ' ')];
const WORD: Ranges = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

/// POSIX classes by name.
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

/// Builds a class from ranges. `fold`: adds the characters that differ in case only.
fn class_of(ranges: &[(char, char)], fold: bool, negated: bool) -> ClassUnicode {
    let mut class = ClassUnicode::new(ranges.iter().map(|(start, end)| ClassUnicodeRange::new(*start, *end)));
    fold_and_negate(&mut class, fold, negated);
    class
}

/// Folds case, then negates: `(?i)[^k]` excludes both cases of `k`.
fn fold_and_negate(class: &mut ClassUnicode, fold: bool, negated: bool) {
    if fold {
        class.case_fold_simple();
    }
    if negated {
        class.negate();
    }
}

/// Returns the class of `.`: every character, or every character except a newline.
pub(super) fn any(newline: bool) -> ClassUnicode {
    // The negation of no range or of the newline.
    class_of(&[('\n', '\n')][usize::from(newline)..], false, true)
}

/// Returns the class of `\d \D \s \S \w \W` by its letter.
pub(super) fn perl(letter: char, fold: bool) -> Option<ClassUnicode> {
    let ranges = match letter.to_ascii_lowercase() {
        'd' => DIGIT,
        's' => SPACE,
        'w' => WORD,
        _ => return None,
    };
    Some(class_of(ranges, fold, letter.is_ascii_uppercase()))
}

/// Returns the class of `[:name:]` or `[:^name:]`.
pub(super) fn posix(name: &str, fold: bool) -> Option<ClassUnicode> {
    let (name, negated) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
    POSIX.iter().find(|(known, _)| *known == name).map(|(_, ranges)| class_of(ranges, fold, negated))
}

/// Returns the class of `\p{name}` or `\P{name}`: a general category or a script of Unicode.
pub(super) fn unicode(name: &str, fold: bool, negated: bool) -> Option<ClassUnicode> {
    let (name, negated) = name.strip_prefix('^').map_or((name, negated), |name| (name, !negated));
    // Names are compared without case and separators (UTS 18).
    let loose: String =
        name.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).map(|c| c.to_ascii_lowercase()).collect();
    let mut class = match loose.as_str() {
        "any" => any(true),
        "ascii" => class_of(&[('\0', '\x7f')], false, false),
        // A text contains no surrogates.
        "cs" | "surrogate" => ClassUnicode::empty(),
        _ if loose.starts_with("is") => return None,
        _ => property("gc", &loose).or_else(|| {
            let is_code = loose.len() == 4 && !SCRIPTS_OF_FOUR.contains(&loose.as_str());
            if is_code { None } else { property("sc", &loose) }
        })?,
    };
    fold_and_negate(&mut class, fold, negated);
    Some(class)
}

/// Returns the characters with a value of a property, from the tables of `regex-syntax`.
fn property(property: &str, value: &str) -> Option<ClassUnicode> {
    let is_name = !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric());
    let hir = regex_syntax::Parser::new().parse(&format!(r"\p{{{property}={value}}}")).ok().filter(|_| is_name)?;
    match hir.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        _ => None,
    }
}

/// Returns the characters with code points from `low` to `high`, except surrogates.
pub(super) fn between(low: u32, high: u32, fold: bool) -> ClassUnicode {
    let mut class = ClassUnicode::empty();
    // The two ranges below and above the surrogates.
    for (first, last) in [(0, 0xd7ff), (0xe000, 0x10_ffff)] {
        if let (Some(start), Some(end)) = (char::from_u32(low.max(first)), char::from_u32(high.min(last)))
            && start <= end
        {
            class.push(ClassUnicodeRange::new(start, end));
        }
    }
    fold_and_negate(&mut class, fold, false);
    class
}

/// Returns the complement of a class.
pub(super) fn negated(mut class: ClassUnicode) -> ClassUnicode {
    class.negate();
    class
}
