//! What forms have in common and what tells them apart (contracts C2 and C3):
//! forms with the same seeded values agree bit for bit in what they both return,
//! and a gradient that is zero says why.

mod support;

use cotangent::derive::{self, Seeds};
use cotangent::tape::Tensor;
use cotangent::{
    Arg, Builder, Connection, Forms, Graph, KeepDims, Options, Program, Tape, Tier, ValueId, Var, dtype,
};
use support::{Case, args, args_mut, fused, levels, run, run_tape, tensor_bits, types, vector_forms, zeros};

/// Three inputs with shared work, two outputs of two types.
fn graph() -> Graph {
    let g = Builder::new();
    let (x, w) = (g.input("x", dtype::f64, [6, 5]), g.input("w", dtype::f64, [4, 5]));
    let (b, i) = (g.input("b", dtype::f64, [4]), g.input("i", dtype::i64, [3]));
    let h = x.linear(w, Some(b)).tanh();
    let p = h.softmax(1).index_select(0, i) * b.exp();
    let q = (h.square().sum_over(&[0], KeepDims::No) - b).cast(dtype::f32);
    g.finish(&[p, q.sin()]).unwrap()
}

/// Forward then reverse, the fused form, the tape, at every level.
#[test]
fn reverse_and_value_and_vjp_agree() {
    let graph = graph();
    for seed in 0..4 {
        let case = Case::random(&graph, seed);
        let want = run_tape(&graph, &case).unwrap();
        for options in levels() {
            let p = Program::compile(&graph, &options.forms(vector_forms())).unwrap();
            assert!(run(&p, &case).unwrap() == want);
        }
    }
}

/// Every subset of the inputs, in any order, gives the gradients of the full set.
#[test]
fn pruned_forms_agree_with_the_full_one() {
    let graph = graph();
    let case = Case::random(&graph, 9);
    for options in levels() {
        let p = Program::compile(&graph, &options.clone().forms(Forms::VJP)).unwrap();
        let (outputs, full) = fused(&p, &case).unwrap();
        for subset in [&[][..], &[0], &[1], &[2], &[1, 0], &[2, 0], &[2, 1, 0], &[1, 1]] {
            let options = options.clone().wrt(subset).forms(Forms::VJP | Forms::REVERSE);
            let pruned = Program::compile(&graph, &options).unwrap();
            let (y, grads) = fused(&pruned, &case).unwrap();
            let want: Vec<_> = subset.iter().map(|&i| full[i].clone()).collect();
            assert!(y == outputs && grads == want, "{subset:?}");
            assert_eq!(pruned.wrt().len(), subset.len());
        }
    }
}

/// `value_and_grad` is the vector-Jacobian product with the seed 1.
#[test]
fn value_and_grad_is_a_vjp() {
    for dtype in [dtype::f64, dtype::f32] {
        let g = Builder::new();
        let (x, y) = (g.input("x", dtype, [7]), g.input("y", dtype, [7]));
        let graph = g.finish(&[(x.sin() * y + x.exp()).logsumexp(&[0], KeepDims::Yes)]).unwrap();
        let mut case = Case::random(&graph, 1);
        case.seeds = vec![match dtype {
            dtype::f64 => support::Column::F64(vec![1.0]),
            _ => support::Column::F32(vec![1.0]),
        }];
        for options in levels() {
            let p = Program::compile(&graph, &options.forms(Forms::VJP | Forms::VALUE_AND_GRAD)).unwrap();
            let (outputs, want) = fused(&p, &case).unwrap();
            let mut grads = zeros(&types(&graph, p.wrt().iter().copied()));
            let value =
                p.value_and_grad(&mut p.workspace(), &args(&case.inputs), &mut args_mut(&mut grads)).unwrap();
            assert_eq!(grads.iter().map(|g| g.bits()).collect::<Vec<_>>(), want);
            let bits =
                if dtype == dtype::f64 { value.to_bits() } else { u64::from((value as f32).to_bits()) };
            assert_eq!(vec![vec![bits]], outputs);
        }
    }
}

/// Any number of reverse calls after one forward call, other forms between them.
#[test]
fn reverse_may_be_repeated() {
    let graph = graph();
    let (case, other) = (Case::random(&graph, 3), Case::random(&graph, 4));
    for options in levels() {
        let p = Program::compile(&graph, &options.forms(vector_forms())).unwrap();
        let out = types(&graph, graph.outputs().iter().copied());
        let wrt = types(&graph, p.wrt().iter().copied());
        let mut ws = p.workspace();
        let (mut y, mut dx) = (zeros(&out), zeros(&wrt));
        p.forward(&mut ws, &args(&case.inputs), &mut args_mut(&mut y)).unwrap();
        for seeds in [&case.seeds, &other.seeds, &case.seeds] {
            p.reverse(&mut ws, &args(seeds), &mut args_mut(&mut dx)).unwrap();
            let want = fused(
                &p,
                &Case { inputs: case.inputs.clone(), seeds: seeds.clone(), tangents: vec![], dense: vec![] },
            );
            assert_eq!(dx.iter().map(|g| g.bits()).collect::<Vec<_>>(), want.unwrap().1);
            // A fused call at another point leaves what forward saved alone.
            let (mut y, mut t) = (zeros(&out), zeros(&wrt));
            let (inputs, seeds) = (args(&other.inputs), args(&other.seeds));
            p.value_and_vjp(&mut ws, &inputs, &seeds, &mut args_mut(&mut y), &mut args_mut(&mut t)).unwrap();
        }
    }
}

/// Dense with a seed of its own on every value is not the pruned form with
/// zeros: but zero seeds on all but the outputs give the same numbers.
#[test]
fn dense_with_zero_seeds_equals_the_pruned_form() {
    let graph = graph();
    let mut case = Case::random(&graph, 8);
    let seeded = graph.outputs();
    case.dense = zeros(&types(&graph, graph.values()));
    for (&v, seed) in seeded.iter().zip(&case.seeds) {
        case.dense[v.index()] = seed.clone();
    }
    let floats = support::floats(&graph, graph.values());
    for options in levels() {
        let got = run(&Program::compile(&graph, &options.forms(vector_forms())).unwrap(), &case).unwrap();
        for (k, &v) in support::floats(&graph, graph.input_values()).iter().enumerate() {
            let at = floats.iter().position(|&f| f == v).unwrap();
            for (&a, &b) in got.dense[at].iter().zip(&got.gradients[k]) {
                assert_eq!(f64::from_bits(a), f64::from_bits(b), "equal as numbers, -0 and +0 too");
            }
        }
    }
}

/// `0 * inf` of a branch that no seed reaches poisons the dense form, where
/// every value counts as seeded, and no other.
#[test]
fn dead_branches_do_not_poison() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, ());
    let _dead = x.recip();
    let y = x * 3.0;
    let graph = g.finish(&[y]).unwrap();
    let zero = [0.0];
    let input = ValueId::new(0);
    let tape: Tape<'_> = Tape::compile(&graph, vec![Tensor::f64((), &zero).unwrap()]).unwrap();
    assert_eq!(tape.backward_scalar(graph.outputs()[0]).unwrap()[&input].to_f64(), [3.0]);
    let seeds = graph.values().map(|v| Some(Tensor::f64((), &[f64::from(v == graph.outputs()[0])]).unwrap()));
    let dense = tape.backward_dense_from(seeds.collect()).unwrap();
    assert!(dense[0].as_ref().unwrap().to_f64()[0].is_nan());
    for options in levels() {
        let p = Program::compile(&graph, &options.forms(vector_forms() | Forms::VALUE_AND_GRAD)).unwrap();
        let mut ws = p.workspace();
        let (mut v, mut dx) = (0.0, 0.0);
        p.value_and_grad(&mut ws, &[(&zero).into()], &mut [(&mut dx).into()]).unwrap();
        assert_eq!(dx, 3.0);
        p.forward(&mut ws, &[(&zero).into()], &mut [(&mut v).into()]).unwrap();
        p.reverse(&mut ws, &[(&1.0).into()], &mut [(&mut dx).into()]).unwrap();
        assert_eq!(dx, 3.0);
        p.forward_dense(&mut ws, &[(&zero).into()]).unwrap();
        p.set_seed(&mut ws, graph.outputs()[0], (&1.0).into()).unwrap();
        p.reverse_dense(&mut ws).unwrap();
        let bits = support::element_bits(p.gradient(&ws, input).unwrap());
        assert_eq!(bits, tensor_bits(dense[0].as_ref().unwrap()));
    }
}

/// Inputs and why their gradients are what they are.
fn connected() -> (Graph, Vec<Connection>) {
    use Connection::*;
    let g = Builder::new();
    let names = ["used", "detached", "compared", "unused", "both", "truncated", "dead"];
    let [used, detached, compared, _unused, both, truncated, dead] =
        names.map(|name| g.input(name, dtype::f64, [3]));
    let _ = dead.sin().exp();
    let mask = compared.gt(used);
    let picked = used.index_select(0, truncated.cast(dtype::i64));
    let y = mask.select(used, both) + detached.detach() * both.detach() + picked;
    let graph = g.finish(&[y.sum()]).unwrap();
    (graph, vec![Connected, ZeroByRule, ZeroByRule, Disconnected, Connected, ZeroByRule, Disconnected])
}

#[test]
fn zero_gradients_say_why() {
    let (graph, want) = connected();
    let wrt: Vec<ValueId> = graph.input_values().collect();
    for forms in [Forms::VALUE_AND_GRAD, Forms::VJP, Forms::REVERSE] {
        for options in levels() {
            let p = Program::compile(&graph, &options.forms(forms)).unwrap();
            assert_eq!(p.connections(), want);
        }
        let p = Program::compile(&graph, &Options::default().forms(forms).wrt(&[3, 0, 1])).unwrap();
        assert_eq!(p.connections(), [want[3], want[0], want[1]]);
    }
    for seeds in [Seeds::One, Seeds::Outputs] {
        assert_eq!(derive::value_and_grad(&graph, &wrt, seeds).unwrap().1, want);
    }
    assert_eq!(derive::reverse(&graph, &wrt).unwrap().connections, want);

    let inputs: Vec<Tensor> = (0..7).map(|_| Tensor::f64([3], &[0.5, 1.5, 2.5]).unwrap()).collect();
    let tape: Tape<'_> = Tape::compile(&graph, inputs).unwrap();
    let grads = tape.vjp(vec![Tensor::f64((), &[1.0]).unwrap()], &wrt).unwrap();
    assert_eq!(grads.iter().map(|g| g.1).collect::<Vec<_>>(), want);
    for (grad, connection) in &grads {
        assert_eq!(grad.ty().shape.dims(), [3]);
        let zero = grad.to_f64().iter().all(|&d| d.to_bits() == 0);
        assert_eq!(zero, *connection != Connection::Connected);
    }
}

/// What was in the caller's array is overwritten, with zeros of the right shape.
#[test]
fn gradients_of_unreachable_inputs_are_written() {
    let (graph, want) = connected();
    for options in levels() {
        let options = options.tier(Tier::Fast).forms(vector_forms() | Forms::VALUE_AND_GRAD);
        let p = Program::compile(&graph, &options).unwrap();
        let mut ws = p.workspace();
        let x = [0.5, 1.5, 2.5];
        let inputs: [Arg<'_>; 7] = [(&x).into(); 7];
        let check = |grads: &[[f64; 3]]| {
            for (grad, connection) in grads.iter().zip(&want) {
                let zero = grad.iter().all(|d| d.to_bits() == 0);
                assert_eq!(zero, *connection != Connection::Connected, "{grad:?}");
            }
        };
        let mut grads = [[f64::NAN; 3]; 7];
        p.value_and_grad(&mut ws, &inputs, &mut grads.each_mut().map(|g| g.into())).unwrap();
        check(&grads);
        let (mut grads, mut y) = ([[f64::NAN; 3]; 7], 0.0);
        p.forward(&mut ws, &inputs, &mut [(&mut y).into()]).unwrap();
        p.reverse(&mut ws, &[(&1.0).into()], &mut grads.each_mut().map(|g| g.into())).unwrap();
        check(&grads);
    }
}

/// The tangent of an output that nothing moves is a zero tensor.
#[test]
fn tangents_of_unmoved_outputs_are_written() {
    let g = Builder::new();
    let (x, y) = (g.input("x", dtype::f64, [2]), g.input("y", dtype::f64, [3]));
    let graph = g.finish(&[x.exp(), y.detach(), y.sin()]).unwrap();
    for options in levels() {
        let p = Program::compile(&graph, &options.forms(Forms::JVP).wrt(&[0])).unwrap();
        let (mut a, mut b, mut c) = ([0.0; 2], [0.0; 3], [0.0; 3]);
        let (mut da, mut db, mut dc) = ([f64::NAN; 2], [f64::NAN; 3], [f64::NAN; 3]);
        p.jvp(
            &mut p.workspace(),
            &[(&[0.0, 0.0]).into(), (&[1.0, 2.0, 3.0]).into()],
            &[(&[5.0, 7.0]).into()],
            &mut [(&mut a).into(), (&mut b).into(), (&mut c).into()],
            &mut [(&mut da).into(), (&mut db).into(), (&mut dc).into()],
        )
        .unwrap();
        assert_eq!((da, db, dc), ([5.0, 7.0], [0.0; 3], [0.0; 3]));
    }
}

fn quick_is_whole<const N: usize>(f: impl for<'b> Fn([Var<'b>; N]) -> Var<'b>) {
    for options in levels() {
        let quick = cotangent::jit_with::<N>(&options, &f).unwrap();
        // The same graph without the quick entry, and the entry beside the quick one.
        let other = Program::compile(quick.program().graph(), &options).unwrap();
        for round in 0..6u32 {
            let special = [0.0, -0.0, f64::INFINITY, -1.5, 5e-324, 3.25];
            let x: [f64; N] = std::array::from_fn(|i| match round {
                0..3 => (i as f64 + 1.0) * 0.3 - f64::from(round),
                _ => special[(i * i + i * round as usize) % special.len()],
            });
            let (value, gradient) = quick.value_and_grad(x).unwrap();
            let mut want = (f64::NAN, [f64::NAN; N]);
            for program in [quick.program(), &other] {
                let mut ws = program.workspace();
                want.0 =
                    program.value_and_grad(&mut ws, &[(&x).into()], &mut [(&mut want.1).into()]).unwrap();
                let same = |a: f64, b: f64| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
                assert!(same(value, want.0) && same(quick.value(x).unwrap(), want.0), "{value} {}", want.0);
                assert!(gradient.iter().zip(&want.1).all(|(&a, &b)| same(a, b)), "{gradient:?} {:?}", want.1);
            }
        }
    }
}

fn valley<'b, const N: usize>(x: [Var<'b>; N]) -> Var<'b> {
    let term = |w: &[Var<'b>]| (w[1] - w[0].square()).square() * 100.0 + (1.0 - w[0]).square();
    x.windows(2).map(term).reduce(|a, b| a + b).unwrap_or(x[0])
}

/// One array in, number and array out: short code, code with calls, several chunks
/// give the bits of any program.
#[test]
fn quick_calls_agree_with_the_program() {
    quick_is_whole::<2>(|[x, y]| (x * y).sin() + x / y);
    quick_is_whole::<2>(|[x, _]| x);
    quick_is_whole::<1>(|[x]| x.detach() * 2.0);
    quick_is_whole::<3>(|[x, y, z]| (x.maximum(y) * z).exp() + (x - z).sqrt() * y.relu());
    quick_is_whole::<2>(valley::<2>);
    quick_is_whole::<10>(valley::<10>);
    quick_is_whole::<40>(valley::<40>);
    quick_is_whole::<200>(valley::<200>);
}
