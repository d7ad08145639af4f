//! Jacobians, Hessians and products with them.

use crate::support::{Column, Rng, random, types};
use crate::{close, outputs, outputs_at, reals};
use cotangent::graph::GraphErrorKind;
use cotangent::{Builder, Connection, DType, Graph, KeepDims, Mode, dtype};
use cotangent::{
    gradient, hessian, hvp, jacobian, jacobian_in, jvp, value_and_grad, value_and_jacobian, vjp,
};

/// Two outputs of different shapes, of which the second does not depend on `c`.
fn mixed() -> Graph {
    let g = Builder::new();
    let a = g.input("a", dtype::f64, [2, 3]);
    let b = g.input("b", dtype::f64, [3]);
    let c = g.input("c", dtype::f64, []);
    let first = (a.sin() * b).sum_over(&[1], KeepDims::No) + c.square();
    let second = b.exp() * a.sum();
    g.finish(&[first, second]).unwrap()
}

/// A scalar function of a matrix and a vector, neither linear nor separable.
fn coupled() -> Graph {
    let g = Builder::new();
    let w = g.input("w", dtype::f64, [2, 3]);
    let x = g.input("x", dtype::f64, [3]);
    let h = w.matmul(x).tanh();
    let loss = (h * h).sum() + (w.square().sum_over(&[0], KeepDims::No) * x).sum().sin();
    g.finish(&[loss]).unwrap()
}

fn entries(block: &Column, rows: usize, columns: usize) -> Vec<Vec<f64>> {
    let all = reals(block);
    assert_eq!(all.len(), rows * columns);
    (0..rows).map(|i| all[i * columns..(i + 1) * columns].to_vec()).collect()
}

#[test]
fn jacobians_have_the_shape_output_then_input_and_both_modes_agree() {
    let graph = mixed();
    let forward = jacobian_in(&graph, &[0, 1, 2], Mode::Forward).unwrap();
    let reverse = jacobian_in(&graph, &[0, 1, 2], Mode::Reverse).unwrap();
    let shapes: Vec<String> = forward.outputs().iter().map(|&o| forward.shape(o).to_string()).collect();
    assert_eq!(shapes, ["[2,2,3]", "[2,3]", "[2]", "[3,2,3]", "[3,3]", "[3]"]);
    let mut connections = [Connection::Connected; 6];
    connections[5] = Connection::Disconnected;
    for derived in [&forward, &reverse] {
        assert_eq!(derived.connections(), connections);
        for (&o, &p) in derived.outputs().iter().zip(forward.outputs()) {
            assert_eq!(derived.ty(o), forward.ty(p));
        }
    }
    for (f, r) in outputs(&forward, 3).iter().zip(&outputs(&reverse, 3)) {
        close(reals(f), reals(r));
    }
}

#[test]
fn the_cheaper_mode_sweeps_over_the_shorter_side() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [40]);
    let wide = g.finish(&[x.exp().sum()]).unwrap();
    let g = Builder::new();
    let x = g.input("x", dtype::f64, []);
    let tall = g.finish(&[(x * g.constant(vec![2.0; 40])).exp()]).unwrap();
    for (graph, cheaper) in [(&wide, Mode::Reverse), (&tall, Mode::Forward)] {
        let chosen = jacobian(graph, &[0]).unwrap();
        assert_eq!(chosen.to_string(), jacobian_in(graph, &[0], cheaper).unwrap().to_string());
        assert!(chosen.nodes().len() < 40, "{} nodes", chosen.nodes().len());
    }
}

/// A Jacobian's rows are vector-Jacobian products, its columns the other ones.
#[test]
fn products_with_unit_vectors_are_rows_and_columns_bit_for_bit() {
    let graph = mixed();
    let point = random(&types(&graph, graph.input_values()), &mut Rng(8));
    let at = |graph: &Graph, more: Vec<Column>| outputs_at(graph, &[point.clone(), more].concat());
    let rows = at(&jacobian_in(&graph, &[1], Mode::Reverse).unwrap(), vec![]);
    let columns = at(&jacobian_in(&graph, &[1], Mode::Forward).unwrap(), vec![]);
    let (rows, columns) = (entries(&rows[1], 3, 3), entries(&columns[1], 3, 3));
    let (vjp, jvp) = (vjp(&graph, &[1]).unwrap(), jvp(&graph, &[1]).unwrap());
    for k in 0..3 {
        let unit: Vec<f64> = (0..3).map(|i| f64::from(u8::from(i == k))).collect();
        let seeds = vec![Column::F64(vec![0.0; 2]), Column::F64(unit.clone())];
        close(reals(&at(&vjp, seeds)[2]), &rows[k]);
        let tangents = at(&jvp, vec![Column::F64(unit)]);
        let column: Vec<f64> = columns.iter().map(|row| row[k]).collect();
        assert_eq!(reals(&tangents[3]), column);
    }
}

#[test]
fn hessians_are_symmetric_and_agree_with_products_and_other_modes() {
    let graph = coupled();
    let point = random(&types(&graph, graph.input_values()), &mut Rng(5));
    let h = hessian(&graph, &[0, 1]).unwrap();
    let blocks = outputs_at(&h, &point);
    let (ww, wx) = (entries(&blocks[0], 6, 6), entries(&blocks[1], 6, 3));
    let (xw, xx) = (entries(&blocks[2], 3, 6), entries(&blocks[3], 3, 3));
    let whole: Vec<Vec<f64>> =
        ww.iter().zip(&wx).chain(xw.iter().zip(&xx)).map(|(a, b)| [a.clone(), b.clone()].concat()).collect();
    let transposed: Vec<f64> = (0..9).flat_map(|i| whole.iter().map(move |row| row[i])).collect();
    close(&whole.concat(), &transposed);

    let reverse = jacobian_in(gradient(&graph, &[0, 1]).unwrap(), &[0, 1], Mode::Reverse).unwrap();
    for (a, b) in outputs_at(&reverse, &point).iter().zip(&blocks) {
        close(reals(a), reals(b));
    }

    let directions = random(&types(&graph, graph.input_values()), &mut Rng(6));
    let product = outputs_at(&hvp(&graph, &[0, 1]).unwrap(), &[point, directions.clone()].concat());
    let v: Vec<f64> = directions.iter().flat_map(|d| reals(d).to_vec()).collect();
    let expected: Vec<f64> = whole.iter().map(|row| row.iter().zip(&v).map(|(a, b)| a * b).sum()).collect();
    close(&product.iter().flat_map(|p| reals(p).to_vec()).collect::<Vec<_>>(), &expected);
}

/// d^3/dx^3 of x^4 y is 24 x y, by every combination of the modes.
#[test]
fn third_derivatives_by_all_combinations_of_modes() {
    let g = Builder::new();
    let (x, y) = (g.input("x", dtype::f64, []), g.input("y", dtype::f64, []));
    let graph = g.finish(&[x.square().square() * y]).unwrap();
    for modes in 0..8u32 {
        let mode = |k: u32| if modes >> k & 1 == 0 { Mode::Forward } else { Mode::Reverse };
        let mut derived = graph.clone();
        for k in 0..3 {
            derived = jacobian_in(&derived, &[0], mode(k)).unwrap().into_graph();
        }
        let out = outputs_at(&derived, &[Column::F64(vec![0.5]), Column::F64(vec![3.0])]);
        assert_eq!(reals(&out[0]), [36.0]);
    }
}

/// Names of inputs stay distinct, so that a graph derived many times can be printed and read.
#[test]
fn transforms_compose_and_their_graphs_are_read_back() {
    let graph = coupled();
    let (once, both) = (hvp(&graph, &[1]).unwrap(), value_and_grad(&graph, &[0, 1]).unwrap());
    assert_eq!(both.outputs().len(), 3);
    let thrice = jvp(vjp(&once, &[1]).unwrap(), &[0]).unwrap();
    let text = thrice.to_string();
    assert_eq!(Graph::parse(&text).unwrap().to_string(), text);
    outputs(&thrice, 4);
    let names: Vec<_> = jvp(jvp(&once, &[0]).unwrap(), &[0]).unwrap().inputs().to_vec();
    let names: Vec<&str> = names.iter().map(|i| &*i.name).collect();
    assert_eq!(names, ["w", "x", "tangent0", "tangent0'", "tangent0''"]);
}

#[test]
fn value_and_jacobian_gives_both_in_either_precision() {
    let g = Builder::new();
    let x = g.input("x", dtype::f32, [2]);
    let graph = g.finish(&[x.square(), x.sum()]).unwrap();
    let out = outputs_at(&value_and_jacobian(&graph, &[0]).unwrap(), &[Column::F32(vec![3.0, 5.0])]);
    let expected: [&[f32]; 4] = [&[9.0, 25.0], &[8.0], &[6.0, 0.0, 0.0, 10.0], &[1.0, 1.0]];
    for (column, expected) in out.iter().zip(expected) {
        assert!(matches!(column, Column::F32(v) if v == expected), "{column:?}");
    }
}

#[test]
fn what_is_not_connected_is_zero_and_says_why() {
    let g = Builder::new();
    let (x, y) = (g.input("x", dtype::f64, [2]), g.input("y", dtype::f64, [2]));
    let loss = (x.square() * y.stop_gradient()).sum();
    let graph = g.finish(&[loss]).unwrap();
    let both = gradient(&graph, &[0, 1]).unwrap();
    assert_eq!(both.connections(), [Connection::Connected, Connection::ZeroByRule]);
    for mode in [Mode::Forward, Mode::Reverse] {
        let derived = jacobian_in(&graph, &[0, 1], mode).unwrap();
        assert_eq!(derived.connections(), both.connections());
        assert_eq!(reals(&outputs(&derived, 1)[1]), [0.0, 0.0]);
    }
    let h = hessian(&graph, &[0, 1]).unwrap();
    use Connection::{Connected, Disconnected, ZeroByRule};
    assert_eq!(h.connections(), [Connected, ZeroByRule, Disconnected, Disconnected]);
    assert_eq!(jvp(&graph, &[1]).unwrap().connections(), [ZeroByRule]);
    outputs(&h, 2);
}

#[test]
fn empty_sides_give_empty_blocks() {
    let g = Builder::new();
    let (x, n) = (g.input("x", dtype::f64, [2]), g.input("n", dtype::f64, [0, 3]));
    let graph = g.finish(&[x * n.sum(), n.exp()]).unwrap();
    for mode in [Mode::Forward, Mode::Reverse] {
        let derived = jacobian_in(&graph, &[0, 1], mode).unwrap();
        let shapes: Vec<String> = derived.outputs().iter().map(|&o| derived.shape(o).to_string()).collect();
        assert_eq!(shapes, ["[2,2]", "[2,0,3]", "[0,3,2]", "[0,3,0,3]"]);
        outputs(&derived, 1);
    }
    assert!(jacobian(&graph, &[]).unwrap().outputs().is_empty());
}

#[test]
fn what_cannot_be_differentiated_is_named() {
    let g = Builder::new();
    let (x, i) = (g.input("x", dtype::f64, [4]), g.input("i", dtype::i64, [2]));
    let graph = g.finish(&[x.index_select(0, i)]).unwrap();
    for wrt in [[0, 1], [1, 0]] {
        let error = jacobian(&graph, &wrt).unwrap_err();
        assert!(
            matches!(error.kind(), GraphErrorKind::NotDifferentiable { ty, .. } if ty.dtype == DType::I64)
        );
    }
    let error = hvp(&graph, &[0]).unwrap_err();
    assert!(matches!(error.kind(), GraphErrorKind::NotScalar { .. }), "{error}");
    let error = vjp(&graph, &[2]).unwrap_err();
    assert_eq!(error.to_string(), "no input 2: the graph has 2");

    let g = Builder::new();
    let x = g.input("x", dtype::f64, [1 << 22]);
    let error = jacobian(g.finish(&[x.exp()]).unwrap(), &[0]).unwrap_err();
    assert!(error.to_string().contains("larger than 2^40 bytes"), "{error}");
}
