//! Prices of European calls by Black and Scholes, with their derivatives.

use super::{Bench, Failure, Meter};
use cotangent::{Builder, Graph, dtype, value_and_grad};

/// Spot, strike, rate, volatility, time.
const INPUTS: usize = 5;

pub fn run<M: Meter>(bench: &mut Bench<M>) -> Result<(), Failure> {
    if !bench.wants_some("w6") || !bench.data.has("w6") {
        return Ok(());
    }
    let data = bench.data.f64s("w6")?;
    let all = data.len() / INPUTS;
    for n in [all / 10, all] {
        let name = format!("w6_{n:e}");
        if n > 0 && bench.wants(&name) {
            let inputs: [&[f64]; INPUTS] = std::array::from_fn(|i| &data[i * all..i * all + n]);
            bench.records::<INPUTS, { INPUTS + 1 }>(&name, inputs, || prices(n))?;
        }
    }
    Ok(())
}

/// Prices, then their derivatives. A price depends on the numbers of its own option
/// alone, so the gradient of the sum holds the derivatives of each.
fn prices(n: usize) -> Result<Graph, Failure> {
    let g = Builder::new();
    let [spot, strike, rate, volatility, time] =
        ["spot", "strike", "rate", "volatility", "time"].map(|name| g.input(name, dtype::f64, [n]));
    let deviation = volatility * time.sqrt();
    let d1 = ((spot / strike).log() + (rate + volatility.square() * 0.5) * time) / deviation;
    let d2 = d1 - deviation;
    let price = spot * d1.normal_cdf() - strike * (-rate * time).exp() * d2.normal_cdf();
    let price_id = price.id();
    let sum = g.finish(&[price.sum()])?;
    let derived = value_and_grad(&sum, &[0, 1, 2, 3, 4])?.into_graph();
    let mut outputs = derived.outputs().to_vec();
    outputs[0] = price_id.ok_or("a value after an authoring error")?;
    Ok(derived.with_outputs(&outputs)?)
}
