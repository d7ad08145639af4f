//! Log-posterior of a hierarchical logistic regression: coefficients beta, group
//! effects mu + tau z with log tau a parameter.

use super::{Bench, Failure, Meter};
use cotangent::{Builder, Graph, dtype};

struct Data {
    x: Vec<f64>,
    y: Vec<f64>,
    group: Vec<i64>,
    columns: usize,
    groups: usize,
}

pub fn run<M: Meter>(bench: &mut Bench<M>) -> Result<(), Failure> {
    if !bench.wants("w7_hlr") || !bench.data.has("w7_theta") {
        return Ok(());
    }
    let (x, y, theta) = (bench.data.f64s("w7_x")?, bench.data.f64s("w7_y")?, bench.data.f64s("w7_theta")?);
    let group: Vec<i64> = bench.data.i32s("w7_g")?.into_iter().map(i64::from).collect();
    let columns = x.len() / y.len().max(1);
    let groups = theta.len().checked_sub(columns + 2).ok_or("w7: fewer parameters than columns")?;
    let data = Data { x, y, group, columns, groups };
    bench.gradient::<1, _>("w7_hlr", [(&theta).into()], || posterior(&data))
}

fn posterior(data: &Data) -> Result<Graph, Failure> {
    let (rows, d, n) = (data.y.len(), data.columns, data.groups);
    let g = Builder::new();
    let theta = g.input("theta", dtype::f64, [d + 2 + n]);
    let x = g.constant_of([rows, d], &data.x);
    let (y, group) = (g.constant(&data.y), g.constant(&data.group));
    let (beta, z) = (theta.narrow(0, 0, d), theta.narrow(0, d + 2, d + 2 + n));
    let (mu, log_tau) = (theta.at(d), theta.at(d + 1));
    let tau = log_tau.exp();
    let eta = (z * tau + mu).index_select(0, group) + x.matmul(beta);
    let likelihood = (y * eta - eta.softplus()).sum();
    let prior = log_tau
        - (tau.square() + mu.square()) * 0.5
        - beta.square().sum() * (0.5 / 6.25)
        - z.square().sum() * 0.5;
    Ok(g.finish(&[prior + likelihood])?)
}
