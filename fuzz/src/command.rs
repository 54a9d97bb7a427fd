//! Commands, printed and read again.

use bstr::ByteSlice;
use wharf_core::command::Command;

/// A line that is a command is the same command when it is printed and read again.
pub fn command(lines: &[u8]) {
    for line in lines.split_str("\n") {
        if let Ok(command) = Command::parse(line) {
            let printed = command.to_line();
            assert_eq!(
                Command::parse(&printed),
                Ok(command),
                "{:?}",
                printed.as_bstr()
            );
        }
    }
}
