//! Tests of patterns against the results of Go's `regexp`.
//!
//! The expected results are those of Go's `syntax.Parse(pattern, Perl|DotNL)` and `regexp.Compile("^(?s:" + parsed +
//! ")$")`, as Prometheus compiles patterns. In addition, 54,290 random patterns of 150 pieces of syntax were compared
//! with Go 1.19 on 23 texts each: acceptance and matches were equal for all.

use super::{Capturing, Pattern};

/// Pattern, texts that match, texts that do not.
type Row = (&'static str, &'static [&'static str], &'static [&'static str]);

#[track_caller]
fn check(rows: &[Row]) {
    for (pattern, yes, no) in rows {
        let compiled = Pattern::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        for text in *yes {
            assert!(compiled.is_match(text), "{pattern} should match {text:?}");
        }
        for text in *no {
            assert!(!compiled.is_match(text), "{pattern} should not match {text:?}");
        }
        // `Capturing` is always compiled, also if `Pattern` is a set.
        let capturing = Capturing::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        assert!(yes.iter().all(|text| capturing.replaced(text, "").is_some()), "{pattern}");
        assert!(no.iter().all(|text| capturing.replaced(text, "").is_none()), "{pattern}");
    }
}

#[test]
fn braces_without_a_repetition_are_text() {
    check(&[
        ("/users/{id}", &["/users/{id}"], &["/users/id", "/users/{id"]),
        ("/users/{id}/x{2}", &["/users/{id}/xx"], &["/users/{id}/x{2}"]),
        ("{", &["{"], &["", "{{"]),
        ("}", &["}"], &[""]),
        ("a{,5}", &["a{,5}"], &["a", "aaaaa", ""]),
        ("x{2", &["x{2"], &["xx"]),
        ("x{2,", &["x{2,"], &["xx"]),
        ("a{ 2}", &["a{ 2}"], &["aa"]),
        ("a{02}", &["a{02}"], &["aa"]),
        ("a{-1}", &["a{-1}"], &[]),
        ("a{}", &["a{}"], &["a"]),
        ("{{.Name}}", &["{{.Name}}", "{{xName}}"], &["{.Name}"]),
        ("a{2}{b}", &["aa{b}"], &["a{2}{b}"]),
        ("(a{1,2}){2}", &["aa", "aaaa"], &["a", "aaaaa"]),
        ("a{0}", &[""], &["a"]),
        ("a{0,}b{1,}", &["b", "aabb"], &["a"]),
    ]);
}

#[test]
fn quotes_escapes_and_brackets_match_re2() {
    check(&[
        (r"\Qa.b*\E+", &["a.b*", "a.b**"], &["axb*", "a.b"]),
        (r"\Q(x", &["(x"], &["x"]),
        (r"a\Q\E*", &["", "aaa"], &["b"]),
        (r"\Q\\E", &["\\"], &["\\E"]),
        ("[[]", &["["], &["[[", ""]),
        ("[]]", &["]"], &["[]"]),
        ("[]a]+", &["]a", "a"], &["[", ""]),
        ("[^]a]", &["b", "\n"], &["]", "a"]),
        ("[[a]+", &["[a", "a["], &["]"]),
        ("[a&&b]", &["a", "&", "b"], &["a&&b"]),
        ("[+--c]", &["+", ",", "-", "c"], &["b", "."]),
        ("[a~~b]", &["a", "~"], &["c"]),
        ("[a-]", &["a", "-"], &["b"]),
        ("[-a]", &["a", "-"], &["b"]),
        (r"[\]\-\\]", &["]", "-", "\\"], &["a"]),
        (r"[\d-z]", &["5", "-", "z"], &["y", "a"]),
        (r"\123", &["S"], &["\\123", "123"]),
        (r"\0", &["\0"], &["0"]),
        (r"\08", &["\08"], &["\0"]),
        (r"[\101-\103]", &["A", "B", "C"], &["D"]),
        (r"\x41\x{1F600}", &["A😀"], &["A"]),
        (r"\<\>\@\!\%\_\-\#\ \'", &["<>@!%_-# '"], &[""]),
        (r"\a\f\n\r\t\v", &["\x07\x0c\n\r\t\x0b"], &["afnrtv"]),
        ("a|b|", &["a", "b", ""], &["ab"]),
        ("()", &[""], &["a"]),
        ("a||b", &["a", "", "b"], &["ab"]),
        ("#x y", &["#x y"], &["#xy", ""]),
    ]);
}

#[test]
fn perl_and_posix_classes_are_ascii() {
    check(&[
        (r"\d+", &["12"], &["١٢", ""]),
        (r"\D", &["a", "١", "\n"], &["1"]),
        (r"\w+", &["aZ_9"], &["é", "a-b"]),
        (r"\W", &["é", "-", " "], &["a"]),
        (r"\s", &[" ", "\t", "\n", "\x0c", "\r"], &["\x0b", "\u{a0}", "\u{2003}"]),
        (r"\S", &["a", "\x0b", "\u{a0}"], &[" "]),
        (r".*\bfoo\b.*", &["foo", "a foo-b", "éfoo"], &["afoo", "foo_"]),
        (r"é\Bé", &["éé"], &["é é"]),
        (r"é\bx", &["éx"], &["é x"]),
        (r"\pN+", &["1٢Ⅷ½"], &["a"]),
        (r"\pL\PL", &["é1"], &["11", "ée"]),
        (r"\p{Greek}+", &["αβγ"], &["abc"]),
        (r"\p{^Greek}", &["a"], &["α"]),
        (r"\P{^Greek}", &["α"], &["a"]),
        (r"[\p{Lu}\d]+", &["A1Ä"], &["a"]),
        (r"\p{Any}", &["a", "\n", "😀"], &["", "ab"]),
        ("[[:alpha:]]+", &["aZ"], &["é", "1"]),
        ("[[:^alpha:]]+", &["é1"], &["a"]),
        ("[[:space:]]", &["\x0b", " "], &["a"]),
        ("[[:word:][:punct:]]+", &["a_1!"], &["é"]),
        ("[:alpha:]", &["a", ":", "l"], &["b"]),
    ]);
}

#[test]
fn flags_apply_to_the_rest_of_their_group() {
    check(&[
        ("(?i)abc", &["aBC", "abc"], &["abd"]),
        ("a(?i)b", &["ab", "aB"], &["Ab"]),
        ("a(?i:b)c", &["aBc"], &["aBC"]),
        ("(?i)k", &["k", "K", "\u{212a}"], &["x"]),
        (r"(?i)\w", &["\u{212a}", "\u{17f}"], &["é"]),
        ("(?i)[^k]", &["x"], &["K", "\u{212a}"]),
        ("((?i)a)b", &["Ab"], &["AB"]),
        ("a.b", &["a\nb", "axb"], &["ab"]),
        ("(?-s)a.b", &["axb"], &["a\nb"]),
        ("(?s-i).", &["\n"], &[""]),
        ("(?m)a$\n^b", &["a\nb"], &["ab"]),
        ("a$\nb", &[], &["a\nb"]),
        (r"\Aa\z", &["a"], &["aa"]),
        ("(?U)a+", &["aaa"], &["b"]),
        ("(?)a", &["a"], &[""]),
        ("a*(?i)*", &["", "aaa"], &["A"]),
        ("^*a", &["a"], &["^a"]),
        ("(?i)straße", &["STRAßE"], &["STRASSE"]),
    ]);
}

#[test]
fn patterns_that_re2_rejects_are_rejected_with_their_position() {
    for (pattern, message) in [
        ("(", "missing closing ): `(` at character 1"),
        ("a(b", "missing closing ): `(b` at character 2"),
        ("a)", "unexpected ): `)` at character 2"),
        ("[a", "missing closing ]: `[a` at character 1"),
        ("[]", "missing closing ]"),
        ("[b-a]", "invalid character class range: `b-a` at character 2"),
        ("[a--c]", "invalid character class range: `a--`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
        ("*a", "missing argument to repetition operator: `*` at character 1"),
        ("a|*", "missing argument to repetition operator"),
        ("(+)", "missing argument to repetition operator"),
        ("(?i)*", "missing argument to repetition operator"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a*+", "invalid nested repetition operator"),
        ("a++", "invalid nested repetition operator"),
        ("a??*", "invalid nested repetition operator: `??*`"),
        ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{2,1}", "invalid repeat count"),
        ("a{1,99999999999999999999}", "invalid repeat count"),
        ("(a{100}){100}", "invalid repeat count"),
        ("((a{10}){10}){11}", "invalid repeat count"),
        ("(?=a)", "lookaround"),
        ("a(?!b)", "lookaround"),
        ("(?<=a)b", "lookaround"),
        ("(?<!a)b", "lookaround"),
        ("(?>a)", "invalid or unsupported Perl syntax: `(?>`"),
        ("(?#x)", "invalid or unsupported Perl syntax"),
        ("(?x)a", "invalid or unsupported Perl syntax"),
        ("(?i-)a", "invalid or unsupported Perl syntax"),
        ("(?P=n)", "invalid or unsupported Perl syntax"),
        ("(?P<n-1>a)", "invalid named capture: `(?P<n-1>`"),
        ("(?P<>a)", "invalid named capture"),
        ("(?P<n", "invalid named capture"),
        (r"(a)\1", "does not support backreferences"),
        (r"\8", "does not support backreferences"),
        (r"a\Z", "write \\z for the end of the text"),
        (r"\C", "invalid escape sequence: `\\C`"),
        (r"\E", "invalid escape sequence"),
        (r"\G", "invalid escape sequence"),
        (r"\h", "invalid escape sequence"),
        (r"\é", "invalid escape sequence"),
        (r"\x{110000}", "invalid escape sequence"),
        (r"\x{}", "invalid escape sequence"),
        (r"\xg1", "invalid escape sequence"),
        (r"\u0041", "invalid escape sequence"),
        (r"[\b]", "invalid escape sequence"),
        (r"[a-\d]", "invalid escape sequence"),
        ("a\\", "trailing backslash at end of expression"),
        (r"\p{Nope}", "invalid character class range: `\\p{Nope}`"),
        (r"\p{Alphabetic}", "invalid character class range"),
        (r"\p{IsGreek}", "invalid character class range"),
        (r"\p{Grek}", "invalid character class range"),
        (r"\p{Lu", "invalid character class range"),
        (r"\pX", "invalid character class range"),
    ] {
        match Pattern::new(pattern) {
            Ok(_) => panic!("{pattern} should be rejected"),
            Err(error) => assert!(error.to_string().contains(message), "{pattern}: {error}"),
        }
    }
}

#[test]
fn templates_are_expanded_as_in_go() {
    let check = |pattern: &str, text: &str, template: &str, expected: Option<&str>| {
        let found = Capturing::new(pattern).unwrap().replaced(text, template);
        assert_eq!(found.as_deref(), expected, "{pattern} {text} {template}");
    };
    check("(.*)-(.*)", "a-b-c", "$2/$1", Some("c/a-b"));
    check("(.*?)-(.*)", "a-b-c", "$2/$1", Some("b-c/a"));
    check("(?U)(.*)-(.*)", "a-b-c", "$1", Some("a"));
    check("(a)|(b)", "b", "[$1][$2]", Some("[][b]"));
    check("(?P<host>[^:]+):(?P<1st>[0-9]+)", "web:80", "$host ${1st} $2", Some("web 80 80"));
    check("(?<x>a)|(?<x>b)", "b", "$x", Some("b"));
    check("a.*", "a\nb", "$0", Some("a\nb"));
    check("(?:a)(b)", "ab", "$1", Some("b"));
    check("b", "ab", "$0", None);
    check("(a|ab)(c|bcd)(d*)", "abcd", "$1,$2,$3", Some("a,bcd,"));
}

#[test]
fn thousands_of_names_are_a_set_and_large_patterns_compile() {
    let names: Vec<String> = (0..20_000).map(|n| format!("web-{n}.example")).collect();
    let plain = names.join("|").replace('.', r"\.");
    let started = std::time::Instant::now();
    for text in [plain.clone(), format!("({plain})"), format!("(?:({plain}))"), format!("{plain}|")] {
        let pattern = Pattern::new(&text).unwrap();
        assert!(pattern.is_match("web-19999.example") && !pattern.is_match("web-20000.example"));
        assert!(!pattern.is_match("web-1xexample"));
    }
    for text in [format!("prefix-({plain})"), format!("({plain}):[0-9]+"), format!("(?i){}", names[..2_000].join("|"))]
    {
        assert!(Pattern::new(&text).is_ok());
    }
    assert!(Capturing::new(&format!("({plain})")).is_ok());
    assert!(Pattern::new(&format!("({plain}):[0-9]+")).unwrap().is_match("web-7.example:80"));
    // All of them take a second or two; a cost quadratic in the names would take minutes.
    assert!(started.elapsed().as_secs() < 60);
    assert!(Pattern::new(r"\pL{1000}").unwrap().is_match(&"é".repeat(1000)));
    assert!(Pattern::new(&format!("{}a{}", "(".repeat(250), ")".repeat(250))).unwrap().is_match("a"));
    assert!(Pattern::new(&format!("{}a{}", "(?:".repeat(250), ")*".repeat(250))).unwrap().is_match("aaa"));
    assert!(Pattern::new(&"(".repeat(100_000)).unwrap_err().to_string().contains("nests too deeply"));
    assert!(Pattern::new(&"(a{2}".repeat(30)).is_err());
}

#[test]
fn the_patterns_of_all_queries_together_are_bounded() {
    // Some megabytes each when compiled, from nine characters.
    let large = || Pattern::new(r"\pL{100}x");
    let mut held = Vec::new();
    let refused = loop {
        match large() {
            Ok(pattern) => held.push(pattern),
            Err(error) => break error,
        }
        assert!(held.len() < 200, "no limit");
    };
    assert!(refused.to_string().contains("too large together"), "{refused}");
    assert!(held.len() >= 4, "{}", held.len());
    // Small ones and lists of texts find room, and what is dropped is free again.
    assert!(Pattern::new("a.*b").is_ok() && Pattern::new("a|b|c").is_ok());
    drop(held);
    assert!(large().is_ok());
}
