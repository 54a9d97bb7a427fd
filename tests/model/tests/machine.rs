//! Any conversation with the real session comes to what the model says.

use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use wharf_model::{Answer, Model, Move, Real, moves};

/// The model, and what it answered last.
struct Reference;

impl ReferenceStateMachine for Reference {
    type State = (Model, Answer);
    type Transition = Move;

    fn init_state() -> BoxedStrategy<Self::State> {
        let mut model = Model::default();
        // Most of what there is to see is behind a login.
        for step in Move::login() {
            model.run(&step);
        }
        Just((model, Answer::default())).boxed()
    }

    fn transitions(_: &Self::State) -> BoxedStrategy<Move> {
        any::<u16>()
            .prop_map(|choice| moves(&[choice]).remove(0))
            .boxed()
    }

    fn apply((mut model, _): Self::State, step: &Move) -> Self::State {
        let answer = model.run(step);
        (model, answer)
    }
}

impl StateMachineTest for Reference {
    type SystemUnderTest = Real;
    type Reference = Self;

    fn init_test(_: &(Model, Answer)) -> Real {
        let mut real = Real::default();
        for step in Move::login() {
            real.run(&step);
        }
        real
    }

    fn apply(mut real: Real, (model, expected): &(Model, Answer), step: Move) -> Real {
        real.check(&step, model, expected);
        real
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn the_session_does_what_the_model_does(sequential 1..120 => Reference);
}
