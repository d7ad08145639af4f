//! Each kind of mistake, with its line, its column and what was expected.

use cotangent::Graph;
use cotangent::graph::GraphErrorKind;

fn message(text: &str) -> String {
    match Graph::parse(text) {
        Ok(graph) => panic!("{text}\nwas read as\n{graph}"),
        Err(error) => {
            assert!(matches!(error.kind(), GraphErrorKind::Parse { .. }));
            error.to_string()
        }
    }
}

/// `errors.txt` has texts without their first line, each followed by `=>` and
/// the error that it must give, and separated by empty lines.
#[test]
fn say_where_and_what() {
    let cases: Vec<&str> = include_str!("errors.txt").split("\n\n").collect();
    assert!(cases.len() > 80);
    for case in cases {
        let (body, expected) = case.split_once("=> ").unwrap();
        assert_eq!(message(&format!("cotangent graph v1\n{body}")), expected.trim_end(), "of\n{body}");
    }
}

#[test]
fn of_the_first_line() {
    let whole = "of the first line `cotangent graph v1`";
    for (text, expected) in [
        ("", format!("line 1, column 1: expected cotangent {whole}, found the end of the text")),
        (
            "\n# cotangent graph v1\n",
            format!("line 3, column 1: expected cotangent {whole}, found the end of the text"),
        ),
        ("cotangent graph v2\n", format!("line 1, column 17: expected v1 {whole}, found `v2`")),
        ("cotangent  program", format!("line 1, column 12: expected graph {whole}, found `program`")),
        (
            "\u{feff}cotangent",
            format!("line 1, column 1: expected cotangent {whole}, found `\\u{{feff}}cotangent`"),
        ),
        (
            "cotangent graph v1 output",
            "line 1, column 20: expected the end of the line, found `output`".into(),
        ),
        (
            "cotangent graph v1",
            "line 1, column 19: expected `output` and ids as the last statement, found the end of the text"
                .into(),
        ),
    ] {
        assert_eq!(message(text), expected);
    }
}

#[test]
fn of_unusual_characters() {
    let statement = "expected `input`, `%id = op` or `output`, found";
    for (body, expected) in [
        ("\0\u{1}", format!("line 2, column 1: {statement} `\\0\\u{{1}}`")),
        ("\r\n \u{202e}!\n", format!("line 3, column 2: {statement} `\\u{{202e}}!`")),
        ("input %0 \"\u{e9}\t\": f64[]", "line 2, column 12: expected \\u{9} as an escape".into()),
        (
            "input %0 \"\\\u{e9}\": f64[]",
            "line 2, column 11: expected \\\", \\\\, \\n, \\r, \\t or \\u{hexadecimal}".into(),
        ),
        ("input %0 \"\u{1f600}\" f64[]", "line 2, column 14: expected `:` and a type, found `f64`".into()),
        (
            "input %0 \"x\": f64[\u{663}]",
            "line 2, column 19: expected an extent that fits a 64-bit integer, found `\u{663}`".into(),
        ),
    ] {
        assert_eq!(message(&format!("cotangent graph v1\n{body}")), expected);
    }
}

#[test]
fn are_short() {
    let body = format!("input %0 \"{}\": f64[2]\n%1 = add{}: f64[2]", "n".repeat(5000), " %0".repeat(500));
    let message = message(&format!("cotangent graph v1\n{body}"));
    assert!(
        message.starts_with("line 3, column 6: add: takes 2 operands, got 500 (operands %0 \"nnn"),
        "{message}"
    );
    assert!(message.ends_with("nnn..."), "{message}");
}
