//! Wrong rules, one at a time.

use cotangent::check::{Fault, NodeReport, Outcome, Report};
use cotangent::graph::ValueId;
use cotangent::ops::{
    Emitter, Flow, Flows, MapFn, Op, OpError, Row, Rule, Site, Tangents, Value, make, row_named,
};
use cotangent::tape::Tensor;
use cotangent::{Builder, CheckOptions, DType, Var, check_rules, dtype};
use smallvec::smallvec;

/// Element-wise functions of one number; rules are set by the cases.
const UNARY: Row = Row {
    name: "planted",
    min_operands: 1,
    max_operands: 1,
    attrs: &[],
    infer: |_, operands| Ok(smallvec![operands[0].ty.clone()]),
    value: Value::Map(MapFn::Sin),
    vjp: Rule::By(|e, site, d| contribution(d, |d| cos_times(e, site, d))),
    jvp: Rule::By(|e, site, t| tangent(t, |t| cos_times(e, site, t))),
    exact: false,
};

/// x * y
const PRODUCT: Row = Row {
    min_operands: 2,
    max_operands: 2,
    value: Value::Map(MapFn::Mul),
    vjp: Rule::By(|e, site, d| product_vjp(e, site, d, [1, 0])),
    jvp: Rule::By(|e, site, t| product_jvp(e, site, t, |e, a, b| e.add(a, b))),
    exact: true,
    ..UNARY
};

/// x / y
const QUOTIENT: Row = Row {
    value: Value::Map(MapFn::Div),
    vjp: Rule::By(|e, site, d| quotient_vjp(e, site, d, -1.0)),
    jvp: Rule::By(|e, site, t| {
        let slope = e.div(site.results[0], site.operands[1])?;
        let left = t[0].map(|t| e.div(t, site.operands[1])).transpose()?;
        let right = t[1].map(|t| e.mul(slope, t)).transpose()?;
        Ok(smallvec![match (left, right) {
            (Some(a), Some(b)) => Some(e.sub(a, b)?),
            (a, None) => a,
            (None, Some(b)) => Some(e.neg(b)?),
        }])
    }),
    ..PRODUCT
};

fn contribution(
    d: &[Option<ValueId>],
    rule: impl FnOnce(ValueId) -> Result<ValueId, OpError>,
) -> Result<Flows, OpError> {
    Ok(smallvec![match d[0] {
        Some(d) => Flow::To(rule(d)?),
        None => Flow::Zero,
    }])
}

fn tangent(
    t: &[Option<ValueId>],
    rule: impl FnOnce(ValueId) -> Result<ValueId, OpError>,
) -> Result<Tangents, OpError> {
    Ok(smallvec![t[0].map(rule).transpose()?])
}

fn cos(e: &mut dyn Emitter, x: ValueId) -> Result<ValueId, OpError> {
    e.one(Op::plain(row_named("cos").expect("cos is in the table")), &[x])
}

fn cos_times(e: &mut dyn Emitter, site: &Site<'_>, d: ValueId) -> Result<ValueId, OpError> {
    let slope = cos(e, site.operands[0])?;
    e.mul(d, slope)
}

/// Twice as much where the number is above 2.
fn wrong_above_two(e: &mut dyn Emitter, site: &Site<'_>, d: ValueId) -> Result<ValueId, OpError> {
    let right = cos_times(e, site, d)?;
    let twice = e.one(make::scale(2.0), &[right])?;
    let two = e.scalar_like(d, 2.0)?;
    let above = e.lt(two, site.operands[0])?;
    e.select(above, twice, right)
}

fn product_vjp(
    e: &mut dyn Emitter,
    site: &Site<'_>,
    d: &[Option<ValueId>],
    factors: [usize; 2],
) -> Result<Flows, OpError> {
    let Some(d) = d[0] else { return Ok(smallvec![Flow::Zero; 2]) };
    let a = e.mul(d, site.operands[factors[0]])?;
    let b = e.mul(d, site.operands[factors[1]])?;
    Ok(smallvec![Flow::To(a), Flow::To(b)])
}

fn product_jvp(
    e: &mut dyn Emitter,
    site: &Site<'_>,
    t: &[Option<ValueId>],
    join: fn(&mut dyn Emitter, ValueId, ValueId) -> Result<ValueId, OpError>,
) -> Result<Tangents, OpError> {
    let left = t[0].map(|t| e.mul(t, site.operands[1])).transpose()?;
    let right = t[1].map(|t| e.mul(site.operands[0], t)).transpose()?;
    Ok(smallvec![match (left, right) {
        (Some(a), Some(b)) => Some(join(e, a, b)?),
        (a, b) => a.or(b),
    }])
}

fn quotient_vjp(
    e: &mut dyn Emitter,
    site: &Site<'_>,
    d: &[Option<ValueId>],
    sign: f64,
) -> Result<Flows, OpError> {
    let Some(d) = d[0] else { return Ok(smallvec![Flow::Zero; 2]) };
    let slope = e.div(site.results[0], site.operands[1])?;
    let right = e.mul(d, slope)?;
    Ok(smallvec![Flow::To(e.div(d, site.operands[1])?), Flow::To(e.one(make::scale(sign), &[right])?)])
}

/// The planted op between ops that are right: x -> op(2 x, ..) + 1.
fn around(row: &'static Row, dtype: DType) -> Report {
    let g = Builder::new();
    let (x, y) = (g.input("x", dtype, [3]), g.input("y", dtype, [3]));
    let operands: Vec<Var<'_>> = [x.scale(2.0), y].into_iter().take(row.min_operands).collect();
    let out = g.apply(Op::plain(row), &operands).sum();
    check_rules(&g.finish(&[out]).expect("a graph"), &CheckOptions::default())
}

/// The node of the op; all others are found right.
fn verdict(row: &'static Row, dtype: DType) -> NodeReport {
    let report = around(row, dtype);
    for node in report.nodes.iter().filter(|n| n.op != row.name) {
        assert!(matches!(node.outcome, Outcome::Exact), "{report}");
    }
    report.nodes.iter().find(|n| n.op == row.name).expect("the planted node").clone()
}

fn is_broken(name: &str, row: &'static Row, expected: fn(&Fault) -> bool) {
    for dtype in [dtype::f64, dtype::f32] {
        let node = verdict(row, dtype);
        match &node.outcome {
            Outcome::Broken(fault) => assert!(expected(fault), "{name}: {fault}"),
            other => panic!("{name} in {dtype} was not found: {other:?}"),
        }
        assert!(!around(row, dtype).is_ok(), "{name}");
    }
}

const fn not_adjoint(fault: &Fault) -> bool {
    matches!(fault, Fault::NotAdjoint { .. })
}

const fn not_derivative(fault: &Fault) -> bool {
    matches!(fault, Fault::NotDerivative { .. })
}

const fn fails(fault: &Fault) -> bool {
    matches!(fault, Fault::Fails(_))
}

#[test]
fn right_rules_pass() {
    static SIN: Row = UNARY;
    static MUL: Row = PRODUCT;
    for dtype in [dtype::f64, dtype::f32] {
        assert_eq!(verdict(&SIN, dtype).outcome, Outcome::Tested);
        assert_eq!(verdict(&MUL, dtype).outcome, Outcome::Exact);
    }
}

#[test]
fn a_vjp_of_the_wrong_sign() {
    static ROW: Row = Row {
        vjp: Rule::By(|e, site, d| {
            contribution(d, |d| {
                let right = cos_times(e, site, d)?;
                e.neg(right)
            })
        }),
        ..UNARY
    };
    is_broken("sign", &ROW, not_adjoint);
}

#[test]
fn a_jvp_off_by_a_millionth() {
    static ROW: Row = Row {
        jvp: Rule::By(|e, site, t| {
            tangent(t, |t| {
                let right = cos_times(e, site, t)?;
                e.one(make::scale(1.000_001), &[right])
            })
        }),
        ..UNARY
    };
    is_broken("millionth", &ROW, not_adjoint);
}

#[test]
fn both_rules_wrong_alike() {
    static ROW: Row = Row {
        value: Value::Map(MapFn::Tanh),
        vjp: Rule::By(|e, site, d| {
            contribution(d, |d| e.one(make::scale(0.5), &[d]).and_then(|d| cos_times(e, site, d)))
        }),
        jvp: Rule::By(|e, site, t| {
            tangent(t, |t| e.one(make::scale(0.5), &[t]).and_then(|t| cos_times(e, site, t)))
        }),
        ..UNARY
    };
    is_broken("alike", &ROW, not_derivative);
}

#[test]
fn both_rules_wrong_by_a_millionth() {
    static ROW: Row = Row {
        vjp: Rule::By(|e, site, d| {
            contribution(d, |d| e.one(make::scale(1.000_001), &[d]).and_then(|d| cos_times(e, site, d)))
        }),
        jvp: Rule::By(|e, site, t| {
            tangent(t, |t| e.one(make::scale(1.000_001), &[t]).and_then(|t| cos_times(e, site, t)))
        }),
        ..UNARY
    };
    is_broken("millionth alike", &ROW, not_derivative);
}

#[test]
fn both_rules_wrong_in_a_part_of_the_domain() {
    static ROW: Row = Row {
        vjp: Rule::By(|e, site, d| contribution(d, |d| wrong_above_two(e, site, d))),
        jvp: Rule::By(|e, site, t| tangent(t, |t| wrong_above_two(e, site, t))),
        ..UNARY
    };
    is_broken("part", &ROW, not_derivative);
}

#[test]
fn exact_ops_are_held_to_equality() {
    static SWAPPED: Row = Row { vjp: Rule::By(|e, site, d| product_vjp(e, site, d, [0, 1])), ..PRODUCT };
    is_broken("swapped factors", &SWAPPED, not_adjoint);
    static MINUS: Row =
        Row { jvp: Rule::By(|e, site, t| product_jvp(e, site, t, |e, a, b| e.sub(a, b))), ..PRODUCT };
    is_broken("minus", &MINUS, not_adjoint);
    // Off by 2^-40: no bound in floating point would see it.
    const TINY: f64 = 1.0 + 1.0 / (1u64 << 40) as f64;
    static ROUNDED: Row = Row {
        jvp: Rule::By(|e, site, t| {
            product_jvp(e, site, t, |e, a, b| {
                let sum = e.add(a, b)?;
                e.one(make::scale(TINY), &[sum])
            })
        }),
        ..PRODUCT
    };
    is_broken("2^-40", &ROUNDED, not_adjoint);
    static ALIKE: Row = Row {
        value: Value::Map(MapFn::Square),
        vjp: Rule::By(|e, site, d| contribution(d, |d| e.mul(d, site.operands[0]))),
        jvp: Rule::By(|e, site, t| tangent(t, |t| e.mul(t, site.operands[0]))),
        exact: true,
        ..UNARY
    };
    is_broken("half the slope of a square", &ALIKE, not_derivative);
}

/// What cancels if the rule is right may be off by roundings of its terms, by no more.
#[test]
fn a_wrong_term_where_the_right_ones_cancel() {
    static RIGHT: Row = QUOTIENT;
    static SIGN: Row = Row { vjp: Rule::By(|e, site, d| quotient_vjp(e, site, d, 1.0)), ..QUOTIENT };
    static BILLIONTH: Row =
        Row { vjp: Rule::By(|e, site, d| quotient_vjp(e, site, d, -1.0 - 1e-9)), ..QUOTIENT };
    for (name, row) in [("right", &RIGHT), ("sign", &SIGN), ("billionth", &BILLIONTH)] {
        for size in [1e-15, 1e15] {
            let g = Builder::new();
            let x = g.input("x", dtype::f64, [3]);
            let graph = g.finish(&[g.apply(Op::plain(row), &[x, x])]).expect("a graph");
            let at = Tensor::f64([3], &[1.3, 0.7, 2.9].map(|x| x * size)).expect("three elements");
            let node = check_rules(&graph, &CheckOptions::default().at(vec![at])).nodes.remove(0);
            let found = matches!(node.outcome, Outcome::Broken(Fault::NotAdjoint { .. }));
            assert_eq!(found, name != "right", "{name} at {size:e}: {:?}", node.outcome);
            assert!(found || node.outcome == Outcome::Tested, "{:?}", node.outcome);
        }
    }
}

#[test]
fn one_rule_missing_or_zero() {
    static MISSING: Row = Row { vjp: Rule::Missing, ..UNARY };
    let node = verdict(&MISSING, dtype::f64);
    assert_eq!(node.outcome, Outcome::NotTestable("no VJP rule".into()));
    assert!(around(&MISSING, dtype::f64).is_ok());
    assert_eq!(around(&MISSING, dtype::f64).not_testable().count(), 1);
    static NO_JVP: Row = Row { jvp: Rule::Missing, ..PRODUCT };
    assert_eq!(verdict(&NO_JVP, dtype::f64).outcome, Outcome::NotTestable("no JVP rule".into()));
    static ZERO_VJP: Row = Row { vjp: Rule::Zero, ..UNARY };
    is_broken("zero VJP", &ZERO_VJP, not_adjoint);
    static ZERO_JVP: Row = Row { jvp: Rule::Zero, ..UNARY };
    is_broken("zero JVP", &ZERO_JVP, not_adjoint);
    // Zero by definition on both sides is a choice; that the value moves is said.
    static ZERO: Row = Row { vjp: Rule::Zero, jvp: Rule::Zero, ..UNARY };
    assert_eq!(verdict(&ZERO, dtype::f64).outcome, Outcome::ZeroByRule { moves: true });
    static STEPS: Row = Row { value: Value::Map(MapFn::Floor), ..ZERO };
    assert_eq!(
        verdict(&STEPS, dtype::f64).outcome,
        Outcome::ZeroByRule { moves: false },
        "{}",
        around(&STEPS, dtype::f64)
    );
}

#[test]
fn rules_that_give_the_wrong_type() {
    static VJP: Row = Row { vjp: Rule::By(|e, _, d| contribution(d, |d| e.sum(d, &[0], false))), ..UNARY };
    is_broken("VJP of another shape", &VJP, fails);
    static JVP: Row = Row { jvp: Rule::By(|e, _, t| tangent(t, |t| e.sum(t, &[0], false))), ..UNARY };
    is_broken("JVP of another shape", &JVP, fails);
    static NONE: Row = Row { vjp: Rule::By(|_, _, _| Ok(Flows::new())), ..UNARY };
    is_broken("no contribution", &NONE, fails);
    static MISFIT: Row = Row {
        vjp: Rule::By(|e, _, d| {
            contribution(d, |d| {
                let other = e.full(DType::F64, [7usize].into(), 1.0)?;
                e.mul(d, other)
            })
        }),
        ..UNARY
    };
    is_broken("operands that do not fit", &MISFIT, fails);
}

#[test]
fn a_rule_that_is_nan() {
    static ROW: Row =
        Row { jvp: Rule::By(|e, _, t| tangent(t, |t| e.one(make::scale(f64::NAN), &[t]))), ..UNARY };
    let node = verdict(&ROW, dtype::f64);
    assert!(!matches!(node.outcome, Outcome::Tested | Outcome::Exact), "{:?}", node.outcome);
}

#[test]
fn one_element_wrong_among_many() {
    // The cotangent of the first element is added to the second.
    static ROW: Row = Row {
        infer: |_, operands| Ok(smallvec![operands[0].ty.clone()]),
        vjp: Rule::By(|e, site, d| {
            contribution(d, |d| {
                let right = cos_times(e, site, d)?;
                let first = e.one(make::slice(&[0], &[1], &[1]), &[right])?;
                let padded = e.one(make::pad(&[1], &[998], &[0], 0.0), &[first])?;
                e.add(right, padded)
            })
        }),
        ..UNARY
    };
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [1000]);
    let graph = g.finish(&[g.apply(Op::plain(&ROW), &[x])]).expect("a graph");
    let report = check_rules(&graph, &CheckOptions::default().points(1));
    assert!(matches!(report.nodes[0].outcome, Outcome::Broken(Fault::NotAdjoint { .. })), "{report}");
}

#[test]
fn the_report_names_the_node_and_its_line() {
    static ROW: Row = Row {
        name: "my_sine",
        vjp: Rule::By(|e, site, d| {
            contribution(d, |d| {
                let c = cos_times(e, site, d)?;
                e.neg(c)
            })
        }),
        ..UNARY
    };
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2]);
    let line = line!() + 1;
    let out = g.apply(Op::plain(&ROW), &[x.square()]);
    let report = check_rules(&g.finish(&[out]).expect("a graph"), &CheckOptions::default());
    let text = report.to_string();
    assert!(text.contains(&format!("at {}:{line}", file!())), "{text}");
    assert!(text.contains("node n1: my_sine: VJP and JVP are not transposes"), "{text}");
    assert!(
        text.ends_with(
            "2 nodes at 5 points (seed 1): 1 exact, 0 tested, 0 zero by rule, 0 not testable, 1 broken"
        ),
        "{text}"
    );
    // The law of the whole graph is broken with it.
    assert!(matches!(report.graph, Outcome::Broken(_)), "{text}");
}
