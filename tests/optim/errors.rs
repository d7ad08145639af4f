//! Mistakes are typed errors, and nothing is changed by a step that is refused.

use cotangent::optim::{
    Anneal, Cycle, Group, Init, Method, OptimError, Optimizer, Rule, Schedule, clip_by_norm,
    clip_by_percentile, clip_by_value,
};

fn group(ids: &[usize]) -> Group {
    Group::of(ids, Rule::sgd(), Schedule::constant(0.1))
}

fn rest() -> Group {
    Group::rest(Rule::sgd(), Schedule::constant(0.1))
}

#[test]
fn groups() {
    let error = |groups: Vec<Group>| Optimizer::<f64>::with_groups(groups).err().map(|e| e.to_string());
    let twice = "param id 3 appears in multiple groups";
    assert_eq!(error(vec![group(&[0, 3]), group(&[3])]).as_deref(), Some(twice));
    assert_eq!(error(vec![group(&[3, 3])]).as_deref(), Some(twice));
    let rests = "groups 0 and 2 both take the parameters that no group lists";
    assert_eq!(error(vec![rest(), group(&[1]), rest()]).as_deref(), Some(rests));
    assert_eq!(error(vec![]), None);
}

#[test]
fn steps() -> Result<(), OptimError> {
    let mut optimizer = Optimizer::with_groups([group(&[0, 1])])?;
    let mut params = [vec![1.0, 2.0], vec![3.0]];
    let before = params.clone();
    let mut step = |params: &mut [Vec<f64>], grads: &[&[f64]]| {
        let result = optimizer.step(params, grads).map_err(|error| error.to_string());
        (result, optimizer.state_dict().steps[0])
    };
    let refused = |text: &str| (Err(text.to_owned()), 0);
    let count = "expected 2 gradients, one for each parameter, got 1";
    assert_eq!(step(&mut params, &[&[1.0, 1.0]]), refused(count));
    let shape = "gradient shape mismatch for id 1: 1 elements, the gradient has 2";
    assert_eq!(step(&mut params, &[&[1.0, 1.0], &[1.0, 1.0]]), refused(shape));
    let mut three = [vec![], vec![], vec![]];
    assert_eq!(step(&mut three, &[&[], &[], &[]]), refused("no param group for id 2"));
    assert_eq!(params, before);
    assert_eq!(step(&mut params, &[&[1.0, 1.0], &[1.0]]), (Ok(()), 1));
    Ok(())
}

#[test]
fn numbers_out_of_range() {
    let bad = [f64::NAN, f64::INFINITY, -0.1];
    for x in bad.into_iter().chain([1.0]) {
        let methods = [
            Method::RmsProp { rho: x },
            Method::Adadelta { rho: x },
            Method::Adam { beta1: x, beta2: 0.9 },
            Method::AdamW { beta1: 0.9, beta2: x },
        ];
        for method in methods {
            assert!(Optimizer::<f64>::new(method.into(), Schedule::constant(0.1)).is_err(), "{method:?}");
        }
    }
    for x in bad {
        let rules = [
            Rule::adam().eps(x),
            Rule::sgd().weight_decay(x),
            Rule::momentum(x),
            Method::Nesterov { momentum: 0.9, damping: x }.into(),
        ];
        for rule in rules {
            assert!(Optimizer::<f64>::new(rule, Schedule::constant(0.1)).is_err(), "{rule:?}");
        }
        let one_cycle = |warm| Schedule::OneCycle {
            start: 0.1,
            max: 1.0,
            end: 0.0,
            total: 9,
            warm,
            anneal: Anneal::Linear,
        };
        let schedules = [
            Schedule::constant(x),
            Schedule::Exponential { rate: 0.1, gamma: x },
            Schedule::Step { rate: x, gamma: 0.1, size: 2 },
            Schedule::CosineAnnealing { max: 0.1, min: x, steps: 3 },
            Schedule::CosineWave { max: x, min: 0.1, steps: 3 },
            Schedule::LinearWarmup { start: 0.0, target: x, steps: 3 },
            Schedule::WarmupCosine { start: 0.0, peak: 0.1, end: x, warmup: 1, total: 2 },
            Schedule::Cyclic { base: 0.0, max: 0.1, up: 1, down: 1, cycle: Cycle::ExpRange { gamma: x } },
            one_cycle(x),
            one_cycle(x + 1.2),
        ];
        for schedule in schedules {
            assert!(Optimizer::<f64>::new(Rule::sgd(), schedule).is_err(), "{schedule:?}");
        }
        let mut grads = [[1.0, 2.0]];
        assert!(clip_by_norm(&mut grads, x).is_err() && clip_by_percentile(&mut grads, x).is_err());
        assert!(x == f64::INFINITY || clip_by_value(&mut grads, x).is_err());
        assert_eq!(grads, [[1.0, 2.0]]);
    }
    let text = Optimizer::<f64>::new(Rule::sgd(), Schedule::constant(-1.0)).err().map(|e| e.to_string());
    assert_eq!(text.as_deref(), Some("rate must be finite and not negative, got -1"));
}

#[test]
fn initial_values_that_memory_has_no_room_for() {
    for shape in [vec![usize::MAX], vec![1 << 40, 1 << 40], vec![1 << 62]] {
        let error = Init::Zeros.values::<f64>(shape, 0);
        assert!(matches!(error, Err(OptimError::TooLarge { .. })), "{error:?}");
    }
}
