//! Numbers of `tests/data/optim_pytorch.txt`, made by `pytorch.py` beside this file.

use super::{Failure, assert_close, value_and_grads};
use cotangent::optim::{Anneal, Cycle, Optimizer, Rule, Schedule};
use cotangent::{Builder, Graph, dtype};

const START: [f64; 3] = [1.5, -2.0, 0.25];

/// `(name, numbers)` of each line.
fn lines() -> Result<Vec<(String, Vec<f64>)>, Failure> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/optim_pytorch.txt");
    let text = std::fs::read_to_string(path)?;
    let parse = |line: &str| {
        let (name, numbers) = line.split_once(' ').ok_or("no numbers")?;
        let numbers = numbers.split(' ').map(str::parse).collect::<Result<Vec<f64>, _>>()?;
        Ok((name.to_owned(), numbers))
    };
    text.lines().filter(|line| !line.starts_with('#')).map(parse).collect()
}

fn function() -> Result<Graph, Failure> {
    let g = Builder::new();
    let p = g.input("p", dtype::f64, [3]);
    let (a, b) = (g.constant([1.0, 3.0, 0.5]), g.constant([0.3, -0.2, 1.1]));
    let bowl = (a * (p - b).square() / 2.0).sum();
    Ok(g.finish(&[bowl + p.at(0) * p.at(1) * p.at(2).sin()])?)
}

fn rule(name: &str) -> Option<(Rule, f64)> {
    Some(match name {
        "sgd" => (Rule::sgd(), 0.05),
        "momentum" => (Rule::momentum(0.9), 0.05),
        "nesterov" => (Rule::nesterov(0.9), 0.05),
        "adagrad" => (Rule::adagrad(), 0.3),
        "rmsprop" => (Rule::rmsprop(), 0.02),
        "adam" => (Rule::adam(), 0.1),
        "adamw" => (Rule::adamw(), 0.1),
        "adadelta" => (Rule::adadelta(), 1.0),
        _ => return None,
    })
}

fn schedule(name: &str) -> Option<Schedule> {
    let cyclic = |cycle| Schedule::Cyclic { base: 0.1, max: 0.9, up: 3, down: 5, cycle };
    Some(match name {
        "exponential" => Schedule::Exponential { rate: 0.5, gamma: 0.9 },
        "step" => Schedule::Step { rate: 0.5, gamma: 0.3, size: 4 },
        "cosine_annealing" => Schedule::CosineAnnealing { max: 0.5, min: 0.01, steps: 5 },
        "cosine_wave" => Schedule::CosineWave { max: 0.5, min: 0.01, steps: 5 },
        "linear_warmup" => Schedule::LinearWarmup { start: 0.05, target: 0.2, steps: 4 },
        "triangular" => cyclic(Cycle::Triangular),
        "triangular2" => cyclic(Cycle::Triangular2),
        "exp_range" => cyclic(Cycle::ExpRange { gamma: 0.97 }),
        "one_cycle" => Schedule::one_cycle(0.4, 20),
        "one_cycle_linear" => Schedule::OneCycle {
            start: 0.04,
            max: 0.4,
            end: 0.0008,
            total: 20,
            warm: 0.4,
            anneal: Anneal::Linear,
        },
        _ => return None,
    })
}

/// Parameters after 1, 3 and 12 steps, with and without weight decay, in f64 and f32.
#[test]
fn optimisers() -> Result<(), Failure> {
    let graph = function()?;
    let mut compared = 0;
    for (name, numbers) in lines()? {
        let (base, decay) = name.strip_suffix("_decay").map_or((&*name, 0.0), |base| (base, 0.1));
        let Some((rule, lr)) = rule(base) else { continue };
        let rule = rule.weight_decay(decay);
        let mut optimizer = Optimizer::new(rule, Schedule::constant(lr))?;
        let mut narrow = Optimizer::<f32>::new(rule, Schedule::constant(lr))?;
        let (mut params, mut params32) = ([START.to_vec()], [START.map(|p| p as f32).to_vec()]);
        for _ in 0..numbers[0] as usize {
            let (_, grads) = value_and_grads(&graph, &[&[3]], &params)?;
            optimizer.step(&mut params, &grads)?;
            let wide = [params32[0].iter().map(|&p| f64::from(p)).collect::<Vec<f64>>()];
            let (_, grads) = value_and_grads(&graph, &[&[3]], &wide)?;
            let grads = [grads[0].iter().map(|&g| g as f32).collect::<Vec<f32>>()];
            narrow.step(&mut params32, &grads)?;
        }
        assert_close(&params[0], &numbers[1..], 1e-13, &name);
        let wide: Vec<f64> = params32[0].iter().map(|&p| f64::from(p)).collect();
        assert_close(&wide, &numbers[1..], 2e-5, &format!("{name} in f32"));
        compared += 1;
    }
    assert_eq!(compared, 8 * 2 * 3);
    Ok(())
}

#[test]
fn schedules() -> Result<(), Failure> {
    let mut compared = 0;
    for (name, numbers) in lines()? {
        let Some(schedule) = schedule(&name) else { continue };
        let rates: Vec<f64> = (0..numbers.len() as u64).map(|t| schedule.rate(t)).collect();
        assert_close(&rates, &numbers, 1e-13, &name);
        compared += 1;
    }
    assert_eq!(compared, 10);
    Ok(())
}

/// What PyTorch has no counterpart of, and the ends.
#[test]
fn schedules_at_their_ends() {
    let warm = Schedule::WarmupCosine { start: 0.1, peak: 1.0, end: 0.2, warmup: 2, total: 6 };
    let rates: Vec<f64> = (0..8).map(|t| warm.rate(t)).collect();
    let half = std::f64::consts::FRAC_1_SQRT_2;
    let expected = [0.1, 0.55, 1.0, 0.6 + 0.4 * half, 0.6, 0.6 - 0.4 * half, 0.2, 0.2];
    assert_close(&rates, &expected, 1e-15, "warm-up and cosine");
    assert_eq!(Schedule::Step { rate: 0.3, gamma: 0.5, size: 0 }.rate(1000), 0.3);
    assert_eq!(Schedule::Exponential { rate: 1.0, gamma: 0.5 }.rate(u64::MAX), 0.0);
    for total in 0..4 {
        for warm in [0.0, 0.3, 1.0] {
            for t in [0, 1, 2, 3, 4, u64::MAX] {
                let anneal = Anneal::Cosine;
                let one = Schedule::OneCycle { start: 0.1, max: 1.0, end: 0.01, total, warm, anneal };
                assert!((0.01..=1.0).contains(&one.rate(t)), "{one:?} at {t}: {}", one.rate(t));
            }
        }
    }
    for (up, down) in [(0, 0), (0, 1), (1, 0), (u64::MAX, u64::MAX)] {
        let cyclic = Schedule::Cyclic { base: 0.1, max: 1.0, up, down, cycle: Cycle::Triangular };
        for t in [0, 1, 2, u64::MAX] {
            assert!((0.1..=1.0).contains(&cyclic.rate(t)), "{cyclic:?} at {t}: {}", cyclic.rate(t));
        }
    }
    for steps in [0, 1, u64::MAX] {
        for t in [0, 1, 2, u64::MAX] {
            let rate = Schedule::CosineWave { max: 1.0, min: 0.1, steps }.rate(t);
            assert!((0.1..=1.0).contains(&rate), "cosine of {steps} at {t}: {rate}");
        }
    }
}
