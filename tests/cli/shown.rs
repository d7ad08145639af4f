//! `check`, `show` and `bench`.

use crate::{good, path, run_with};
use cotangent::Graph;

#[test]
fn check_prints_a_table() {
    let out = good(&["check", &path("regression.ct")]);
    assert!(out.starts_with("op           nodes  result  points"), "{out}");
    assert!(
        out.ends_with(
            "4 nodes at 5 points (seed 1): 4 exact, 0 tested, 0 zero by rule, 0 not testable, 0 broken\n"
        ),
        "{out}"
    );
    let out = good(&["check", &path("entropy.ct"), "--points", "3", "--seed", "9"]);
    assert!(out.contains("4 nodes at 3 points (seed 9): 3 exact, 1 tested"), "{out}");
    let out = good(&["check", &path("entropy.ct"), "-i", "p=0.25"]);
    assert!(out.contains("3 exact, 1 tested"), "{out}");
}

#[test]
fn text_reads_back() {
    let out = good(&["show", &path("regression.ct")]);
    let graph = Graph::parse(&out).expect("a graph");
    assert_eq!(graph.to_string(), out);
    for form in ["value-and-grad", "vjp", "jvp", "dense"] {
        let out = good(&["show", &path("regression.ct"), "--form", form]);
        let derived = Graph::parse(&out).expect("a graph");
        assert!(derived.nodes().len() > graph.nodes().len(), "{form}");
        // It runs like any other.
        let ran = run_with(&["run", "-", "--random", "3"], &out);
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
}

#[test]
fn code_and_pictures() {
    let file = path("regression.ct");
    let clif = good(&["show", &file, "--as", "clif", "--form", "value-and-grad"]);
    assert!(clif.contains("function ") && clif.contains("fmul"), "{clif}");
    for tier in ["fast", "full"] {
        let asm = good(&["show", &file, "--as", "asm", "--tier", tier]);
        assert!(!asm.contains("function ") && asm.contains("ret"), "{asm}");
    }
    for tier in ["fast", "full"] {
        let report = good(&["show", &file, "--as", "report", "--form", "dense", "--tier", tier]);
        let first: Vec<&str> = report.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(
            first[..7],
            ["derive", "simplify", "schedule", "emit", "generate", "link", "in"],
            "{report}"
        );
        assert!(report.ends_with(" bytes of workspace\n"), "{report}");
    }
    let dot = good(&["show", &file, "--as", "dot"]);
    assert!(dot.starts_with("digraph cotangent {") && dot.contains("matvec"), "{dot}");
    let svg = good(&["show", &file, "--as", "svg", "--form", "value-and-grad"]);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.contains("matvec"), "{svg}");
}

#[test]
fn bench_measures() {
    let out = good(&["bench", &path("regression.ct"), "--random", "1", "--rounds", "3"]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "value and gradient, medians of 3 rounds");
    for (line, name) in lines[2..].iter().zip(["tape", "compiled, fast tier", "compiled, full tier"]) {
        assert!(line.starts_with(name) && (line.contains(" ns") || line.contains(" us")), "{out}");
    }
    assert_eq!(lines.len(), 5);
    for (form, name) in [
        ("forward", "forward"),
        ("vjp", "outputs and vector-Jacobian product"),
        ("jvp", "outputs and Jacobian-vector product"),
        ("dense", "every value and its gradient"),
    ] {
        // One output is a number, others are not floats.
        for file in ["regression.ct", "lookup.ct"] {
            let out = good(&["bench", &path(file), "--random", "1", "--rounds", "1", "--form", form]);
            assert!(out.starts_with(&format!("{name}, medians of 1 rounds\n")), "{out}");
            assert_eq!(out.lines().count(), 5, "{out}");
        }
    }
    let out = good(&["bench", &path("lookup.ct"), "--random", "1", "--rounds", "1"]);
    assert!(out.starts_with("forward, medians of 1 rounds"), "{out}");
}
