//! Numbers as decimal text, without the formatting machinery of `core::fmt`.

/// The digits of a number, without leading zeros.
pub(crate) struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    pub(crate) fn new(mut number: u64) -> Self {
        let mut digits = [b'0'; 20];
        let mut start = 20;
        loop {
            start -= 1;
            digits[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Self { digits, start };
            }
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

/// Reads a number that is nothing but digits: no sign, no space, no overflow.
pub(crate) fn parse(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, &digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// The last octal digits of a permission mode, as many as are wanted.
pub(crate) fn octal<const N: usize>(mode: u16) -> [u8; N] {
    core::array::from_fn(|at| b'0' + (mode >> (3 * (N - 1 - at)) & 7) as u8)
}

/// Reads a permission mode: octal digits, of which four may follow the zeros that lead.
pub(crate) fn parse_octal(digits: &[u8]) -> Option<u16> {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    if digits.is_empty() || digits.len() - zeros > 4 {
        return None;
    }
    digits.iter().try_fold(0_u16, |number, &digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 8)?;
        Some(number * 8 + u16::from(digit))
    })
}
