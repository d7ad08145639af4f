//! Every row of the op table, found by trying operands and attributes.

use crate::round_trip;
use cotangent::ops::{self, Attr, AttrKind, Elements, Literal, Op, Operand, Row};
use cotangent::{Builder, DType, Graph, ValueType, dtype};
use std::sync::Arc;

/// Rows that the search below does not reach.
const NOT_MADE: &[&str] = &[];
/// Combinations tried for one row.
const TRIES: usize = 3_000_000;

fn types() -> Vec<ValueType> {
    let shapes: &[&[usize]] = &[&[2, 2], &[2], &[], &[1, 2, 2], &[1, 2, 2, 2]];
    let wide = shapes.iter().map(|&s| ValueType::new(dtype::f64, s));
    let other = [DType::I64, DType::Bool, DType::F32];
    wide.chain(other.iter().flat_map(|&d| shapes[..2].iter().map(move |&s| ValueType::new(d, s)))).collect()
}

fn values(kind: AttrKind) -> Vec<Attr> {
    let ints = |v: &[&[i64]]| v.iter().map(|&v| Attr::Ints(v.into())).collect();
    match kind {
        AttrKind::Int => [0, 1, 2].map(Attr::Int).to_vec(),
        AttrKind::Float => [0.5, -0.0].map(Attr::Float).to_vec(),
        AttrKind::Bool => [true, false].map(Attr::Bool).to_vec(),
        AttrKind::Ints => ints(&[&[1, 1], &[0, 0], &[2, 2], &[0], &[1], &[0, 1], &[]]),
        AttrKind::DType => [DType::F32, DType::Bool].map(Attr::DType).to_vec(),
        AttrKind::Data => Literal::new([2], Elements::F64(vec![1.5, f64::NAN]))
            .map(|l| Attr::Data(Arc::new(l)))
            .into_iter()
            .collect(),
        // No row of the table has one.
        AttrKind::Custom | AttrKind::Graph => Vec::new(),
    }
}

/// Operands of rows that take too many, or too special ones, to be found by trying.
fn known(row: &'static Row) -> Option<Vec<ValueType>> {
    let shapes: &[&[usize]] = match row.name {
        "fold" => &[&[1, 1, 1, 1]],
        "batch_norm_eval" => &[&[2, 3], &[3], &[3], &[3], &[3]],
        "multi_head_attention" => &[&[3, 4], &[3, 4], &[3, 4], &[4, 3], &[2, 3]],
        "lstm_cell" => &[&[2], &[1], &[1], &[4, 2], &[4, 1], &[4], &[4]],
        "gru_cell" => &[&[2], &[1], &[3, 2], &[3, 1], &[3], &[3]],
        _ => return None,
    };
    Some(shapes.iter().map(|&shape| ValueType::new(DType::F64, shape)).collect())
}

/// The first operands and attributes that fit a row.
fn example(row: &'static Row) -> Option<(Op, Vec<ValueType>)> {
    if let Some(operands) = known(row) {
        let attrs = row
            .attrs
            .iter()
            .map(|spec| values(spec.kind)[usize::from(spec.kind == AttrKind::Int)].clone())
            .collect();
        return Some((Op::new(row, attrs).ok()?, operands));
    }
    let menu = types();
    let choices: Vec<Vec<Attr>> = row.attrs.iter().map(|spec| values(spec.kind)).collect();
    let attr_count: usize = choices.iter().map(Vec::len).product();
    let most = row.max_operands.min(row.min_operands + 1);
    for arity in row.min_operands..=most {
        let operand_count = menu.len().checked_pow(arity as u32)?;
        for i in 0..operand_count.saturating_mul(attr_count).min(TRIES) {
            // `i` in a mixed base: attributes first, then operands.
            let mut rest = i;
            let mut digit = |base: usize| {
                let digit = rest % base;
                rest /= base;
                digit
            };
            let attrs: Vec<Attr> = choices.iter().map(|c| c[digit(c.len())].clone()).collect();
            let operands: Vec<ValueType> = (0..arity).map(|_| menu[digit(menu.len())].clone()).collect();
            let views: Vec<_> = operands.iter().map(|ty| Operand { ty, literal: None }).collect();
            let op = Op::new(row, attrs).ok()?;
            if op.infer(&views).is_ok() {
                return Some((op, operands));
            }
        }
    }
    None
}

/// A graph of one node that applies the example of a row.
pub fn graph_of(row: &'static Row) -> Option<Graph> {
    let (op, operands) = example(row)?;
    let g = Builder::new();
    let name = |i: usize| format!("operand {i}");
    let inputs: Vec<_> =
        operands.iter().enumerate().map(|(i, ty)| g.input(&name(i), ty.dtype, &ty.shape)).collect();
    let y = g.apply(op, &inputs);
    Some(g.finish(&[y]).unwrap())
}

#[test]
fn every_row_goes_there_and_back() {
    let mut missed = vec![];
    for row in ops::table() {
        match graph_of(row) {
            Some(graph) => assert!(round_trip(&graph).contains(&format!(" = {}", row.name))),
            None => missed.push(row.name),
        }
    }
    assert_eq!(missed, NOT_MADE, "extend the types and values tried");
}

#[test]
fn names_of_ops_and_attributes_can_be_read() {
    let plain = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let mut seen = std::collections::HashSet::new();
    for row in ops::table() {
        assert!(plain(row.name) && seen.insert(row.name), "{}", row.name);
        for (i, spec) in row.attrs.iter().enumerate() {
            assert!(plain(spec.name), "{} of {}", spec.name, row.name);
            assert!(row.attrs[..i].iter().all(|other| other.name != spec.name), "{} twice", spec.name);
        }
    }
}
