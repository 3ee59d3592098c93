//! Public request numbers: what a citizen reads out on the phone.
//!
//! The last 50 bits of the request's UUID as ten Crockford base-32 characters, then a check character of the same
//! alphabet. Crockford's own check symbols (`* ~ $ = U`, modulo 37) do not survive URLs and telephones, so the check
//! is a weighted sum in the field of 32 elements instead: the weights are powers of a generator of order 31, hence
//! different, hence one wrong character and any two exchanged ones are always found.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::ids::RequestId;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 11;

/// `7ZZZZ0123AB`. Read back in any case, with `O` for zero, `I` or `L` for one, spaces and hyphens ignored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Number(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotANumber {
    #[error("a request number has eleven letters and digits")]
    Shape,
    #[error("the request number's check character does not match: it was mistyped")]
    Check,
}

impl Number {
    pub fn of(request: RequestId) -> Self {
        let bits = request.0.as_u128();
        let mut digits: Vec<u8> = (0..10).rev().map(|place| ((bits >> (5 * place)) & 31) as u8).collect();
        digits.push(times_generator(remainder(&digits)));
        Self::spell(&digits)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `number-<number>`, which takes `number.reserved` once.
    pub fn stream(&self) -> String {
        format!("number-{}", self.0)
    }

    fn spell(digits: &[u8]) -> Self {
        Self(digits.iter().map(|&digit| char::from(ALPHABET[usize::from(digit & 31)])).collect())
    }
}

impl FromStr for Number {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Self, NotANumber> {
        let digits = text
            .bytes()
            .filter(|byte| !matches!(byte, b' ' | b'-'))
            .map(|byte| digit(byte).ok_or(NotANumber::Shape))
            .collect::<Result<Vec<u8>, _>>()?;
        if digits.len() != LENGTH {
            return Err(NotANumber::Shape);
        }
        if remainder(&digits) != 0 {
            return Err(NotANumber::Check);
        }
        Ok(Self::spell(&digits))
    }
}

impl TryFrom<String> for Number {
    type Error = NotANumber;

    fn try_from(text: String) -> Result<Self, NotANumber> {
        text.parse()
    }
}

impl From<Number> for String {
    fn from(number: Number) -> Self {
        number.0
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn digit(byte: u8) -> Option<u8> {
    let byte = match byte.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    };
    ALPHABET.iter().position(|&known| known == byte).map(|place| place as u8)
}

/// The digits as a polynomial, evaluated at the generator (Horner); zero when the last is the right check.
fn remainder(digits: &[u8]) -> u8 {
    digits.iter().fold(0, |sum, &digit| times_generator(sum) ^ digit)
}

/// Multiplication by the generator in the field of 32 elements, built on the primitive polynomial x⁵ + x² + 1.
fn times_generator(element: u8) -> u8 {
    let shifted = element << 1;
    if shifted & 0b10_0000 == 0 { shifted } else { shifted ^ 0b10_0101 }
}

/// `number.*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Reserved { request: RequestId },
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn number(uuid: u128) -> Number {
        Number::of(RequestId(Uuid::from_u128(uuid)))
    }

    #[test]
    fn is_the_last_fifty_bits_and_a_check_character() {
        assert_eq!(number(0).as_str(), "00000000000");
        assert_eq!(number(1).as_str(), "00000000012");
        assert_eq!(number(u128::MAX).as_str()[..10], *"ZZZZZZZZZZ");
        assert_eq!(number(1 << 50), number(0));
    }

    #[test]
    fn reads_what_a_person_types() {
        let typed = number(1).as_str().replace('0', "o").replacen('1', "l", 1).to_lowercase();
        assert_eq!(typed.parse(), Ok(number(1)));
        assert_eq!("0000-0000 012".parse(), Ok(number(1)));
        assert_eq!("0000000001".parse::<Number>(), Err(NotANumber::Shape));
        assert_eq!("0000000001*".parse::<Number>(), Err(NotANumber::Shape));
    }

    #[test]
    fn finds_every_wrong_character_and_every_exchange() {
        let good = number(0x1234_5678_9abc_def0_1122_3344_5566_7788);
        assert_eq!(good.as_str().parse(), Ok(good.clone()));
        let bytes = good.as_str().as_bytes();
        for place in 0..LENGTH {
            for &other in ALPHABET.iter().filter(|&&other| other != bytes[place]) {
                let mut wrong = bytes.to_vec();
                wrong[place] = other;
                assert_eq!(String::from_utf8_lossy(&wrong).parse::<Number>(), Err(NotANumber::Check));
            }
            for with in (0..place).filter(|&with| bytes[with] != bytes[place]) {
                let mut wrong = bytes.to_vec();
                wrong.swap(place, with);
                assert_eq!(String::from_utf8_lossy(&wrong).parse::<Number>(), Err(NotANumber::Check));
            }
        }
    }
}
