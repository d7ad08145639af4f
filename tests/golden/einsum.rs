//! Sums of products by names of axes, against sums written out.

use super::{Input, TIGHT, golden, near, seeded};
use cotangent::{Builder, dtype};

const A: [f64; 6] = [0.1, -0.2, 0.3, 0.05, 0.25, -0.15];
const B: [f64; 12] = [1.0, -2.0, 0.5, 0.25, 3.0, -1.0, 0.75, 2.0, -0.5, 1.5, 0.125, -0.625];

/// The sum over all assignments of the names, in f64.
fn written_out(spec: &str, operands: &[Input<'_>]) -> Vec<f64> {
    let (inputs, output) = spec.split_once("->").unwrap();
    let terms: Vec<&str> = inputs.split(',').collect();
    let mut names: Vec<(char, usize)> = Vec::new();
    for (term, (dims, _)) in terms.iter().zip(operands) {
        for (c, &n) in term.chars().zip(*dims) {
            if !names.iter().any(|k| k.0 == c) {
                names.push((c, n));
            }
        }
    }
    let extent = |c: char| names.iter().find(|k| k.0 == c).unwrap().1;
    let offset = |term: &str, at: &[usize]| {
        term.chars().fold(0, |sum, c| sum * extent(c) + at[names.iter().position(|k| k.0 == c).unwrap()])
    };
    let mut out = vec![0.0; output.chars().map(extent).product()];
    let total: usize = names.iter().map(|k| k.1).product();
    for i in 0..total {
        let mut rest = i;
        let at: Vec<usize> = names
            .iter()
            .map(|k| {
                let digit = rest % k.1;
                rest /= k.1;
                digit
            })
            .collect();
        out[offset(output, &at)] +=
            terms.iter().zip(operands).map(|(term, (_, v))| v[offset(term, &at)]).product::<f64>();
    }
    out
}

#[test]
fn products_and_sums() {
    let a: Input<'_> = (&[2, 3], &A);
    let b: Input<'_> = (&[3, 4], &B);
    let cube: Input<'_> = (&[2, 3, 2], &B);
    let square: Input<'_> = (&[3, 3], &B[..9]);
    let (x, y): (Input<'_>, Input<'_>) = ((&[3], &A[..3]), (&[3], &A[3..]));
    let rows: Vec<(&str, Vec<Input<'_>>)> = vec![
        ("ij->ji", vec![a]),
        ("ij->", vec![a]),
        ("ij->j", vec![a]),
        ("ii->i", vec![square]),
        ("ii->", vec![square]),
        ("iji->j", vec![cube]),
        ("i,i->", vec![x, y]),
        ("i,j->ij", vec![x, y]),
        ("i,j->ji", vec![x, y]),
        ("i,i->i", vec![x, y]),
        ("ij,jk->ik", vec![a, b]),
        ("ij,jk->ki", vec![a, b]),
        ("ij,j->i", vec![a, x]),
        ("j,jk->k", vec![x, b]),
        ("ij,kj->ikj", vec![a, square]),
        ("aib,ajb->aij", vec![cube, cube]),
        ("aib,ajb->bija", vec![cube, cube]),
        ("aib,aib->", vec![cube, cube]),
        ("ij,jk,k->i", vec![a, b, (&[4], &B[..4])]),
        ("ij,lk->j", vec![a, b]),
        ("ijk,ji->k", vec![cube, (&[3, 2], &A)]),
        ("ii,ij->j", vec![square, square]),
        ("ij,,jk->ik", vec![a, (&[], &[2.5]), b]),
    ];
    for (spec, operands) in rows {
        let got = golden(&operands, |v| v[0].builder().einsum(spec, v));
        near(&got.value, &written_out(spec, &operands), TIGHT);
        // Linear in each operand: with seeds of 1 the gradient paired with it is the sum.
        let sum: f64 = got.value.iter().sum();
        for (gradient, operand) in got.gradients.iter().zip(&operands) {
            let paired: f64 = gradient.iter().zip(operand.1).map(|(g, x)| g * x).sum();
            near(&[paired], &[sum], TIGHT);
        }
    }
}

#[test]
fn names_of_the_result_may_be_left_out() {
    let (a, b): (Input<'_>, Input<'_>) = ((&[2, 3], &A), (&[3, 4], &B));
    let got = golden(&[a, b], |v| v[0].builder().einsum(" zj, ja ", v));
    near(&got.value, &written_out("zj,ja->az", &[a, b]), TIGHT);
}

#[test]
fn general_dot_product() {
    let (a, b): (Input<'_>, Input<'_>) = ((&[2, 3, 2], &B), (&[3, 2, 2], &B));
    // Batch: axis 0 of a with axis 1 of b; sum: axis 1 of a with axis 0 of b.
    let got = seeded(&[a, b], &[1.0], |v| v[0].dot_general(v[1], [&[1], &[0]], [&[0], &[-1]]));
    near(&got.value, &written_out("bij,ikb->bjk", &[a, b]), TIGHT);
    let got = seeded(&[a, b], &[1.0], |v| v[0].dot_general(v[1], [&[0, 1], &[1, 0]], [&[], &[]]));
    near(&got.value, &written_out("bij,ibk->jk", &[a, b]), TIGHT);
}

#[test]
fn mistakes_name_the_text_and_the_position() {
    let message = |spec: &str, shapes: &[&[usize]]| {
        let g = Builder::new();
        let v: Vec<_> = shapes.iter().map(|&s| g.input("", dtype::f64, s)).collect();
        g.finish(&[g.einsum(spec, &v)]).unwrap_err().to_string()
    };
    let rows: [(&str, &[&[usize]], usize, &str); 8] = [
        ("ij,jk->ik", &[&[2, 3], &[4, 5]], 3, "j is 4 in operand 1, 3 before"),
        ("ij,jk->ik", &[&[2, 3]], 3, "2 terms for 1 operands"),
        ("ij->ij", &[&[2, 3], &[2]], 6, "1 terms for 2 operands"),
        ("ijk->i", &[&[2, 3]], 0, "3 names for operand 0 of shape"),
        ("ij->ik", &[&[2, 3]], 5, "k is the name of no operand's axis"),
        ("ij->ii", &[&[2, 3]], 5, "i occurs twice in the result"),
        ("i1->i", &[&[2, 3]], 1, "'1' is no letter, comma or ->"),
        ("ij->i->j", &[&[2, 3]], 5, "'-' is no letter, comma or ->"),
    ];
    for (spec, shapes, position, why) in rows {
        let text = message(spec, shapes);
        let start = format!("einsum: \"{spec}\", position {position}: ");
        assert!(text.starts_with(&start) && text.contains(why), "{text}");
        assert!(text.contains("einsum.rs"), "{text}");
    }
    let refused = |contract: [&[isize]; 2], batch: [&[isize]; 2]| {
        let g = Builder::new();
        let (a, b) = (g.input("a", dtype::f64, [2, 3]), g.input("b", dtype::f64, [3, 4]));
        g.finish(&[a.dot_general(b, contract, batch)]).unwrap_err().to_string()
    };
    assert!(refused([&[1], &[1]], [&[], &[]]).contains("differ in an axis"));
    assert!(refused([&[1], &[0]], [&[1], &[0]]).contains("an axis twice"));
    assert!(refused([&[1], &[]], [&[], &[]]).contains("as many axes"));
    assert!(refused([&[2], &[0]], [&[], &[]]).contains("axis 2 is out of range"));
}
