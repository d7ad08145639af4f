//! Every error situation of the system that this one follows, and what gives an error of
//! the same meaning here; or why it cannot arise.
#![cfg(feature = "jit")]

use cotangent::derive::{self, Seeds};
use cotangent::graph::{PadCells, Pool};
use cotangent::ops::{Elements, Flow, MapFn, Op, Operand, Row, Rule, Types, Value};
use cotangent::tape::Tensor;
use cotangent::{Arg, ArgMut, Builder, Forms, Graph, Options, Program, Tape, ValueId, Var, dtype};

type Mistake = fn() -> Result<(), Box<dyn std::error::Error>>;

/// A situation by the text of the original.
enum Situation {
    /// What is done, and what the error says.
    Error(&'static str, Mistake, &'static str),
    /// Why there is no such error.
    CannotArise(&'static str, &'static str),
}

use Situation::{CannotArise, Error};

/// x f64[2], y f64[3]; x * x, its sum.
fn graph() -> Graph {
    let g = Builder::new();
    let (x, _) = (g.input("x", dtype::f64, [2]), g.input("y", dtype::f64, [3]));
    g.finish(&[(x * x).sum()]).expect("a graph")
}

fn vector(n: usize) -> Tensor {
    Tensor::f64([n], &vec![1.0; n]).expect("as many as the shape has")
}

fn with_tape(
    f: impl FnOnce(&Tape<'_>) -> Result<(), Box<dyn std::error::Error>>,
) -> Result<(), Box<dyn std::error::Error>> {
    let graph = graph();
    f(&Tape::compile(&graph, vec![vector(2), vector(3)])?)
}

const X: ValueId = ValueId::new(0);
const SQUARE: ValueId = ValueId::new(2);
const SUM: ValueId = ValueId::new(3);
const PAST: ValueId = ValueId::new(9);

fn program() -> Result<Program, Box<dyn std::error::Error>> {
    let forms = Forms::FORWARD | Forms::REVERSE | Forms::VALUE_AND_GRAD | Forms::DENSE;
    Ok(Program::compile(&graph(), &Options::default().forms(forms))?)
}

/// An op with a shape rule and no more.
const OWN: Row = Row {
    name: "own",
    min_operands: 1,
    max_operands: 1,
    attrs: &[],
    infer: |_: &Op, operands: &[Operand<'_>]| -> Result<Types, _> {
        Ok([operands[0].ty.clone()].into_iter().collect())
    },
    value: Value::Map(MapFn::Neg),
    vjp: Rule::Missing,
    jvp: Rule::Missing,
    exact: true,
};
static NO_RULES: Row = Row { name: "no_rules", ..OWN };
/// Its contribution has another shape than its operand.
static WRONG_SHAPE: Row = Row {
    name: "wrong_shape",
    vjp: Rule::By(|e, _, d| {
        let Some(d) = d[0] else { return Ok([Flow::Zero].into_iter().collect()) };
        Ok([Flow::To(e.sum(d, &[0], false)?)].into_iter().collect())
    }),
    ..OWN
};
/// It speaks of an operand that it does not have.
static WRONG_COUNT: Row = Row {
    name: "wrong_count",
    vjp: Rule::By(|_, _, _| Ok([Flow::Zero, Flow::Zero].into_iter().collect())),
    ..OWN
};

fn own(row: &'static Row) -> Graph {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2]);
    g.finish(&[g.apply(Op::plain(row), &[x]).sum()]).expect("a graph")
}

fn gradient(row: &'static Row) -> Result<(), Box<dyn std::error::Error>> {
    let graph = own(row);
    let on_tape = Tape::compile(&graph, vec![vector(2)])?.backward_scalar(graph.outputs()[0]).map(drop);
    let derived = derive::value_and_grad(&graph, &[X], Seeds::One).map(drop);
    assert!(on_tape.is_err() && derived.is_err(), "{}: both ways", row.name);
    Ok(derived?)
}

fn authored(f: impl FnOnce(&Builder)) -> Result<(), Box<dyn std::error::Error>> {
    let g = Builder::new();
    f(&g);
    g.finish(&[])?;
    Ok(())
}

fn pooled(pool: impl for<'b> FnOnce(Var<'b>, &Pool) -> Var<'b>) -> Result<(), Box<dyn std::error::Error>> {
    authored(|g| {
        pool(g.input("x", dtype::f64, [1, 4, 4]), &Pool::new([2, 2]).stride([1, 0]));
    })
}

fn table() -> Vec<Situation> {
    let tape = vec![
        Error(
            "autograd: invalid node id",
            || {
                Ok(Graph::parse(
                    "cotangent graph v1\ninput %0 \"x\": f64[2]\n%1 = neg %7: f64[2]\noutput %1\n",
                )
                .map(drop)?)
            },
            "line 3, column 10: expected the id of a value above (there are 1), found %7",
        ),
        Error(
            "autograd: invalid node id: a value of another graph",
            || {
                let (g, other) = (Builder::new(), Builder::new());
                let y = g.input("x", dtype::f64, ()) + other.input("x", dtype::f64, ());
                g.finish(&[y]).map(drop).map_err(Into::into)
            },
            "add: operand 1 belongs to another graph",
        ),
        Error(
            "autograd: shape mismatch",
            || {
                authored(|g| {
                    let (x, y) = (g.input("x", dtype::f64, [2]), g.input("y", dtype::f64, [3]));
                    let _ = x + y;
                })
            },
            "shapes",
        ),
        Error(
            "autograd: upstream gradient shape mismatch",
            || with_tape(|t| Ok(t.vjp(vec![vector(2)], &[X]).map(drop)?)),
            "seed gradient shape mismatch for output: %3 has f64[], the seed f64[2]",
        ),
        Error(
            "autograd: gradient shape mismatch during accumulation",
            || gradient(&WRONG_SHAPE),
            "wrong_shape: the VJP rule gave a contribution of type f64[] to an operand of type f64[2]",
        ),
        CannotArise(
            "autograd: invalid parent id during backward",
            "operands are checked when a node is recorded, and a graph does not change afterwards",
        ),
        Error(
            "autograd: gradient contribution has wrong shape for parent",
            || gradient(&WRONG_SHAPE),
            "contribution of type f64[]",
        ),
        Error(
            "a closure that returns contributions to no parent of its node",
            || gradient(&WRONG_COUNT),
            "wrong_count: the VJP rule gave 2 contributions for 1 operands",
        ),
        CannotArise(
            "autograd: internal error (gradient array out of bounds)",
            "gradients are an array with one slot per value of the graph, made with it",
        ),
        CannotArise("autograd: internal error (node missing)", "a sweep walks the graph's own nodes"),
        Error(
            "autograd: invalid output id",
            || with_tape(|t| Ok(t.backward(PAST, vector(2)).map(drop)?)),
            "autograd: invalid output id %9 (the tape holds 4 values)",
        ),
        Error(
            "autograd: seed gradient shape mismatch for output",
            || with_tape(|t| Ok(t.backward(SQUARE, vector(3)).map(drop)?)),
            "autograd: seed gradient shape mismatch for output: %2 has f64[2], the seed f64[3]",
        ),
        Error(
            "the same of backwardDenseAll",
            || with_tape(|t| Ok(t.backward_dense_all(SQUARE, vector(3)).map(drop)?)),
            "autograd: seed gradient shape mismatch for output: %2 has f64[2], the seed f64[3]",
        ),
        Error(
            "autograd: gradient array has wrong shape for node",
            || {
                with_tape(|t| {
                    let seeds = t.graph().values().map(|_| Some(vector(2))).collect();
                    Ok(t.backward_dense_from(seeds).map(drop)?)
                })
            },
            "autograd: gradient array has wrong shape for node: %1 has f64[3], the seed f64[2]",
        ),
        Error(
            "autograd: initial dense gradient array has wrong length",
            || with_tape(|t| Ok(t.backward_dense_from(vec![None; 3]).map(drop)?)),
            "autograd: initial dense gradient array has wrong length: expected 4, got 3",
        ),
        Error(
            "backwardScalar of an output that is not scalar",
            || with_tape(|t| Ok(t.backward_scalar(SQUARE).map(drop)?)),
            "autograd: seed gradient shape mismatch for output: %2 has f64[2], the seed f64[]",
        ),
        Error(
            "compiled graph has no output node",
            || {
                let g = Builder::new();
                let graph = g.finish(&[g.input("x", dtype::f64, ())])?;
                Ok(graph.checked_out_id().map(drop)?)
            },
            "compiled graph has no output node",
        ),
        Error(
            "backwardDenseAllFromOutput of a last node that is not scalar",
            || {
                let g = Builder::new();
                let graph = g.finish(&[g.input("x", dtype::f64, [2]).exp()])?;
                let tape = Tape::compile(&graph, vec![vector(2)])?;
                Ok(tape.backward_scalar(tape.checked_out_id()?).map(drop)?)
            },
            "seed gradient shape mismatch for output",
        ),
    ];
    let compile = vec![
        Error(
            "torch.compile: graph produced no nodes (need a scalar output node)",
            || {
                let graph = Builder::new().finish(&[])?;
                Ok(derive::value_and_grad(&graph, &[], Seeds::One).map(drop)?)
            },
            "a gradient needs one output, the graph has 0",
        ),
        CannotArise("torch.compile: output Var is not the last node", "any value may be an output here"),
        Error(
            "torch.compile: output node is not scalar (expected Shape.scalar)",
            || {
                let g = Builder::new();
                let graph = g.finish(&[g.input("x", dtype::f64, [2]).exp()])?;
                Ok(Program::compile(&graph, &Options::default().forms(Forms::VALUE_AND_GRAD)).map(drop)?)
            },
            "a gradient needs one floating-point number",
        ),
        Error(
            "torch.compileGraph: shape mismatch (expected, got)",
            || {
                let (p, mut y) = (program()?, [0.0; 2]);
                let inputs: [Arg<'_>; 2] = [(&[1.0; 2]).into(), (&[1.0; 3]).into()];
                Ok(p.forward(&mut p.workspace(), &inputs, &mut [(&mut y).into()])?)
            },
            "output 0: expected 1 elements for f64[], got 2",
        ),
        Error(
            "torch.compile: missing output value in compiled tape",
            || {
                let p = program()?;
                Ok(p.value(&p.workspace(), SUM).map(drop)?)
            },
            "are not there: call forward_dense on this workspace first",
        ),
        Error(
            "a backward pass without a forward pass",
            || {
                let (p, mut dx, mut dy) = (program()?, [0.0; 2], [0.0; 3]);
                let mut gradients: [ArgMut<'_>; 2] = [(&mut dx).into(), (&mut dy).into()];
                Ok(p.reverse(&mut p.workspace(), &[(&[1.0]).into()], &mut gradients)?)
            },
            "reverse before forward",
        ),
        Error(
            "torch.compile: output shape mismatch (expected scalar, got ...)",
            || Ok(derive::value_and_grad(&graph().with_outputs(&[SQUARE])?, &[X], Seeds::One).map(drop)?),
            "output %2 has type f64[2]",
        ),
        Error(
            "torch.compile: gradient array too small",
            || {
                let (p, mut dx) = (program()?, [0.0; 2]);
                let inputs: [Arg<'_>; 2] = [(&[1.0; 2]).into(), (&[1.0; 3]).into()];
                p.value_and_grad(&mut p.workspace(), &inputs, &mut [(&mut dx).into()])?;
                Ok(())
            },
            "expected 2 gradients, got 1",
        ),
        Error(
            "torch.compile: gradient shape mismatch at idx=... (expected ..., got ...)",
            || {
                let (p, mut dx, mut dy) = (program()?, [0.0; 2], [0.0; 2]);
                let inputs: [Arg<'_>; 2] = [(&[1.0; 2]).into(), (&[1.0; 3]).into()];
                let mut gradients: [ArgMut<'_>; 2] = [(&mut dx).into(), (&mut dy).into()];
                p.value_and_grad(&mut p.workspace(), &inputs, &mut gradients)?;
                Ok(())
            },
            "gradient 1: expected 3 elements for f64[3], got 2",
        ),
        CannotArise(
            "torch compiled backend currently supports device `cpu`",
            "there are no devices to ask for",
        ),
    ];
    let builder = vec![
        Error(
            "compiled GraphM: shape mismatch at id",
            || {
                authored(|g| {
                    let (x, w) = (g.input("x", dtype::f64, [2]), g.input("w", dtype::f64, [3, 4]));
                    x.linear(w, None);
                })
            },
            "linear: shapes",
        ),
        Error(
            "compiled GraphM: invalid id",
            || Ok(graph().with_outputs(&[PAST]).map(drop)?),
            "no value %9: the graph has 4",
        ),
        Error(
            "compiled GraphM: input shape mismatch at i",
            || {
                let graph = graph();
                Ok(Tape::compile(&graph, vec![vector(3), vector(3)]).map(drop)?)
            },
            "input 0 x: expected f64[2], got f64[3]",
        ),
        Error(
            "compiled GraphM: input index out of bounds",
            || Ok(Program::compile(&graph(), &Options::default().wrt(&[2])).map(drop)?),
            "no input 2 to differentiate by: the graph has 2 inputs",
        ),
        Error(
            "unsupportedJvp",
            || Ok(derive::jvp(&own(&NO_RULES), &[X]).map(drop)?),
            "no_rules: has no JVP rule",
        ),
        Error("a node without a VJP", || gradient(&NO_RULES), "no_rules: has no VJP rule"),
    ];
    let session = vec![
        Error(
            "torch(SessionIR): cannot add a new leaf after graph nodes have been created (resetTape first)",
            || {
                authored(|g| {
                    let _ = g.input("x", dtype::f64, ()).exp();
                    g.input("y", dtype::f64, ());
                })
            },
            "input \"y\": inputs must be declared before the first operation",
        ),
        Error(
            "torch(SessionIR): invalid id",
            || {
                let p = program()?;
                Ok(p.set_seed(&mut p.workspace(), PAST, (&[1.0]).into())?)
            },
            "value 9 has no",
        ),
        CannotArise(
            "torch(SessionIR): gradient array out of bounds",
            "gradients are written into slices that the call checks, or read by value id",
        ),
        Error(
            "torch(SessionIR): grad shape mismatch",
            || {
                let p = program()?;
                let mut ws = p.workspace();
                p.forward_dense(&mut ws, &[(&[1.0; 2]).into(), (&[1.0; 3]).into()])?;
                Ok(p.set_seed(&mut ws, SQUARE, (&[1.0; 3]).into())?)
            },
            "seed 2: expected 2 elements for f64[2], got 3",
        ),
        Error(
            "torch(SessionIR): dx array size mismatch",
            || with_tape(|t| Ok(t.jvp(vec![None]).map(drop)?)),
            "expected 2 inputs, got 1",
        ),
        Error(
            "natAt out of range (there it reads 0; here only where the op says so)",
            || {
                let g = Builder::new();
                let (x, i) = (g.input("x", dtype::f64, [2]), g.input("i", dtype::i64, [1]));
                let graph = g.finish(&[x.index_select(0, i)])?;
                let index = Tensor::i64([1], &[2]).ok_or("one index")?;
                Ok(Tape::compile(&graph, vec![vector(2), index]).map(drop)?)
            },
            "index_select: index 2 at position 0 is out of range for an axis of 2",
        ),
    ];
    let ops = vec![
        CannotArise(
            "log: input contains values <= 0 (or NaN)",
            "the logarithm is that of IEEE 754: NaN below 0, -inf at 0; a checked call reports the first such value",
        ),
        Error(
            "max_pool requires stride > 0 on every spatial axis",
            || pooled(|x, pool| x.max_pool(pool)),
            "max_pool: stride: [1, 0] has an entry below 1",
        ),
        Error(
            "avg_pool requires stride > 0 on every spatial axis",
            || pooled(|x, pool| x.avg_pool(pool, PadCells::Counted)),
            "avg_pool: stride: [1, 0] has an entry below 1",
        ),
        Error(
            "smooth_max_pool requires stride > 0 on every spatial axis",
            || pooled(|x, pool| x.smooth_max_pool(pool, 2.0)),
            "smooth_max_pool: stride: [1, 0] has an entry below 1",
        ),
        CannotArise(
            "tokenIdsFromFloatVec requires eager backend (dynamic token ids)",
            "indices are an operand: constant, or given with each call",
        ),
        Error(
            "token ids that are no natural numbers",
            || Ok(Elements::indices(&[0.0, 1.5]).map(drop)?),
            "index 1.5 at position 1 is not a whole number of 0 or more",
        ),
        Error(
            "dropout: expected (1 - p) > 0",
            || {
                authored(|g| {
                    let (key, x) = (g.input("key", dtype::i64, [2]), g.input("x", dtype::f64, [3]));
                    x.dropout(1.0, key);
                })
            },
            "dropout: p: expected 0 <= p and (1 - p) > 0, got 1",
        ),
        Error(
            "an index that is known and out of range",
            || {
                authored(|g| {
                    let x = g.input("x", dtype::f64, [2, 3]);
                    x.index_select(1, g.constant([0i64, 3]));
                })
            },
            "index_select: index 3 at position 1 is out of range for axis 1",
        ),
    ];
    [tape, compile, builder, session, ops].into_iter().flatten().collect()
}

#[test]
fn every_situation_gives_an_error_of_the_same_meaning() {
    let (mut errors, mut wrong) = (0, Vec::new());
    for row in table() {
        match row {
            Error(situation, mistake, says) => {
                errors += 1;
                match mistake() {
                    Ok(()) => wrong.push(format!("{situation}: no error")),
                    Err(error) if !error.to_string().contains(says) => {
                        wrong.push(format!("{situation}: {error:?} does not say {says:?}"));
                    }
                    Err(_) => {}
                }
            }
            CannotArise(situation, why) => println!("cannot arise: {situation}: {why}"),
        }
    }
    println!("{errors} situations give an error");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
