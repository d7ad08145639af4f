//! Groups, and state that is stored and goes on.

use super::Failure;
use cotangent::optim::{Group, Method, OptimError, Optimizer, Real, Rule, Schedule, StateDict};

fn rules() -> [Rule; 8] {
    [
        Rule::sgd(),
        Rule::momentum(0.9),
        Rule::nesterov(0.9),
        Rule::adagrad(),
        Rule::rmsprop(),
        Rule::adam(),
        Rule::adamw().weight_decay(0.01),
        Rule::adadelta(),
    ]
}

/// Gradients that depend on the parameters, so that runs that part stay apart.
fn grads<T: Real>(params: &[Vec<T>]) -> Vec<Vec<T>> {
    params.iter().map(|p| p.iter().map(|&p| p * p - T::from_f64(0.3)).collect()).collect()
}

fn stored_and_restored<T: Real>() -> Result<(), Failure> {
    for rule in rules() {
        let schedule = Schedule::Exponential { rate: 0.1, gamma: 0.7 };
        let make = || {
            Optimizer::<T>::with_groups([
                Group::of([1], Rule::momentum(0.5), Schedule::constant(0.05)),
                Group::rest(rule, schedule),
            ])
        };
        let start = [[0.5, -1.0, 2.0], [1.0, 0.25, -0.5]].map(|p| p.map(T::from_f64).to_vec());
        let (mut whole, mut params) = (make()?, start);
        for _ in 0..4 {
            let g = grads(&params);
            whole.step(&mut params, &g)?;
        }
        let (mut resumed, mut again) = (make()?, params.clone());
        resumed.load_state_dict(&whole.state_dict())?;
        assert_eq!(resumed.state_dict(), whole.state_dict());
        let (mut fresh, mut forgotten) = (make()?, params.clone());
        for _ in 0..4 {
            for (optimizer, params) in
                [(&mut whole, &mut params), (&mut resumed, &mut again), (&mut fresh, &mut forgotten)]
            {
                let g = grads(params);
                optimizer.step(params, &g)?;
            }
        }
        assert_eq!(again, params, "{rule:?}");
        assert_ne!(forgotten, params, "{rule:?}: the state does not matter");
    }
    Ok(())
}

#[test]
fn a_restored_state_goes_on_to_the_same_bits() -> Result<(), Failure> {
    stored_and_restored::<f64>()?;
    stored_and_restored::<f32>()
}

#[test]
fn groups_have_their_own_rules_and_rates() -> Result<(), Failure> {
    let mut optimizer = Optimizer::with_groups([
        Group::of([0, 2], Rule::sgd(), Schedule::constant(0.5)),
        Group::rest(
            Rule::sgd().weight_decay(1.0),
            Schedule::LinearWarmup { start: 0.0, target: 1.0, steps: 2 },
        ),
    ])?;
    let mut params = [vec![1.0], vec![1.0], vec![2.0]];
    let grads = [[1.0], [1.0], [1.0]];
    assert_eq!([optimizer.rate(0), optimizer.rate(1), optimizer.rate(2)], [Some(0.5), Some(0.0), None]);
    optimizer.step(&mut params, &grads)?;
    assert_eq!(params, [[0.5], [1.0], [1.5]]);
    optimizer.step(&mut params, &grads)?;
    assert_eq!(params, [[0.0], [0.0], [1.0]]);
    assert_eq!(optimizer.state_dict().steps, [2, 2]);
    Ok(())
}

#[test]
fn a_parameter_without_gradient_stays() -> Result<(), Failure> {
    let mut optimizer = Optimizer::new(Rule::adam(), Schedule::constant(0.1))?;
    let mut params = [vec![1.0], vec![1.0]];
    optimizer.step_some(&mut params, &[Some([1.0]), None])?;
    assert!(params[0][0] < 1.0);
    assert_eq!(params[1], [1.0]);
    let named: Vec<String> = optimizer.state_dict().tensors.into_iter().map(|(name, _)| name).collect();
    assert_eq!(named, ["0.exp_avg", "0.exp_avg_sq", "0.beta_powers"]);
    Ok(())
}

/// A fault made in a state.
type Change<'a> = &'a dyn Fn(&mut StateDict<f64>);

#[test]
fn a_state_that_does_not_fit_is_refused() -> Result<(), Failure> {
    let mut optimizer = Optimizer::<f64>::new(Rule::adam(), Schedule::constant(0.1))?;
    optimizer.step(&mut [[1.0, 2.0]], &[[0.5, 0.5]])?;
    let good = optimizer.state_dict();
    let mut load = |change: Change<'_>| {
        let mut dict = good.clone();
        change(&mut dict);
        let result = optimizer.load_state_dict(&dict);
        assert_eq!(optimizer.state_dict(), good, "a refused state changed something");
        result.map_err(|error| error.to_string())
    };
    let cases: [(Change<'_>, &str); 8] = [
        (&|d| d.steps.clear(), "the state has the step counts of 0 groups, the optimizer has 1"),
        (&|d| d.tensors[0].1.push(0.0), "state shape mismatch for id 0: 3 elements, the state has 2"),
        (&|d| d.tensors[2].1.push(0.0), "state shape mismatch for id 0: 2 elements, the state has 3"),
        (&|d| d.tensors[0].0 = "exp_avg".into(), "unexpected state \"exp_avg\""),
        (&|d| d.tensors[0].0 = "x.exp_avg".into(), "unexpected state \"x.exp_avg\""),
        (&|d| d.tensors.push(("0.sum".into(), vec![0.0; 2])), "unexpected state \"0.sum\""),
        (&|d| d.tensors.push(d.tensors[0].clone()), "unexpected state \"0.exp_avg\""),
        (&|d| drop(d.tensors.remove(1)), "missing state \"0.exp_avg_sq\""),
    ];
    for (change, expected) in cases {
        assert_eq!(load(change), Err(expected.to_owned()));
    }
    assert_eq!(load(&|_| ()), Ok(()));
    Ok(())
}

#[test]
fn a_state_of_another_length_than_its_parameter_is_refused() -> Result<(), OptimError> {
    let mut optimizer = Optimizer::<f64>::new(Method::AdaGrad.into(), Schedule::constant(0.1))?;
    optimizer.step(&mut [[1.0, 2.0]], &[[0.5, 0.5]])?;
    let mut longer = [[1.0; 3]];
    let error = optimizer.step(&mut longer, &[[0.5; 3]]);
    assert_eq!(error, Err(OptimError::StateShape { id: 0, expected: 3, got: 2 }));
    assert_eq!((longer, optimizer.state_dict().steps), ([[1.0; 3]], vec![1]));
    Ok(())
}
