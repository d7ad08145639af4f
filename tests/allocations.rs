//! Calls allocate nothing (contract C7): every form is called under a counting
//! allocator, after one call to warm up, on small graphs and on large ones.

mod support;

use cotangent::{
    Arg, ArgMut, Builder, CustomOp, Forms, Graph, Options, Points, PointsMut, Program, ValueType, Var,
    VectorWidth, dtype,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use support::{Case, args, args_mut, floats, levels, types, vector_forms, zeros};

struct Counting;

thread_local! {
    // Per thread: the test harness allocates in its own.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is being torn down has no counter, and no test.
    let _ = COUNT.try_with(|c| c.set(c.get() + 1));
}

// SAFETY: every request goes to the system allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations and frees of the second and later calls.
fn allocations(mut call: impl FnMut()) -> u64 {
    call();
    let before = COUNT.get();
    for _ in 0..10 {
        call();
    }
    COUNT.get() - before
}

fn check(name: &str, graph: &Graph) {
    for options in levels() {
        let scalar = graph.outputs().len() == 1 && graph.ty(graph.outputs()[0]).numel() == 1;
        let forms = vector_forms();
        let forms = if scalar { forms | Forms::VALUE_AND_GRAD } else { forms };
        let program = Program::compile(graph, &options.clone().forms(forms)).unwrap();
        let mut ws = program.workspace();
        let case = Case::random(graph, 7);
        let mut outputs = zeros(&types(graph, graph.outputs().iter().copied()));
        let mut moved = zeros(&types(graph, floats(graph, graph.outputs().iter().copied())));
        let mut gradients = zeros(&types(graph, program.wrt().iter().copied()));
        let (inputs, seeds, tangents) = (args(&case.inputs), args(&case.seeds), args(&case.tangents));
        let mut outputs = args_mut(&mut outputs);
        let mut moved = args_mut(&mut moved);
        let mut gradients = args_mut(&mut gradients);
        let seeded = floats(graph, graph.values());
        let report = |form: &str, n: u64| {
            assert_eq!(n, 0, "{name}: {form} allocates ({:?}, {:?})", options.opt, options.tier);
        };
        report("forward", allocations(|| program.forward(&mut ws, &inputs, &mut outputs).unwrap()));
        report("reverse", allocations(|| program.reverse(&mut ws, &seeds, &mut gradients).unwrap()));
        report(
            "value_and_vjp",
            allocations(|| {
                program.value_and_vjp(&mut ws, &inputs, &seeds, &mut outputs, &mut gradients).unwrap();
            }),
        );
        report(
            "jvp",
            allocations(|| program.jvp(&mut ws, &inputs, &tangents, &mut outputs, &mut moved).unwrap()),
        );
        report(
            "dense",
            allocations(|| {
                program.forward_dense(&mut ws, &inputs).unwrap();
                for &v in &seeded {
                    program.set_seed(&mut ws, v, case.dense[v.index()].arg()).unwrap();
                }
                program.reverse_dense(&mut ws).unwrap();
                for &v in &seeded {
                    program.value(&ws, v).unwrap();
                    program.gradient(&ws, v).unwrap();
                }
            }),
        );
        if scalar {
            report(
                "value_and_grad",
                allocations(|| _ = program.value_and_grad(&mut ws, &inputs, &mut gradients).unwrap()),
            );
        }
    }
}

/// The counter counts: a test that cannot fail proves nothing.
#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 20);
    assert_eq!(allocations(|| drop(std::hint::black_box(Vec::<u8>::with_capacity(1 << 22)))), 20);
}

#[test]
fn small_graphs() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2]);
    let loss = (x.at(1) - x.at(0).square()).square() * 100.0 + (1.0 - x.at(0)).square();
    check("rosenbrock", &g.finish(&[loss]).unwrap());

    let g = Builder::new();
    let (x, y) = (g.input("x", dtype::f64, ()), g.input("y", dtype::f32, [3]));
    check("two outputs", &g.finish(&[x.sin() * x.exp(), y.softmax(0)]).unwrap());
}

#[test]
fn large_element_wise_graphs() {
    let g = Builder::new();
    let (x, y) = (g.input("x", dtype::f64, [300, 40]), g.input("y", dtype::f64, [40]));
    let z = (x * y + x.sin()).tanh().log_softmax(1).permute(&[1, 0]).concat(&[x.transpose().flip(&[0])], 1);
    check("element-wise", &g.finish(&[z.square().mean()]).unwrap());
}

#[test]
fn matrix_products() {
    for n in [3, 64, 150] {
        let g = Builder::new();
        let (a, b) = (g.input("a", dtype::f64, [5, n, n]), g.input("b", dtype::f64, [n, n]));
        check("f64 matmul", &g.finish(&[a.matmul(b).matmul(b.transpose()).relu().sum()]).unwrap());
        let g = Builder::new();
        let (w, x) = (g.input("w", dtype::f32, [n, 2 * n]), g.input("x", dtype::f32, [9, 2 * n]));
        let b = g.input("b", dtype::f32, [n]);
        check("f32 linear", &g.finish(&[x.linear(w, Some(b)).sigmoid(), x.matmul(x.transpose())]).unwrap());
    }
}

#[test]
fn gathers_and_scatters() {
    let g = Builder::new();
    let table = g.input("table", dtype::f64, [50, 8]);
    let rows = g.input("rows", dtype::i64, [20]);
    let picks = g.input("picks", dtype::i64, [20, 8]);
    let chosen: Var<'_> = table.index_select(0, rows);
    let put = table.index_add(0, rows, chosen.exp());
    let loss = put.gather(0, picks).square().sum() + table.scatter_add(0, picks, chosen).sin().mean();
    check("indices", &g.finish(&[loss]).unwrap());
}

/// In lanes and point by point.
#[test]
fn many_points() {
    let g = Builder::new();
    let (x, k) = (g.input("x", dtype::f64, [2]), g.input("k", dtype::f64, ()));
    let graph = g.finish(&[(x.exp() * k).sum().pow(x.at(0))]).unwrap();
    for width in [VectorWidth::Bits128, VectorWidth::Widest] {
        let batched = Program::batched(&graph, &Options::default().width(width)).unwrap();
        let (n, mut ws) = (1001, batched.workspace());
        let (x, mut values, mut gradients, mut by_k) =
            (vec![0.5; 2 * n], vec![0.0; n], vec![0.0; 2 * n], vec![0.0; n]);
        let count = allocations(|| {
            let inputs = [Points::by_element(&x), Points::shared(&2.0)];
            let mut gradients = [PointsMut::by_point(&mut gradients), PointsMut::by_point(&mut by_k)];
            let values = PointsMut::by_point(&mut values);
            batched.value_and_grad(&mut ws, n, &inputs, values, &mut gradients).unwrap();
        });
        assert_eq!(count, 0, "many points at {width:?}");
    }
}

#[test]
fn loops_and_branches() {
    let g = Builder::new();
    let (h, xs, w) =
        (g.input("h", dtype::f64, [8]), g.input("xs", dtype::f64, [20, 8]), g.input("w", dtype::f64, [8, 8]));
    let (last, all) = g.scan(20, &[h], &[xs], |b, h, x| {
        let next = (w.matmul(h[0]) + x[0]).tanh();
        let next = b.cond(x[0].sum().lt(b.scalar(0.0)), &[next], |_, h| vec![h[0].exp()], |_, h| h.to_vec());
        (next.clone(), next)
    });
    check("loops", &g.finish(&[(last[0] + all[0].sum()).sum()]).unwrap());
}

#[test]
fn callbacks() {
    let vector = [ValueType::new(dtype::f64, [3])];
    let last = |i: &[Arg<'_>], o: &mut [ArgMut<'_>]| match (i.last(), o) {
        (Some(Arg::F64(x)), [ArgMut::F64(y)]) => {
            y.copy_from_slice(x);
            Ok(())
        }
        _ => Err("not f64"),
    };
    let op = CustomOp::from_fn("last", &vector, &vector, last).unwrap();
    let op = op.with_vjp_fn(last).unwrap().with_jvp_fn(last).unwrap();
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [3]);
    check("callbacks", &g.finish(&[g.apply(&op, &[x.exp()]).sum()]).unwrap());
}
