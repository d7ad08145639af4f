//! Every case of a case file, on the tape and in compiled code.
//!
//! `COTANGENT_ORACLE` names the file; without it the one under `tests/data` is
//! read. Smooth cases are judged by distance from the true number, the others
//! by the conventions listed in `conventions.rs`. Compiled code must give the
//! bits of the tape on each.
#![cfg(feature = "jit")]

mod case;
mod condition;
mod conventions;
mod judge;
mod narrow;
mod ops;
mod run;

use case::{Case, Data, Failure, Kind};
use cotangent::fuzzing::Digest;
use cotangent::{Graph, OptLevel, Options, Tier};
use ops::Discrete;
use run::Answer;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

fn configurations() -> [(&'static str, Options); 3] {
    let options = Options::default;
    [
        ("full", options()),
        ("full, loops", options().unroll(0)),
        ("fast, plain", options().tier(Tier::Fast).opt(OptLevel::None)),
    ]
}

/// What one case came to.
#[derive(Default)]
struct Verdict {
    wrong: Vec<String>,
    /// What only the sizes of the summed terms excuse.
    cancelled: Vec<String>,
    /// Why an element follows a convention of our own.
    own: Vec<&'static str>,
    hvp: Option<Vec<String>>,
    digest: Digest,
}

/// `None` for an op that has no row.
fn verdict(case: &Case, discrete: Discrete) -> Result<Option<Verdict>, Failure> {
    let Some(graph) = ops::graph(case, discrete)? else { return Ok(None) };
    let tape = run::tape(case, &graph, discrete)?;
    let mut verdict = Verdict::default();
    let all = [&tape.outputs, &tape.vjp, &tape.jvp];
    all.into_iter().flatten().flatten().for_each(|&x| verdict.digest.number(x));
    if case.kind == Kind::Smooth {
        let plain = judge::smooth(case, &tape, None);
        if !plain.is_empty() {
            verdict.wrong = judge::smooth(case, &tape, Some(&condition::terms(case)?));
            verdict.cancelled = plain;
        }
        if case.expected.hvp.is_some() {
            let [on_tape, compiled] = run::hvp(case, &graph, discrete)?;
            on_tape.iter().flatten().for_each(|&x| verdict.digest.number(x));
            if !run::same_bits(&on_tape, &compiled) {
                verdict.wrong.push(format!("hvp: compiled {compiled:?} but tape {on_tape:?}"));
            }
            verdict.hvp = Some(judge::second_order(case, &on_tape));
        }
    } else {
        (verdict.wrong, verdict.own) = conventions::check(case, &tape);
    }
    verdict.wrong.extend(compiled(case, &graph, discrete, &tape)?);
    Ok(Some(verdict))
}

/// Where compiled code has other bits than the tape.
fn compiled(case: &Case, graph: &Graph, discrete: Discrete, tape: &Answer) -> Result<Vec<String>, Failure> {
    let mut wrong = Vec::new();
    for (name, options) in configurations() {
        let answers = run::jit(case, graph, discrete, &options, tape)?;
        for (form, jit) in ["fused", "forward, reverse"].iter().zip(answers) {
            let parts = [
                ("output", &jit.outputs, &tape.outputs),
                ("vjp", &jit.vjp, &tape.vjp),
                ("jvp", &jit.jvp, &tape.jvp),
            ];
            for (what, jit, tape) in parts {
                if !run::same_bits(jit, tape) {
                    wrong.push(format!("{what}: compiled ({name}; {form}) {jit:?} but tape {tape:?}"));
                }
            }
        }
    }
    Ok(wrong)
}

/// Both ways to give an index or a mask, where the case has one.
fn both(case: &Case) -> Result<Option<Verdict>, Failure> {
    let Some(mut all) = verdict(case, Discrete::Input)? else { return Ok(None) };
    let mixed = case.inputs.iter().any(|i| !matches!(i.array.data, Data::F64(_)));
    if let Some(constant) = mixed.then(|| verdict(case, Discrete::Constant)).transpose()?.flatten() {
        all.wrong.extend(constant.wrong.into_iter().map(|w| format!("constant index: {w}")));
    }
    Ok(Some(all))
}

/// The case file.
fn path() -> PathBuf {
    let shipped = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cases.jsonl.gz"));
    std::env::var_os("COTANGENT_ORACLE").map_or(shipped, PathBuf::from)
}

/// Counts by op, as text.
fn listed(counts: &BTreeMap<&str, usize>) -> String {
    let each: Vec<String> = counts.iter().map(|(op, n)| format!("{op} {n}")).collect();
    if each.is_empty() { String::new() } else { format!(" ({})", each.join(", ")) }
}

#[test]
fn oracle() -> Result<(), Failure> {
    let path = path();
    let cases = case::read(&path)?;
    // Straight to the handle, so that the summary also shows when all is well.
    let mut out = std::io::stdout().lock();
    writeln!(out)?;
    let (mut passed, mut failed, mut by_terms, mut second) = (0, 0, 0, 0);
    let (mut skipped, mut second_off, mut own) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut digest = Digest::default();
    for case in &cases {
        let (id, kind, tags, op) = (&case.id, case.kind, case.tags.join(" "), case.op.as_str());
        let verdict = match both(case) {
            Ok(Some(verdict)) => verdict,
            Ok(None) => {
                *skipped.entry(op).or_insert(0) += 1;
                continue;
            }
            Err(error) => Verdict { wrong: vec![error.to_string()], ..Verdict::default() },
        };
        digest.join(verdict.digest);
        if !verdict.wrong.is_empty() {
            failed += 1;
            writeln!(out, "FAILED {id} {kind:?} {tags}: {}", verdict.wrong.join("; "))?;
        } else {
            passed += 1;
            if !verdict.cancelled.is_empty() {
                by_terms += 1;
                writeln!(out, "cancels {id} {tags}: {}", verdict.cancelled.join("; "))?;
            }
        }
        for why in verdict.own {
            *own.entry(why).or_insert(0) += 1;
        }
        match verdict.hvp {
            Some(wrong) if wrong.is_empty() => second += 1,
            Some(wrong) => {
                writeln!(out, "second order {id} {tags}: {}", wrong.join("; "))?;
                *second_off.entry(op).or_insert(0) += 1;
            }
            None => {}
        }
    }
    for (why, n) in &own {
        writeln!(out, "own convention in {n} elements: {why}")?;
    }
    writeln!(
        out,
        "oracle: {} cases: {passed} passed ({by_terms} by the size of their terms), {failed} failed, {} skipped{}; \
         second derivatives: {second} passed, {} off{}",
        cases.len(),
        skipped.values().sum::<usize>(),
        listed(&skipped),
        second_off.values().sum::<usize>(),
        listed(&second_off),
    )?;
    writeln!(out, "digest of the oracle: {digest}")?;
    drop(out);
    assert_eq!(failed, 0, "{failed} cases failed");
    assert!(passed > 0, "no case of {} has an op of the table", path.display());
    Ok(())
}

/// A product sum that cancels to nearly nothing, against the exact result: off
/// by the plain measure, right by that of its terms; an error in a term is not
/// excused.
#[test]
fn cancelling_sums_are_measured_by_their_terms() -> Result<(), Failure> {
    let third = 1.0 / 3.0;
    let vector = |v: [f64; 3]| case::Array { shape: vec![3], data: Data::F64(v.to_vec()) };
    let scalar = |x: f64| case::Array { shape: vec![], data: Data::F64(vec![x]) };
    let (a, b) = ([0.1, 0.2, -0.3], [1.0, 1.0, 1.0 - 1e-13]);
    let input = |name: &str, v| case::Input { name: name.into(), array: vector(v), differentiable: true };
    let mut case = Case {
        id: "dot/cancels".into(),
        op: "dot".into(),
        kind: Kind::Smooth,
        tags: Vec::new(),
        attrs: serde_json::Value::Null,
        inputs: vec![input("a", a), input("b", b)],
        cotangent: vec![scalar(third)],
        tangent: vec![Some(vector([0.0; 3])), Some(vector([0.0; 3]))],
        expected: case::Expected::default(),
        other: case::Expected::default(),
    };
    let graph = ops::graph(&case, Discrete::Input)?.ok_or("no dot")?;
    let answer = run::tape(&case, &graph, Discrete::Input)?;
    let list = |v: Vec<case::Array>| Some(v.into_iter().map(Some).collect());
    // Exact to more digits than the sum has left after cancelling.
    let exact = (0.1 + 0.2 - 0.3) - 2.0 * f64::EPSILON / 16.0 + 3e-14;
    case.expected.outputs = list(vec![scalar(exact)]);
    case.expected.vjp = list(vec![vector(b.map(|x| x * third)), vector(a.map(|x| x * third))]);
    case.expected.jvp = list(vec![scalar(0.0)]);
    let terms = condition::terms(&case)?;
    assert!(judge::smooth(&case, &answer, Some(&terms)).is_empty());
    case.expected.outputs = list(vec![scalar(exact + 5e-15)]);
    let (plain, kind) = (judge::smooth(&case, &answer, None), judge::smooth(&case, &answer, Some(&terms)));
    assert!(!plain.is_empty() && kind.is_empty(), "{plain:?} {kind:?}");
    case.expected.outputs = list(vec![scalar(exact + 1e-12)]);
    assert!(!judge::smooth(&case, &answer, Some(&terms)).is_empty());
    Ok(())
}
