//! Names that others read as well, with what has a meaning to them written as `%2F`.

use std::fmt::Write as _;

/// `text`, with `%` and every character of which `is_special` holds encoded.
pub(crate) fn encode(text: &str, is_special: fn(char) -> bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '%' || is_special(character) {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                // Writing to a `String` cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        } else {
            encoded.push(character);
        }
    }
    encoded
}

/// The text that was encoded; none for what [`encode`] does not write.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_read_back_and_the_rest_is_not_read() {
        let special = |c: char| !c.is_ascii() || c == ',';
        for text in ["", "plain", "größer, 100% 🦉", "%2C"] {
            let encoded = encode(text, special);
            assert!(encoded.is_ascii() && !encoded.contains(','), "{encoded}");
            assert_eq!(decode(&encoded).as_deref(), Some(text));
        }
        for text in ["%", "%2", "%+1", "%zz", "%ü", "%FF"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
