//! Conversations, held against the model of a server.

use wharf_model::{Model, Move, Real, moves};

/// Two bytes are a command: the session and the model come to the same.
pub fn model(bytes: &[u8]) {
    let choices: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let (mut model, mut real) = (Model::default(), Real::default());
    // Most of what there is to see is behind a login.
    for step in Move::login().into_iter().chain(moves(&choices)) {
        let expected = model.run(&step);
        real.check(&step, &model, &expected);
    }
}
