//! What the tape costs, value and gradient together: per scalar node, and per
//! element and operation of tensors (criterion's throughput is of these).

mod common;

use common::{Lcg, dag, tape_gradient, tensors};
use cotangent::{Graph, ValueId};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

fn bench(c: &mut Criterion, name: &str, graph: &Graph, units: usize, wrt: &[ValueId]) {
    let mut random = Lcg::new(5);
    let data: Vec<Vec<f64>> = graph.input_values().map(|v| random.numbers(graph.shape(v).numel())).collect();
    let inputs = tensors(graph, &data);
    let mut group = c.benchmark_group("tape");
    group.throughput(Throughput::Elements(units as u64));
    group.bench_function(name, |b| {
        // Inputs made for many runs at once would be cold by the time they are read.
        b.iter_batched(
            || inputs.clone(),
            |inputs| tape_gradient(graph, inputs, wrt),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn tape(c: &mut Criterion) {
    const NODES: usize = 10_000;
    const OPS: usize = 16;
    const ELEMENTS: usize = 10_000;
    let all = |graph: &Graph| graph.input_values().collect::<Vec<_>>();
    let (chain, dag, elements) = (dag::chain(NODES), dag::random(NODES), dag::elements(OPS, ELEMENTS));
    bench(c, "scalar_chain", &chain, NODES, &all(&chain));
    bench(c, "scalar_dag", &dag, NODES, &all(&dag));
    bench(c, "elementwise_1e4", &elements, OPS * ELEMENTS, &all(&elements));
    bench(c, "elementwise_1e4_by_first", &elements, OPS * ELEMENTS, &[ValueId::new(0)]);
}

criterion_group!(benches, tape);
criterion_main!(benches);
