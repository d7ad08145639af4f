//! What is said of bad usage and bad files.

use crate::{bad, good, path, run, run_with};

#[test]
fn errors_of_a_file_point_into_it() {
    let file = path("unknown_op.ct");
    for command in ["check", "run", "grad", "bench", "show"] {
        assert_eq!(
            bad(2, &[command, &file]),
            format!(
                "error: unknown op `ngeg`, did you mean `neg`?\n --> {file}:3:6\n  |\n3 | %1 = ngeg %0: f64[2]\n  |      ^\n"
            )
        );
    }
    let err = bad(2, &["check", &path("shapes.ct")]);
    assert!(err.contains(&format!(" --> {}:4:6\n", path("shapes.ct"))), "{err}");
    assert!(err.starts_with("error: add: shapes [2] and [3]"), "{err}");
    let ran = run_with(&["check", "-"], "cotangent graph v1\noutput %0\n");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains(" --> <stdin>:2:8\n"), "{}", ran.err);
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let text = format!("cotangent graph v1\ninput %0 \"{}\": f65[2]\noutput\n", "x".repeat(5000));
    let ran = run_with(&["check", "-"], &text);
    assert_eq!(ran.code, 2);
    assert!(ran.err.lines().all(|line| line.chars().count() < 140), "{}", ran.err);
    let lines: Vec<&str> = ran.err.lines().collect();
    let caret = lines[4].find('^').expect("a caret");
    assert!(lines[3][caret..].starts_with("f65"), "{}", ran.err);
}

#[test]
fn bad_usage() {
    let file = path("regression.ct");
    let cases: [(&[&str], &str); 11] = [
        (&["run", "/nonexistent.ct"], "cannot read /nonexistent.ct"),
        (
            &["run", &file],
            "no value for input %0 \"w\": f64[2], input %1 \"x\": f64[3,2], input %2 \"y\": f64[3]",
        ),
        (&["run", &file, "-i", "z=1"], "has no input z; it has %0 \"w\", %1 \"x\", %2 \"y\""),
        (&["run", &file, "-i", "w=1,2,3"], "input w is f64[2]: expected 2 elements, got 3"),
        (&["run", &file, "-i", "w=1,a"], "input w: `a` is not a number"),
        (&["run", &file, "-i", "w"], "expected NAME=NUMBERS"),
        (&["run", &file, "--random", "1", "-o", "x.txt"], "expected .npy or .safetensors"),
        (&["grad", &file, "--random", "1", "--wrt", "q"], "has no input q"),
        (&["check", &file, "--points", "0"], "expected a number from 1 to 100000"),
        (&["frobnicate"], "unrecognized subcommand"),
        (&["show", &file, "--as", "gif"], "[possible values: text, dot, svg, clif, asm, report]"),
    ];
    for (arguments, message) in cases {
        let err = bad(2, arguments);
        assert!(err.contains(message), "{arguments:?}: {err}");
    }
    let binary = run_with(&["check", env!("CARGO_BIN_EXE_cotangent")], "");
    assert_eq!(binary.code, 2);
    assert!(binary.err.contains("is not UTF-8"), "{}", binary.err);
}

#[test]
fn help_has_examples() {
    let help = good(&["--help"]);
    for part in ["Examples:", "cotangent grad model.ct --random 7", "Exit codes:", "check", "bench"] {
        assert!(help.contains(part), "{help}");
    }
    assert!(good(&["run", "--help"]).contains("--checked"));
    assert!(good(&["--version"]).starts_with("cotangent "));
    assert_eq!(run(&[]).code, 2);
}

#[test]
fn a_gradient_that_does_not_exist() {
    let err = bad(1, &["grad", &path("lookup.ct"), "--random", "1"]);
    assert!(err.contains("a gradient needs one output, the graph has 4"), "{err}");
    let err = bad(1, &["grad", &path("lookup.ct"), "--random", "1", "--wrt", "rows"]);
    assert!(err.contains("carries no derivative") || err.contains("needs one output"), "{err}");
}
