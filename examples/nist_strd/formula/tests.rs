//! What formulas mean, and what is wrong with bad ones.

use super::{Formula, Names, model_graph, parse};
use crate::fault::Trouble;
use cotangent::tape::{Data, Native, Tape, Tensor};

fn read(text: &str) -> Result<Formula, Trouble> {
    let names = Names { parameters: vec!["b1"], predictors: vec!["x"], response: "y" };
    let lines: Vec<(usize, String)> =
        text.lines().enumerate().map(|(i, line)| (i + 1, line.to_owned())).collect();
    parse(&lines, &names)
}

/// The right side at b1 = 2, x = 3; `+ 0*b1` because a formula must use its parameters.
fn value(text: &str) -> f64 {
    let formula = read(&format!("y = {text} + 0*b1 + e")).unwrap();
    let graph = model_graph(&formula, 1, 1).unwrap();
    let one = |v: f64| Tensor::<Native>::new([1], Data::F64([v].into_iter().collect())).unwrap();
    Tape::compile(&graph, vec![one(2.0), one(3.0)]).unwrap().outputs()[0].to_f64()[0]
}

#[test]
fn powers_bind_to_the_right_and_before_minus() {
    assert_eq!(value("-x**2"), -9.0);
    assert_eq!(value("(-x)**2"), 9.0);
    assert_eq!(value("b1**x**2"), 512.0);
    assert_eq!(value("x**-2"), 1.0 / 9.0);
    assert_eq!(value("x^2*b1"), 18.0);
    assert_eq!(value("(b1+x)**(-1/1)"), 1.0 / 5.0);
    assert_eq!(value("(1-x)**3"), -8.0);
    assert_eq!(value("(1+x)**.5"), 2.0);
    assert_eq!(value("(1+x)**(1/b1)"), 2.0);
}

#[test]
fn sums_and_products_bind_to_the_left() {
    assert_eq!(value("10-x-b1"), 5.0);
    assert_eq!(value("12/x/b1"), 2.0);
    assert_eq!(value("12/x*b1"), 8.0);
    assert_eq!(value("1--x"), 4.0);
    assert_eq!(value("b1*-x"), -6.0);
}

#[test]
fn numbers_as_fortran_writes_them() {
    assert_eq!(value(".5*x"), 1.5);
    assert_eq!(value("3.25E0*x/x"), 3.25);
    assert_eq!(value("1.D+2*x/x"), 100.0);
    assert_eq!(value("2.*x"), 6.0);
}

#[test]
fn functions_in_any_bracket_and_case() {
    let near = |text: &str, expected: f64| assert!((value(text) - expected).abs() < 1e-14, "{text}");
    near("EXP[-{x}]", (-3.0f64).exp());
    near("ln(x)-log[x]", 0.0);
    near("sqrt(x)", 3.0f64.sqrt());
    near("sin(x)+cos(x)", 3.0f64.sin() + 3.0f64.cos());
    near("tan(x)", 3.0f64.tan());
    near("arctan(x)-atan(b1)", 3.0f64.atan() - 2.0f64.atan());
    near("arcsin(x/4)", 0.75f64.asin());
    near("arccos(-x/4)", (-0.75f64).acos());
    near("log10(x)+abs(-x)+tanh(x)", 3.0f64.log10() + 3.0 + 3.0f64.tanh());
    near("2*pi*x", 6.0 * std::f64::consts::PI);
}

#[test]
fn definitions_and_formulas_of_several_lines() {
    let formula = read("pi = 3.0\ntwice = 2*x\ny = b1*twice\n + pi\n - x + e").unwrap();
    assert_eq!(formula.line, 3);
    let graph = model_graph(&formula, 1, 1).unwrap();
    let one = |v: f64| Tensor::<Native>::new([1], Data::F64([v].into_iter().collect())).unwrap();
    let tape = Tape::compile(&graph, vec![one(2.0), one(3.0)]).unwrap();
    assert_eq!(tape.outputs()[0].to_f64(), [12.0]);
}

#[test]
fn the_left_side_may_transform_the_response() {
    assert_eq!(read("log[y] = b1*x + e").unwrap().response_text, "log[y]");
}

#[test]
fn faults_say_where_and_what() {
    let fault = |text: &str| {
        let trouble = read(text).unwrap_err();
        format!("{}: {}", trouble.line.unwrap(), trouble.text)
    };
    assert_eq!(fault("y = b1*(x"), "1: '(' without its ')'");
    assert_eq!(fault("y = b1*(x]"), "1: '(' without its ')'");
    assert_eq!(fault("y = b1*x\n + q"), "2: unknown name 'q' in the formula");
    assert_eq!(fault("y = b1*"), "1: the formula ends too early");
    assert_eq!(fault("y = b1 x"), "1: unexpected name 'x' in the formula");
    assert_eq!(fault("y = exp b1"), "1: expected a bracket after exp");
    assert_eq!(fault("y = b1 ~ x"), "1: unexpected character '~' in the formula");
    assert_eq!(fault("y = x"), "1: the formula does not use parameter b1");
    assert_eq!(fault("y = b1*y"), "1: y is on the right side too");
    assert_eq!(fault("x*y = b1"), "1: the left side must be in y alone");
    assert_eq!(fault("z = b1*x"), "1: no equation for the response y");
    assert_eq!(fault("y = b1\ny = b1"), "2: a second equation; only models of one response are fitted");
    assert_eq!(fault("y = b1 = x"), "1: more than one '=' on a line");
    let deep = format!("y = b1*{}x{}", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(fault(&deep), "1: a formula nested deeper than 200 levels");
    let minus = format!("y = b1*{}x", "-".repeat(100_000));
    assert_eq!(fault(&minus), "1: a formula nested deeper than 200 levels");
}
