//! The translations of TYPE A.

use bstr::ByteSlice;
use wharf_core::ascii::{ToFile, ToWire};

/// However the data is cut, TYPE A gives what a naive translation of the whole gives.
pub fn ascii(bytes: &[u8]) {
    let Some((&cut, data)) = bytes.split_first() else {
        return;
    };
    let piece = usize::from(cut % 16) + 1;
    let room = usize::from(cut / 16) + 1;

    let (mut wire, mut codec) = (Vec::new(), ToWire::default());
    let mut output = vec![0; room];
    for mut input in data.chunks(piece) {
        while !input.is_empty() {
            let progress = codec.push(input, &mut output);
            let moved = progress.read + progress.written;
            assert!(moved > 0, "it stands still with room for {room}");
            wire.extend_from_slice(&output[..progress.written]);
            input = &input[progress.read..];
        }
    }
    let last = codec.finish(&mut output);
    wire.extend_from_slice(&output[..last.written]);
    let whole = data.replace(b"\r\n", b"\n");
    assert_eq!(wire.as_bstr(), whole.replace(b"\n", b"\r\n").as_bstr());

    let (mut file, mut codec) = (Vec::new(), ToFile::default());
    for mut input in data.chunks(piece) {
        while !input.is_empty() {
            let progress = codec.push(input, &mut output);
            file.extend_from_slice(&output[..progress.written]);
            input = &input[progress.read..];
        }
    }
    let last = codec.finish(&mut output);
    file.extend_from_slice(&output[..last.written]);
    assert_eq!(file.as_bstr(), whole.as_bstr());
}
